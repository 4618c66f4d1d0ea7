/** Checks AWS Signature Version 4 as a service does, from the request as it came; written apart from the code that signs. */
import { createHash, createHmac } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

/** The one account of the double. */
export interface Account {
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest()
const sha256 = (text: string | Uint8Array) => createHash('sha256').update(text).digest('hex')

/** The S3 code of what is wrong with the signature; undefined when it is right. */
export function signatureFault(request: IncomingMessage, body: Uint8Array, account: Account): string | undefined {
  const url = new URL(request.url ?? '/', 'http://double')
  return url.searchParams.has('X-Amz-Signature') ? presignedFault(request, url, account) : headerFault(request, url, { body, account })
}

const authorizationForm =
  /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/

function headerFault(request: IncomingMessage, url: URL, { body, account }: { body: Uint8Array; account: Account }): string | undefined {
  const [, id, day = '', region = '', names = '', signature] = authorizationForm.exec(request.headers.authorization ?? '') ?? []
  if (signature === undefined) return 'AccessDenied'
  if (id !== account.accessKeyId) return 'InvalidAccessKeyId'
  const payload = String(request.headers['x-amz-content-sha256'])
  const time = String(request.headers['x-amz-date'])
  const signed = names.split(';')
  const fault = payloadFault(request, payload, body) ?? timeFault(time) ?? namesFault(request, signed)
  if (fault !== undefined) return fault
  const expected = signatureOf(request, url, { names: signed, payload, time, day, region, secret: account.secretAccessKey })
  return expected === signature ? undefined : 'SignatureDoesNotMatch'
}

function payloadFault({ headers }: IncomingMessage, payload: string, body: Uint8Array): string | undefined {
  // Many a compatible service stores aws-chunked bodies with their chunk headers: nobody is to send them.
  if (payload.startsWith('STREAMING-') || headers['content-encoding'] === 'aws-chunked') return 'NotImplemented'
  return payload === 'UNSIGNED-PAYLOAD' || payload === sha256(body) ? undefined : 'XAmzContentSHA256Mismatch'
}

function timeFault(time: string): string | undefined {
  return Math.abs(parseTime(time) - Date.now()) <= 15 * 60_000 ? undefined : 'RequestTimeTooSkewed'
}

function namesFault({ headers }: IncomingMessage, signed: readonly string[]): string | undefined {
  const isForgotten = Object.keys(headers).some((name) => name.startsWith('x-amz-') && !signed.includes(name))
  return isForgotten || !signed.includes('host') ? 'AccessDenied' : undefined
}

function presignedFault(request: IncomingMessage, url: URL, account: Account): string | undefined {
  const value = (name: string) => url.searchParams.get(name) ?? ''
  const [id, day = '', region = ''] = value('X-Amz-Credential').split('/')
  if (id !== account.accessKeyId) return 'InvalidAccessKeyId'
  const time = value('X-Amz-Date')
  const age = Date.now() - parseTime(time)
  if (age > Number(value('X-Amz-Expires')) * 1_000 || age < -15 * 60_000) return 'AccessDenied'
  const names = value('X-Amz-SignedHeaders').split(';')
  const signature = value('X-Amz-Signature')
  url.searchParams.delete('X-Amz-Signature')
  const expected = signatureOf(request, url, { names, payload: 'UNSIGNED-PAYLOAD', time, day, region, secret: account.secretAccessKey })
  return expected === signature ? undefined : 'SignatureDoesNotMatch'
}

interface Signed {
  readonly names: readonly string[]
  readonly payload: string
  readonly time: string
  readonly day: string
  readonly region: string
  readonly secret: string
}

function signatureOf(request: IncomingMessage, url: URL, { names, payload, time, day, region, secret }: Signed): string {
  const strict = (text: string) =>
    encodeURIComponent(text).replace(/[!'()*]/g, (each) => `%${each.charCodeAt(0).toString(16).toUpperCase()}`)
  const path = (request.url ?? '/').split('?')[0] ?? ''
  const canonicalPath = path
    .split('/')
    .map((part) => strict(decodeURIComponent(part)))
    .join('/')
  const query = [...url.searchParams]
    .map(([name, value]) => `${strict(name)}=${strict(value)}`)
    .toSorted()
    .join('&')
  const headers = names.map((name) => `${name}:${String(request.headers[name] ?? '').trim()}\n`).join('')
  const canonical = [request.method, canonicalPath, query, headers, names.join(';'), payload].join('\n')
  const text = ['AWS4-HMAC-SHA256', time, `${day}/${region}/s3/aws4_request`, sha256(canonical)].join('\n')
  const key = hmac(hmac(hmac(hmac(`AWS4${secret}`, day), region), 's3'), 'aws4_request')
  return hmac(key, text).toString('hex')
}

function parseTime(time: string): number {
  return Date.parse(time.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'))
}
