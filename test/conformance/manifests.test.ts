import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { HttpResponse } from '../support/http-client.ts'
import { digestOfBytes, mediaTypes } from '../support/registry-client.ts'
import { algorithmOf, dataSets, pushBlobs } from './data-sets.ts'
import { withBerth } from './with-berth.ts'

const registry = withBerth()

interface Document {
  readonly mediaType: string
  readonly subject?: { readonly digest: string }
}

function parse(bytes: Buffer): Document {
  return JSON.parse(bytes.toString()) as Document
}

/** Sends a body in pieces without a length, as Go's client does. */
async function* inPieces(bytes: Buffer) {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536)
}

async function putManifest(repository: string, reference: string, bytes: Buffer): Promise<HttpResponse> {
  const headers = { 'content-type': parse(bytes).mediaType }
  return await registry().send(`/v2/${repository}/manifests/${reference}`, { method: 'PUT', body: inPieces(bytes), headers })
}

async function assertServed(path: string, bytes: Buffer, digest: string) {
  const { mediaType } = parse(bytes)
  const headers = { accept: `${mediaTypes.manifest}, ${mediaTypes.index}, ${mediaType}` }
  for (const method of ['GET', 'HEAD'] as const) {
    const answer = await registry().send(path, { method, headers })
    assert.equal(answer.status, 200, `${method} ${path}`)
    const { 'content-type': type, 'content-length': length, 'docker-content-digest': header } = answer.headers
    assert.deepEqual([type, length, header], [mediaType, String(bytes.length), digest])
    assert.deepEqual(answer.body, method === 'GET' ? bytes : Buffer.alloc(0))
  }
}

for (const [name, make] of Object.entries(dataSets)) {
  const repository = `conformance/${name.toLowerCase().replaceAll(/[^a-z0-9]+/gu, '-')}`
  const algorithm = algorithmOf(name)
  const digestOf = (bytes: Buffer) => digestOfBytes(bytes, algorithm)

  describe(name, () => {
    const { blobs, manifests } = make()
    const last = manifests.at(-1) ?? Buffer.alloc(0)
    // A tag is a name of the canonical digest; what must be known by sha512 is pushed by digest only.
    const references = algorithm === 'sha256' ? ['first', 'second'] : []

    test('every manifest is accepted by digest and by tag, and answered with its place and its subject', async () => {
      await pushBlobs(registry(), repository, blobs, algorithm)
      const pushes = [...manifests.map((bytes) => [digestOf(bytes), bytes] as const), ...references.map((tag) => [tag, last] as const)]
      for (const [reference, bytes] of pushes) {
        const answer = await putManifest(repository, reference, bytes)
        assert.equal(answer.status, 201, answer.body.toString())
        assert.equal(answer.headers['docker-content-digest'], digestOf(bytes))
        assert.equal(answer.headers['oci-subject'], parse(bytes).subject?.digest)
        await assertServed(answer.headers.location ?? '', bytes, digestOf(bytes))
      }
    })

    test('it is served byte for byte by tag and by digest, and so are its blobs', async () => {
      for (const bytes of manifests) await assertServed(`/v2/${repository}/manifests/${digestOf(bytes)}`, bytes, digestOf(bytes))
      for (const tag of references) await assertServed(`/v2/${repository}/manifests/${tag}`, last, digestOf(last))
      for (const bytes of blobs) assert.deepEqual((await registry().send(`/v2/${repository}/blobs/${digestOf(bytes)}`)).body, bytes)
    })

    test('its tags are listed', async () => {
      const { body } = await registry().send(`/v2/${repository}/tags/list`)
      assert.deepEqual(JSON.parse(body.toString()), { name: repository, tags: references })
    })

    test('end-9: deleted tags, manifests and blobs are 404 at once', async () => {
      const paths = [
        ...references.map((tag) => `/v2/${repository}/manifests/${tag}`),
        ...manifests.toReversed().map((bytes) => `/v2/${repository}/manifests/${digestOf(bytes)}`),
        ...new Set(blobs.map((bytes) => `/v2/${repository}/blobs/${digestOf(bytes)}`)),
      ]
      for (const path of paths) {
        assert.equal((await registry().send(path, { method: 'DELETE' })).status, 202, `DELETE ${path}`)
        assert.equal((await registry().send(path, { method: 'HEAD' })).status, 404, `HEAD ${path}`)
      }
    })
  })
}

test('a manifest under a digest that is not its own is 400 and not stored', async () => {
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: [] }))
  const wrong = digestOfBytes(Buffer.from('something else'))
  assert.equal((await putManifest('conformance/wrong', wrong, bytes)).status, 400)
  assert.equal((await registry().send(`/v2/conformance/wrong/manifests/${wrong}`)).status, 404)
})

for (const algorithm of ['sha256', 'sha512'] as const) {
  test(`end-7b: a push by ${algorithm} digest with ?tag= sets every tag and names them in OCI-Tag`, async () => {
    const repository = `conformance/tag-param-${algorithm}`
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: [] }))
    const digest = digestOfBytes(bytes, algorithm)
    const answer = await registry().send(`/v2/${repository}/manifests/${digest}?tag=one&tag=two`, {
      method: 'PUT',
      body: bytes,
      headers: { 'content-type': mediaTypes.index },
    })
    assert.equal(answer.status, 201, answer.body.toString())
    assert.deepEqual(
      String(answer.headers['oci-tag'] ?? '')
        .split(/,\s*/u)
        .toSorted(),
      ['one', 'two'],
    )
    for (const tag of ['one', 'two']) assert.deepEqual((await registry().pullManifest(repository, tag)).bytes, bytes)
  })
}
