/** What an ACME authority says when it does not do as asked (RFC 8555 §6.7), and how long it wants to be left alone. */

/** A problem document. `type` is the last part of its URN, such as `rateLimited`; empty where there is none. */
export class AcmeProblem extends Error {
  override readonly name = 'AcmeProblem'
  readonly type: string
  /** Of HTTP; 0 within another answer. */
  readonly status: number
  readonly retryAfterMs: number | undefined

  constructor(message: string, facts: { readonly type: string; readonly status: number; readonly retryAfterMs: number | undefined }) {
    super(message)
    this.type = facts.type
    this.status = facts.status
    this.retryAfterMs = facts.retryAfterMs
  }
}

const textMax = 500
const prefix = 'urn:ietf:params:acme:error:'

/** Reads a problem document; anything else becomes one that tells the status. */
export function problemOf(value: unknown, status: number, retryAfter?: number): AcmeProblem {
  const { type, detail, subproblems } = (typeof value === 'object' && value !== null ? value : {}) as Readonly<Record<string, unknown>>
  const known = typeof type === 'string' && type.startsWith(prefix) ? type.slice(prefix.length) : ''
  const details = [detail, ...(Array.isArray(subproblems) ? subproblems.map((each: { detail?: unknown } | null) => each?.detail) : [])]
  const said = printable(details.filter((each) => typeof each === 'string').join('; '))
  const what = known === '' ? `the ACME authority answers ${status}` : `the ACME authority says ${printable(known)}`
  return new AcmeProblem(said === '' ? what : `${what}: ${said}`, { type: known, status, retryAfterMs: retryAfter })
}

/** For logs and pages: what somebody else wrote, without control characters, and not for ever. */
function printable(text: string): string {
  return text.replaceAll(/\p{C}+/gu, ' ').slice(0, textMax)
}

/** RFC 9110 §10.2.3: seconds, or a date. */
export function retryAfterMs(header: string | null, now: number): number | undefined {
  if (header === null) return undefined
  if (/^\d{1,9}$/.test(header)) return Number(header) * 1000
  // Date.parse reads all kinds of things as dates.
  const at = /^[A-Z][a-z]{2}, \d/.test(header) ? Date.parse(header) : Number.NaN
  return Number.isNaN(at) ? undefined : Math.max(0, at - now)
}
