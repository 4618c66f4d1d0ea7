import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pino } from 'pino'
import { claim, beat, end, advance } from './claims.ts'
import { createJobs } from './create-jobs.ts'
import { FinalFailure } from './final-failure.ts'
import type { JobKind, JobRun } from './jobs.ts'
import { readJobLines } from './list-jobs.ts'
import { runInline } from './run-inline.ts'
import { eventually, openTestRoom, somebody } from './test-jobs.ts'
import { createTestTime } from './test-time.ts'
import { countOne, enqueueAndFail, spoil, startOne } from './test-transactions.ts'

function kindOf(name: string, run: JobKind['run'], more: Partial<JobKind> = {}): JobKind {
  return { name, title: name, run, ...more }
}

const from = { createdBy: 'test' }

function untilAborted({ signal }: Pick<JobRun, 'signal'>): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }))
}

test('a job runs once with its payload, and its result is kept', async () => {
  const seen: unknown[] = []
  await using room = await openTestRoom([kindOf('greet', async (_run, payload) => (seen.push(payload), { said: 'hello' }))])
  await using _working = room.jobs.start()
  const { jobId, isNew } = await room.jobs.enqueue({ ...from, kind: 'greet', payload: { to: 'olga' } })
  assert.equal(isNew, true)
  await eventually(async () => (await room.read(jobId)).state === 'done')
  const job = await room.read(jobId)
  assert.deepEqual(seen, [{ to: 'olga' }])
  assert.deepEqual(JSON.parse(job.result ?? ''), { said: 'hello' })
  assert.ok(job.startedAt !== null && job.endedAt !== null && job.endedAt >= job.startedAt)
  assert.deepEqual([job.attempts, job.error, job.worker, job.createdBy], [1, null, '', 'test'])
})

test('what no other try could do better is tried once, and can be asked for again', async () => {
  let tries = 0
  const run = () => (tries++, Promise.reject(new FinalFailure('the disk is away')))
  await using room = await openTestRoom([kindOf('lost', run)])
  await using _working = room.jobs.start()
  const { jobId } = await room.jobs.enqueue({ ...from, kind: 'lost' })
  await eventually(async () => (await room.read(jobId)).state === 'failed')
  const { attempts, error } = await room.read(jobId)
  assert.deepEqual([tries, attempts, error], [1, 1, 'the disk is away'])
})

test('a transaction that fails leaves no job behind', async () => {
  await using room = await openTestRoom([])
  await assert.rejects(room.parts.metadata.write(enqueueAndFail, { ...from, kind: 'greet', now: 1 }), /failed after enqueuing/)
  assert.deepEqual(await room.all(), [])
})

test('while a job of a key waits or runs, the same key gives that job', async () => {
  const { promise, resolve } = Promise.withResolvers<void>()
  await using room = await openTestRoom([kindOf('slow', () => promise)])
  const first = await room.jobs.enqueue({ ...from, kind: 'slow', uniqueKey: 'k' })
  assert.deepEqual(await room.jobs.enqueue({ ...from, kind: 'slow', uniqueKey: 'k' }), { jobId: first.jobId, isNew: false })
  await using _working = room.jobs.start()
  await eventually(async () => (await room.read(first.jobId)).state === 'running')
  assert.equal((await room.jobs.enqueue({ ...from, kind: 'slow', uniqueKey: 'k' })).isNew, false)
  resolve()
  await eventually(async () => (await room.read(first.jobId)).state === 'done')
  assert.equal((await room.jobs.enqueue({ ...from, kind: 'slow', uniqueKey: 'k' })).isNew, true)
})

test('many who enqueue one key at once make one job', async () => {
  await using room = await openTestRoom([])
  const made = await Promise.all(Array.from({ length: 50 }, () => room.jobs.enqueue({ ...from, kind: 'x', uniqueKey: 'k' })))
  assert.equal(made.filter(({ isNew }) => isNew).length, 1)
  assert.equal(new Set(made.map(({ jobId }) => jobId)).size, 1)
})

test('a payload that is no JSON, or too large, is refused', async () => {
  await using room = await openTestRoom([])
  await assert.rejects(room.jobs.enqueue({ ...from, kind: 'x', payload: 1n }), /BigInt/)
  await assert.rejects(room.jobs.enqueue({ ...from, kind: 'x', payload: 'x'.repeat(1024 * 1024) }), /characters/)
  assert.deepEqual(await room.all(), [])
})

test('of one kind the more urgent runs first, then the older', async () => {
  const order: unknown[] = []
  await using room = await openTestRoom([kindOf('note', async (_run, payload) => order.push(payload))])
  for (const [payload, priority] of [
    ['a', 0],
    ['b', 0],
    ['urgent', 10],
    ['low', -5],
    ['highest', 1_000_000],
  ] as const)
    await room.jobs.enqueue({ ...from, kind: 'note', payload, priority })
  await using _working = room.jobs.start()
  await eventually(() => order.length === 5)
  assert.deepEqual(order, ['highest', 'urgent', 'a', 'b', 'low'])
})

test('a kind never has more runs at once than it may, and uses what it may', async () => {
  let current = 0
  let most = 0
  const kind = kindOf(
    'few',
    async () => {
      most = Math.max(most, ++current)
      await new Promise((resolve) => setTimeout(resolve, 5))
      current--
    },
    { concurrency: 3 },
  )
  await using room = await openTestRoom([kind])
  for (let index = 0; index < 20; index++) await room.jobs.enqueue({ ...from, kind: 'few' })
  await using _working = room.jobs.start()
  await eventually(async () => (await room.all()).every(({ state }) => state === 'done'))
  assert.equal(most, 3)
})

test('a job of a kind that this process does not know waits for one that does', async () => {
  const time = createTestTime()
  await using room = await openTestRoom([kindOf('known', async () => undefined)], time)
  const unknown = await room.jobs.enqueue({ ...from, kind: 'of-next-year', priority: 100 })
  const known = await room.jobs.enqueue({ ...from, kind: 'known' })
  await using _working = room.jobs.start()
  await time.advance(120_000)
  assert.equal((await room.read(known.jobId)).state, 'done')
  const { state, attempts } = await room.read(unknown.jobId)
  assert.deepEqual([state, attempts], ['waiting', 0])
})

test('a job that fails is tried again later and later, and then has failed for good, with a record', async () => {
  const time = createTestTime()
  const at: number[] = []
  const fail = kindOf('fail', async () => {
    at.push(time.ports.clock.monotonic())
    throw new TypeError('no such thing')
  })
  await using room = await openTestRoom([fail], time)
  const { jobId } = await room.jobs.enqueue({ ...from, kind: 'fail', attemptsMax: 4 })
  await using _working = room.jobs.start()
  await time.advance(1_000)
  assert.deepEqual([(await room.read(jobId)).state, (await room.read(jobId)).error], ['waiting', 'no such thing'])
  await time.advance(120_000)
  const { state, attempts, error } = await room.read(jobId)
  assert.deepEqual([state, attempts, error, at.length], ['failed', 4, 'no such thing', 4])
  const waits = at.slice(1).map((each, index) => each - (at[index] ?? 0))
  for (const [index, wait] of waits.entries()) {
    const longest = 5_000 * 2 ** index
    assert.ok(wait >= longest / 2 && wait <= longest + 1_500, `wait ${index} was ${wait} ms`)
  }
  const events = await room.parts.metadata.reader.selectFrom('events').select(['action', 'target', 'outcome']).execute()
  assert.deepEqual(events, [{ action: 'job.failed', target: `job:${jobId}`, outcome: 'failure' }])
  const lines = await readJobLines(room.jobs, { jobId, after: 0, limit: 100 })
  assert.deepEqual(
    lines.map(({ level, message }) => [level, message]),
    Array.from({ length: 4 }, () => ['error', 'no such thing']),
  )
})

test('tries are counted from where a job last got on: one that gets on never runs out of them', async () => {
  const time = createTestTime()
  const kind = kindOf('steps', async ({ job, cursor }) => {
    const next = ((cursor as number | undefined) ?? 0) + 1
    await room.parts.metadata.write(countOne, { job, cursor: next })
    if (next < 6) throw new Error('interrupted')
    return next
  })
  await using room = await openTestRoom([kind], time)
  const { jobId } = await room.jobs.enqueue({ ...from, kind: 'steps', attemptsMax: 2 })
  await using _working = room.jobs.start()
  await time.advance(60_000)
  const { state, result } = await room.read(jobId)
  assert.deepEqual([state, result], ['done', '6'])
})

for (const thrown of ['a text', '', undefined, null, 42, { message: 'of an object' }, Object.create(null)]) {
  test(`a handler that throws ${typeof thrown === 'object' ? JSON.stringify(thrown) : String(thrown)}, which is no error, has failed like any other`, async () => {
    const kind = kindOf('odd', () => Promise.reject(thrown as Error))
    await using room = await openTestRoom([kind])
    const { jobId } = await room.jobs.enqueue({ ...from, kind: 'odd', attemptsMax: 1 })
    await using _working = room.jobs.start()
    await eventually(async () => (await room.read(jobId)).state === 'failed')
    assert.match((await room.read(jobId)).error ?? '', thrown === 'a text' ? /^a text$/ : /no error/)
  })
}

test('a handler that throws before it returns a promise has failed like any other', async () => {
  const kind = kindOf('sync', () => {
    throw new Error('at once')
  })
  await using room = await openTestRoom([kind])
  const { jobId } = await room.jobs.enqueue({ ...from, kind: 'sync', attemptsMax: 1 })
  await using _working = room.jobs.start()
  await eventually(async () => (await room.read(jobId)).state === 'failed')
})

test('a row whose payload or cursor is no JSON fails for good and keeps nobody from their turn', async () => {
  const ran: unknown[] = []
  await using room = await openTestRoom([kindOf('note', async (_run, payload) => ran.push(payload))])
  const bad = await room.jobs.enqueue({ ...from, kind: 'note' })
  const odd = await room.jobs.enqueue({ ...from, kind: 'note' })
  const good = await room.jobs.enqueue({ ...from, kind: 'note', payload: 'good' })
  await room.parts.metadata.write(spoil, { id: bad.jobId, payload: '{"half":' })
  await room.parts.metadata.write(spoil, { id: odd.jobId, cursor: 'nonsense' })
  await using _working = room.jobs.start()
  await eventually(async () => (await room.read(good.jobId)).state === 'done')
  for (const { jobId } of [bad, odd]) {
    const { state, error, attempts } = await room.read(jobId)
    assert.deepEqual([state, error, attempts], ['failed', 'its payload or its cursor is no JSON', 1])
  }
  assert.deepEqual(ran, ['good'])
})

test('a result that is no JSON, or too large, is dropped with a line: the work is done all the same', async () => {
  const results: unknown[] = [{ count: 1n }, 'x'.repeat(100_000)]
  await using room = await openTestRoom([kindOf('odd', async (_run, payload) => results[payload as number])])
  const ids: number[] = []
  for (const payload of [0, 1]) ids.push((await room.jobs.enqueue({ ...from, kind: 'odd', payload })).jobId)
  await using _working = room.jobs.start()
  await eventually(async () => (await room.all()).every(({ state }) => state === 'done'))
  for (const jobId of ids) {
    assert.equal((await room.read(jobId)).result, null)
    const [line] = await readJobLines(room.jobs, { jobId, after: 0, limit: 10 })
    assert.match(line?.message ?? '', /is not kept/)
  }
})

test('progress that is reported ten thousand times is few writes, and the last one is shown', async () => {
  const time = createTestTime()
  const kind = kindOf('chatty', async (run) => {
    for (let done = 1; done <= 10_000; done++) run.report({ done, total: 20_000, unit: 'blobs' })
    await untilAborted(run)
  })
  await using room = await openTestRoom([kind], time)
  const { jobId } = await room.jobs.enqueue({ ...from, kind: 'chatty' })
  await using _working = room.jobs.start()
  await time.advance(2_500)
  assert.deepEqual(JSON.parse((await room.read(jobId)).progress ?? ''), { done: 10_000, total: 20_000, unit: 'blobs' })
})

test('a handler that logs without end has its first thousand lines kept, and a line that says so', async () => {
  const kind = kindOf('chatty', async (run) => {
    for (let index = 0; index < 20_000; index++) run.log('info', `line ${index} ${'x'.repeat(5_000)}`)
  })
  await using room = await openTestRoom([kind])
  const { jobId } = await room.jobs.enqueue({ ...from, kind: 'chatty' })
  await using _working = room.jobs.start()
  await eventually(async () => (await room.read(jobId)).state === 'done')
  const lines = await readJobLines(room.jobs, { jobId, after: 0, limit: 5_000 })
  assert.equal(lines.length, 1_001)
  assert.match(lines.at(-1)?.message ?? '', /1000 lines/)
  assert.ok(lines.every(({ message }) => message.length <= 2_000))
})

test('lines of a job that runs can be followed by their ids', async () => {
  const time = createTestTime()
  const kind = kindOf('talk', async (run) => {
    for (let index = 0; ; index++) {
      run.log('info', `line ${index}`)
      await time.ports.timers.sleep(1_000, run.signal)
    }
  })
  await using room = await openTestRoom([kind], time)
  const { jobId } = await room.jobs.enqueue({ ...from, kind: 'talk' })
  await using _working = room.jobs.start()
  await time.advance(4_000)
  const first = await readJobLines(room.jobs, { jobId, after: 0, limit: 2 })
  assert.deepEqual(
    first.map(({ message }) => message),
    ['line 0', 'line 1'],
  )
  const next = await readJobLines(room.jobs, { jobId, after: first.at(-1)?.id ?? 0, limit: 1 })
  assert.deepEqual(
    next.map(({ message }) => message),
    ['line 2'],
  )
})

test('a job that waits is stopped at once, one that runs within seconds; both can be retried from their cursors', async () => {
  const time = createTestTime()
  const cursors: unknown[] = []
  const kind = kindOf('long', async (run) => {
    cursors.push(run.cursor)
    if (run.cursor === undefined) {
      await run.save({ at: 7 }, { done: 7 })
      await untilAborted(run)
    }
    return 'end'
  })
  await using room = await openTestRoom([kind], time)
  const running = await room.jobs.enqueue({ ...from, kind: 'long' })
  const waiting = await room.jobs.enqueue({ ...from, kind: 'long' })
  await using _working = room.jobs.start()
  await time.advance(500)
  await room.jobs.stop(waiting.jobId, somebody)
  assert.equal((await room.read(waiting.jobId)).state, 'stopped')
  await room.jobs.stop(running.jobId, somebody)
  await room.jobs.stop(running.jobId, somebody)
  await time.advance(2_000)
  assert.equal((await room.read(running.jobId)).state, 'stopped')
  await assert.rejects(room.jobs.stop(running.jobId, somebody), { code: 'CONFLICT' })
  await room.jobs.retry(running.jobId, somebody)
  await time.advance(2_000)
  assert.deepEqual([(await room.read(running.jobId)).state, (await room.read(running.jobId)).result], ['done', '"end"'])
  assert.deepEqual(cursors, [undefined, { at: 7 }])
  await assert.rejects(room.jobs.retry(running.jobId, somebody), { code: 'CONFLICT' })
  await assert.rejects(room.jobs.stop(999_999, somebody), { code: 'RESOURCE_UNKNOWN' })
  await assert.rejects(room.jobs.retry(999_999, somebody), { code: 'RESOURCE_UNKNOWN' })
  const events = await room.parts.metadata.reader.selectFrom('events').select(['action', 'actor']).orderBy('id').execute()
  assert.deepEqual(
    events.map(({ action, actor }) => `${action} ${actor}`),
    ['job.stopped olga', 'job.stopped olga', 'job.retried olga'],
  )
})

test('a job is not retried beside another of its key', async () => {
  await using room = await openTestRoom([])
  const first = await room.jobs.enqueue({ ...from, kind: 'x', uniqueKey: 'k' })
  await room.jobs.stop(first.jobId, somebody)
  await room.jobs.enqueue({ ...from, kind: 'x', uniqueKey: 'k' })
  await assert.rejects(room.jobs.retry(first.jobId, somebody), { code: 'CONFLICT' })
})

test('a job that somebody starts leaves one record, and none when it was there', async () => {
  await using room = await openTestRoom([])
  const job = { ...from, kind: 'x', uniqueKey: 'k', now: 5 }
  const { jobId } = await room.parts.metadata.write(startOne, job)
  await room.parts.metadata.write(startOne, job)
  const events = await room.parts.metadata.reader.selectFrom('events').select(['action', 'target', 'detail', 'actor']).execute()
  assert.deepEqual(events, [{ action: 'job.started', target: `job:${jobId}`, detail: '{"kind":"x"}', actor: 'olga' }])
})

test('a process that ends in order lets its jobs wait, without counting the try, and the next one goes on', async () => {
  const kind = kindOf('long', async (run) => {
    if (run.cursor === 'half') return 'whole'
    await run.save('half')
    return untilAborted(run)
  })
  await using room = await openTestRoom([kind])
  const { jobId } = await room.jobs.enqueue({ ...from, kind: 'long', attemptsMax: 1 })
  const working = room.jobs.start()
  await eventually(async () => (await room.read(jobId)).state === 'running')
  await new Promise((resolve) => setTimeout(resolve, 20))
  await working[Symbol.asyncDispose]()
  assert.deepEqual([(await room.read(jobId)).state, (await room.read(jobId)).attempts], ['waiting', 0])
  await using _next = room.jobs.start()
  await eventually(async () => (await room.read(jobId)).result === '"whole"')
})

test('a process that ends does not wait for ever for a handler that does not listen', async () => {
  const time = createTestTime()
  await using room = await openTestRoom([kindOf('deaf', () => new Promise(() => undefined))], time)
  await room.jobs.enqueue({ ...from, kind: 'deaf' })
  const working = room.jobs.start()
  await time.advance(1_000)
  const ended = working[Symbol.asyncDispose]()
  await time.advance(12_000)
  await ended
})

test('who lost the lease can neither advance, nor beat, nor end the job', async () => {
  await using room = await openTestRoom([])
  const { metadata } = room.parts
  const { jobId: id } = await room.jobs.enqueue({ ...from, kind: 'x' })
  const claiming = { kinds: [{ kind: 'x', limit: 1 }], worker: 'w', now: Date.now(), leaseUntil: Date.now() }
  const [first] = await metadata.write(claim, claiming)
  assert.equal(first?.fence, 1)
  await metadata.write(spoil, { id, fence: 2 })
  const stale = { id, fence: 1 }
  await assert.rejects(metadata.write(countOne, { job: stale, cursor: 1 }), { code: 'CONFLICT' })
  await assert.rejects(metadata.write(advance, { job: stale, cursor: 1 }), { code: 'CONFLICT' })
  assert.deepEqual(await metadata.reader.selectFrom('settings').select('value').where('name', '=', 'count').execute(), [])
  assert.deepEqual(await metadata.write(beat, { beats: [{ ...stale, progress: '{"done":1}', lines: [] }], leaseUntil: 1 }), [id])
  const ending = { ...stale, kind: 'x', outcome: 'done', result: '1', error: null, progress: null, lines: [], chance: 0, now: 1 } as const
  assert.deepEqual(await metadata.write(end, [ending, { ...ending, outcome: 'threw' }]), ['lost', 'lost'])
  const { state, progress, result } = await room.read(id)
  assert.deepEqual([state, progress, result], ['running', null, null])
})

test('no cursor is kept for a job that has ended, and none is asked for work without a row', async () => {
  await using room = await openTestRoom([kindOf('x', async () => undefined)])
  const { jobId: id } = await room.jobs.enqueue({ ...from, kind: 'x' })
  await using _working = room.jobs.start()
  await eventually(async () => (await room.read(id)).state === 'done')
  await assert.rejects(room.parts.metadata.write(countOne, { job: { id, fence: 1 }, cursor: 1 }), { code: 'CONFLICT' })
  await room.parts.metadata.write(countOne, { job: { id: 0, fence: 0 }, cursor: 1 })
})

test('a job that did something says so in the log, one that found nothing to do does not', async () => {
  const lines: string[] = []
  const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) })
  await using room = await openTestRoom([])
  const kind = kindOf('sweep', async (_run, payload) => payload)
  const jobs = createJobs({ ...room.parts, log, kinds: [kind] })
  await using _working = jobs.start()
  for (const payload of [{ removed: 3 }, { removed: 0 }, null]) await jobs.enqueue({ ...from, kind: 'sweep', payload })
  await eventually(async () => (await room.all()).filter(({ state }) => state === 'done').length === 3)
  const said = lines.map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>)
  assert.deepEqual(
    said.map(({ msg, kind: of, result }) => [msg, of, result]),
    [['a job did its work', 'sweep', { removed: 3 }]],
  )
})

test('a kind runs here and now without a row, with its cursor, its progress and its lines', async () => {
  const told: unknown[] = []
  const kind = kindOf('steps', async (run, payload) => {
    for (let next = 1; next <= 2; next++) {
      await room.parts.metadata.write(countOne, { job: run.job, cursor: next })
      await run.save(next, { done: next })
    }
    run.log('warn', 'nearly there')
    run.report({ done: 3 })
    return [run.cursor, payload]
  })
  await using room = await openTestRoom([kind])
  const { signal } = new AbortController()
  const result = await runInline(
    room.jobs,
    { kind: 'steps' },
    { signal, onProgress: ({ done }) => told.push(done), onLine: (level, message) => told.push(level, message) },
  )
  assert.deepEqual(
    [result, told],
    [
      [2, null],
      [1, 2, 'warn', 'nearly there', 3],
    ],
  )
  assert.deepEqual(await room.all(), [])
  await assert.rejects(runInline(room.jobs, { kind: 'none' }, { signal }), { code: 'RESOURCE_UNKNOWN' })
})
