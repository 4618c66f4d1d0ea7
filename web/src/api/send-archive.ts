/** Sends an archive and tells how far it is, which `fetch` cannot. */
import { ApiProblem } from '#api/client.ts'
import type { ResponseOf } from '#api/contract.ts'
import { addressOf } from './address.ts'
import { importImages } from './routes.ts'

export type Imported = ResponseOf<typeof importImages>

interface Sending {
  readonly repository: string
  /** Undefined: the tags that the archive names. */
  readonly tag: string | undefined
  readonly file: File
  readonly onProgress: (sentBytes: number) => void
  readonly signal: AbortSignal
}

/** Throws an {@link ApiProblem} for a refusal, an `AbortError` when the signal says so, and another error where no answer came. */
export function sendArchive({ repository, tag, file, onProgress, signal }: Sending): Promise<Imported> {
  const { promise, resolve, reject } = Promise.withResolvers<Imported>()
  const request = new XMLHttpRequest()
  request.open('POST', addressOf(importImages, { repository }, { tag }))
  request.setRequestHeader('accept', 'application/json, application/problem+json')
  // The server looks at the bytes; the name of a file says nothing for sure.
  request.setRequestHeader('content-type', 'application/octet-stream')
  request.upload.addEventListener('progress', ({ loaded }) => onProgress(loaded))
  request.addEventListener('load', () => {
    const body = parsed(request.responseText)
    if (request.status === 201 && body !== undefined) resolve(body as unknown as Imported)
    else reject(problemOf(request, body))
  })
  request.addEventListener('error', () => reject(new Error('no answer came')))
  request.addEventListener('abort', () => reject(new DOMException('the upload was stopped', 'AbortError')))
  const stop = () => request.abort()
  signal.addEventListener('abort', stop)
  request.addEventListener('loadend', () => signal.removeEventListener('abort', stop))
  request.send(file)
  return promise
}

function parsed(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : undefined
  } catch {
    return undefined
  }
}

/** The server's words, in either of the forms that it has; what stands in between may answer in any. */
function problemOf(request: XMLHttpRequest, body: Readonly<Record<string, unknown>> | undefined): ApiProblem {
  const [first] = Array.isArray(body?.['errors']) ? (body['errors'] as readonly unknown[]) : []
  const error = (first ?? {}) as Readonly<Record<string, unknown>>
  const code = textOf(body?.['code']) ?? textOf(error['code']) ?? 'UNEXPECTED_ANSWER'
  const title = textOf(body?.['title']) ?? textOf(error['message']) ?? `unexpected answer ${request.status}`
  const requestId = textOf(body?.['requestId']) ?? request.getResponseHeader('x-request-id') ?? undefined
  return new ApiProblem({ status: request.status, code, title, detail: textOf(body?.['detail']), requestId })
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}
