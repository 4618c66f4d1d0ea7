import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { findRepositoryId } from '#metadata/repositories.ts'
import type { Visibility } from '#metadata/visibility.ts'
import { digestOf, type Digest } from '#oci/digest.ts'
import { ociManifest } from '#oci/media-types.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { cancelUpload } from './cancel-upload.ts'
import { describeManifest } from './describe-manifest.ts'
import { describeRepository } from './describe-repository.ts'
import { listUploads } from './list-uploads.ts'
import { appendUpload, startUpload } from './push-blob.ts'
import type { Registry } from './registry.ts'
import {
  alice,
  descriptor,
  failsWith,
  imageOf,
  indexOf,
  openTestRegistry,
  pushBytes,
  putImage,
  putManifest,
  repositoryA,
  repositoryB,
  uploadsOf,
} from './test-registry.ts'
import { removeSession } from './upload-session.ts'

const everything: Visibility = { kind: 'everything' }
const who = { actor: 'alice', requestId: 'r1', actorKey: 'user:1', credential: 'password', address: '::1', userAgent: 't' }

async function cancellations(registry: Registry) {
  const rows = await registry.metadata.reader.selectFrom('events').selectAll().where('action', '=', 'upload.cancelled').execute()
  return rows.map(({ actor, detail }) => ({ actor, detail: JSON.parse(detail) as unknown }))
}

suite('a manifest', () => {
  const dockerConfig = 'application/vnd.oci.image.config.v1+json'
  const withConfig = (config: Digest, layers: readonly object[], rest: object = {}) =>
    Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: ociManifest, config: descriptor(config, dockerConfig), layers, ...rest }))

  test('is described with config, layers by their steps, referrers, tags and total size', async () => {
    await using test = await openTestRegistry()
    const { registry } = test
    const configText = JSON.stringify({
      os: 'linux',
      architecture: 'amd64',
      config: { Cmd: ['sh'] },
      history: [{ created_by: 'ADD a' }, { created_by: 'ENV', empty_layer: true }, { created_by: 'RUN b' }],
    })
    const config = await pushBytes(registry, repositoryA, configText)
    const layers = [await pushBytes(registry, repositoryA, 'aa'), await pushBytes(registry, repositoryA, 'bb')]
    const bytes = withConfig(config, [...layers.map((layer) => descriptor(layer)), descriptor(layers[0]!)], {
      annotations: { note: '<b>' },
    })
    const { digest } = await putManifest(registry, repositoryA, bytes, 'one', 'two')
    const sbom = imageOf({
      config: layers[0]!,
      artifactType: 'application/x-sbom',
      subject: descriptor(digest, ociManifest),
      annotations: { by: 'x' },
    })
    const referrer = await putManifest(registry, repositoryA, sbom)
    const found = await describeManifest(registry, repositoryA, digest, alice)
    assert.equal(found.kind, 'manifest')
    assert.deepEqual(found.config?.cmd, ['sh'])
    // Three layers in the document, two steps: nobody can say which is whose.
    assert.deepEqual(
      found.layers.map(({ history }) => history?.createdBy),
      [undefined, undefined, undefined],
    )
    assert.deepEqual(found.annotations, { note: '<b>' })
    assert.deepEqual(found.tags, ['one', 'two'])
    assert.deepEqual(
      found.referrers.map(({ digest: each, artifactType, annotations }) => [each, artifactType, annotations]),
      [[referrer.digest, 'application/x-sbom', { by: 'x' }]],
    )
    assert.deepEqual(found.total, { sizeBytes: bytes.length + configText.length + 4, isExact: true })
    assert.equal(found.isTruncated, false)
    const two = await putManifest(
      registry,
      repositoryA,
      withConfig(
        config,
        layers.map((layer) => descriptor(layer)),
      ),
    )
    const described = await describeManifest(registry, repositoryA, two.digest, alice)
    assert.deepEqual(
      described.layers.map(({ history }) => history?.createdBy),
      ['ADD a', 'RUN b'],
    )
  })

  test('that is an index has its platforms, those that are absent as such, and the size of all below it', async () => {
    await using test = await openTestRegistry({ options: { indexPlatforms: 'none' } })
    const { registry } = test
    const image = await putImage(registry, repositoryA, 'x')
    const absent = digestOf(Buffer.from('absent'))
    const bytes = indexOf([
      descriptor(image.digest, ociManifest, { platform: { os: 'linux', architecture: 'arm64', variant: 'v8' } }),
      descriptor(absent, ociManifest, { platform: { os: 'windows', architecture: 'amd64' } }),
    ])
    const { digest } = await putManifest(registry, repositoryA, bytes, 'one')
    const found = await describeManifest(registry, repositoryA, digest, alice)
    assert.deepEqual(
      found.children.map(({ digest: each, platform, isPresent }) => [each, platform, isPresent]),
      [
        [image.digest, { os: 'linux', architecture: 'arm64', variant: 'v8' }, true],
        [absent, { os: 'windows', architecture: 'amd64' }, false],
      ],
    )
    assert.equal(found.config, undefined)
    const child = await describeManifest(registry, repositoryA, image.digest, alice)
    assert.equal(found.total.sizeBytes, bytes.length + child.total.sizeBytes)
  })

  for (const [name, text, reason] of [
    ['names a member twice', '{"os":"a","os":"b"}', /twice/],
    ['is no JSON', '\u007fELF', /not JSON/],
    ['is no object', '[]', /object/],
    ['nests without end', '['.repeat(50_000), /deeper/],
    ['is too large', `{"a":"${'x'.repeat(1024 * 1024)}"}`, /larger/],
    ['is large and hostile', `{${Array.from({ length: 40_000 }, (_, index) => `"k${index}":0`).join(',')}}`, /more than/],
  ] as const) {
    test(`whose config ${name} is described without it`, async () => {
      await using test = await openTestRegistry()
      const { registry } = test
      const config = await pushBytes(registry, repositoryA, text)
      const { digest } = await putManifest(registry, repositoryA, withConfig(config, []))
      const found = await describeManifest(registry, repositoryA, digest, alice)
      assert.equal(found.config, undefined)
      assert.match(found.configProblem ?? '', reason)
    })
  }

  test('with more annotations than people read is told as cut', async () => {
    await using test = await openTestRegistry()
    const { registry } = test
    const config = await pushBytes(registry, repositoryA, 'c')
    const annotations = Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`a${index}`, 'x'.repeat(1_000)]))
    const { digest } = await putManifest(registry, repositoryA, imageOf({ config, annotations }))
    const found = await describeManifest(registry, repositoryA, digest, alice)
    assert.ok(Object.keys(found.annotations).length < 300)
    assert.equal(found.isTruncated, true)
  })

  test('that is not here is unknown', async () => {
    await using test = await openTestRegistry()
    const { registry } = test
    const { digest } = await putImage(registry, repositoryA, 'x')
    await putImage(registry, repositoryB, 'y')
    await assert.rejects(describeManifest(registry, repositoryB, digest, alice), failsWith('MANIFEST_UNKNOWN'))
    await assert.rejects(describeManifest(registry, 'none' as RepositoryName, digest, alice), failsWith('NAME_UNKNOWN'))
  })
})

suite('an upload under way', () => {
  const page = { limit: 10, column: 'updatedAt', isDescending: true } as const

  test('is listed to who sees its repository, and ends when it is cancelled', async () => {
    await using test = await openTestRegistry()
    const { registry } = test
    const { uploadId } = await startUpload(registry, repositoryA, alice)
    const some: Visibility = { kind: 'some', projectIds: [], repositoryGlobs: ['other/**'], includesPublic: false }
    assert.deepEqual((await listUploads(registry, some, { page })).items, [])
    const [row] = (await listUploads(registry, everything, { page })).items
    assert.deepEqual(
      [row?.uploadId, row?.repository, row?.actor, row?.offsetBytes, row?.isReceiving],
      [uploadId, repositoryA, 'alice', 0, false],
    )
    assert.deepEqual((await listUploads(registry, everything, { repository: repositoryB, page })).items, [])
    await assert.rejects(cancelUpload(registry, repositoryB, uploadId, who), failsWith('BLOB_UPLOAD_UNKNOWN'))
    await cancelUpload(registry, repositoryA, uploadId, { ...who, actor: 'admin' })
    await assert.rejects(cancelUpload(registry, repositoryA, uploadId, who), failsWith('BLOB_UPLOAD_UNKNOWN'))
    assert.deepEqual((await listUploads(registry, everything, { page })).items, [])
    assert.deepEqual(await uploadsOf(test), [])
    const [recorded] = await cancellations(registry)
    assert.deepEqual([recorded?.actor, recorded?.detail], ['admin', { uploadId }])
    // Nothing was ever kept there: the repository that the upload made goes with it.
    await assert.rejects(describeRepository(registry, repositoryA), failsWith('NAME_UNKNOWN'))
  })

  test('is taken out of the hands of a request that writes to it, whose sender is silent', async () => {
    await using test = await openTestRegistry()
    const { registry } = test
    const { uploadId } = await startUpload(registry, repositoryA, alice)
    let isReleased = false
    const body = {
      [Symbol.asyncIterator]() {
        const chunks = [Buffer.alloc(10), Buffer.alloc(20)]
        return {
          next: async () => ({ done: false, value: chunks.shift() ?? (await new Promise<Uint8Array>(() => {})) }),
          return: () => {
            isReleased = true
            return Promise.resolve({ done: true, value: undefined } as const)
          },
        }
      },
    }
    const { signal } = new AbortController()
    const append = appendUpload(registry, { repository: repositoryA, uploadId, actor: alice }, body, { signal })
    const refused = assert.rejects(append, failsWith('BLOB_UPLOAD_UNKNOWN'))
    const row = async () => (await listUploads(registry, everything, { page })).items[0]
    while ((await row())?.offsetBytes !== 30) await new Promise((resolve) => setImmediate(resolve))
    assert.equal((await row())?.isReceiving, true)
    await cancelUpload(registry, repositoryA, uploadId, who)
    await refused
    assert.equal(isReleased, true)
    assert.deepEqual([await row(), await uploadsOf(test), registry.memory.uploads.size], [undefined, [], 0])
    assert.equal(registry.memory.uploads.isClaimed(uploadId), false)
  })

  test('that became a blob before it could be stopped is unknown', async () => {
    await using test = await openTestRegistry()
    const { registry } = test
    const { uploadId } = await startUpload(registry, repositoryA, alice)
    const claim = registry.memory.uploads.claim(uploadId)
    const cancelling = assert.rejects(cancelUpload(registry, repositoryA, uploadId, who), failsWith('BLOB_UPLOAD_UNKNOWN'))
    while (claim?.stopped.aborted === false) await new Promise((resolve) => setImmediate(resolve))
    // As a push does that was past stopping.
    await registry.metadata.write(removeSession, {
      uploadId,
      repositoryId: (await findRepositoryId(registry.metadata.reader, repositoryA)) ?? 0,
    })
    claim?.[Symbol.dispose]()
    await cancelling
    assert.deepEqual(await cancellations(registry), [])
  })
})
