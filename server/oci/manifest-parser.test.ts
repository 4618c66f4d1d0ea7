import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { digestOf } from './digest.ts'
import { RegistryError } from './errors.ts'
import { createManifestParser } from './manifest-parser.ts'
import { parseManifest } from './manifest.ts'
import { ociManifest } from './media-types.ts'

const digest = digestOf(Buffer.from('content'))
const config = { mediaType: 'application/vnd.oci.image.config.v1+json', digest, size: 3 }

function manifestOf(layerCount: number, fields: object = {}): Buffer {
  const layers = Array.from({ length: layerCount }, (_, index) => ({
    mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
    digest: digestOf(Buffer.from(String(index))),
    size: index,
    annotations: { 'org.opencontainers.image.title': `file ${index} é 😀`, __proto__: 'x' },
  }))
  return Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: ociManifest, config, layers, ...fields }))
}

const small = manifestOf(2)
const large = manifestOf(5000)

suite('createManifestParser', () => {
  test('a large document gives what a small one would, and keeps its bytes', async () => {
    await using parser = createManifestParser()
    const before = digestOf(large)
    const manifest = await parser.parse(large, ociManifest)
    assert.equal(manifest.layers.length, 5000)
    assert.deepEqual(manifest, parseManifest(large, ociManifest))
    assert.equal(digestOf(large), before)
    assert.deepEqual(await parser.parse(small, ociManifest), parseManifest(small, ociManifest))
  })

  test('a view into a larger buffer is read by its own bounds', async () => {
    await using parser = createManifestParser()
    const page = Buffer.concat([Buffer.alloc(100, 'x'), large, Buffer.alloc(100, 'x')])
    assert.equal((await parser.parse(page.subarray(100, -100), '')).layers.length, 5000)
  })

  test('a refusal is the same from both sides of the limit', async () => {
    await using parser = createManifestParser()
    const padding = 'x'.repeat(100_000)
    for (const fields of [{ schemaVersion: 3 }, { schemaVersion: 1 }, { config: null }, { manifests: [] }]) {
      const expected = await parser.parse(manifestOf(1, fields), '').catch((error: unknown) => error)
      const actual = await parser.parse(manifestOf(1, { ...fields, padding }), '').catch((error: unknown) => error)
      assert.ok(expected instanceof RegistryError && actual instanceof RegistryError)
      assert.deepEqual(
        [actual.code, actual.detail, actual.message, actual.status],
        [expected.code, expected.detail, expected.message, expected.status],
      )
    }
  })

  test('hostile documents are refused, and the next one is read', async () => {
    await using parser = createManifestParser()
    for (const text of [
      '['.repeat(200_000),
      `{${Array.from({ length: 300_000 }, (_, index) => `"n${index}":1`).join()}}`,
      '\0'.repeat(100_000),
    ]) {
      await assert.rejects(parser.parse(Buffer.from(text), ociManifest), { name: 'RegistryError', code: 'MANIFEST_INVALID' })
    }
    assert.equal((await parser.parse(large, '')).layers.length, 5000)
  })

  test('a document that exceeds the limits of its thread, or waits behind too many, is unavailable for now', async () => {
    await using parser = createManifestParser({ resourceLimits: { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 1 }, queueMax: 0 })
    const greedy = Buffer.from(`{"x":[${'{"a":[]},'.repeat(1_000_000)}1]}`)
    const outcomes = await Promise.allSettled([1, 2, 3].map(() => parser.parse(greedy, ociManifest)))
    for (const outcome of outcomes) {
      assert.ok(outcome.status === 'rejected' && outcome.reason instanceof RegistryError)
      assert.deepEqual([outcome.reason.code, outcome.reason.retryAfterSeconds], ['UNAVAILABLE', 1])
    }
  })

  test('the event loop turns while a large document is read', async () => {
    await using parser = createManifestParser()
    await parser.parse(large, '')
    let turns = 0
    const counting = setInterval(() => turns++, 1)
    await Promise.all([1, 2, 3, 4].map(() => parser.parse(large, '')))
    clearInterval(counting)
    assert.ok(turns > 0)
  })

  test('a closed parser still reads small documents and refuses large ones', async () => {
    const parser = createManifestParser()
    await parser[Symbol.asyncDispose]()
    assert.equal((await parser.parse(small, '')).kind, 'manifest')
    await assert.rejects(parser.parse(large, ''), { code: 'UNAVAILABLE' })
  })
})
