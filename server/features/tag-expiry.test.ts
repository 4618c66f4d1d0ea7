import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createActivityStream } from '#events/dispatch.ts'
import { systemPorts } from '#lib/ports.ts'
import { newestEventOf } from '#metadata/events.ts'
import { findManifest, manifestPayload } from '#metadata/manifests.ts'
import { createImmutableRule } from '#projects/immutable-rules.ts'
import { createProject } from '#projects/create-project.ts'
import { digestOf, type Digest } from '#oci/digest.ts'
import { ociManifest } from '#oci/media-types.ts'
import type { Tag } from '#oci/reference.ts'
import { expireTag } from '#registry/expire-tag.ts'
import { listTagRows } from '#registry/list-tag-rows.ts'
import type { Registry } from '#registry/registry.ts'
import { restoreTag } from '#registry/restore-tag.ts'
import {
  descriptor,
  failsWith,
  hourMs,
  imageOf,
  indexOf,
  openTestRegistry,
  pushBytes,
  putImage,
  putManifest,
  repositoryA,
  type TestRegistry,
} from '#registry/test-registry.ts'
import { expireTags } from './expire-tags.ts'
import { startTagExpiry } from './tag-expiry.ts'

const who = { actor: 'alice', requestId: 'r1' }
const dayMs = 24 * hourMs
const configType = 'application/vnd.oci.image.config.v1+json'

/** Lets everything that is committed be read, by one process from its start to its end. */
async function readOn({ registry }: TestRegistry): Promise<void> {
  const { metadata, context } = registry
  await using activity = createActivityStream({ metadata, ports: systemPorts, log: context.log })
  const newest = (await newestEventOf(metadata.reader, 'tag.moved'))?.id ?? 0
  await using expiry = await startTagExpiry(registry, activity)
  while (expiry.lastId < newest) await new Promise((resolve) => setImmediate(resolve))
}

async function imageWith(
  registry: Registry,
  labels: Readonly<Record<string, string>>,
  options: { readonly annotations?: Readonly<Record<string, string>>; readonly tags?: readonly string[]; readonly salt?: string } = {},
): Promise<Digest> {
  const config = Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', config: { Labels: labels }, salt: options.salt }))
  await pushBytes(registry, repositoryA, config)
  const body = JSON.parse(imageOf({ config: digestOf(config) }).toString()) as { config: object }
  const annotations = options.annotations === undefined ? {} : { annotations: options.annotations }
  const manifest = { ...body, config: { mediaType: configType, digest: digestOf(config), size: config.length }, ...annotations }
  return (await putManifest(registry, repositoryA, Buffer.from(JSON.stringify(manifest)), ...(options.tags ?? []))).digest
}

async function tagsOf(registry: Registry): Promise<Record<string, number | undefined>> {
  const page = { limit: 100, column: 'name', isDescending: false } as const
  const { items } = await listTagRows(registry, repositoryA, { filter: {}, page })
  // Hours from the push on.
  return Object.fromEntries(items.map(({ name, expiresAt, updatedAt }) => [name, expiresAt && (expiresAt - updatedAt) / hourMs]))
}

const lines: string[] = []
const run = {
  cursor: undefined,
  signal: new AbortController().signal,
  save: async () => undefined,
  log: (_level: string, message: string) => void lines.push(message),
}

suite('a label or an annotation', () => {
  test('says how long a tag lives from its push on', async () => {
    await using opened = await openTestRegistry()
    const { registry } = opened
    await readOn(opened)
    await imageWith(registry, { 'quay.expires-after': '2h' }, { tags: ['labelled', 'twice'] })
    await imageWith(registry, {}, { tags: ['annotated'], annotations: { 'org.opencontainers.image.expires-after': '1d' } })
    await imageWith(registry, { 'quay.expires-after': '2h' }, { tags: ['both'], annotations: { 'quay.expires-after': '3h' } })
    await imageWith(registry, { 'quay.expires-after': 'soon' }, { tags: ['misspelt'] })
    await imageWith(registry, {}, { tags: ['silent'], salt: 'x' })
    await putImage(registry, repositoryA, 'one', 'no-image')
    await readOn(opened)
    assert.deepEqual(await tagsOf(registry), {
      annotated: 24,
      both: 3,
      labelled: 2,
      misspelt: undefined,
      'no-image': undefined,
      silent: undefined,
      twice: 2,
    })
  })

  test('of an index counts, else the longest of its images if all say how long', async () => {
    await using opened = await openTestRegistry()
    const { registry } = opened
    await readOn(opened)
    const short = await imageWith(registry, { 'quay.expires-after': '1h' })
    const long = await imageWith(registry, { 'quay.expires-after': '5h' })
    const silent = await imageWith(registry, {})
    const attestation = descriptor(silent, ociManifest, { platform: { os: 'unknown', architecture: 'unknown' } })
    const images = [descriptor(short, ociManifest), descriptor(long, ociManifest), attestation]
    await putManifest(registry, repositoryA, indexOf(images), 'images')
    await putManifest(registry, repositoryA, indexOf([...images, descriptor(silent, ociManifest)]), 'one-silent')
    await putManifest(registry, repositoryA, indexOf(images, { annotations: { 'quay.expires-after': '9h' } }), 'own')
    await readOn(opened)
    assert.deepEqual(await tagsOf(registry), { images: 5, 'one-silent': undefined, own: 9 })
  })

  test('is read of what was pushed while nobody read, once, and not of what was there before expiry was', async () => {
    await using opened = await openTestRegistry()
    const { registry } = opened
    await imageWith(registry, { 'quay.expires-after': '1h' }, { tags: ['before'] })
    await readOn(opened)
    await imageWith(registry, { 'quay.expires-after': '1h', salt: '1' }, { tags: ['between'] })
    await readOn(opened)
    assert.deepEqual(await tagsOf(registry), { before: undefined, between: 1 })
    await expireTag(registry, { repository: repositoryA, tag: 'between' as Tag, expiresAt: undefined }, who)
    await readOn(opened)
    assert.deepEqual(await tagsOf(registry), { before: undefined, between: undefined })
  })

  test('says nothing of a tag that somebody put back', async () => {
    await using opened = await openTestRegistry({ options: { trashWindowMs: dayMs } })
    const { registry } = opened
    await readOn(opened)
    await imageWith(registry, { 'quay.expires-after': '1h' }, { tags: ['v1'] })
    await readOn(opened)
    assert.deepEqual(await tagsOf(registry), { v1: 1 })
    opened.clock.advance(hourMs + 1_000)
    assert.deepEqual(await expireTags(registry, run), { deleted: 1, immutable: 0 })
    await restoreTag(registry, { repository: repositoryA, tag: 'v1' as Tag, mayMove: true, mayTakeFromTrash: true }, who)
    await readOn(opened)
    assert.deepEqual(await tagsOf(registry), { v1: undefined })
  })

  test('of what a tag pointed at before it moved is forgotten', async () => {
    await using opened = await openTestRegistry()
    const { registry } = opened
    await readOn(opened)
    await imageWith(registry, { 'quay.expires-after': '1h' }, { tags: ['v1'] })
    opened.clock.advance(1_000)
    await imageWith(registry, {}, { tags: ['v1'] })
    await readOn(opened)
    assert.deepEqual(await tagsOf(registry), { v1: undefined })
    await imageWith(registry, { 'quay.expires-after': '4h' }, { tags: ['v2'] })
    await readOn(opened)
    await imageWith(registry, {}, { tags: ['v2'], salt: 'other' })
    assert.deepEqual(await tagsOf(registry), { v1: undefined, v2: undefined })
  })

  test('of an image that cannot be read stops nothing', async () => {
    await using opened = await openTestRegistry()
    const { registry } = opened
    await readOn(opened)
    const config = Buffer.from('{"config":{"Labels":{"quay.expires-after":')
    await pushBytes(registry, repositoryA, config)
    const body = JSON.parse(imageOf({ config: digestOf(config) }).toString()) as object
    const broken = { ...body, config: { mediaType: configType, digest: digestOf(config), size: config.length } }
    await putManifest(registry, repositoryA, Buffer.from(JSON.stringify(broken)), 'broken')
    await imageWith(registry, { 'quay.expires-after': '1h' }, { tags: ['whole'] })
    await readOn(opened)
    assert.deepEqual(await tagsOf(registry), { broken: undefined, whole: 1 })
  })
})

suite('a tag that has expired', () => {
  test('is deleted for that reason, its manifest stays, and others are left alone', async () => {
    await using opened = await openTestRegistry({ options: { trashWindowMs: dayMs } })
    const { registry, clock } = opened
    const { digest } = await putImage(registry, repositoryA, 'one', 'old', 'young', 'lasting')
    const now = clock.now()
    await expireTag(registry, { repository: repositoryA, tag: 'old' as Tag, expiresAt: now + hourMs }, who)
    await expireTag(registry, { repository: repositoryA, tag: 'young' as Tag, expiresAt: now + 2 * dayMs }, who)
    assert.deepEqual(await expireTags(registry, run), { deleted: 0, immutable: 0 })
    clock.advance(hourMs + 1_000)
    assert.deepEqual(await expireTags(registry, run), { deleted: 1, immutable: 0 })
    assert.deepEqual(Object.keys(await tagsOf(registry)), ['lasting', 'young'])
    const { reader } = registry.metadata
    const history = await reader
      .selectFrom('tag_history')
      .select(['reason', 'digest'])
      .where('name', '=', 'old')
      .orderBy('id', 'desc')
      .executeTakeFirst()
    assert.deepEqual(history, { reason: 'expiry', digest: null })
    const event = await reader.selectFrom('events').select('detail').where('action', '=', 'tag.deleted').executeTakeFirstOrThrow()
    assert.deepEqual(JSON.parse(event.detail), { reason: 'expiry' })
    assert.equal((await putManifest(registry, repositoryA, Buffer.from((await payloadOf(registry, digest)) ?? ''))).digest, digest)
  })

  test('stays while a rule keeps it', async () => {
    await using opened = await openTestRegistry()
    const { registry, clock } = opened
    const parts = { metadata: registry.metadata, ports: { clock } }
    const project = await createProject(parts, { name: 'team' }, who)
    const rule = { repositories: '**', tagSyntax: 'glob', tags: 'v*', description: '', isEnabled: true } as const
    await createImmutableRule(parts, { projectId: project.id, rule }, who)
    await putImage(registry, repositoryA, 'one', 'v1', 'other')
    for (const tag of ['v1', 'other'] as Tag[])
      await expireTag(registry, { repository: repositoryA, tag, expiresAt: clock.now() + hourMs }, who)
    clock.advance(2 * hourMs)
    assert.deepEqual(await expireTags(registry, run), { deleted: 1, immutable: 1 })
    assert.deepEqual(Object.keys(await tagsOf(registry)), ['v1'])
    assert.match(lines.at(-1) ?? '', /team\/a:v1 has expired, and stays: it is immutable/)
  })

  test('is one of many: all go, a page at a time', async () => {
    await using opened = await openTestRegistry()
    const { registry, clock } = opened
    const tags = Array.from({ length: 230 }, (_, index) => `t${index}` as Tag)
    for (let at = 0; at < tags.length; at += 50) await putImage(registry, repositoryA, 'one', ...tags.slice(at, at + 50))
    const expiresAt = clock.now() + hourMs
    for (const tag of tags) await expireTag(registry, { repository: repositoryA, tag, expiresAt }, who)
    clock.advance(2 * hourMs)
    const cursors: unknown[] = []
    const saving = { ...run, save: async (cursor: unknown) => void cursors.push(cursor) }
    assert.deepEqual(await expireTags(registry, saving), { deleted: 230, immutable: 0 })
    assert.equal(cursors.length, 2)
    assert.deepEqual(await tagsOf(registry), {})
  })

  test('stays where deletes are switched off', async () => {
    await using opened = await openTestRegistry({ options: { deleteEnabled: false } })
    const { registry, clock } = opened
    await putImage(registry, repositoryA, 'one', 'old')
    await expireTag(registry, { repository: repositoryA, tag: 'old' as Tag, expiresAt: clock.now() + hourMs }, who)
    clock.advance(2 * hourMs)
    assert.deepEqual(await expireTags(registry, run), { deleted: 0, immutable: 0 })
    assert.deepEqual(Object.keys(await tagsOf(registry)), ['old'])
  })

  test('is given no time that has passed, and is named by what it points at', async () => {
    await using opened = await openTestRegistry()
    const { registry, clock } = opened
    await putImage(registry, repositoryA, 'one', 'v1')
    const change = { repository: repositoryA, tag: 'v1' as Tag, expiresAt: clock.now() + hourMs }
    await assert.rejects(expireTag(registry, { ...change, expiresAt: clock.now() - 1 }, who), failsWith('REQUEST_INVALID'))
    await assert.rejects(expireTag(registry, { ...change, tag: 'v2' as Tag }, who), failsWith('MANIFEST_UNKNOWN'))
    const elsewhere = digestOf(Buffer.from('elsewhere'))
    await assert.rejects(expireTag(registry, { ...change, expectedDigest: elsewhere }, who), failsWith('PRECONDITION_FAILED'))
    assert.deepEqual(await tagsOf(registry), { v1: undefined })
  })
})

async function payloadOf({ metadata }: Registry, digest: Digest): Promise<Uint8Array | undefined> {
  const facts = await findManifest(metadata.reader, repositoryA, { kind: 'digest', digest })
  assert.ok(facts !== undefined && facts !== 'no-repository')
  return await manifestPayload(metadata.reader, facts.manifestId)
}
