/** Pushes and pulls by way of the balancer for as long as a test wants, over kept-alive connections, as engines make them. */
import { createHash, randomBytes } from 'node:crypto'
import { Agent, request, type Dispatcher } from 'undici'
import { digestOfBytes, mediaTypes } from '../support/registry-client.ts'
import type { Cluster } from './cluster.ts'

/** What a load met. */
export interface LoadReport {
  readonly pushes: number
  readonly pulls: number
  /** Requests that were sent again. */
  readonly repeats: number
  /** What clients saw go wrong, a sentence each. */
  readonly failures: readonly string[]
  /** Every push that was answered 201, by repository and tag. */
  readonly acknowledged: readonly PushedTag[]
  /** The longest that one push or pull took, in milliseconds. */
  readonly longestMs: number
}

/** An image whose push was acknowledged. */
export interface PushedTag {
  readonly repository: string
  readonly tag: string
  readonly digest: string
  readonly blobs: readonly string[]
}

export interface LoadOptions {
  /** How often a request is sent again that had no answer, or a 5xx; docker does it up to five times. */
  readonly retries: number
  readonly pushers?: number
  readonly pullers?: number
  /** Who push one blob for seconds, in pieces. */
  readonly slowPushers?: number
}

/** A load that runs. */
export interface Load {
  readonly soFar: () => { readonly pushes: number; readonly pulls: number; readonly failures: readonly string[] }
  stop(): Promise<LoadReport>
}

interface Answer {
  readonly status: number
  readonly headers: Dispatcher.ResponseData['headers']
  readonly body: Buffer
}

interface Sent {
  readonly method: Dispatcher.HttpMethod
  readonly body?: Uint8Array | string | (() => AsyncIterable<Uint8Array>)
  readonly headers?: Readonly<Record<string, string>>
}

/** Begins. */
export function startLoad(cluster: Cluster, { retries, pushers = 4, pullers = 4, slowPushers = 1 }: LoadOptions): Load {
  const agent = new Agent({ connect: { ca: cluster.ca }, headersTimeout: 60_000, bodyTimeout: 60_000, keepAliveTimeout: 60_000 })
  const state = { isOver: false, pushes: 0, pulls: 0, repeats: 0, longestMs: 0, failures: [] as string[], acknowledged: [] as PushedTag[] }

  const once = async (url: string, { method, body, headers }: Sent): Promise<Answer> => {
    const isOwn = url.startsWith(cluster.url)
    const answer = await request(url, {
      method,
      dispatcher: agent,
      body: typeof body === 'function' ? body() : (body ?? null),
      headers: { ...(isOwn && { authorization: cluster.authorization }), ...headers },
    } as Parameters<typeof request>[1])
    return { status: answer.statusCode, headers: answer.headers, body: Buffer.from(await answer.body.arrayBuffer()) }
  }
  const send = async (path: string, sent: Sent): Promise<Answer> => {
    const url = new URL(path, cluster.url).href
    for (let tries = 0; ; tries += 1) {
      let said: string
      try {
        const answer = await once(url, sent)
        if (answer.status < 500) return answer
        said = `${answer.status} ${answer.body.toString().slice(0, 300)}`
      } catch (error) {
        said = String(error instanceof Error ? (error.cause ?? error) : error)
      }
      if (tries >= retries) throw new Error(`${sent.method} ${path}: ${said}`)
      state.repeats += 1
      await new Promise((resolve) => setTimeout(resolve, 100 * 2 ** tries))
    }
  }
  const expect = async (status: number, path: string, sent: Sent): Promise<Answer> => {
    const answer = await send(path, sent)
    if (answer.status !== status) throw new Error(`${sent.method} ${path}: ${answer.status} ${answer.body.toString().slice(0, 300)}`)
    return answer
  }
  const pushBlob = async (repository: string, bytes: Buffer, isSlow: boolean) => {
    const digest = digestOfBytes(bytes)
    const begun = await expect(202, `/v2/${repository}/blobs/uploads/`, { method: 'POST', body: '' })
    const body = isSlow ? () => trickled(bytes) : bytes
    const type = { 'content-type': 'application/octet-stream' }
    const patched = await expect(202, String(begun.headers['location']), { method: 'PATCH', body, headers: type })
    const place = new URL(String(patched.headers['location']), cluster.url)
    place.searchParams.set('digest', digest)
    await expect(201, place.href, { method: 'PUT', body: '' })
    return { digest, size: bytes.length }
  }
  /** A client begins a push anew when one of its requests cannot be repeated: the session of a PATCH that was cut is not where it was. */
  const persistently = async <Result>(attempt: () => Promise<Result>): Promise<Result> => {
    for (let tries = 0; ; tries += 1) {
      try {
        return await attempt()
      } catch (error) {
        if (tries >= retries) throw error
        state.repeats += 1
        await new Promise((resolve) => setTimeout(resolve, 200 * 2 ** tries))
      }
    }
  }
  const pushImage = async (repository: string, tag: string, isSlow: boolean) => {
    const blob = (size: number) => {
      const bytes = randomBytes(size)
      return persistently(() => pushBlob(repository, bytes, isSlow))
    }
    const layer = { mediaType: mediaTypes.layer, ...(await blob(isSlow ? 1 << 20 : 20_000)) }
    const config = { mediaType: mediaTypes.config, ...(await blob(200)) }
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.manifest, config, layers: [layer] }))
    const headers = { 'content-type': mediaTypes.manifest }
    await expect(201, `/v2/${repository}/manifests/${tag}`, { method: 'PUT', body: bytes, headers })
    state.acknowledged.push({ repository, tag, digest: digestOfBytes(bytes), blobs: [layer.digest, config.digest] })
    state.pushes += 1
  }
  const pull = async () => {
    const wanted = state.acknowledged[Math.floor(Math.random() * state.acknowledged.length)]
    if (wanted === undefined) return await new Promise<void>((resolve) => setTimeout(resolve, 50))
    await verify(wanted)
    state.pulls += 1
  }
  const verify = async ({ repository, tag, digest, blobs }: PushedTag) => {
    const manifest = await expect(200, `/v2/${repository}/manifests/${tag}`, { method: 'GET', headers: { accept: mediaTypes.manifest } })
    if (digestOfBytes(manifest.body) !== digest) throw new Error(`${repository}:${tag} is not what was pushed`)
    for (const blob of blobs) {
      const answer = await send(`/v2/${repository}/blobs/${blob}`, { method: 'GET' })
      const found = answer.status === 307 ? await expect(200, String(answer.headers['location']), { method: 'GET' }) : answer
      if (found.status !== 200) throw new Error(`blob ${blob} of ${repository}: ${found.status} ${found.body.toString().slice(0, 300)}`)
      if (`sha256:${createHash('sha256').update(found.body).digest('hex')}` !== blob) throw new Error(`blob ${blob} has other bytes`)
    }
  }
  const repeatedly = async (act: (n: number) => Promise<void>) => {
    for (let n = 0; !state.isOver; n += 1) {
      const begun = performance.now()
      try {
        await act(n)
      } catch (error) {
        state.failures.push(`${new Date().toISOString()} ${error instanceof Error ? error.message : String(error)}`)
      }
      state.longestMs = Math.max(state.longestMs, performance.now() - begun)
    }
  }
  const many = (count: number, act: (who: number, n: number) => Promise<void>) =>
    Array.from({ length: count }, (_, who) => repeatedly((n) => act(who, n)))
  const running = Promise.all([
    ...many(pushers, (who, n) => pushImage(`load/app${who}`, `v${n}`, false)),
    ...many(slowPushers, (who, n) => pushImage(`load/slow${who}`, `v${n}`, true)),
    ...many(pullers, pull),
  ])
  return {
    soFar: () => state,
    async stop() {
      state.isOver = true
      await running
      const { isOver: _, ...report } = state
      await agent.close()
      return report
    },
  }
}

/** Over some four seconds. */
async function* trickled(bytes: Buffer): AsyncGenerator<Uint8Array> {
  const pieces = 16
  for (let at = 0; at < pieces; at += 1) {
    yield bytes.subarray((at * bytes.length) / pieces, ((at + 1) * bytes.length) / pieces)
    await new Promise((resolve) => setTimeout(resolve, 250))
  }
}
