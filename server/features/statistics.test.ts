import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { pino } from 'pino'
import { systemPorts } from '#lib/ports.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { RegistryError } from '#oci/errors.ts'
import { openTestRegistry, putImage, repositoryA } from '#registry/test-registry.ts'
import { createTraffic } from './statistics-count.ts'
import { keepStatistics, noteUsage, rollAndForget } from './statistics-keep.ts'
import { bucketOf, noLatencies, quantile } from './statistics-latencies.ts'
import { readStatistics } from './statistics.ts'

const hourMs = 3_600_000
const dayMs = 24 * hourMs
const noSignal = new AbortController().signal

/** Counts at whatever time the test says. */
function countAt(metadata: Metadata, countersMax?: number) {
  const time = { now: Date.UTC(2026, 0, 15, 12, 30) }
  const clock = { now: () => time.now, monotonic: () => time.now }
  const never = { [Symbol.dispose]: () => undefined }
  const ports = { clock, random: systemPorts.random, timers: { ...systemPorts.timers, every: () => never } }
  return {
    time,
    traffic: createTraffic({ metadata, ports, log: pino({ enabled: false }), ...(countersMax !== undefined && { countersMax }) }),
  }
}

const ask = (projectId: number, step: 'hour' | 'day', now: number, more: { from?: number; to?: number } = {}) => ({
  projectId,
  step,
  now,
  from: more.from,
  to: more.to,
})

test('what two processes count is added up by hour, for the project and for everything', async () => {
  await using opened = await openTestRegistry()
  const { metadata } = opened.registry
  const [one, other] = [countAt(metadata), countAt(metadata)]
  const { now } = one.time
  for (const { traffic } of [one, other]) {
    traffic.pulled(7)
    traffic.pushed(7)
    traffic.pulled(undefined)
    traffic.answered({ status: 200, durationMs: 4, projectId: 7 })
    traffic.answered({ status: 503, durationMs: undefined, projectId: 7 })
    await traffic.flush()
    traffic.pulled(7)
    await traffic.flush()
    assert.equal(traffic.pending, 0)
  }
  one.time.now += hourMs
  one.traffic.pulled(7)
  await one.traffic[Symbol.asyncDispose]()
  const project = await readStatistics({ metadata }, ask(7, 'hour', now + hourMs))
  assert.deepEqual([project.points.length, project.from, project.to], [24, now - 22.5 * hourMs, now + 1.5 * hourMs])
  assert.deepEqual(
    project.points.slice(-3).map(({ pulls, pushes, requests, errors }) => [pulls, pushes, requests, errors]),
    [
      [0, 0, 0, 0],
      [4, 2, 4, 2],
      [1, 0, 0, 0],
    ],
  )
  const all = await readStatistics({ metadata }, ask(0, 'day', now))
  const today = all.points.at(-1)
  assert.deepEqual([today?.at, today?.pulls, today?.requests], [Date.UTC(2026, 0, 15), 7, 4])
  const { p50, p99 } = today?.latencyMs ?? {}
  assert.ok(p50 !== undefined && p50 > 2.8 && p50 <= 4.1 && p99 !== undefined && p99 >= p50, `${p50} ${p99}`)
  assert.equal(project.points.at(-2)?.latencyMs.p50, undefined, 'of a project none is measured')
})

test('counters that cannot be written wait, and those for which there is no room count for everything still', async () => {
  await using opened = await openTestRegistry()
  let isAway = true
  const { metadata: bare } = opened.registry
  const metadata: Metadata = {
    ...bare,
    reader: bare.reader,
    write: (definition, input) => (isAway ? Promise.reject(new Error('away')) : bare.write(definition, input)),
  }
  const { time, traffic } = countAt(metadata, 2)
  for (const project of [1, 2, 3]) traffic.pulled(project)
  traffic.answered({ status: 200, durationMs: 1, projectId: 1 })
  await traffic.flush()
  assert.equal(traffic.pending, 2)
  isAway = false
  traffic.answered({ status: 200, durationMs: 100, projectId: 1 })
  await traffic.flush()
  const pointOf = async (project: number) => (await readStatistics({ metadata }, ask(project, 'hour', time.now))).points.at(-1)
  assert.deepEqual(
    [(await pointOf(0))?.pulls, (await pointOf(0))?.requests, (await pointOf(1))?.pulls, (await pointOf(3))?.pulls],
    [3, 2, 1, 0],
  )
  assert.ok(((await pointOf(0))?.latencyMs.p99 ?? 0) > 70)
})

test('how much there is is noted where it changed, and goes on until it is noted anew', async () => {
  await using opened = await openTestRegistry()
  const { registry, clock } = opened
  const { metadata } = registry
  // Half past, so that no hour ends meanwhile.
  clock.advance((1.5 * hourMs - (clock.now() % hourMs)) % hourMs)
  const known = new Map()
  await noteUsage(registry, known, noSignal)
  const rows = async () =>
    Number(
      (
        await metadata.reader
          .selectFrom('statistics')
          .select((eb) => eb.fn.countAll<number>().as('rows'))
          .executeTakeFirstOrThrow()
      ).rows,
    )
  assert.equal(await rows(), 1, 'of empty projects nothing is noted')
  await putImage(registry, repositoryA, 'one', 'v1')
  clock.advance(3 * hourMs)
  await noteUsage(registry, known, noSignal)
  clock.advance(2 * hourMs)
  await noteUsage(registry, known, noSignal)
  await using _again = await keepStatistics(registry)
  const { points } = await readStatistics({ metadata }, ask(0, 'hour', clock.now()))
  const sizes = points.map(({ bytes }) => bytes)
  assert.deepEqual(
    sizes.slice(0, -6),
    sizes.slice(0, -6).map(() => null),
    'before it was noted',
  )
  assert.equal(sizes.at(-6), 0)
  assert.equal(sizes.at(-4), 0)
  assert.ok((sizes.at(-3) ?? 0) > 0)
  assert.deepEqual(new Set(sizes.slice(-3)).size, 1)
  assert.equal(points.at(-1)?.reclaimableBytes, 0)
  const projectId = (await metadata.reader.selectFrom('repositories').select('project_id').executeTakeFirstOrThrow()).project_id
  const later = await readStatistics({ metadata }, ask(projectId, 'day', clock.now() + 3 * dayMs))
  assert.equal(later.points.at(-1)?.bytes, sizes.at(-1))
  assert.ok((await rows()) <= 3)
})

test('hours become days after two weeks and days go after two years, and nothing else changes', async () => {
  await using opened = await openTestRegistry()
  const { registry, clock } = opened
  const { metadata } = registry
  // At noon, so that no day ends meanwhile.
  clock.advance((1.5 * dayMs - (clock.now() % dayMs)) % dayMs)
  const now = clock.now()
  const { time, traffic } = countAt(metadata)
  const midnight = now - (now % dayMs)
  for (const at of [midnight - 15 * dayMs, midnight - 15 * dayMs + 5 * hourMs, midnight - 14 * dayMs, midnight]) {
    time.now = at
    for (const project of [1, 2]) traffic.pulled(project)
    traffic.answered({ status: 500, durationMs: 3, projectId: 1 })
    await traffic.flush()
  }
  const days = () => readStatistics({ metadata }, ask(1, 'day', now))
  const before = await days()
  const ofAll = await readStatistics({ metadata }, ask(0, 'day', now))
  await rollAndForget(registry, noSignal)
  await rollAndForget(registry, noSignal)
  assert.deepEqual(await days(), before)
  assert.deepEqual(await readStatistics({ metadata }, ask(0, 'day', now)), ofAll)
  const steps = await metadata.reader.selectFrom('statistics').select(['step', 'at']).where('project_id', '=', 1).orderBy('at').execute()
  assert.deepEqual(
    steps.map(({ step, at }) => [step, (midnight - at) / dayMs]),
    [
      ['day', 15],
      ['hour', 14],
      ['hour', 0],
    ],
  )
  // What a clock that was wrong adds to a day that is done.
  time.now = midnight - 15 * dayMs + hourMs
  traffic.pulled(1)
  await traffic.flush()
  await rollAndForget(registry, noSignal)
  const day = (await days()).points.find(({ at }) => at === midnight - 15 * dayMs)
  assert.deepEqual([day?.pulls, day?.errors], [3, 2])
  const hours = await readStatistics({ metadata }, ask(1, 'hour', now, { from: now - 20 * dayMs }))
  assert.equal(hours.from, midnight - 14 * dayMs, 'of what is older there are no hours')
  clock.advance(732 * dayMs)
  await rollAndForget(registry, noSignal)
  assert.deepEqual(await metadata.reader.selectFrom('statistics').select('id').execute(), [])
})

test('a time that makes no sense, or has too many points, is refused', async () => {
  await using opened = await openTestRegistry()
  const { metadata } = opened.registry
  const now = Date.UTC(2026, 0, 15)
  for (const times of [{ from: now, to: now - dayMs }, { from: 0, to: now }, { from: now + 3 * dayMs }])
    await assert.rejects(
      readStatistics({ metadata }, ask(0, 'day', now, times)),
      (error: unknown) => error instanceof RegistryError && error.code === 'REQUEST_INVALID',
    )
  const future = await readStatistics({ metadata }, ask(0, 'hour', now, { from: now, to: now + dayMs }))
  assert.deepEqual(
    future.points.map(({ bytes, pulls }) => [bytes, pulls]),
    Array.from({ length: 24 }, () => [null, 0]),
  )
})

test('what is told of latencies is off by less than the width of a bucket', () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0.01, max: 60_000, noNaN: true }), { minLength: 1, maxLength: 200 }),
      fc.double({ min: 0.01, max: 1, noNaN: true }),
      (durations, share) => {
        const counts = noLatencies()
        for (const duration of durations) counts[bucketOf(duration)] = (counts[bucketOf(duration)] ?? 0) + 1
        const sorted = durations.toSorted((one, other) => one - other)
        const exact = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0
        const told = quantile(counts, share) ?? Number.NaN
        assert.ok(
          told <= Math.max(0.5, exact * Math.SQRT2) + 1e-9 && (told >= exact / Math.SQRT2 - 1e-9 || exact <= 0.5),
          `${told} for ${exact}`,
        )
      },
    ),
  )
  assert.equal(quantile([], 0.5), undefined)
  assert.equal(bucketOf(10 ** 9), bucketOf(10 ** 6))
})
