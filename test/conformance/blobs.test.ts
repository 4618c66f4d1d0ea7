import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import type { HttpRequest, HttpResponse } from '../support/http-client.ts'
import { digestOfBytes } from '../support/registry-client.ts'
import { withBerth } from './with-berth.ts'

const registry = withBerth()
const repository = 'conformance/blobs'
const other = 'conformance/other'
const binary = { 'content-type': 'application/octet-stream' }

function send(method: string, path: string, request: HttpRequest = {}): Promise<HttpResponse> {
  return registry().send(path, { method, body: '', ...request })
}

/** Asserts the status and returns the Location that the answer must then carry. */
function locationOf(answer: HttpResponse, status: number): string {
  assert.equal(answer.status, status, answer.body.toString())
  assert.ok(answer.headers.location, 'no Location')
  return answer.headers.location
}

function closing(location: string, digest: string): string {
  return `${location}${location.includes('?') ? '&' : '?'}digest=${encodeURIComponent(digest)}`
}

async function startUpload(inRepository = repository, query = ''): Promise<string> {
  return locationOf(await send('POST', `/v2/${inRepository}/blobs/uploads/${query}`), 202)
}

async function assertStored(answer: HttpResponse, bytes: Buffer, digest: string) {
  const location = locationOf(answer, 201)
  const header = answer.headers['docker-content-digest']
  if (header !== undefined) assert.equal(header, digest)
  for (const path of [location, `/v2/${repository}/blobs/${digest}`]) {
    const pulled = await registry().send(path)
    assert.equal(pulled.status, 200)
    assert.deepEqual(pulled.body, bytes)
    assert.equal(pulled.headers['content-length'], String(bytes.length))
    assert.equal(pulled.headers['docker-content-digest'], digest)
  }
  const head = await registry().send(`/v2/${repository}/blobs/${digest}`, { method: 'HEAD' })
  assert.deepEqual(
    [head.status, head.headers['content-length'], head.headers['docker-content-digest'], head.body.length],
    [200, String(bytes.length), digest, 0],
  )
}

async function* chunksOf(bytes: Buffer) {
  for (let at = 0; at < bytes.length; at += 100) yield bytes.subarray(at, at + 100)
}

function chunk(bytes: Buffer, start: number, end: number): HttpRequest {
  return { body: bytes.subarray(start, end), headers: { ...binary, 'content-range': `${start}-${end - 1}` } }
}

for (const algorithm of ['sha256', 'sha512'] as const) {
  const random = (sizeBytes = 512) => {
    const bytes = randomBytes(sizeBytes)
    return { bytes, digest: digestOfBytes(bytes, algorithm) }
  }
  const start = () => startUpload(repository, algorithm === 'sha256' ? '' : `?digest-algorithm=${algorithm}`)

  describe(`blobs by ${algorithm}`, () => {
    test('a blob that was never pushed is 404', async () => {
      const { digest } = random()
      for (const method of ['GET', 'HEAD', 'DELETE'])
        assert.equal((await registry().send(`/v2/${repository}/blobs/${digest}`, { method })).status, 404)
    })

    test('end-4b: one POST with the digest stores the blob', async () => {
      const { bytes, digest } = random()
      await assertStored(
        await send('POST', `/v2/${repository}/blobs/uploads/?digest=${digest}`, { body: bytes, headers: binary }),
        bytes,
        digest,
      )
    })

    for (const withAlgorithm of [true, false]) {
      test(`end-4a, end-6: POST ${withAlgorithm ? 'with' : 'without'} the algorithm, then PUT with the whole body`, async () => {
        const { bytes, digest } = random()
        const location = withAlgorithm ? await start() : await startUpload()
        await assertStored(await send('PUT', closing(location, digest), { body: bytes, headers: binary }), bytes, digest)
      })
    }

    test('a stream without Content-Range and Content-Length, then an empty PUT', async () => {
      const { bytes, digest } = random()
      const location = locationOf(await send('PATCH', await start(), { body: chunksOf(bytes), headers: binary }), 202)
      await assertStored(await send('PUT', closing(location, digest)), bytes, digest)
    })

    test('end-5: chunks with Content-Range, the last one in a PATCH or in the PUT', async () => {
      for (const lastInPut of [false, true]) {
        const { bytes, digest } = random(3 * 1024)
        let location = await start()
        for (const at of lastInPut ? [0, 1024] : [0, 1024, 2048])
          location = locationOf(await send('PATCH', location, chunk(bytes, at, at + 1024)), 202)
        const last = lastInPut ? chunk(bytes, 2048, 3072) : {}
        await assertStored(await send('PUT', closing(location, digest), last), bytes, digest)
      }
    })

    test('a chunk out of order is 416, and the upload tells how far it is and goes on', async () => {
      for (const wrongStart of [0, 2048]) {
        const { bytes, digest } = random(3 * 1024)
        const first = await start()
        let location = locationOf(await send('PATCH', first, chunk(bytes, 0, 1024)), 202)
        assert.equal((await send('PATCH', location, chunk(bytes, wrongStart, wrongStart + 1024))).status, 416)
        const status = await registry().send(location)
        assert.equal(status.headers.range, '0-1023')
        location = locationOf(await send('PATCH', locationOf(status, 204), chunk(bytes, 1024, 2048)), 202)
        assert.equal((await send('PUT', closing(location, digest), chunk(bytes, 0, 1024))).status, 416)
        location = locationOf(await registry().send(location), 204)
        await assertStored(await send('PUT', closing(location, digest), chunk(bytes, 2048, 3072)), bytes, digest)
      }
    })

    test('a first chunk that skips ahead is 416', async () => {
      const { bytes } = random(2048)
      assert.equal((await send('PATCH', await start(), chunk(bytes, 1024, 2048))).status, 416)
    })

    test('end-11: a mount from another repository, or from wherever the blob is, is 201', async () => {
      for (const from of [`&from=${other}`, '']) {
        const { bytes, digest } = random()
        await send('POST', `/v2/${other}/blobs/uploads/?digest=${digest}`, { body: bytes, headers: binary })
        await assertStored(await send('POST', `/v2/${repository}/blobs/uploads/?mount=${digest}${from}`), bytes, digest)
      }
    })

    test('a mount of a blob that is nowhere starts an upload', async () => {
      const { bytes, digest } = random()
      const location = locationOf(await send('POST', `/v2/${repository}/blobs/uploads/?mount=${digest}&from=${other}`), 202)
      await assertStored(await send('PUT', closing(location, digest), { body: bytes, headers: binary }), bytes, digest)
    })

    test('an upload that is cancelled is gone', async () => {
      const location = await start()
      assert.equal((await send('DELETE', location)).status, 204)
      assert.equal((await registry().send(location)).status, 404)
    })

    test('the empty blob and {} are blobs like others', async () => {
      for (const bytes of [Buffer.alloc(0), Buffer.from('{}')]) {
        const digest = digestOfBytes(bytes, algorithm)
        await assertStored(await send('PUT', closing(await start(), digest), { body: bytes, headers: binary }), bytes, digest)
      }
    })

    test('bytes that are not of the digest are 400, on every way in, and nothing is stored', async () => {
      const { bytes } = random(1024)
      const { digest } = random()
      const streamed = locationOf(await send('PATCH', await start(), { body: chunksOf(bytes), headers: binary }), 202)
      const chunked = locationOf(await send('PATCH', await start(), chunk(bytes, 0, 1024)), 202)
      const answers = [
        await send('POST', `/v2/${repository}/blobs/uploads/?digest=${digest}`, { body: bytes, headers: binary }),
        await send('PUT', closing(await start(), digest), { body: bytes, headers: binary }),
        await send('PUT', closing(streamed, digest)),
        await send('PUT', closing(chunked, digest)),
      ]
      for (const answer of answers) {
        assert.equal(answer.status, 400)
        assert.match(answer.body.toString(), /"DIGEST_INVALID"/u)
      }
      assert.equal((await registry().send(`/v2/${repository}/blobs/${digest}`)).status, 404)
    })

    test('end-10: a deleted blob is 404 at once', async () => {
      const { bytes, digest } = random()
      await send('POST', `/v2/${repository}/blobs/uploads/?digest=${digest}`, { body: bytes, headers: binary })
      assert.equal((await send('DELETE', `/v2/${repository}/blobs/${digest}`)).status, 202)
      assert.equal((await registry().send(`/v2/${repository}/blobs/${digest}`, { method: 'HEAD' })).status, 404)
    })
  })
}

describe('ranges of a blob of 2,048 bytes', () => {
  const bytes = randomBytes(2048)
  const path = `/v2/${repository}/blobs/${digestOfBytes(bytes)}`
  const satisfiable = { '500-1499': [500, 1499], '500-': [500, 2047], '-500': [1548, 2047], '2000-5000': [2000, 2047] } as const

  for (const [range, [first, last]] of Object.entries(satisfiable)) {
    test(`bytes=${range} is 206 with those bytes`, async () => {
      await registry().pushBlob(repository, bytes)
      const answer = await registry().send(path, { headers: { range: `bytes=${range}` } })
      assert.deepEqual([answer.status, answer.headers['content-range']], [206, `bytes ${first}-${last}/2048`])
      assert.deepEqual(answer.body, bytes.subarray(first, last + 1))
      assert.equal(answer.headers['content-length'], String(last - first + 1))
    })
  }

  for (const range of ['500-0', '5000-10000']) {
    test(`bytes=${range} is 416`, async () => {
      await registry().pushBlob(repository, bytes)
      assert.equal((await registry().send(path, { headers: { range: `bytes=${range}` } })).status, 416)
    })
  }
})
