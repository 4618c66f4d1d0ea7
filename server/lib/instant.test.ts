import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isDay, parseInstant } from './instant.ts'

test('an instant is read with its zone, its fraction and in small letters', () => {
  assert.equal(parseInstant('2026-03-01T01:30:00+01:30'), Date.UTC(2026, 2, 1))
  assert.equal(parseInstant('2028-02-29t00:00:00.5z'), Date.UTC(2028, 1, 29) + 500)
  assert.equal(parseInstant('2026-12-31T23:59:59.123456789Z'), Date.UTC(2026, 11, 31, 23, 59, 59, 123))
})

test('a day or a time that there is not, and what is written otherwise, is no instant', () => {
  for (const text of [
    '2030-02-30T00:00:00Z',
    '2029-02-29T00:00:00Z',
    '2030-04-31T00:00:00Z',
    '2030-00-01T00:00:00Z',
    '2030-13-01T00:00:00Z',
    '2030-01-00T00:00:00Z',
    '2030-01-01T24:00:00Z',
    '2030-01-01T00:60:00Z',
    '2016-12-31T23:59:60Z',
    '2030-01-01T00:00:00+24:00',
    '2030-01-01T00:00:00',
    '2030-01-01',
    '2030-01-01 00:00:00Z',
    '2030-01-01T00:00:00Z[UTC]',
    ' 2030-01-01T00:00:00Z',
    '',
  ])
    assert.equal(parseInstant(text), undefined, text)
})

test('a calendar has no 30th of February', () => {
  assert.deepEqual(['2028-02-29', '2030-02-30', '2030-2-3', ''].map(isDay), [true, false, false, false])
})
