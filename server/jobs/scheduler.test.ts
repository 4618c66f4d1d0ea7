import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createJobs } from './create-jobs.ts'
import type { JobKind } from './jobs.ts'
import { lead } from './leadership.ts'
import { listSchedules, readSchedule, runSchedule, updateSchedule } from './schedules.ts'
import { openTestRoom, somebody } from './test-jobs.ts'
import { createTestTime, settled, type TestTime } from './test-time.ts'

const minuteMs = 60_000
const hourMs = 60 * minuteMs

function counting(time: TestTime, schedule: string | undefined, name = 'work'): { readonly kind: JobKind; readonly at: number[] } {
  const at: number[] = []
  return { at, kind: { name, title: 'Work', schedule, run: async () => at.push(time.ports.clock.now()) } }
}

test('what has an interval runs a minute after the first start, then in that interval', async () => {
  const time = createTestTime()
  const { kind, at } = counting(time, 'every 10m')
  await using room = await openTestRoom([kind], time)
  const begun = time.ports.clock.now()
  await using _working = room.jobs.start()
  await time.advance(32 * minuteMs)
  assert.deepEqual(
    at.map((each) => Math.floor((each - begun) / minuteMs)),
    [1, 11, 21, 31],
  )
  assert.ok((await room.all()).every(({ createdBy }) => createdBy.startsWith('schedule:')))
})

test('a schedule is kept over starts: one that is due while nobody runs makes one job at the next start, however many times were missed', async () => {
  const time = createTestTime(Date.UTC(2026, 0, 15, 12))
  const { kind, at } = counting(time, '0 3 * * *')
  await using room = await openTestRoom([kind], time)
  {
    await using _working = room.jobs.start()
    await time.advance(minuteMs)
    assert.equal((await readSchedule(room.jobs, 'work')).nextAt, Date.UTC(2026, 0, 16, 3))
  }
  assert.equal(at.length, 0)
  time.pause(5 * 24 * hourMs)
  await using _working = room.jobs.start()
  await time.advance(10 * minuteMs)
  assert.equal(at.length, 1)
  assert.equal((await readSchedule(room.jobs, 'work')).nextAt, Date.UTC(2026, 0, 21, 3))
})

test('steps of the clock by ten minutes, to and fro, make no burst of jobs', async () => {
  const time = createTestTime()
  const { kind, at } = counting(time, 'every 5m')
  await using room = await openTestRoom([kind], time)
  await using _working = room.jobs.start()
  await time.advance(2 * minuteMs)
  const before = at.length
  time.stepClock(10 * minuteMs)
  await time.advance(minuteMs)
  assert.equal(at.length - before, 1, 'what the step jumped over runs once')
  time.stepClock(-10 * minuteMs)
  await time.advance(minuteMs)
  time.stepClock(10 * minuteMs)
  await time.advance(minuteMs)
  time.stepClock(-10 * minuteMs)
  await time.advance(minuteMs)
  assert.equal(at.length - before, 1)
  await time.advance(30 * minuteMs)
  assert.ok(at.length - before >= 4, 'it goes on')
})

test('a clock that was a year ahead and is set right does not keep a schedule waiting for a year', async () => {
  const time = createTestTime()
  const { kind, at } = counting(time, 'every 1h')
  await using room = await openTestRoom([kind], time)
  await using _working = room.jobs.start()
  time.stepClock(365 * 24 * hourMs)
  await time.advance(5 * minuteMs)
  assert.equal(at.length, 1)
  time.stepClock(-365 * 24 * hourMs)
  await time.advance(61 * minuteMs)
  assert.equal(at.length, 2)
})

test('of two processes one makes the jobs; when it ends in order the other takes over at once, when it dies within minutes', async () => {
  for (const isOrderly of [true, false]) {
    const time = createTestTime()
    const { kind, at } = counting(time, 'every 1m')
    await using room = await openTestRoom([kind], time)
    const parts = room.parts
    let isDead = false
    const metadata = {
      ...parts.metadata,
      dialect: parts.metadata.dialect,
      reader: parts.metadata.reader,
      ping: () => parts.metadata.ping(),
      write: ((definition, input) =>
        isDead ? Promise.reject(new Error('dead')) : parts.metadata.write(definition, input)) as typeof parts.metadata.write,
      [Symbol.asyncDispose]: async () => undefined,
    }
    const first = createJobs({ ...parts, metadata, kinds: [kind] }).start()
    await settled()
    await using _second = room.jobs.start()
    await time.advance(3 * minuteMs + 10_000)
    assert.equal(at.length, 3)
    isDead = !isOrderly
    const ended = first[Symbol.asyncDispose]()
    await time.advance(isOrderly ? 2 * minuteMs : 4 * minuteMs)
    await ended
    assert.ok(at.length >= 5, `${at.length} jobs`)
    const gaps = at.slice(1).map((each, index) => each - (at[index] ?? 0))
    assert.ok(
      gaps.every((gap) => gap > minuteMs - 6_000),
      'never two at once',
    )
  }
})

test('only one of many leads, and a leader that was paused cannot act under its lease', async () => {
  const time = createTestTime()
  await using room = await openTestRoom([], time)
  const places = Array.from({ length: 5 }, () => lead(room.parts, { name: 'place' }))
  await Promise.all(places.map(({ begun }) => begun))
  const leaders = () => places.filter((place) => place.fence() !== undefined)
  assert.equal(leaders().length, 1)
  for (let round = 0; round < 30; round++) {
    await time.advance(10_000)
    assert.equal(leaders().length, 1)
  }
  time.pause(10 * minuteMs)
  assert.equal(leaders().length, 0, 'before it asked again it is not sure')
  await time.advance(10_000)
  assert.equal(leaders().length, 1)
  for (const place of places) await place[Symbol.asyncDispose]()
})

test('a schedule of a kind that this process does not know is left alone', async () => {
  const time = createTestTime()
  const { kind } = counting(time, 'every 1m')
  await using room = await openTestRoom([kind], time)
  {
    await using _newer = room.jobs.start()
    await time.advance(10_000)
  }
  const older = createJobs({ ...room.parts, kinds: [] })
  await using _working = older.start()
  await time.advance(10 * minuteMs)
  assert.ok((await room.all()).every(({ kind: made }) => made === 'prune-jobs'))
})

test('defaults of the program count until somebody decides', async () => {
  const time = createTestTime()
  await using room = await openTestRoom([], time)
  const startWith = async (schedule: string | undefined) => {
    const jobs = createJobs({ ...room.parts, kinds: [counting(time, schedule).kind] })
    await using _working = jobs.start()
    await settled()
    return (await listSchedules(jobs)).find(({ name }) => name === 'work')
  }
  assert.equal(await startWith(undefined), undefined)
  const facts = async (schedule: string | undefined) => {
    const { cron, isEnabled, nextAt, version } = (await startWith(schedule)) ?? {}
    return [cron, isEnabled, nextAt !== null, version]
  }
  assert.deepEqual(await facts('every 10m'), ['every 10m', true, true, 1])
  assert.deepEqual(await facts('0 3 * * *'), ['0 3 * * *', true, true, 1])
  assert.deepEqual(await facts(undefined), ['0 3 * * *', false, false, 1])
  assert.deepEqual(await facts('every 1h'), ['every 1h', true, true, 1])
  await updateSchedule(room.jobs, { name: 'work', decision: { cron: 'every 7m' }, expectedVersion: 1 }, somebody)
  assert.deepEqual(await facts('every 1h'), ['every 7m', true, true, 2])
  assert.deepEqual(await facts(undefined), ['every 7m', true, true, 2])
})

test('a schedule is changed with a record, from the version that was read', async () => {
  const time = createTestTime(Date.UTC(2026, 0, 15, 12))
  const { kind, at } = counting(time, 'every 10m')
  await using room = await openTestRoom([kind], time)
  await using _working = room.jobs.start()
  await settled()
  const change = (decision: Parameters<typeof updateSchedule>[1]['decision'], expectedVersion?: number) =>
    updateSchedule(room.jobs, { name: 'work', decision, expectedVersion }, somebody)
  const changed = await change({ cron: '0 4 * * *', timeZone: 'Europe/Berlin' }, 1)
  assert.deepEqual(
    [changed.cron, changed.timeZone, changed.nextAt, changed.version],
    ['0 4 * * *', 'Europe/Berlin', Date.UTC(2026, 0, 16, 3), 2],
  )
  await assert.rejects(change({ isEnabled: false }, 1), { code: 'PRECONDITION_FAILED' })
  await assert.rejects(change({ cron: 'never' }), { code: 'REQUEST_INVALID' })
  await assert.rejects(change({ timeZone: 'Mars/Olympus' }), { code: 'REQUEST_INVALID' })
  await assert.rejects(updateSchedule(room.jobs, { name: 'none', decision: { isEnabled: true }, expectedVersion: undefined }, somebody), {
    code: 'RESOURCE_UNKNOWN',
  })
  assert.equal((await change({ cron: '0 4 * * *' })).version, 2, 'what changes nothing is no change')
  const off = await change({ isEnabled: false })
  assert.deepEqual([off.isEnabled, off.nextAt], [false, null])
  await time.advance(20 * minuteMs)
  assert.equal(at.length, 0)
  const events = await room.parts.metadata.reader.selectFrom('events').select(['action', 'target', 'detail']).execute()
  assert.deepEqual(events, [
    { action: 'schedule.updated', target: 'schedule:work', detail: '{"cron":"0 4 * * *","timeZone":"Europe/Berlin"}' },
    { action: 'schedule.updated', target: 'schedule:work', detail: '{"isEnabled":false}' },
  ])
})

test('a schedule runs when somebody asks, off or on, and never beside itself', async () => {
  const time = createTestTime()
  const { kind, at } = counting(time, 'every 1h')
  await using room = await openTestRoom([kind], time)
  {
    await using _working = room.jobs.start()
    await settled()
  }
  const first = await runSchedule(room.jobs, 'work', somebody)
  assert.deepEqual([first.isNew, (await runSchedule(room.jobs, 'work', somebody)).jobId], [true, first.jobId])
  await assert.rejects(runSchedule(room.jobs, 'none', somebody), { code: 'RESOURCE_UNKNOWN' })
  await using _working = room.jobs.start()
  await time.advance(2_000)
  assert.equal(at.length, 1)
  assert.equal((await room.read(first.jobId)).createdBy, 'olga')
  const events = await room.parts.metadata.reader.selectFrom('events').select(['action', 'target']).execute()
  assert.deepEqual(events, [{ action: 'job.started', target: `job:${first.jobId}` }])
})

test('a job that takes longer than its interval is not made twice', async () => {
  const time = createTestTime()
  let begun = 0
  const kind: JobKind = {
    name: 'slow',
    title: 'Slow',
    schedule: 'every 1m',
    async run({ signal }) {
      begun++
      await time.ports.timers.sleep(10 * minuteMs, signal)
    },
  }
  await using room = await openTestRoom([kind], time)
  await using _working = room.jobs.start()
  await time.advance(10 * minuteMs)
  assert.equal(begun, 1)
  assert.equal((await room.all()).filter(({ kind: made }) => made === 'slow').length, 1)
})

test('jobs that ended are forgotten after two weeks, with their lines; those under way never', async () => {
  const time = createTestTime()
  const kind: JobKind = { name: 'talk', title: 'Talk', run: async ({ log }) => log('info', 'hello') }
  await using room = await openTestRoom([kind], time)
  for (let index = 0; index < 5; index++) await room.jobs.enqueue({ kind: 'talk', createdBy: '' })
  const waiting = await room.jobs.enqueue({ kind: 'unknown', createdBy: '' })
  await using _working = room.jobs.start()
  await time.advance(2 * minuteMs)
  assert.equal((await room.all()).filter(({ kind: of }) => of === 'talk').length, 5)
  time.pause(15 * 24 * hourMs)
  await time.advance(65 * minuteMs)
  const left = await room.all()
  assert.deepEqual(
    left.filter(({ kind: of }) => of !== 'prune-jobs').map(({ id }) => id),
    [waiting.jobId],
  )
  const lines = await room.parts.metadata.reader.selectFrom('job_lines').select('message').execute()
  assert.deepEqual(lines, [])
})

test('a job that failed while the clock was a year ahead does not wait for a year', async () => {
  const time = createTestTime()
  let tries = 0
  const kind: JobKind = {
    name: 'work',
    title: 'Work',
    async run() {
      if (++tries === 1) throw new Error('once')
    },
  }
  await using room = await openTestRoom([kind], time)
  const { jobId } = await room.jobs.enqueue({ kind: 'work', createdBy: '' })
  await using _working = room.jobs.start()
  time.stepClock(365 * 24 * hourMs)
  await time.advance(1_000)
  time.stepClock(-365 * 24 * hourMs)
  const later = await room.jobs.enqueue({ kind: 'work', createdBy: '', runAfter: time.ports.clock.now() + 10 * 24 * hourMs })
  await time.advance(125 * minuteMs)
  assert.equal((await room.read(jobId)).state, 'done')
  assert.equal((await room.read(later.jobId)).state, 'waiting', 'what was meant for later stays for later')
})
