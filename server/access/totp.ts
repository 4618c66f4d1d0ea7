/** One-time passwords by time (RFC 6238), as authenticator apps make them: six digits, thirty seconds, HMAC-SHA-1, which all apps know. */
import { Secret, TOTP } from 'otpauth'

const secretBytes = 20
const period = 30
/** Steps before and after the present one that are taken: clocks of phones go wrong. */
const window = 1

/** A secret for a person, and the address that an app reads from a QR code. */
export interface TotpEnrolment {
  /** Base32. */
  readonly secret: string
  readonly uri: string
}

function totpOf(secret: string, issuer = 'Berth', label = ''): TOTP {
  return new TOTP({ secret: Secret.fromBase32(secret), issuer, label, algorithm: 'SHA1', digits: 6, period })
}

/** `issuer` and `account` are what the app shows. */
export function enrolTotp(
  bytes: (count: number) => Uint8Array,
  names: { readonly issuer: string; readonly account: string },
): TotpEnrolment {
  const random = bytes(secretBytes)
  const secret = new Secret({ buffer: Uint8Array.from(random).buffer }).base32
  return { secret, uri: totpOf(secret, names.issuer.replaceAll(':', ' '), names.account).toString() }
}

/** The time step that the code is of, which may be used once; undefined for a wrong code. */
export function matchTotp(secret: string, code: string, nowMs: number): number | undefined {
  const token = code.replaceAll(/\s/g, '')
  if (!/^\d{6}$/.test(token)) return undefined
  const delta = totpOf(secret).validate({ token, timestamp: nowMs, window })
  return delta === null ? undefined : Math.floor(nowMs / 1000 / period) + delta
}
