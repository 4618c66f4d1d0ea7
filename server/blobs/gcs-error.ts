/** What a refusal of Google Cloud Storage means: JSON with a reason, or XML with a code. */
import { ObjectError, type ObjectFault } from './object-backend.ts'
import { textOf } from './s3-xml.ts'

const faultsByWord: Readonly<Record<string, ObjectFault>> = {
  rateLimitExceeded: 'busy',
  userRateLimitExceeded: 'busy',
  backendError: 'busy',
  internalError: 'busy',
  SlowDown: 'busy',
  InternalError: 'busy',
  ServiceUnavailable: 'busy',
  conditionNotMet: 'conflict',
  PreconditionFailed: 'conflict',
  NoSuchBucket: 'refused',
  NoSuchUpload: 'absent',
  InvalidPart: 'absent',
  RequestTimeout: 'passing',
  BadDigest: 'passing',
}

const faultsByStatus: Readonly<Record<number, ObjectFault>> = {
  304: 'conflict',
  // A token that ended: the next request has another.
  401: 'passing',
  404: 'absent',
  408: 'passing',
  412: 'conflict',
  429: 'busy',
  501: 'unsupported',
}

/** Answer above 299 → error. `text` is the body, of which no more than a word gets on. */
export function gcsRefusal(status: number, text: string, retryAfter?: string): ObjectError {
  const code = wordOf(text) ?? String(status)
  const fault = faultsByWord[code] ?? faultsByStatus[status] ?? (status >= 500 ? 'busy' : 'refused')
  const seconds = Number(retryAfter)
  return new ObjectError(fault, `the object store answered ${status} ${code}`, {
    code,
    retryAfterMs: seconds > 0 ? seconds * 1_000 : undefined,
  })
}

function wordOf(text: string): string | undefined {
  // The JSON API has one reason for an object and for a bucket that is not there.
  if (/bucket does not exist/i.test(text)) return 'NoSuchBucket'
  if (text.startsWith('<')) return textOf(text, 'Code')
  return /"reason":\s*"([A-Za-z]+)"/.exec(text)?.[1]
}
