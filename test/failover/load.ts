import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { HttpResponse } from '../support/http-client.ts'
import { digestOfBytes, mediaTypes, type RegistryClient } from '../support/registry-client.ts'

/** An image of one layer, as it is pushed and pulled. */
export interface Image {
  readonly repository: string
  readonly tag: string
  readonly digest: string
  readonly manifest: Buffer
  readonly blobs: ReadonlyMap<string, Buffer>
}

/** What a load met. Times are milliseconds of one request. */
export interface Tally {
  /** Whose push ended with 201, in the order of that. */
  readonly acknowledged: Image[]
  pulled: number
  longestPushMs: number
  longestPullMs: number
  /** Requests that were sent again, as docker does, after no answer or one of 5xx. */
  repeated: number
  /** Pushes whose manifest was not taken, and that somebody began anew. */
  begunAnew: number
  /** Pulls by digest that were not answered with the right bytes at the first time. */
  readonly failedPulls: string[]
}

/** None yet. */
export function emptyTally(): Tally {
  return { acknowledged: [], pulled: 0, longestPushMs: 0, longestPullMs: 0, repeated: 0, begunAnew: 0, failedPulls: [] }
}

/** Made and not pushed. */
export function makeImage(repository: string, tag: string): Image {
  const [layer, config] = [randomBytes(20_000), Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', tag, repository }))]
  const described = (mediaType: string, bytes: Buffer) => ({ mediaType, digest: digestOfBytes(bytes), size: bytes.length })
  const document = {
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: described(mediaTypes.config, config),
    layers: [described(mediaTypes.layer, layer)],
  }
  const manifest = Buffer.from(JSON.stringify(document))
  const blobs = new Map([layer, config].map((bytes) => [digestOfBytes(bytes), bytes]))
  return { repository, tag, digest: digestOfBytes(manifest), manifest, blobs }
}

/** Longer than any hold: nobody here gives up before the server does. */
const patienceMs = 90_000
const attemptsMax = 5

/** Sends as docker uploads a layer: again after no answer or one of 5xx, five times at most, when the server says or after a second. */
async function persistent(tally: Tally, send: () => Promise<HttpResponse>): Promise<HttpResponse> {
  for (let attempt = 1; ; attempt++) {
    const begun = performance.now()
    const answer = await send().catch((error: Error) => error)
    tally.longestPushMs = Math.max(tally.longestPushMs, performance.now() - begun)
    if (!(answer instanceof Error) && answer.status < 500) return answer
    if (attempt === attemptsMax) throw answer instanceof Error ? answer : new Error(`${answer.status} ${answer.body.toString()}`)
    tally.repeated++
    await sleep(1000 * (answer instanceof Error ? 1 : Number(answer.headers['retry-after'] ?? 1)))
  }
}

async function pushBlob(
  client: RegistryClient,
  { repository }: Image,
  { digest, bytes }: { digest: string; bytes: Buffer },
): Promise<HttpResponse> {
  const begun = await client.send(`/v2/${repository}/blobs/uploads/`, { method: 'POST', body: '', timeoutMs: patienceMs })
  if (begun.status !== 202) return begun
  const headers = { 'content-type': 'application/octet-stream' }
  const sent = await client.send(begun.headers.location ?? '', { method: 'PATCH', body: bytes, headers, timeoutMs: patienceMs })
  if (sent.status !== 202) return sent
  const place = `${sent.headers.location ?? ''}${sent.headers.location?.includes('?') === true ? '&' : '?'}digest=${encodeURIComponent(digest)}`
  return await client.send(place, { method: 'PUT', body: '', timeoutMs: patienceMs })
}

/** Pushes as docker does. Its manifest is sent once: who is refused there runs `docker push` again. */
export async function push(client: RegistryClient, image: Image, tally: Tally): Promise<void> {
  for (let run = 1; ; run++) {
    for (const [digest, bytes] of image.blobs) {
      const { status, body } = await persistent(tally, () => pushBlob(client, image, { digest, bytes }))
      if (status !== 201) throw new Error(`the blob ${digest} is answered with ${status} ${body.toString()}`)
    }
    const begun = performance.now()
    const answer = await client
      .send(`/v2/${image.repository}/manifests/${image.tag}`, {
        method: 'PUT',
        body: image.manifest,
        headers: { 'content-type': mediaTypes.manifest },
        timeoutMs: patienceMs,
      })
      .catch((error: Error) => error)
    tally.longestPushMs = Math.max(tally.longestPushMs, performance.now() - begun)
    if (!(answer instanceof Error) && answer.status === 201) return void tally.acknowledged.push(image)
    const said = answer instanceof Error ? answer.message : `${answer.status} ${answer.body.toString()}`
    if (run === 3) throw new Error(`the manifest of ${image.repository}:${image.tag} is answered with ${said}`)
    tally.begunAnew++
    await sleep(1000)
  }
}

/** Pulls by digest, whole, once: what is not right at the first time has failed. */
export async function pull(client: RegistryClient, image: Image, tally: Tally): Promise<void> {
  const places = [`manifests/${image.digest}`, ...[...image.blobs.keys()].map((digest) => `blobs/${digest}`)]
  for (const place of places) {
    const begun = performance.now()
    const headers = { accept: mediaTypes.manifest }
    const answer = await client.send(`/v2/${image.repository}/${place}`, { headers, timeoutMs: patienceMs }).catch((error: Error) => error)
    tally.longestPullMs = Math.max(tally.longestPullMs, performance.now() - begun)
    const isRight = !(answer instanceof Error) && answer.status === 200 && place.endsWith(digestOfBytes(answer.body))
    if (!isRight) tally.failedPulls.push(`${place}: ${answer instanceof Error ? answer.message : answer.status}`)
  }
  tally.pulled++
}

/** Acknowledged images whose tag does not lead to them by this server, or whose bytes are not there. */
export async function lostOf(client: RegistryClient, images: readonly Image[]): Promise<string[]> {
  const lost: string[] = []
  for (const { repository, tag, digest, blobs } of images) {
    const found = await client.send(`/v2/${repository}/manifests/${tag}`, {
      headers: { accept: mediaTypes.manifest },
      timeoutMs: patienceMs,
    })
    if (found.status !== 200 || digestOfBytes(found.body) !== digest) lost.push(`${repository}:${tag} (${found.status})`)
    for (const [blob, bytes] of blobs) {
      const read = await client.send(`/v2/${repository}/blobs/${blob}`, { timeoutMs: patienceMs })
      if (read.status !== 200 || !read.body.equals(bytes)) lost.push(`${repository}:${tag} ${blob} (${read.status})`)
    }
  }
  return lost
}

/** How much of it, and where to. Pushes and pulls go to the servers in turn. */
export interface LoadPlan {
  readonly clients: readonly RegistryClient[]
  readonly repository: string
  readonly pushes: number
  readonly pulls: number
  /** What is pulled by digest. */
  readonly images: readonly Image[]
  /** Called once, when a third of the pushes is acknowledged and others are under way. */
  readonly blow: () => Promise<void> | void
}

const pushEveryMs = 120
const pullEveryMs = 150

/** Begins pushes and pulls at a steady pace, whatever becomes of those before, and waits for all. */
export async function loadWith({ clients, repository, pushes, pulls, images, blow }: LoadPlan): Promise<Tally> {
  const tally = emptyTally()
  const clientOf = (index: number) => clients[index % clients.length] as RegistryClient
  let struck: Promise<void> | undefined
  const all: Promise<void>[] = []
  const pulling = (async () => {
    for (let index = 0; index < pulls; index++) {
      all.push(pull(clientOf(index), images[index % images.length] as Image, tally))
      await sleep(pullEveryMs)
    }
  })()
  for (let index = 0; index < pushes; index++) {
    const pushing = push(clientOf(index), makeImage(repository, `v${index}`), tally).then(() => {
      if (tally.acknowledged.length >= pushes / 3) struck ??= Promise.resolve(blow())
    })
    all.push(pushing)
    await sleep(pushEveryMs)
  }
  await pulling
  await Promise.all(all)
  await struck
  if (struck === undefined) throw new Error('the blow was never struck')
  return tally
}
