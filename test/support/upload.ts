import { request, type ClientRequest, type IncomingMessage } from 'node:http'
import type { RegistryClient } from './registry-client.ts'

/** Starts an upload session and returns its absolute URL. */
export async function startUpload(client: RegistryClient, url: string, repository: string): Promise<string> {
  const answer = await client.send(`/v2/${repository}/blobs/uploads/`, { method: 'POST', body: '' })
  if (answer.status !== 202) throw new Error(`upload refused: ${answer.status} ${answer.body.toString()}`)
  return new URL(answer.headers.location ?? '', url).href
}

/** The closing PUT's URL. */
export function closing(uploadUrl: string, digest: string): string {
  const url = new URL(uploadUrl)
  url.searchParams.set('digest', digest)
  return url.href
}

/** A PATCH (or a PUT) without a length whose body the test feeds piece by piece. */
export interface OpenPatch {
  readonly request: ClientRequest
  /** The answer, or the error that ended the connection. */
  readonly outcome: Promise<{ readonly status: number; readonly headers: IncomingMessage['headers']; readonly body: string } | Error>
}

export function openPatch(uploadUrl: string, headers: Readonly<Record<string, string>> = {}, method: 'PATCH' | 'PUT' = 'PATCH'): OpenPatch {
  const outgoing = request(uploadUrl, {
    method,
    agent: false,
    headers: { 'content-type': 'application/octet-stream', ...headers },
  })
  const outcome = new Promise<Awaited<OpenPatch['outcome']>>((resolve) => {
    outgoing.once('error', resolve)
    outgoing.once('response', (incoming) => {
      let body = ''
      incoming.setEncoding('utf8').on('data', (text: string) => {
        body += text
      })
      incoming.once('error', resolve)
      incoming.once('end', () => resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body }))
    })
  })
  return { request: outgoing, outcome }
}

/** First offset that an upload still lacks, from the Range of a 204 (`0-<last>`; `0-0` is none, or one byte). */
export function offsetOf(range: string | undefined): number {
  const last = Number(/^0-(\d+)$/.exec(range ?? '')?.[1])
  return last === 0 ? 0 : last + 1
}
