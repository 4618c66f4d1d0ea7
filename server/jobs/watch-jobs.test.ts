import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pino } from 'pino'
import { openTestDatabase } from '#metadata/test-database.ts'
import type { JobRecord } from '#metadata/jobs.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { createJobs } from './create-jobs.ts'
import { createTestTime, waitFor } from './test-time.ts'
import { createJobWatch } from './watch-jobs.ts'

async function openWatched(wrap: (metadata: Metadata) => Metadata = (metadata) => metadata) {
  const metadata = waitFor(await openTestDatabase(':memory:'))
  const time = createTestTime()
  const parts = { metadata: wrap(metadata), ports: time.ports, log: pino({ enabled: false }) }
  const jobs = createJobs({ ...parts, kinds: [] })
  return { time, jobs, watch: createJobWatch(parts), [Symbol.asyncDispose]: () => metadata[Symbol.asyncDispose]() }
}

const who = { actor: 'test', requestId: 'test' }
const statesOf = (told: readonly JobRecord[]) => told.map(({ id, state }) => `${id} ${state}`)

test('a job is told as it is, then at each change, and its end once', async () => {
  await using watched = await openWatched()
  const { time, jobs, watch } = watched
  const { jobId: first } = await jobs.enqueue({ kind: 'none', createdBy: 'test' })
  const told: JobRecord[] = []
  using _following = watch.follow((job) => told.push(job))
  await time.advance(3_000)
  assert.deepEqual(statesOf(told), [`${first} waiting`])
  const { jobId: second } = await jobs.enqueue({ kind: 'none', createdBy: 'test' })
  await time.advance(2_000)
  await jobs.stop(first, who)
  await time.advance(2_000)
  await jobs.retry(first, who)
  await time.advance(2_000)
  assert.deepEqual(statesOf(told), [`${first} waiting`, `${second} waiting`, `${first} stopped`, `${first} waiting`])
})

test('a job that came and ended between two looks is told', async () => {
  await using watched = await openWatched()
  const { time, jobs, watch } = watched
  const told: JobRecord[] = []
  using _following = watch.follow((job) => told.push(job))
  await time.advance(2_000)
  const { jobId } = await jobs.enqueue({ kind: 'none', createdBy: 'test' })
  await jobs.stop(jobId, who)
  await time.advance(2_000)
  assert.deepEqual(statesOf(told), [`${jobId} stopped`])
})

test('who comes later is told what waits at once, and who has left nothing more', async () => {
  await using watched = await openWatched()
  const { time, jobs, watch } = watched
  const { jobId } = await jobs.enqueue({ kind: 'none', createdBy: 'test' })
  const [one, other] = [[], []] as [JobRecord[], JobRecord[]]
  const first = watch.follow((job) => one.push(job))
  await time.advance(2_000)
  const second = watch.follow((job) => other.push(job))
  assert.deepEqual(statesOf(other), [`${jobId} waiting`])
  first[Symbol.dispose]()
  second[Symbol.dispose]()
  await jobs.stop(jobId, who)
  await time.advance(5_000)
  assert.deepEqual([one.length, other.length], [1, 1])
})

test('who leaves in the middle of a look takes nothing away from who comes then', async () => {
  await using watched = await openWatched()
  const { time, jobs, watch } = watched
  watch.follow(() => assert.fail('told after it left'))[Symbol.dispose]()
  const told: JobRecord[] = []
  using _following = watch.follow((job) => told.push(job))
  const { jobId } = await jobs.enqueue({ kind: 'none', createdBy: 'test' })
  await time.advance(3_000)
  assert.deepEqual(statesOf(told), [`${jobId} waiting`])
})

test('a database that is away is asked again', async () => {
  let isAway = false
  await using watched = await openWatched((metadata) => ({
    ...metadata,
    write: (definition, input) => metadata.write(definition, input),
    reader: new Proxy(metadata.reader, {
      get(reader, name) {
        if (isAway) throw new Error('away')
        const value: unknown = Reflect.get(reader, name)
        return typeof value === 'function' ? (value.bind(reader) as unknown) : value
      },
    }),
  }))
  const { time, jobs, watch } = watched
  const { jobId } = await jobs.enqueue({ kind: 'none', createdBy: 'test' })
  isAway = true
  const told: JobRecord[] = []
  using _following = watch.follow((job) => told.push(job))
  await time.advance(3_000)
  assert.deepEqual(told, [])
  isAway = false
  await time.advance(2_000)
  assert.deepEqual(statesOf(told), [`${jobId} waiting`])
})
