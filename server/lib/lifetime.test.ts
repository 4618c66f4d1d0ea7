import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseLifetime } from './lifetime.ts'

test('a lifetime is a number and a unit', () => {
  const hour = 3_600_000
  assert.deepEqual(['90s', '15m', '1h', '2d', '3w'].map(parseLifetime), [90_000, 900_000, hour, 48 * hour, 504 * hour])
})

test('what is no lifetime is none', () => {
  for (const text of [
    '',
    '0s',
    '0w',
    '-1d',
    '1',
    'd',
    '1.5h',
    '1h30m',
    '1 d',
    ' 1d',
    '1D',
    '1y',
    '1d\n',
    '99999999999s',
    '9999999999w',
    'never',
  ]) {
    assert.equal(parseLifetime(text), undefined, JSON.stringify(text))
  }
})
