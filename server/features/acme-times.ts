/** When certificates are asked for: at two thirds of their lives, and after failures ever later. */
import type { Random } from '#lib/ports.ts'
import type { CertificateRow } from '#metadata/certificates.ts'

const minuteMs = 60_000
const firstWaitMs = 2 * minuteMs
const longestWaitMs = 12 * 60 * minuteMs
/** An authority may ask for patience, but not for ever. */
const longestRetryAfterMs = 7 * 24 * 60 * minuteMs
/** How much later than at two thirds, at most, as a part of the lifetime: so that not all of a company's certificates are asked for in one minute. */
const spread = 1 / 30

/** From 0 to 1. */
function draw(random: Pick<Random, 'bytes'>): number {
  return random.bytes(4).readUInt32BE() / 0xffff_ffff
}

/** When a certificate of these ends is renewed. Milliseconds. */
export function renewalOf(
  { notBefore, notAfter }: { readonly notBefore: number; readonly notAfter: number },
  random: Pick<Random, 'bytes'>,
): number {
  const lifetime = notAfter - notBefore
  return Math.round(notBefore + (lifetime * 2) / 3 + lifetime * spread * draw(random))
}

/** How long to wait after so many failures in a row (1 or more), with jitter; never shorter than the authority asks for. */
export function waitAfter(failures: number, retryAfterMs: number | undefined, random: Pick<Random, 'bytes'>): number {
  const backOffMs = Math.min(longestWaitMs, firstWaitMs * 2 ** Math.min(failures - 1, 20))
  const waitMs = backOffMs * (1 + draw(random) / 4)
  return Math.round(Math.max(waitMs, Math.min(retryAfterMs ?? 0, longestRetryAfterMs)))
}

/** Whether it is time to ask for the host's certificate. */
export function isDue(
  row: Pick<CertificateRow, 'certificate' | 'renewAt' | 'nextTryAt' | 'directoryUrl'> | undefined,
  { now, directoryUrl }: { readonly now: number; readonly directoryUrl: string },
): boolean {
  if (row === undefined) return true
  if (row.nextTryAt !== null && row.nextTryAt > now) return false
  // One of another authority, such as a test's, is replaced at once.
  return row.certificate === null || row.renewAt === null || row.renewAt <= now || row.directoryUrl !== directoryUrl
}
