import assert from 'node:assert/strict'
import { mkdir, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { adoptIfNeeded } from '#features/adopt.ts'
import type { Problem, ProblemKind } from '#features/registry2-report.ts'
import { digestFromBytes, digestToBytes, parseDigest, type Digest } from '#oci/digest.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { listFindings } from '#metadata/scrub-findings.ts'
import { contentsOf, openPlace, snapshot } from './adoption-place.ts'
import { contentOf, descriptor, dockerManifest, ociIndex, ociManifest, type Content } from './registry2-directory.ts'

function kinds(found: readonly Problem[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { kind, count } of found) counts[kind] = (counts[kind] ?? 0) + count
  return counts
}

function problem(found: readonly Problem[], kind: ProblemKind): Problem | undefined {
  return found.find((one) => one.kind === kind)
}

function digest(content: Content | string): Digest {
  const parsed = parseDigest(typeof content === 'string' ? content : content.digest)
  assert.ok(parsed !== undefined)
  return parsed
}

async function blobRow(metadata: Metadata, content: Content | string) {
  return await metadata.reader
    .selectFrom('blobs')
    .selectAll()
    .where('digest', '=', digestToBytes(digest(content)))
    .executeTakeFirst()
}

async function historyOf(metadata: Metadata, tag: string) {
  const rows = await metadata.reader.selectFrom('tag_history').selectAll().where('name', '=', tag).orderBy('id').execute()
  return rows.map((row) => ({
    digest: row.digest && digestFromBytes(row.digest),
    previous: row.previous_digest && digestFromBytes(row.previous_digest),
    at: row.at,
    actor: row.actor,
  }))
}

async function knownDamage({ reader }: Metadata): Promise<unknown[]> {
  const page = await listFindings(reader, { isResolved: false }, { limit: 100, column: 'foundAt', isDescending: false })
  return page.items.map(({ digest }) => digest)
}

test('a multi-arch image, its children, an untagged manifest and a signature are adopted, and no file changes', async () => {
  await using place = await openPlace()
  const { directory } = place
  const arm = await directory.image('team/app', 'arm')
  const amd = await directory.image('team/app', 'amd')
  const untagged = await directory.image('team/app', 'untagged')
  const index = await directory.manifest('team/app', {
    schemaVersion: 2,
    mediaType: ociIndex,
    manifests: [arm, amd].map((one) => descriptor(one, ociManifest)),
  })
  const signature = await directory.image('team/app', 'signature', { subject: descriptor(index, ociIndex), annotations: { a: 'b' } })
  await directory.tag('team/app', '1.0', index.digest)
  await directory.tag('team/app', `sha256-${index.digest.slice(7)}.sig`, signature.digest)
  const before = await snapshot(directory.path())

  const report = await place.adopt()

  assert.deepEqual(report.found, [])
  assert.deepEqual(
    { repositories: report.tally.repositories, manifests: report.tally.manifests, tags: report.tally.tags, links: report.tally.links },
    { repositories: 1, manifests: 5, tags: 2, links: 8 },
  )
  const contents = await contentsOf(place.metadata)
  assert.deepEqual(
    contents.tags,
    [`team/app:1.0 ${index.digest}`, `team/app:sha256-${index.digest.slice(7)}.sig ${signature.digest}`].sort(),
  )
  assert.deepEqual(contents.children, [`${index.digest} ${arm.digest}`, `${index.digest} ${amd.digest}`].sort())
  assert.equal(contents.manifests.length, 5)
  assert.ok(contents.manifests.some((line) => line.includes(untagged.digest)))
  assert.ok(
    contents.manifests.some((line) =>
      line.includes(`${signature.digest} ${ociManifest} application/vnd.oci.image.config.v1+json ${index.digest}`),
    ),
  )
  assert.equal(contents.references.length, 8)
  const row = await blobRow(place.metadata, arm.config)
  assert.equal(row?.key, directory.blobPath(arm.config.digest).slice(place.root.length + 1))
  assert.equal(row?.size_bytes, arm.config.bytes.length)
  const stored = await place.metadata.reader
    .selectFrom('manifests')
    .select('payload')
    .where('digest', '=', digestToBytes(digest(index)))
    .executeTakeFirst()
  assert.deepEqual(Buffer.from(stored?.payload ?? []), index.bytes)
  assert.deepEqual(await snapshot(directory.path()), before)
})

test('repositories nest, names without a prefix belong to the default project, and invalid names are reported', async () => {
  await using place = await openPlace()
  const { directory } = place
  for (const name of ['busybox', 'a', 'a/b', 'a/b/c', 'a-b', 'Upper', 'bad..name']) {
    const image = await directory.image(name, `in ${name}`)
    await directory.tag(name, 'latest', image.digest)
  }
  await mkdir(directory.path('repositories', 'only/empty/_uploads'), { recursive: true })
  await mkdir(directory.path('repositories', 'nothing/here'), { recursive: true })
  const report = await place.adopt()
  assert.deepEqual((await contentsOf(place.metadata)).repositories, ['a', 'a-b', 'a/b', 'a/b/c', 'busybox'])
  assert.deepEqual(problem(report.found, 'name-invalid')?.examples, ['Upper', 'bad..name'])
  const project = await place.metadata.reader
    .selectFrom('repositories as r')
    .innerJoin('projects as p', 'p.id', 'r.project_id')
    .select('p.is_default')
    .where('r.name', '=', 'busybox')
    .executeTakeFirst()
  assert.equal(project?.is_default, 1)
})

test('a missing blob, a dangling layer link and a half upload are reported; the image is adopted and heals when the blob is linked', async () => {
  await using place = await openPlace()
  const { directory } = place
  const image = await directory.image('app', 'broken')
  await directory.tag('app', 'v1', image.digest)
  const layer = image.layers[0]!
  await rm(dirname(directory.blobPath(layer.digest)), { recursive: true })
  await directory.layer('app', contentOf('swept by garbage collection'))
  await rm(directory.blobPath(contentOf('swept by garbage collection').digest))
  await directory.write(directory.path('repositories/app/_uploads/5b0e1a3c/data'), 'half')
  await directory.write(directory.path('repositories/app/_uploads/5b0e1a3c/startedat'), '2026-11-21T01:02:03Z')

  const first = await place.adopt()
  assert.deepEqual(kinds(first.found), { 'layer-dangling': 2, 'manifest-incomplete': 1, 'upload-unfinished': 1 })
  assert.deepEqual((await contentsOf(place.metadata)).tags, [`app:v1 ${image.digest}`])
  assert.deepEqual((await contentsOf(place.metadata)).references, [`app ${image.digest} ${image.config.digest}`])

  // Restored from a backup.
  await directory.blob(layer)
  const second = await place.adopt()
  assert.equal(problem(second.found, 'manifest-incomplete'), undefined)
  assert.equal((await contentsOf(place.metadata)).references.length, 2)
})

test('a truncated blob is read because its size is wrong, and quarantined; restored, it comes back', async () => {
  await using place = await openPlace()
  const { directory } = place
  const image = await directory.image('app', 'cut')
  await truncate(directory.blobPath(image.layers[0]!.digest), 3)
  await truncate(directory.blobPath(image.config.digest), 0)
  const first = await place.adopt()
  assert.deepEqual(kinds(first.found), { 'blob-corrupt': 2, 'manifest-incomplete': 2 })
  assert.equal((await blobRow(place.metadata, image.layers[0]!))?.state, 'quarantined')
  assert.equal((await blobRow(place.metadata, image.config))?.state, 'quarantined')
  assert.equal((await knownDamage(place.metadata)).length, 2)

  await directory.blob(image.layers[0]!)
  await directory.blob(image.config)
  assert.deepEqual((await place.adopt()).found, [])
  const row = await blobRow(place.metadata, image.layers[0]!)
  assert.deepEqual([row?.state, row?.size_bytes], ['live', image.layers[0]!.bytes.length])
  assert.deepEqual(await knownDamage(place.metadata), [])
  assert.equal((await contentsOf(place.metadata)).references.length, 2)
})

test('a blob that is whole stays when it is the manifest that states a wrong size', async () => {
  await using place = await openPlace()
  const { directory } = place
  const config = await directory.layer('app', contentOf('{}'))
  await directory.manifest('app', {
    schemaVersion: 2,
    mediaType: ociManifest,
    config: { ...descriptor(config, 'application/x'), size: 99 },
    layers: [],
  })
  const report = await place.adopt()
  assert.deepEqual(kinds(report.found), { 'size-differs': 1 })
  assert.equal((await blobRow(place.metadata, config))?.state, 'live')
})

test('a flipped bit is found by digest verification only, and heals when the bytes are right again', async () => {
  await using place = await openPlace()
  const { directory } = place
  const image = await directory.image('app', 'rot')
  const layer = image.layers[0]!
  const rotten = Buffer.from(layer.bytes)
  rotten[0] = (rotten[0] ?? 0) ^ 1
  await writeFile(directory.blobPath(layer.digest), rotten)
  assert.deepEqual((await place.adopt()).found, [])
  assert.equal((await blobRow(place.metadata, layer))?.state, 'live')
  const verified = await place.adopt({ verify: 'digest' })
  assert.deepEqual(kinds(verified.found), { 'blob-corrupt': 1 })
  assert.equal(verified.tally.blobsVerified, 2)
  assert.equal((await blobRow(place.metadata, layer))?.state, 'quarantined')
  assert.deepEqual(await knownDamage(place.metadata), [layer.digest])
  await directory.blob(layer)
  assert.deepEqual((await place.adopt({ verify: 'digest' })).found, [])
  assert.equal((await blobRow(place.metadata, layer))?.state, 'live')
  assert.deepEqual(await knownDamage(place.metadata), [])
})

test('a sha512 alias is a blob of its own name over the same bytes', async () => {
  await using place = await openPlace()
  const { directory } = place
  const layer = contentOf('named by sha512')
  const alias = await directory.sha512Layer('app', layer)
  const config = await directory.layer('app', contentOf('{}'))
  const manifest = await directory.manifest('app', {
    schemaVersion: 2,
    mediaType: ociManifest,
    config: descriptor(config, 'application/x'),
    layers: [{ mediaType: 'application/y', digest: alias, size: layer.bytes.length }],
  })
  const report = await place.adopt({ verify: 'digest' })
  assert.deepEqual(report.found, [])
  const rows = [await blobRow(place.metadata, alias), await blobRow(place.metadata, layer)]
  assert.equal(rows[0]?.key, rows[1]?.key)
  assert.equal(rows[0]?.size_bytes, layer.bytes.length)
  assert.ok((await contentsOf(place.metadata)).references.includes(`app ${manifest.digest} ${alias}`))
})

test('an empty or malformed link is repaired when the bytes prove its path, and left out when they do not', async () => {
  await using place = await openPlace()
  const { directory } = place
  const image = await directory.image('app', 'links')
  const lost = await directory.layer('app', contentOf('bytes are gone too'))
  const swapped = await directory.layer('app', contentOf('link names another blob'))
  await writeFile(directory.linkPath('app', '_layers', image.config.digest), '')
  await writeFile(directory.linkPath('app', '_manifests/revisions', image.digest), 'rubbish')
  await writeFile(directory.linkPath('app', '_layers', swapped.digest), image.config.digest)
  await writeFile(directory.linkPath('app', '_layers', lost.digest), `${lost.digest.slice(0, 40)}`)
  await rm(directory.blobPath(lost.digest))
  await directory.tag('app', 'good', image.digest)
  await directory.tag('app', 'empty', image.digest)
  await writeFile(join(directory.tagPath('app', 'empty'), 'current/link'), '')
  const report = await place.adopt()
  assert.deepEqual(kinds(report.found), { 'link-repaired': 3, 'link-broken': 2 })
  const contents = await contentsOf(place.metadata)
  assert.deepEqual(contents.tags, [`app:good ${image.digest}`])
  assert.equal(contents.links.length, 3)
  assert.equal(contents.references.length, 2)
})

test('manifests that are missing, changed, invalid, too big or of schema 1 are left out with a reason, and so are their tags', async () => {
  await using place = await openPlace()
  const { directory } = place
  const whole = await directory.image('app', 'whole')
  const missing = await directory.image('app', 'missing')
  await rm(directory.blobPath(missing.digest))
  const changed = await directory.image('app', 'changed')
  await writeFile(directory.blobPath(changed.digest), Buffer.concat([changed.bytes, Buffer.from(' ')]))
  const invalid = await directory.manifest('app', { schemaVersion: 2, mediaType: ociManifest, config: 'no descriptor', layers: [] })
  const notJson = contentOf('<html>')
  await directory.blob(notJson)
  await directory.write(directory.linkPath('app', '_manifests/revisions', notJson.digest), notJson.digest)
  const big = await directory.manifest('app', { schemaVersion: 2, mediaType: ociManifest, annotations: { a: 'x'.repeat(4 * 1024 * 1024) } })
  const schema1 = await directory.manifest('app', { schemaVersion: 1, name: 'app', tag: 'old', fsLayers: [], history: [], signatures: [] })
  for (const [tag, one] of Object.entries({ whole, missing, changed, invalid, notJson, big, schema1 }))
    await directory.tag('app', tag, one.digest)
  await directory.tag('app', 'deleted', whole.digest)
  await rm(join(directory.tagPath('app', 'deleted'), 'current'), { recursive: true })
  await directory.tag('app', '-bad-tag', whole.digest)

  const report = await place.adopt()
  assert.deepEqual(kinds(report.found), {
    'manifest-missing': 1,
    'manifest-corrupt': 1,
    'manifest-invalid': 3,
    'manifest-schema1': 1,
    'tag-dangling': 6,
    'tag-invalid': 1,
  })
  assert.deepEqual((await contentsOf(place.metadata)).tags, [`app:whole ${whole.digest}`])
})

test('Docker manifests, documents without a media type, foreign layers and caches keep what they are', async () => {
  await using place = await openPlace()
  const { directory } = place
  const config = await directory.layer('app', contentOf('{}'))
  const foreign = {
    mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
    digest: contentOf('elsewhere').digest,
    size: 9,
    urls: ['https://example.com'],
  }
  const docker = await directory.manifest('app', {
    schemaVersion: 2,
    mediaType: dockerManifest,
    config: descriptor(config, 'application/x'),
    layers: [foreign],
  })
  const untyped = await directory.manifest('app', { schemaVersion: 2, config: descriptor(config, 'application/x'), layers: [] })
  const cache = await directory.manifest('app', {
    schemaVersion: 2,
    manifests: [descriptor(config, 'application/vnd.buildkit.cacheconfig.v0')],
  })
  const report = await place.adopt()
  assert.deepEqual(report.found, [])
  const { manifests, references } = await contentsOf(place.metadata)
  for (const [one, mediaType] of [
    [docker, dockerManifest],
    [untyped, ociManifest],
    [cache, ociIndex],
  ] as const) {
    assert.ok(
      manifests.some((line) => line.includes(`${one.digest} ${mediaType}`)),
      mediaType,
    )
    assert.ok(references.includes(`app ${one.digest} ${config.digest}`), mediaType)
  }
})

test('nothing that leads out of the directory is followed, and strange files are reported', async () => {
  await using place = await openPlace()
  const { directory } = place
  const outside = join(place.root, 'outside')
  const secret = contentOf('outside the registry')
  await mkdir(outside)
  await writeFile(join(outside, 'data'), secret.bytes)
  await directory.image('app', 'inside')
  await directory.write(directory.linkPath('app', '_layers', secret.digest), secret.digest)
  await mkdir(dirname(directory.blobPath(secret.digest)), { recursive: true })
  await symlink(join(outside, 'data'), directory.blobPath(secret.digest))
  await directory.image('outside', 'moved away')
  await rename(directory.path('repositories/outside'), join(outside, 'repository'))
  await symlink(join(outside, 'repository'), directory.path('repositories/linked'))
  await directory.write(directory.path('repositories/app/_layers/sha256/not-a-digest/link'), 'x')
  await directory.write(`${directory.linkPath('app', '_layers', secret.digest)}.5b0e.tmp`, 'x')
  await directory.write(directory.path('repositories/app/_layers/sha256/link.5b0e.tmp'), 'x')
  const report = await place.adopt()
  assert.deepEqual(kinds(report.found), { 'layer-dangling': 1, 'unexpected-entry': 2, 'symbolic-link': 1 })
  assert.deepEqual((await contentsOf(place.metadata)).repositories, ['app'])
  assert.equal(await blobRow(place.metadata, secret), undefined)
})

test('the history of a tag comes along when the times of its links tell the order, and not otherwise', async () => {
  await using place = await openPlace()
  const { directory } = place
  const images = [await directory.image('app', 'one'), await directory.image('app', 'two'), await directory.image('app', 'three')]
  for (const [index, image] of images.entries())
    await directory.tag('app', 'ordered', image.digest, new Date(1_700_000_000_000 + index * 1000))
  for (const image of images) await directory.tag('app', 'copied', image.digest, new Date(1_700_000_000_000))
  await place.adopt()
  const [one, two, three] = images.map((image) => image.digest)
  const actor = 'system:import'
  assert.deepEqual(await historyOf(place.metadata, 'ordered'), [
    { digest: one, previous: null, at: 1_700_000_000_000, actor },
    { digest: two, previous: one, at: 1_700_000_001_000, actor },
    { digest: three, previous: two, at: 1_700_000_002_000, actor },
  ])
  assert.deepEqual(await historyOf(place.metadata, 'copied'), [{ digest: three, previous: null, at: 1_700_000_000_000, actor }])
})

test('a second run adds what is new and follows tags that moved in the old registry', async () => {
  await using place = await openPlace()
  const { directory } = place
  const first = await directory.image('app', 'first')
  await directory.tag('app', 'latest', first.digest)
  await place.adopt()
  const second = await directory.image('app', 'second')
  await directory.tag('app', 'latest', second.digest)
  await directory.tag('other', 'stable', (await directory.image('other', 'third')).digest)
  const report = await place.adopt()
  assert.deepEqual([report.tally.tagsMoved, report.tally.tagsAdded, report.tally.manifestsAdded], [1, 1, 2])
  assert.ok((await contentsOf(place.metadata)).tags.includes(`app:latest ${second.digest}`))
  assert.deepEqual(
    (await historyOf(place.metadata, 'latest')).map(({ digest: to, previous }) => [to, previous]),
    [
      [first.digest, null],
      [second.digest, first.digest],
    ],
  )
  const before = await contentsOf(place.metadata)
  const again = await place.adopt()
  assert.deepEqual([again.tally.tagsMoved, again.tally.tagsAdded, again.tally.manifestsAdded, again.tally.blobsAdded], [0, 0, 0, 0])
  assert.deepEqual(await contentsOf(place.metadata), before)
})

test('an absent directory needs no adoption, and a finished one is not adopted again by itself', async () => {
  await using place = await openPlace()
  assert.equal(await adoptIfNeeded(place.parts), undefined)
  await assert.rejects(place.adopt(), /no data of registry:2/)
  await place.directory.image('app', 'one')
  assert.equal((await adoptIfNeeded(place.parts))?.tally.manifests, 1)
  await place.directory.image('app', 'two')
  assert.equal(await adoptIfNeeded(place.parts), undefined)
})

test('a dry run reports the same problems and writes nothing', async () => {
  await using place = await openPlace()
  const { directory } = place
  const image = await directory.image('app', 'one')
  await directory.tag('app', 'v1', image.digest)
  await directory.tag('app', 'gone', contentOf('no such manifest').digest)
  await rm(directory.blobPath(image.layers[0]!.digest))
  await directory.image('app', 'untagged')
  const dry = await place.adopt({ dryRun: true })
  assert.deepEqual((await contentsOf(place.metadata)).repositories, [])
  assert.equal((await place.metadata.reader.selectFrom('settings').select('name').where('name', '=', 'adoption').execute()).length, 0)
  const real = await place.adopt()
  assert.deepEqual(kinds(dry.found), kinds(real.found))
  const { repositories, links, manifests, tags } = real.tally
  assert.deepEqual({ ...dry.tally }, { ...dry.tally, repositories, links, manifests, tags })
})

test('blobs that nothing references are left to the operator: only a sweep finds them', async () => {
  await using place = await openPlace()
  await place.directory.image('app', 'one')
  const alone = await place.directory.layer('app', contentOf('no manifest needs me'))
  await place.adopt()
  assert.deepEqual(await place.metadata.reader.selectFrom('garbage_reviews').selectAll().where('kind', '=', 'blob').execute(), [])
  assert.ok(await blobRow(place.metadata, alone))
})
