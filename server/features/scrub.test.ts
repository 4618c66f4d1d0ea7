import assert from 'node:assert/strict'
import { mkdir, rm, symlink, unlink, utimes, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { suite, test } from 'node:test'
import { sql } from 'kysely'
import type { BlobKey } from '#blobs/blob-store.ts'
import { FinalFailure } from '#jobs/final-failure.ts'
import { bytesLiteral } from '#metadata/test-database.ts'
import { transaction } from '#metadata/transaction.ts'
import { listFindings, type FindingRow } from '#metadata/scrub-findings.ts'
import type { JobProgress, JobRun } from '#jobs/jobs.ts'
import { digestToBytes } from '#oci/digest.ts'
import { mountBlob } from '#registry/mount-blob.ts'
import { recheckQuarantine } from '#registry/recheck-quarantine.ts'
import { statBlob } from '#registry/pull-blob.ts'
import type { Registry } from '#registry/registry.ts'
import {
  alice,
  failsWith,
  fileOf,
  hourMs,
  noSignal,
  openTestRegistry,
  pushBytes,
  putImage,
  readBlob,
  repositoryA,
  repositoryB,
  sampleBytes,
  type TestRegistry,
} from '#registry/test-registry.ts'
import { checkInvariants } from '../../test/invariants.ts'
import { deleteOrphansJob } from './scrub-orphans.ts'
import { readScrubStatus, scrubFigures } from './scrub-status.ts'
import { lastScrub, scrub, scrubJob } from './scrub.ts'

const large = sampleBytes(200_000)

const change = transaction(import.meta.url, 'scrub-test/change', (tx, text: string) => sql.raw(text).execute(tx))

async function tamper({ metadata }: Registry, text: string): Promise<void> {
  await metadata.write(change, text)
}

async function findings({ metadata }: Registry, { isResolved = false } = {}): Promise<FindingRow[]> {
  const page = await listFindings(metadata.reader, { isResolved }, { limit: 1_000, column: 'foundAt', isDescending: false })
  return [...page.items]
}

async function toldOf(registry: Registry): Promise<string[]> {
  return (await findings(registry)).map(({ kind, detail }) => `${kind}: ${detail.split(';')[0]}`).toSorted()
}

/** A file among the blobs that is as old as it is said to be. */
async function plant({ parts }: TestRegistry, key: string, ageMs: number): Promise<void> {
  assert.ok(parts.rootDirectory !== undefined)
  const path = join(parts.rootDirectory, key)
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, 'planted')
  const at = (Date.now() - ageMs) / 1_000
  await utimes(path, at, at)
}

const orphanKey = `blobs/sha256/ab/ab${'0'.repeat(62)}/0123456789abcdef` as BlobKey

/** A run without a row whose cursor lasts, so that it can be stopped and gone on with. */
function runOf(signal: AbortSignal, cursor?: unknown): JobRun & { readonly lines: string[] } {
  const lines: string[] = []
  return {
    job: { id: 0, fence: 0 },
    signal,
    cursor,
    lines,
    save: async () => undefined,
    report: () => undefined,
    log: (_level, message) => void lines.push(message),
  }
}

suite('scrub', () => {
  test('finds a flipped bit, quarantines the blob, and lets it out when its bytes are right again', async () => {
    await using place = await openTestRegistry({ on: 'files' })
    const { registry } = place
    const image = await putImage(registry, repositoryA, 'one', 'v1')
    const digest = await pushBytes(registry, repositoryA, large)
    const clean = await scrub(registry, { signal: noSignal })
    const { blobs, bytes, quarantined, manifests, tags, keys, found } = clean
    assert.deepEqual(
      { blobs, bytes, quarantined, manifests, tags, keys, found },
      { blobs: 3, bytes: 200_025, quarantined: 0, manifests: 1, tags: 1, keys: 3, found: {} },
    )
    const file = await fileOf(place, digest)
    await writeFile(file, Buffer.concat([large.subarray(0, 100_000), Buffer.from([(large[100_000] ?? 0) ^ 1]), large.subarray(100_001)]))
    await unlink(await fileOf(place, image.layer))
    const seen: string[] = []
    const damaged = await scrub(registry, { signal: noSignal, onFinding: (finding) => void seen.push(`${finding.kind} ${finding.digest}`) })
    assert.deepEqual(seen, [`missing ${image.layer}`, `damaged ${digest}`])
    assert.equal(damaged.quarantined, 2)
    assert.deepEqual(await toldOf(registry), ['damaged: wrong digest', 'missing: missing'])
    assert.ok((await findings(registry)).some(({ detail }) => detail.includes('needed by team/a@sha256:')))
    await assert.rejects(statBlob(registry, repositoryA, digest, alice), failsWith('BLOB_UNKNOWN'))
    const again: boolean[] = []
    const second = await scrub(registry, { signal: noSignal, onFinding: (_finding, isNew) => void again.push(isNew) })
    assert.deepEqual([second.found, again], [{}, [false, false]], 'what is known is told, and not found again')
    await writeFile(file, large)
    assert.equal((await scrub(registry, { signal: noSignal })).released, 1)
    assert.deepEqual(await readBlob(registry, digest), large)
    await pushBytes(registry, repositoryB, 'layer of one')
    await scrub(registry, { signal: noSignal })
    assert.deepEqual(await findings(registry), [], 'what heals is no longer told')
    assert.equal((await findings(registry, { isResolved: true })).length, 2)
    assert.deepEqual(await checkInvariants(place.parts), [])
  })

  test('what a pull or a mount finds damaged is among the findings at once, and no longer as soon as a push heals it', async () => {
    await using place = await openTestRegistry({ on: 'files' })
    const { registry } = place
    const image = await putImage(registry, repositoryA, 'one', 'v1')
    const [cut, flipped] = [await pushBytes(registry, repositoryA, large), await pushBytes(registry, repositoryA, 'small')]
    await unlink(await fileOf(place, image.layer))
    await writeFile(await fileOf(place, cut), large.subarray(1))
    await writeFile(await fileOf(place, flipped), 'smell')
    await assert.rejects(statBlob(registry, repositoryA, image.layer, alice), failsWith('BLOB_UNKNOWN'))
    const mount = { repository: repositoryB, digest: cut, visibility: { kind: 'everything' }, actor: alice } as const
    assert.equal(await mountBlob(registry, mount), false)
    await assert.rejects(readBlob(registry, flipped), failsWith('BLOB_UNKNOWN'))
    assert.deepEqual(await toldOf(registry), ['damaged: wrong digest', 'damaged: wrong size', 'missing: missing'])
    const known = await findings(registry)
    assert.deepEqual(new Set(known.map(({ digest }) => digest)), new Set([image.layer, cut, flipped]))
    assert.ok(known.some(({ detail }) => detail.includes('needed by team/a@sha256:')))
    const counted = await scrubFigures(registry).findings()
    assert.deepEqual(
      counted.filter(({ count }) => count > 0),
      [
        { kind: 'missing', count: 1 },
        { kind: 'damaged', count: 2 },
      ],
    )
    const pass = await scrub(registry, { signal: noSignal })
    assert.deepEqual([pass.quarantined, pass.findings.map(({ count }) => count)], [0, [2, 1]])
    await pushBytes(registry, repositoryB, large)
    assert.deepEqual(await toldOf(registry), ['damaged: wrong digest', 'missing: missing'])
    await writeFile(await fileOf(place, flipped), 'small')
    assert.equal(await recheckQuarantine(registry).findBlob(repositoryA, flipped, alice), true)
    assert.deepEqual(await toldOf(registry), ['missing: missing'])
  })

  test('knows how much there is to look at, and sees nothing before it was found', async () => {
    await using place = await openTestRegistry({ on: 'files' })
    const { registry, clock } = place
    const image = await putImage(registry, repositoryA, 'one', 'v1')
    await unlink(await fileOf(place, image.layer))
    const told: JobProgress[] = []
    const run: JobRun = { ...runOf(noSignal), report: (progress) => void told.push(progress), log: () => clock.advance(1_000) }
    await scrubJob(registry, { bytesPerSecond: 0, sample: 100, schedule: undefined }).run(run, null)
    for (const unit of ['blobs', 'manifests', 'tags']) {
      const last = told.findLast((progress) => progress.unit === unit)
      assert.ok(last?.total !== undefined && last.total === last.done, unit)
    }
    assert.deepEqual(
      (await findings(registry)).filter(({ foundAt, seenAt }) => seenAt < foundAt),
      [],
    )
  })

  test('stops when it is told to, goes on where it was, and keeps to its rate', async () => {
    await using place = await openTestRegistry()
    const { registry } = place
    for (let number = 0; number < 5; number++) await pushBytes(registry, repositoryA, `${number}`)
    const stop = new AbortController()
    let afterId = 0
    const first = scrub(registry, {
      signal: stop.signal,
      onProgress: (report) => {
        afterId = report.lastId ?? 0
        if (report.blobs === 2) stop.abort()
      },
    })
    await assert.rejects(first, { name: 'AbortError' })
    assert.equal((await scrub(registry, { signal: noSignal, afterId })).blobs, 3)
    const slow = new AbortController()
    const paced = scrub(registry, { signal: slow.signal, bytesPerSecond: 1 })
    setTimeout(() => slow.abort(), 30)
    await assert.rejects(paced, { name: 'AbortError' })
  })

  test('a pass that began in the middle does not call gone what it has not looked at', async () => {
    await using place = await openTestRegistry({ on: 'files' })
    const { registry } = place
    const first = await pushBytes(registry, repositoryA, 'first')
    await pushBytes(registry, repositoryA, 'second')
    await unlink(await fileOf(place, first))
    await scrub(registry, { signal: noSignal })
    await scrub(registry, { signal: noSignal, afterId: 1 })
    assert.deepEqual(await toldOf(registry), ['missing: missing'])
  })

  test('a store that holds nothing at all is judged to be absent, not every blob to be lost', async () => {
    await using place = await openTestRegistry({ on: 'files' })
    const { registry, parts } = place
    const digest = await pushBytes(registry, repositoryA, large)
    await rm(join(parts.rootDirectory ?? '', 'blobs'), { recursive: true })
    // A job that throws this is not tried again by itself.
    await assert.rejects(
      scrub(registry, { signal: noSignal }),
      (error: Error) => error instanceof FinalFailure && /is its disk mounted/.test(error.message),
    )
    assert.deepEqual(await findings(registry), [])
    const row = await registry.metadata.reader.selectFrom('blobs').select('state').executeTakeFirstOrThrow()
    assert.equal(row.state, 'live', digest)
  })

  test('tells of old bytes that no row names, never of young ones, of links or of what it knows', async () => {
    await using place = await openTestRegistry({ on: 'files' })
    const { registry, parts } = place
    await putImage(registry, repositoryA, 'one', 'v1')
    await plant(place, orphanKey, 30 * hourMs)
    await plant(place, `docker/registry/v2/blobs/sha256/cd/cd${'0'.repeat(62)}/data`, 30 * hourMs)
    await plant(place, 'blobs/README', 30 * hourMs)
    await symlink(join(parts.rootDirectory ?? '', 'berth.db'), join(parts.rootDirectory ?? '', 'blobs', 'link'))
    await scrub(registry, { signal: noSignal })
    assert.deepEqual(await toldOf(registry), [], 'their names are young, whatever their bytes say')
    place.clock.advance(25 * hourMs)
    const { found, keys } = await scrub(registry, { signal: noSignal })
    assert.deepEqual({ found, keys }, { found: { orphan: 2, stranger: 1 }, keys: 5 })
    const [orphan] = (await findings(registry)).filter(({ kind }) => kind === 'orphan')
    assert.deepEqual({ key: orphan?.key, digest: orphan?.digest }, { key: orphanKey, digest: `sha256:ab${'0'.repeat(62)}` })
    assert.ok((await registry.store.stat(orphanKey)) !== undefined, 'nothing is deleted')
  })

  test('deletes orphans when it is told to, but none that a row names by then, and garbage collection takes them', async () => {
    await using place = await openTestRegistry({ on: 'files' })
    const { registry } = place
    await pushBytes(registry, repositoryA, large)
    const kept = `blobs/sha256/ef/ef${'0'.repeat(62)}/0123456789abcdef`
    for (const key of [orphanKey, kept]) await plant(place, key, 0)
    place.clock.advance(25 * hourMs)
    await scrub(registry, { signal: noSignal })
    assert.equal((await findings(registry)).length, 2)
    await tamper(
      registry,
      `insert into blobs (digest, size_bytes, state, lease_until, store, key, created_at) values (${bytesLiteral(Buffer.of(0))}, 7, 'live', 0, 'filesystem', '${kept}', 0)`,
    )
    const report = await deleteOrphansJob(registry).run(runOf(noSignal), null)
    assert.deepEqual(report, { keys: 1, sizeBytes: 7 })
    const notes = await registry.metadata.reader.selectFrom('blob_deletions').select('key').execute()
    assert.deepEqual(notes, [{ key: orphanKey }])
    assert.deepEqual(await findings(registry), [])
    assert.deepEqual(await deleteOrphansJob(registry).run(runOf(noSignal), null), { keys: 0, sizeBytes: 0 })
  })

  test('tells of manifests and tags that do not hold together', async () => {
    await using place = await openTestRegistry()
    const { registry } = place
    const image = await putImage(registry, repositoryA, 'one', 'v1')
    await putImage(registry, repositoryB, 'two', 'v2')
    await tamper(
      registry,
      `delete from repository_blobs where blob_id = (select id from blobs where digest = ${bytesLiteral(digestToBytes(image.layer))})`,
    )
    await tamper(
      registry,
      `update manifests set payload = ${bytesLiteral(Buffer.from('{}'))} where repository_id = (select id from repositories where name = 'team/b')`,
    )
    await tamper(registry, `update tags set manifest_id = (select max(id) from manifests) where name = 'v1'`)
    await scrub(registry, { signal: noSignal })
    const told = await toldOf(registry)
    assert.equal(told.length, 3)
    assert.match(told[0] ?? '', /^manifest: team\/a@sha256:.*: not in its repository: sha256:/u)
    assert.match(told[1] ?? '', /^manifest: team\/b@sha256:.*: its bytes hash to sha256:/u)
    assert.match(told[2] ?? '', /^tag: team\/a:v1 points at no manifest/u)
  })

  test('as a job it reads a part of the blobs in each pass and all of them in turn, and says what it did', async () => {
    await using place = await openTestRegistry()
    const { registry } = place
    for (let number = 0; number < 60; number++) await pushBytes(registry, repositoryA, `blob ${number}`)
    let read = 0
    const kind = scrubJob(registry, { bytesPerSecond: 0, sample: 25, schedule: undefined }, { onRead: (bytes) => (read += bytes) })
    const passes = []
    for (let pass = 0; pass < 4; pass++) passes.push(await kind.run(runOf(noSignal), null))
    const total = (await scrub(registry, { signal: noSignal })).bytes
    assert.equal(read, total, 'four quarters are the whole')
    assert.ok(passes.every(({ blobs, bytes }) => blobs === 60 && bytes > 0 && bytes < total))
    assert.equal((await kind.run(runOf(noSignal), { sample: 100 })).bytes, total)
    assert.equal((await lastScrub(registry))?.counts.blobs, 60)
    assert.equal((await readScrubStatus(registry)).last?.sample, 100)
    const counted = await scrubFigures(registry).findings()
    assert.deepEqual([counted.length, counted.every(({ count }) => count === 0)], [7, true])
  })

  test('a damaged blob outside of the part that is read is found when its size is wrong', async () => {
    await using place = await openTestRegistry({ on: 'files' })
    const { registry } = place
    const [cut, flipped] = [await pushBytes(registry, repositoryA, large), await pushBytes(registry, repositoryA, sampleBytes(100_000))]
    await writeFile(await fileOf(place, cut), large.subarray(1))
    await writeFile(await fileOf(place, flipped), Buffer.alloc(100_000))
    const kind = scrubJob(registry, { bytesPerSecond: 0, sample: 0, schedule: undefined })
    const run = runOf(noSignal)
    assert.deepEqual((await kind.run(run, null)).found, { damaged: 1 })
    assert.match(run.lines.join('\n'), /wrong size/u)
    assert.deepEqual((await kind.run(runOf(noSignal), { sample: 100 })).found, { damaged: 1 })
  })
})
