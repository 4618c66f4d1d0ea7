import assert from 'node:assert/strict'
import { test } from 'node:test'
import { everyMs, faultOf, intervalOf, nextTime } from './next-time.ts'

function following(cron: string, timeZone: string, after: string, count = 1): string[] {
  const times: string[] = []
  for (let at = Date.parse(after); times.length < count;) {
    const next = nextTime({ cron, timeZone }, at)
    if (next === undefined) break
    times.push(new Date(next).toISOString())
    at = next
  }
  return times
}

test('a cron expression is read by the clock of its time zone', () => {
  assert.deepEqual(following('0 3 * * *', 'UTC', '2026-01-15T12:00:00Z'), ['2026-01-16T03:00:00.000Z'])
  assert.deepEqual(following('0 3 * * *', 'Europe/Berlin', '2026-01-15T12:00:00Z'), ['2026-01-16T02:00:00.000Z'])
  assert.deepEqual(following('0 3 * * *', 'Asia/Kolkata', '2026-01-15T12:00:00Z'), ['2026-01-15T21:30:00.000Z'])
  assert.deepEqual(following('30 4 * * MON', 'UTC', '2026-01-15T12:00:00Z'), ['2026-01-19T04:30:00.000Z'])
})

test('the time after is strictly after: a schedule that ran at its time does not run again', () => {
  assert.deepEqual(following('0 3 * * *', 'UTC', '2026-01-16T03:00:00Z'), ['2026-01-17T03:00:00.000Z'])
})

test('a time that spring leaves out comes right after the gap, once', () => {
  // Berlin, 29 March 2026: 02:00 becomes 03:00.
  assert.deepEqual(following('30 2 * * *', 'Europe/Berlin', '2026-03-28T12:00:00Z', 2), [
    '2026-03-29T01:00:00.000Z',
    '2026-03-30T00:30:00.000Z',
  ])
  assert.deepEqual(following('30 2,14 * * *', 'Europe/Berlin', '2026-03-28T23:00:00Z', 2), [
    '2026-03-29T01:00:00.000Z',
    '2026-03-29T12:30:00.000Z',
  ])
})

test('a time that autumn has twice comes once', () => {
  // Berlin, 25 October 2026: 03:00 becomes 02:00.
  assert.deepEqual(following('30 2 * * *', 'Europe/Berlin', '2026-10-24T12:00:00Z', 2), [
    '2026-10-25T00:30:00.000Z',
    '2026-10-26T01:30:00.000Z',
  ])
})

test('what runs each hour goes on through both', () => {
  assert.deepEqual(following('0 * * * *', 'Europe/Berlin', '2026-10-24T23:30:00Z', 4), [
    '2026-10-25T00:00:00.000Z',
    '2026-10-25T01:00:00.000Z',
    '2026-10-25T02:00:00.000Z',
    '2026-10-25T03:00:00.000Z',
  ])
  assert.deepEqual(following('0 * * * *', 'Europe/Berlin', '2026-03-29T00:30:00Z', 2), [
    '2026-03-29T01:00:00.000Z',
    '2026-03-29T02:00:00.000Z',
  ])
})

test('an interval counts from the run before', () => {
  assert.deepEqual(following('every 10m', 'UTC', '2026-01-15T12:03:00Z', 2), ['2026-01-15T12:13:00.000Z', '2026-01-15T12:23:00.000Z'])
  assert.deepEqual([intervalOf('every 2h'), intervalOf('every 1d'), intervalOf('0 * * * *')], [7_200_000, 86_400_000, undefined])
})

test('an interval in milliseconds has words, to the minute and never none', () => {
  assert.deepEqual(
    [everyMs(86_400_000), everyMs(90_000), everyMs(1), everyMs(0), everyMs(Number.MAX_SAFE_INTEGER)],
    ['every 1440m', 'every 2m', 'every 1m', 'every 1m', 'every 527040m'],
  )
  assert.equal(faultOf({ cron: everyMs(Number.MAX_SAFE_INTEGER), timeZone: 'UTC' }), undefined)
})

for (const cron of [
  '',
  'nonsense',
  '* * * *',
  '* * * * * *',
  '60 * * * *',
  '0 24 * * *',
  '0 0 30 2 *',
  '2026-01-01T00:00:00Z',
  'every',
  'every 0m',
  'every 10s',
  'every 99999d',
  'every 10m ',
  '*/0 * * * *',
  `0 ${'0,'.repeat(60)}0 * * *`,
  '@reboot',
]) {
  test(`${JSON.stringify(cron.slice(0, 30))} is refused with a sentence, and has no next time worth a run`, () => {
    assert.equal(typeof faultOf({ cron, timeZone: 'UTC' }), 'string')
  })
}

for (const timeZone of ['', 'Mars/Olympus', '../etc/passwd', 'x'.repeat(200)]) {
  test(`${JSON.stringify(timeZone.slice(0, 20))} is no time zone, for an interval neither`, () => {
    assert.equal(typeof faultOf({ cron: '0 3 * * *', timeZone }), 'string')
    assert.equal(typeof faultOf({ cron: 'every 10m', timeZone }), 'string')
    assert.equal(nextTime({ cron: '0 3 * * *', timeZone }, 0), undefined)
  })
}

test('what people write is taken', () => {
  for (const cron of ['0 3 * * *', '*/5 * * * *', '0 0 1,15 * MON-FRI', '0 12 L * *', 'every 366d'])
    assert.equal(faultOf({ cron, timeZone: 'America/New_York' }), undefined, cron)
})
