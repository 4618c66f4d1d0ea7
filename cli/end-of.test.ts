import assert from 'node:assert/strict'
import { test } from 'node:test'
import { endOf } from './end-of.ts'

test('an end is a span from now, a date, a time, never, or not said', () => {
  const now = Date.parse('2030-01-01T00:00:00Z')
  assert.deepEqual(endOf('30d', now), { expiresAt: '2030-01-31T00:00:00.000Z' })
  assert.deepEqual(endOf('12h', now), { expiresAt: '2030-01-01T12:00:00.000Z' })
  assert.deepEqual(endOf('2w', now), { expiresAt: '2030-01-15T00:00:00.000Z' })
  assert.deepEqual(endOf('2031-02-03'), { expiresAt: '2031-02-03T00:00:00.000Z' })
  assert.deepEqual(endOf('2031-02-03T04:05:06Z'), { expiresAt: '2031-02-03T04:05:06.000Z' })
  assert.deepEqual(endOf('2031-02-03T04:05+02:00'), { expiresAt: '2031-02-03T02:05:00.000Z' })
  assert.deepEqual(endOf('never'), { expiresAt: null })
  assert.deepEqual(endOf(undefined), {})
})

test('anything else is refused with an example', () => {
  for (const text of [
    '',
    'soon',
    '30x',
    '-1d',
    '123456d',
    '2030-13-01',
    '2030-02-31',
    '01/02/2030',
    '2030',
    '2030-1-2',
    '2030-01-02T10:00',
    'Jan 2 2030',
  ])
    assert.throws(() => endOf(text), /30d/, text)
})
