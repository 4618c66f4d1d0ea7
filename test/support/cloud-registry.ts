/** What a registry on any object store does for its clients, checked over HTTP alone. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { sendRequest } from './http-client.ts'
import { digestOfBytes, pushImage, registryClient, type RegistryClient } from './registry-client.ts'
import type { RunningBerth } from './start-berth.ts'
import { until } from './until.ts'

const mebibyte = 1024 ** 2

/** A client that goes where it is sent, as docker does. */
export async function fetchBlob(client: RegistryClient, repository: string, digest: string, headers: Record<string, string> = {}) {
  const answer = await client.send(`/v2/${repository}/blobs/${digest}`, { headers })
  if (answer.status !== 307) return { status: answer.status, bytes: answer.body, location: undefined }
  const location = answer.headers.location ?? ''
  const { status, body } = await sendRequest(location, { headers })
  return { status, bytes: body, location }
}

/** Pushes an image and a layer of so many bytes, pulls both, whole and by range, by redirect where that is said, and deletes nothing. */
export async function pushAndPull(
  berth: RunningBerth,
  { layerBytes, isRedirected }: { layerBytes: number; isRedirected: boolean },
): Promise<void> {
  const client = registryClient(berth.url)
  const layer = randomBytes(layerBytes)
  const { digest } = await client.pushBlob('cloud/app', layer)
  const image = await pushImage(client, 'cloud/app', 'v1')
  assert.equal(await client.digestOf('cloud/app', 'v1'), image.descriptor.digest)
  const pulled = await fetchBlob(client, 'cloud/app', digest)
  assert.equal(pulled.location !== undefined, isRedirected)
  assert.ok(layer.equals(pulled.bytes))
  const part = await fetchBlob(client, 'cloud/app', digest, { range: 'bytes=5-9' })
  assert.ok(part.status === 206 && layer.subarray(5, 10).equals(part.bytes))
  const config = await fetchBlob(client, 'cloud/app', image.config.digest)
  assert.deepEqual([config.location, digestOfBytes(config.bytes)], [undefined, image.config.digest])
  const head = await client.send(`/v2/cloud/app/blobs/${digest}`, { method: 'HEAD' })
  assert.deepEqual([head.status, head.headers['content-length']], [200, String(layer.length)])
}

/** Sends an upload in requests between which the server stops: none of them knows the hash of another. */
export async function pushOverRestarts(berth: RunningBerth): Promise<void> {
  const client = registryClient(berth.url)
  const bytes = randomBytes(26 * mebibyte)
  const started = await client.send('/v2/cloud/moving/blobs/uploads/', { method: 'POST', body: '' })
  const place = started.headers.location ?? ''
  let from = 0
  for (const end of [7 * mebibyte, 7 * mebibyte + 1_000, 20 * mebibyte, bytes.length]) {
    const headers = { 'content-type': 'application/octet-stream' }
    assert.equal((await client.send(place, { method: 'PATCH', body: bytes.subarray(from, end), headers })).status, 202)
    from = end
    await berth.stop()
    await berth.restart()
  }
  const url = new URL(place, 'http://berth')
  url.searchParams.set('digest', digestOfBytes(bytes))
  assert.equal((await client.send(`${url.pathname}${url.search}`, { method: 'PUT', body: '' })).status, 201)
  assert.ok(bytes.equals((await fetchBlob(client, 'cloud/moving', digestOfBytes(bytes))).bytes))
}

/** Sends the second half of an upload while the store is away: nothing of the first one is lost, and the upload goes on when the store is back. */
export async function pushWhileAway(berth: RunningBerth, { leave, comeBack }: { leave(): void; comeBack(): void }): Promise<void> {
  const client = registryClient(berth.url)
  const bytes = randomBytes(30 * mebibyte)
  const durable = 18 * mebibyte + 1_000
  const headers = { 'content-type': 'application/octet-stream' }
  const started = await client.send('/v2/cloud/away/blobs/uploads/', { method: 'POST', body: '' })
  const place = started.headers.location ?? ''
  assert.equal((await client.send(place, { method: 'PATCH', body: bytes.subarray(0, durable), headers })).status, 202)
  leave()
  try {
    const refused = await client.send(place, { method: 'PATCH', body: bytes.subarray(durable), headers })
    assert.equal(refused.status, 503, refused.body.toString())
  } finally {
    comeBack()
  }
  let from = 0
  await until('the store is asked again', async () => {
    const { status, headers: said, body } = await client.send(place)
    assert.ok(status === 204 || status === 503, `${status} ${body.toString()}`)
    from = Number(/^0-(\d+)$/.exec(said['range'] ?? '')?.[1] ?? -1) + 1
    return status === 204
  })
  assert.ok(from >= durable, `${from} of ${durable} bytes are left`)
  assert.equal((await client.send(place, { method: 'PATCH', body: bytes.subarray(from), headers })).status, 202)
  const url = new URL(place, 'http://berth')
  url.searchParams.set('digest', digestOfBytes(bytes))
  assert.equal((await client.send(`${url.pathname}${url.search}`, { method: 'PUT', body: '' })).status, 201)
  assert.ok(bytes.equals((await fetchBlob(client, 'cloud/away', digestOfBytes(bytes))).bytes))
}
