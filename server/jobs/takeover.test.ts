import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sql } from 'kysely'
import { RegistryError } from '#oci/errors.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { makeTestDirectory } from '#metadata/test-database.ts'
import { testDialect } from '#metadata/test-postgres.ts'
import { createJobs } from './create-jobs.ts'
import type { JobEnd, JobKind, JobParts, JobRun } from './jobs.ts'
import { eventually, openTestRoom } from './test-jobs.ts'
import { createTestTime, settled } from './test-time.ts'
import { countOne, enqueueMany } from './test-transactions.ts'

const from = { createdBy: 'test' }
const minuteMs = 60_000

function untilAborted({ signal }: Pick<JobRun, 'signal'>): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason as Error)
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
  })
}

function kindOf(name: string, run: JobKind['run'], more: Partial<JobKind> = {}): JobKind {
  return { name, title: name, run, ...more }
}

/** How the database would look for what is due, a line after the other. */
async function planOf({ reader }: Metadata): Promise<string> {
  const explain = sql.raw(testDialect === 'postgres' ? 'explain (costs off)' : 'explain query plan')
  const { rows } = await sql<Record<string, unknown>>`${explain} select id, priority, run_after from jobs
    where state = 'waiting' and kind = 'note' and priority = 50 and run_after <= 1 order by run_after, id limit 1`.execute(reader)
  return rows.map((row) => String(row['detail'] ?? row['QUERY PLAN']).trim()).join('; ')
}

async function countOf(metadata: Metadata, name = 'count'): Promise<number> {
  const row = await metadata.reader.selectFrom('settings').select('value').where('name', '=', name).executeTakeFirst()
  return Number(row?.value ?? 0)
}

/** A room on a database that is there, whose writes can be held back: what a process sees of a database that is away. */
function besides(parts: JobParts, kinds: readonly JobKind[], ports = parts.ports) {
  const state = { isAway: false }
  const metadata: Metadata = {
    ...parts.metadata,
    dialect: parts.metadata.dialect,
    reader: parts.metadata.reader,
    ping: () => parts.metadata.ping(),
    write: (definition, input) =>
      state.isAway ? Promise.reject(new RegistryError('UNAVAILABLE')) : parts.metadata.write(definition, input),
    [Symbol.asyncDispose]: async () => undefined,
  }
  return { state, jobs: createJobs({ ...parts, ports, metadata, kinds }) }
}

test('a job whose worker is not heard of for a lease goes on elsewhere from its cursor; the first one can write nothing more', async () => {
  const time = createTestTime()
  const log: string[] = []
  const ends: JobEnd[] = []
  const secondIsDone = Promise.withResolvers<void>()
  const step = (who: string) =>
    kindOf('steps', async (run) => {
      log.push(`${who} from ${String(run.cursor)}`)
      for (let next = ((run.cursor as number | undefined) ?? 0) + 1; next <= 3; next++) {
        await room.parts.metadata.write(countOne, { job: run.job, cursor: next })
        if (who === 'second') continue
        await untilAborted(run).catch(() => log.push('first was told'))
        await secondIsDone.promise
      }
      return who
    })
  await using room = await openTestRoom([step('second')], time)
  const first = besides(room.parts, [step('first')])
  const { jobId } = await room.jobs.enqueue({ ...from, kind: 'steps' })
  await using _firstWorking = first.jobs.start({ onEnd: (end) => ends.push(end) })
  await time.advance(1_000)
  assert.deepEqual(log, ['first from undefined'])
  await using _secondWorking = room.jobs.start()
  // Heard of: nobody takes it, however long it takes.
  await time.advance(5 * minuteMs)
  assert.deepEqual(log, ['first from undefined'])
  first.state.isAway = true
  await time.advance(45_000)
  assert.deepEqual(log, ['first from undefined', 'first was told', 'second from 1'])
  const { state, result } = await room.read(jobId)
  assert.deepEqual([state, result], ['done', '"second"'])
  assert.equal(await countOf(room.parts.metadata), 3, 'each step was done once')
  first.state.isAway = false
  secondIsDone.resolve()
  await time.advance(5_000)
  assert.equal(await countOf(room.parts.metadata), 3, 'the first one could write nothing more')
  assert.deepEqual(
    ends.filter(({ kind }) => kind === 'steps').map(({ outcome }) => outcome),
    ['lost'],
  )
  assert.equal((await room.read(jobId)).result, '"second"')
})

test('steps of the wall clock by ten minutes, to and fro, make nobody lose a job and nothing run twice', async () => {
  const time = createTestTime()
  let begun = 0
  const kind = kindOf('long', async (run) => {
    begun++
    await time.ports.timers.sleep(20 * minuteMs, run.signal)
  })
  await using room = await openTestRoom([kind], time)
  const other = besides(room.parts, [kind])
  const { jobId } = await room.jobs.enqueue({ ...from, kind: 'long' })
  await using _one = room.jobs.start()
  await using _two = other.jobs.start()
  await time.advance(2_000)
  for (const stepMs of [10 * minuteMs, -20 * minuteMs, 10 * minuteMs, 10 * minuteMs, -10 * minuteMs]) {
    time.stepClock(stepMs)
    await time.advance(2 * minuteMs)
    assert.equal((await room.read(jobId)).state, 'running')
  }
  await time.advance(20 * minuteMs)
  assert.deepEqual([(await room.read(jobId)).state, begun], ['done', 1])
})

test('a worker whose clock is an hour off shares the queue like any other', async () => {
  const time = createTestTime()
  const late = { ...time.ports, clock: { ...time.ports.clock, now: () => time.ports.clock.now() - 60 * minuteMs } }
  const kind = kindOf('long', (run) => time.ports.timers.sleep(3 * minuteMs, run.signal))
  await using room = await openTestRoom([kind], time)
  const other = besides(room.parts, [kind], late)
  await using _one = room.jobs.start()
  await using _two = other.jobs.start()
  const ids: number[] = []
  for (let index = 0; index < 4; index++) ids.push((await other.jobs.enqueue({ ...from, kind: 'long' })).jobId)
  await time.advance(8 * minuteMs)
  for (const id of ids) assert.deepEqual([(await room.read(id)).state, (await room.read(id)).attempts], ['done', 1])
})

test('a process that was paused for an hour takes no job from one that was paused with it', async () => {
  const time = createTestTime()
  let begun = 0
  const kind = kindOf('long', async (run) => {
    begun++
    await time.ports.timers.sleep(80 * minuteMs, run.signal)
  })
  await using room = await openTestRoom([kind], time)
  const other = besides(room.parts, [])
  const { jobId } = await room.jobs.enqueue({ ...from, kind: 'long' })
  await using _one = room.jobs.start()
  await using _two = other.jobs.start()
  await time.advance(5_000)
  time.pause(60 * minuteMs)
  await time.advance(minuteMs)
  assert.deepEqual([(await room.read(jobId)).state, begun], ['running', 1])
})

test('what a dead process left is taken up at once by one that is alone, else when the lease is over', async () => {
  for (const isAlone of [true, false]) {
    const time = createTestTime()
    await using room = await openTestRoom([kindOf('work', async () => 'done')], time)
    const dead = besides(room.parts, [kindOf('work', () => new Promise(() => undefined))])
    const { jobId } = await room.jobs.enqueue({ ...from, kind: 'work', uniqueKey: 'k' })
    const died = dead.jobs.start()
    await time.advance(500)
    dead.state.isAway = true
    await using _working = room.jobs.start({ isAlone })
    await time.advance(2_000)
    assert.equal((await room.read(jobId)).state, isAlone ? 'done' : 'running')
    await time.advance(40_000)
    assert.equal((await room.read(jobId)).state, 'done')
    const ended = died[Symbol.asyncDispose]()
    await time.advance(30_000)
    await ended
  }
})

test('a job that ends its process again and again has failed after its tries, with a record', async () => {
  const time = createTestTime()
  await using room = await openTestRoom([], time)
  const { jobId } = await room.jobs.enqueue({ ...from, kind: 'deadly', attemptsMax: 3 })
  for (let life = 0; life < 3; life++) {
    const process = besides(room.parts, [kindOf('deadly', () => new Promise(() => undefined))])
    const living = process.jobs.start({ isAlone: true })
    await time.advance(1_500)
    assert.deepEqual([(await room.read(jobId)).state, (await room.read(jobId)).attempts], ['running', life + 1])
    process.state.isAway = true
    const ended = living[Symbol.asyncDispose]()
    await time.advance(15_000)
    await ended
  }
  await using _working = room.jobs.start({ isAlone: true })
  await time.advance(1_000)
  const { state, error } = await room.read(jobId)
  assert.equal(state, 'failed')
  assert.match(error ?? '', /its process ended 3 times/)
  const events = await room.parts.metadata.reader.selectFrom('events').select('action').execute()
  assert.deepEqual(events, [{ action: 'job.failed' }])
})

test('a job that somebody stops while nobody runs it any more is stopped, not run again', async () => {
  const time = createTestTime()
  await using room = await openTestRoom([kindOf('work', async () => 'again')], time)
  const dead = besides(room.parts, [kindOf('work', () => new Promise(() => undefined))])
  const { jobId } = await room.jobs.enqueue({ ...from, kind: 'work' })
  const died = dead.jobs.start()
  await time.advance(500)
  dead.state.isAway = true
  await room.jobs.stop(jobId, { actor: 'olga', requestId: 'r' })
  await using _working = room.jobs.start()
  await time.advance(45_000)
  assert.equal((await room.read(jobId)).state, 'stopped')
  const ended = died[Symbol.asyncDispose]()
  await time.advance(30_000)
  await ended
})

for (const code of ['UNAVAILABLE', 'STORAGE_FULL'] as const) {
  test(`a database that answers ${code} for twenty seconds costs a job nothing: not its lease, its lines, nor its end`, async () => {
    const time = createTestTime()
    let isAway = false
    const { promise, resolve } = Promise.withResolvers<void>()
    const kind = kindOf('work', async (run) => {
      await promise
      run.log('info', 'said while it was away')
      return 'whole'
    })
    await using room = await openTestRoom([kind], time)
    const { metadata } = room.parts
    const flaky: Metadata = {
      dialect: metadata.dialect,
      reader: metadata.reader,
      ping: () => metadata.ping(),
      write: (definition, input) => (isAway ? Promise.reject(new RegistryError(code)) : metadata.write(definition, input)),
      [Symbol.asyncDispose]: async () => undefined,
    }
    const jobs = createJobs({ ...room.parts, metadata: flaky, kinds: [kind] })
    const other = besides(room.parts, [kind])
    const ends: JobEnd[] = []
    const { jobId } = await jobs.enqueue({ ...from, kind: 'work' })
    await using _working = jobs.start({ onEnd: (end) => ends.push(end) })
    await time.advance(2_000)
    await using _other = other.jobs.start()
    isAway = true
    await time.advance(10_000)
    resolve()
    await time.advance(10_000)
    assert.equal((await room.read(jobId)).state, 'running')
    isAway = false
    await time.advance(3_000)
    const { state, result, attempts } = await room.read(jobId)
    assert.deepEqual([state, result, attempts], ['done', '"whole"', 1])
    const lines = await metadata.reader.selectFrom('job_lines').select('message').execute()
    assert.deepEqual(lines, [{ message: 'said while it was away' }])
    assert.deepEqual(
      ends.map(({ outcome }) => outcome),
      ['done'],
    )
  })
}

test('two processes on one file share the queue: each job runs once, and both have work', async () => {
  await using directory = await makeTestDirectory()
  const ran: Record<string, number[]> = { one: [], two: [] }
  const kind = (who: string) =>
    kindOf(
      'note',
      async (_run, payload) => {
        ran[who]?.push(payload as number)
        await new Promise((resolve) => setTimeout(resolve, 2))
      },
      { concurrency: 4 },
    )
  await using one = await openTestRoom([kind('one')], { file: directory.file })
  await using two = await openTestRoom([kind('two')], { file: directory.file })
  await using _one = one.jobs.start()
  await using _two = two.jobs.start()
  const count = 200
  await Promise.all(
    Array.from({ length: count }, (_, payload) => (payload % 2 === 0 ? one : two).jobs.enqueue({ ...from, kind: 'note', payload })),
  )
  await eventually(async () => (await one.all()).every(({ state }) => state === 'done'))
  const all = [...(ran['one'] ?? []), ...(ran['two'] ?? [])].toSorted((a, b) => a - b)
  assert.deepEqual(
    all,
    Array.from({ length: count }, (_, index) => index),
  )
  assert.ok((ran['one']?.length ?? 0) > 0 && (ran['two']?.length ?? 0) > 0, 'both worked')
})

test('a claim looks at what is due alone: tens of thousands that wait for later, or for another kind, cost it nothing', async () => {
  const time = createTestTime()
  const ran: unknown[] = []
  await using room = await openTestRoom([kindOf('note', async (_run, payload) => ran.push(payload))], time)
  const later = time.ports.clock.now() + 60 * minuteMs
  const now = time.ports.clock.now()
  const crowd = Array.from({ length: 1_000 }, (_, index) =>
    index % 2 === 0 ? { kind: 'note', runAfter: later } : { kind: 'unknown', runAfter: 0 },
  ).map((each) => ({ ...from, ...each, priority: 50, now }))
  for (let thousand = 0; thousand < 20; thousand++) await room.parts.metadata.write(enqueueMany, crowd)
  const { jobId } = await room.jobs.enqueue({ ...from, kind: 'note', payload: 'now', priority: -50 })
  assert.match(
    await planOf(room.parts.metadata),
    testDialect === 'postgres'
      ? /^Limit; ->  Index (?:Only )?Scan using jobs_waiting on jobs; Index Cond: \(\(kind = 'note'::text\) AND \(priority = 50\) AND \(run_after <= 1\)\)$/u
      : /^SEARCH jobs USING COVERING INDEX jobs_waiting \(kind=\? AND priority=\? AND run_after<\?\)$/u,
  )
  await using _working = room.jobs.start()
  await settled()
  await time.advance(1_000)
  assert.equal((await room.read(jobId)).state, 'done')
  assert.deepEqual(ran, ['now'])
})
