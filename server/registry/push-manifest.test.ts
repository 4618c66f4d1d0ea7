import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { digestOf, type Digest } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import { ociIndex, ociManifest } from '#oci/media-types.ts'
import type { Tag } from '#oci/reference.ts'
import { alterTestDatabase, bytesLiteral } from '#metadata/test-database.ts'
import { checkInvariants } from '../../test/invariants.ts'
import { checkLayerUrls } from './check-layer-urls.ts'
import { deleteManifest } from './delete-manifest.ts'
import { listTags } from './list-tags.ts'
import { pullManifest, statManifest } from './pull-manifest.ts'
import { pushManifest } from './push-manifest.ts'
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
} from './test-registry.ts'

const layerType = 'application/vnd.oci.image.layer.v1.tar'
const byTag = (tag: string) => ({ kind: 'tag', tag: tag as Tag }) as const
const byDigest = (digest: Digest) => ({ kind: 'digest', digest }) as const

async function simpleImage(registry: Registry): Promise<Buffer> {
  return imageOf({ config: await pushBytes(registry, repositoryA, '{}') })
}

suite('pushing and pulling a manifest', () => {
  test('a manifest is served byte for byte, by tag and by digest, with the type it was pushed as', async () => {
    await using place = await openTestRegistry()
    const { registry } = place
    const bytes = Buffer.concat([await simpleImage(registry), Buffer.from('\n \n')])
    const pushed = await putManifest(registry, repositoryA, bytes, 'v1', 'latest', 'v1')
    assert.deepEqual(pushed, { digest: digestOf(bytes), subject: undefined, tags: ['v1', 'latest'] })
    for (const reference of [byTag('v1'), byTag('latest'), byDigest(digestOf(bytes))]) {
      const { manifestId: _row, ...pulled } = await pullManifest(registry, repositoryA, reference, alice)
      const expected = { digest: digestOf(bytes), mediaType: ociManifest, bytes, isLastKnown: false }
      assert.deepEqual({ ...pulled, bytes: Buffer.from(pulled.bytes) }, expected)
      const { sizeBytes, digest } = await statManifest(registry, repositoryA, reference, alice)
      assert.deepEqual({ sizeBytes, digest }, { sizeBytes: bytes.length, digest: digestOf(bytes) })
    }
    assert.deepEqual(await checkInvariants(place.parts), [])
  })

  test('what is unknown is told apart: the repository, the tag, the digest', async () => {
    await using place = await openTestRegistry()
    const { registry } = place
    await assert.rejects(pullManifest(registry, repositoryA, byTag('v1'), alice), failsWith('NAME_UNKNOWN'))
    await putManifest(registry, repositoryA, await simpleImage(registry), 'v1')
    await assert.rejects(pullManifest(registry, repositoryA, byTag('v2'), alice), failsWith('MANIFEST_UNKNOWN', { tag: 'v2' }))
    const digest = digestOf(Buffer.from('x'))
    await assert.rejects(statManifest(registry, repositoryA, byDigest(digest), alice), failsWith('MANIFEST_UNKNOWN', { digest }))
  })

  test('a digest in the reference must be that of the bytes, in its own algorithm', async () => {
    await using place = await openTestRegistry()
    const { registry } = place
    const bytes = await simpleImage(registry)
    const push = { repository: repositoryA, mediaType: ociManifest, bytes, actor: alice }
    const sha512 = digestOf(bytes, 'sha512')
    assert.equal((await pushManifest(registry, { ...push, reference: { digest: sha512, tags: [] } })).digest, sha512)
    assert.deepEqual(Buffer.from((await pullManifest(registry, repositoryA, byDigest(sha512), alice)).bytes), bytes)
    await assert.rejects(pullManifest(registry, repositoryA, byDigest(digestOf(bytes)), alice), failsWith('MANIFEST_UNKNOWN'))
    const wrong = { digest: digestOf(Buffer.from('x')), tags: [] }
    await assert.rejects(pushManifest(registry, { ...push, reference: wrong }), failsWith('DIGEST_INVALID'))
    const tagged = await pushManifest(registry, { ...push, reference: { tags: ['a' as Tag] }, algorithm: 'sha512' })
    assert.equal(tagged.digest, sha512)
    assert.equal((await pushManifest(registry, { ...push, reference: { tags: ['a' as Tag] } })).digest, digestOf(bytes))
    assert.deepEqual(await checkInvariants(place.parts), [])
  })

  test('pushing the same again is fine, and heals bytes that rotted in the database', async () => {
    await using place = await openTestRegistry({ on: 'disk' })
    const { registry } = place
    const bytes = await simpleImage(registry)
    const { digest } = await putManifest(registry, repositoryA, bytes, 'v1')
    await putManifest(registry, repositoryA, bytes, 'v1')
    assert.equal((await registry.metadata.reader.selectFrom('tag_history').select('id').execute()).length, 1)
    await alterTestDatabase(`${place.directory}/berth.db`, [`update manifests set payload = ${bytesLiteral(Buffer.alloc(bytes.length))}`])
    registry.memory.contents.delete(digest)
    await assert.rejects(pullManifest(registry, repositoryA, byTag('v1'), alice), failsWith('MANIFEST_UNKNOWN'))
    await putManifest(registry, repositoryA, bytes, 'v1')
    registry.memory.contents.delete(digest)
    assert.deepEqual(Buffer.from((await pullManifest(registry, repositoryA, byTag('v1'), alice)).bytes), bytes)
    assert.deepEqual(await checkInvariants(place.parts), [])
  })

  test('a tag that moves keeps its history', async () => {
    await using place = await openTestRegistry()
    const { registry } = place
    const one = await putImage(registry, repositoryA, 'one', 'v1')
    const two = await putImage(registry, repositoryA, 'two', 'v1')
    assert.equal((await pullManifest(registry, repositoryA, byTag('v1'), alice)).digest, two.digest)
    await deleteManifest(registry, repositoryA, two.digest, alice)
    assert.deepEqual((await listTags(registry, repositoryA)).tags, [])
    await pullManifest(registry, repositoryA, byDigest(one.digest), alice)
    const events = await registry.metadata.reader.selectFrom('events').select('action').orderBy('id').execute()
    const actions = ['repository.created', 'manifest.pushed', 'tag.moved', 'manifest.pushed', 'tag.moved', 'manifest.deleted']
    assert.deepEqual(
      events.map(({ action }) => action),
      actions,
    )
    assert.deepEqual(await checkInvariants(place.parts), [])
  })

  test('all that is missing is named at once, and nothing of the push stays', async () => {
    await using place = await openTestRegistry()
    const { registry } = place
    const [config, one, two] = ['config', 'one', 'two'].map((text) => digestOf(Buffer.from(text))) as [Digest, Digest, Digest]
    await pushBytes(registry, repositoryB, 'one')
    const image = imageOf({ config, layers: [descriptor(one), descriptor(two), descriptor(two)] })
    await assert.rejects(
      putManifest(registry, repositoryA, image, 'v1'),
      failsWith('MANIFEST_BLOB_UNKNOWN', { digests: [config, one, two] }),
    )
    await assert.rejects(listTags(registry, repositoryA), failsWith('NAME_UNKNOWN'))
    const index = indexOf([descriptor(one, ociManifest), descriptor(two, layerType)])
    await assert.rejects(putManifest(registry, repositoryA, index), failsWith('MANIFEST_BLOB_UNKNOWN', { digests: [one, two] }))
  })

  test('layers that clients fetch elsewhere need not be here, but are kept when they are', async () => {
    await using place = await openTestRegistry()
    const { registry } = place
    const config = await pushBytes(registry, repositoryA, '{}')
    const foreign = 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip'
    const here = await pushBytes(registry, repositoryA, 'here')
    const layers = [
      descriptor(digestOf(Buffer.from('1')), foreign),
      descriptor(digestOf(Buffer.from('2')), layerType, { urls: ['https://example.com/layer'] }),
      descriptor(here, foreign),
    ]
    await putManifest(registry, repositoryA, imageOf({ config, layers }), 'v1')
    const references = await registry.metadata.reader.selectFrom('manifest_blobs').select('id').execute()
    assert.equal(references.length, 2)
    // What comes later is referenced from then on.
    await pushBytes(registry, repositoryA, '1')
    assert.equal((await registry.metadata.reader.selectFrom('manifest_blobs').select('id').execute()).length, 3)
    assert.deepEqual(await checkInvariants(place.parts), [])
  })

  test('an index may list manifests, other indexes, and blobs as BuildKit does', async () => {
    await using place = await openTestRegistry()
    const { registry } = place
    const image = await putImage(registry, repositoryA, 'one')
    const inner = await putManifest(registry, repositoryA, indexOf([descriptor(image.digest, ociManifest)]))
    const cache = await pushBytes(registry, repositoryA, 'cache')
    const entries = [
      descriptor(inner.digest, ociIndex),
      descriptor(cache, layerType),
      descriptor(cache, 'application/vnd.buildkit.cacheconfig.v0'),
    ]
    await putManifest(registry, repositoryA, indexOf(entries), 'v1')
    const cacheRow = await registry.metadata.reader.selectFrom('manifest_blobs').select('blob_id').execute()
    assert.equal(cacheRow.length, 3)
    assert.deepEqual(await checkInvariants(place.parts), [])
  })

  test('a sparse index is accepted as far as the rules say', async () => {
    const absent = digestOf(Buffer.from('absent'))
    const linux = descriptor(absent, ociManifest, { platform: { os: 'linux', architecture: 'amd64' } })
    const plan9 = descriptor(absent, ociManifest, { platform: { os: 'plan9', architecture: '386' } })
    const platformless = descriptor(absent, ociManifest)
    for (const [indexPlatforms, entry, isAccepted] of [
      ['all', linux, false],
      ['none', linux, true],
      [[{ os: 'linux', architecture: 'amd64' }], linux, false],
      [[{ os: 'linux', architecture: 'amd64' }], plan9, true],
      [[{ os: 'linux', architecture: 'amd64' }], platformless, true],
    ] as const) {
      await using place = await openTestRegistry({ options: { indexPlatforms } })
      const push = putManifest(place.registry, repositoryA, indexOf([entry]), 'v1')
      if (isAccepted) await push
      else await assert.rejects(push, failsWith('MANIFEST_BLOB_UNKNOWN'))
      assert.deepEqual(await checkInvariants(place.parts), [])
    }
  })

  test('indexes stand eight deep and no deeper', async () => {
    await using place = await openTestRegistry()
    const { registry } = place
    let { digest } = await putImage(registry, repositoryA, 'leaf')
    for (let depth = 1; depth <= 8; depth++) {
      digest = (await putManifest(registry, repositoryA, indexOf([descriptor(digest, depth === 1 ? ociManifest : ociIndex)]), `d${depth}`))
        .digest
    }
    await assert.rejects(putManifest(registry, repositoryA, indexOf([descriptor(digest, ociIndex)]), 'd9'), failsWith('MANIFEST_INVALID'))
    assert.equal((await listTags(registry, repositoryA)).tags.length, 8)
  })

  test('a manifest with a subject comes before its blobs where that is allowed, and holds them when they come', async () => {
    const subject = descriptor(digestOf(Buffer.from('subject')), ociManifest)
    const config = digestOf(Buffer.from('{}'))
    const layer = digestOf(Buffer.from('signature'))
    const bytes = imageOf({ config, layers: [descriptor(layer)], subject })
    {
      await using place = await openTestRegistry()
      await assert.rejects(putManifest(place.registry, repositoryA, bytes), failsWith('MANIFEST_BLOB_UNKNOWN'))
    }
    await using place = await openTestRegistry({ options: { referrersMayPrecedeBlobs: true } })
    const { registry } = place
    assert.equal((await putManifest(registry, repositoryA, bytes)).subject, digestOf(Buffer.from('subject')))
    await assert.rejects(
      putManifest(registry, repositoryA, imageOf({ config, layers: [descriptor(layer)] })),
      failsWith('MANIFEST_BLOB_UNKNOWN'),
    )
    await pushBytes(registry, repositoryA, 'signature')
    await pushBytes(registry, repositoryA, '{}')
    assert.equal((await registry.metadata.reader.selectFrom('manifest_blobs').select('id').execute()).length, 2)
    assert.deepEqual(await checkInvariants(place.parts), [])
  })

  test('too large, too many tags, not a manifest: refused before anything is written', async () => {
    await using place = await openTestRegistry({ options: { manifestBytes: 1_000 } })
    const { registry } = place
    const bytes = await simpleImage(registry)
    const padded = Buffer.concat([bytes, Buffer.alloc(1_000, ' ')])
    await assert.rejects(putManifest(registry, repositoryA, padded, 'v1'), failsWith('MANIFEST_INVALID', { limitBytes: 1_000 }))
    const tags = Array.from({ length: 51 }, (_, number) => `v${number}`)
    await assert.rejects(putManifest(registry, repositoryA, bytes, ...tags), failsWith('REQUEST_INVALID'))
    assert.equal((await putManifest(registry, repositoryA, bytes, ...tags.slice(1))).tags.length, 50)
    const junk = {
      repository: repositoryA,
      reference: { tags: ['x' as Tag] },
      mediaType: ociManifest,
      bytes: Buffer.from('{"a":'),
      actor: alice,
    }
    await assert.rejects(pushManifest(registry, junk), failsWith('MANIFEST_INVALID'))
  })

  test('a manifest of four megabytes is accepted, held in memory by its own bytes', async () => {
    await using place = await openTestRegistry()
    const { registry } = place
    const config = await pushBytes(registry, repositoryA, '{}')
    const annotations = Object.fromEntries(Array.from({ length: 390 }, (_, number) => [`a${number}`, 'x'.repeat(10_000)]))
    const bytes = imageOf({ config, annotations })
    const { digest } = await putManifest(registry, repositoryA, bytes, 'big')
    assert.equal((await pullManifest(registry, repositoryA, byDigest(digest), alice)).bytes.length, bytes.length)
  })
})

suite('admission', () => {
  test('checks are asked in order with what is pushed and pulled, and a refusal leaves nothing', async () => {
    const asked: string[] = []
    let refuses = false
    const check = (name: string, operations: readonly ('push' | 'pull')[]) => ({
      name,
      operations,
      check: async (request: { operation: string; tags: readonly Tag[]; manifest: unknown }) => {
        asked.push(`${name} ${request.operation} ${request.tags.join()} ${request.manifest === undefined ? 'unseen' : 'seen'}`)
        if (refuses) throw new RegistryError('DENIED')
      },
    })
    await using place = await openTestRegistry({ hooks: { admission: [check('one', ['push']), check('two', ['pull', 'push'])] } })
    const { registry } = place
    const bytes = await simpleImage(registry)
    await putManifest(registry, repositoryA, bytes, 'v1')
    await pullManifest(registry, repositoryA, byTag('v1'), alice)
    await statManifest(registry, repositoryA, byDigest(digestOf(bytes)), alice)
    assert.deepEqual(asked, ['one push v1 seen', 'two push v1 seen', 'two pull v1 unseen', 'two pull  unseen'])
    refuses = true
    await assert.rejects(putManifest(registry, repositoryA, bytes, 'v2'), failsWith('DENIED'))
    await assert.rejects(pullManifest(registry, repositoryA, byTag('v1'), alice), failsWith('DENIED'))
    assert.deepEqual((await listTags(registry, repositoryA)).tags, ['v1'])
  })

  test('layers may name only URLs that the operator allows', async () => {
    const rules = { allow: ['^https://cdn\\.example\\.com/'], deny: ['/private/'] }
    await using place = await openTestRegistry({ hooks: { admission: [checkLayerUrls(rules)] } })
    const { registry } = place
    const config = await pushBytes(registry, repositoryA, '{}')
    const push = (...urls: string[]) => {
      const layer = descriptor(digestOf(Buffer.from('far')), layerType, { urls })
      return putManifest(registry, repositoryA, imageOf({ config, layers: [layer] }), 'v1')
    }
    await push('https://cdn.example.com/layer')
    for (const url of [
      'https://evil.example/layer',
      'https://cdn.example.com/private/layer',
      'file:///etc/passwd',
      '',
      `https://cdn.example.com/${'x'.repeat(3_000)}`,
    ]) {
      await assert.rejects(push('https://cdn.example.com/layer', url), failsWith('MANIFEST_INVALID'), url)
    }
  })
})
