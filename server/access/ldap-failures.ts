/**
 * What a directory's errors mean: for the person who logs in nothing but yes, no or not now; for the operator a sentence in the log.
 *
 * Results are told apart by LDAP's code (RFC 4511 §4.1.9); Active Directory says why it refuses a password in the text of code 49, as `data 533`.
 */

/** Why a person was not let in, for the log and for audits. */
export interface LdapRefusal {
  readonly reason: 'wrong-password' | 'disabled' | 'locked' | 'expired' | 'password-expired' | 'not-now'
  readonly sentence: string
}

/** The directory could not be asked, or not in this way. `reason` is a word for metrics and tests, the message a sentence for operators. */
export class LdapFailure extends Error {
  override readonly name = 'LdapFailure'
  readonly reason: string
  /** Another server of the list may do better. */
  readonly isOfServer: boolean

  constructor(reason: string, message: string, options: { readonly cause?: unknown; readonly isOfServer?: boolean } = {}) {
    super(message, { cause: options.cause })
    this.reason = reason
    this.isOfServer = options.isOfServer ?? false
  }
}

const activeDirectoryData: Readonly<Record<string, LdapRefusal>> = {
  '525': { reason: 'wrong-password', sentence: 'there is no such account (AD 525)' },
  '52e': { reason: 'wrong-password', sentence: 'the password is wrong (AD 52e)' },
  '530': { reason: 'not-now', sentence: 'the account may not log on at this time (AD 530)' },
  '531': { reason: 'not-now', sentence: 'the account may not log on from this computer (AD 531)' },
  '532': { reason: 'password-expired', sentence: 'the password has expired and must be changed (AD 532)' },
  '533': { reason: 'disabled', sentence: 'the account is disabled (AD 533)' },
  '701': { reason: 'expired', sentence: 'the account has expired (AD 701)' },
  '773': { reason: 'password-expired', sentence: 'the password must be changed before the first logon (AD 773)' },
  '775': { reason: 'locked', sentence: 'the account is locked after too many wrong passwords (AD 775)' },
}

const wrongPassword: LdapRefusal = { reason: 'wrong-password', sentence: 'the password is wrong' }

/** LDAP's result code of an error of the client library; undefined for errors that are none of the directory's answers. */
export function resultCodeOf(error: unknown): number | undefined {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
  return typeof code === 'number' ? code : undefined
}

/** Why binding as a person failed; undefined when it says nothing of the person, but of the directory. */
export function refusalOf(error: unknown): LdapRefusal | undefined {
  switch (resultCodeOf(error) ?? -1) {
    case 49:
      return activeDirectoryData[dataOf(error)] ?? wrongPassword
    // noSuchObject: removed in between. unwillingToPerform: OpenLDAP's ppolicy for locked ones, 389 for inactive ones.
    case 32:
      return wrongPassword
    case 53:
      return { reason: 'disabled', sentence: 'the directory is unwilling: the account is locked or inactive' }
    case 19:
      return {
        reason: 'password-expired',
        sentence: 'the directory’s password policy refuses: the password must be changed, or was wrong too often',
      }
    default:
      return undefined
  }
}

function dataOf(error: unknown): string {
  return /\bdata ([0-9a-f]{3,4})\b/i.exec(error instanceof Error ? error.message : '')?.[1]?.toLowerCase() ?? ''
}

const ofResult: Readonly<Record<number, readonly [reason: string, sentence: string]>> = {
  7: ['auth-method', 'the server takes no simple binds: allow them, or use a server that does'],
  8: [
    'strong-auth-required',
    'the server wants encryption before it takes a password (Strong(er) authentication required): use an ldaps:// URL or switch startTls on',
  ],
  10: ['referral', 'the server refers to another one, which is never followed: name the server that holds the tree in urls'],
  11: ['limit', 'the search goes beyond the server’s administrative limit: narrow searchBase, or index the attributes of the filter'],
  13: ['strong-auth-required', 'the server wants encryption first: use an ldaps:// URL or switch startTls on'],
  32: ['no-such-base', 'the search base does not exist, or the bind account may not see it'],
  34: ['bad-dn', 'a DN in the settings is malformed'],
  48: ['bad-bind', 'the server does not take an anonymous bind, or a bind without a password: set bindDn and bindPassword'],
  49: ['bad-bind', 'the bind account’s name or password is wrong'],
  50: ['insufficient-access', 'the bind account may not search there'],
  51: ['busy', 'the server is busy'],
  52: ['unavailable', 'the server says that it is unavailable'],
  53: ['unwilling', 'the server is unwilling to do this'],
}
const otherServerHelps: ReadonlySet<number> = new Set([51, 52])

const ofSocket: Readonly<Record<string, readonly [reason: string, sentence: string]>> = {
  ECONNREFUSED: ['unreachable', 'nothing listens there'],
  ECONNRESET: ['unreachable', 'it closed the connection; a TLS port answers plain ldap:// so'],
  ENOTFOUND: ['no-such-host', 'the name has no address'],
  EAI_AGAIN: ['no-such-host', 'the name could not be resolved now'],
  ETIMEDOUT: ['timeout', 'it does not answer'],
  EHOSTUNREACH: ['unreachable', 'there is no way to it'],
  ENETUNREACH: ['unreachable', 'there is no way to it'],
  DEPTH_ZERO_SELF_SIGNED_CERT: ['certificate', 'its certificate is self-signed: put it, or its authority, into authorities'],
  SELF_SIGNED_CERT_IN_CHAIN: ['certificate', 'the authority of its certificate is not trusted: put it into authorities'],
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: ['certificate', 'the authority of its certificate is not trusted: put it into authorities'],
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: ['certificate', 'the authority of its certificate is not trusted: put it into authorities'],
  CERT_HAS_EXPIRED: ['certificate', 'its certificate has expired'],
  ERR_TLS_CERT_ALTNAME_INVALID: ['certificate', 'its certificate is for another name than the URL’s'],
  EPROTO: ['tls', 'it does not speak TLS there'],
  ERR_SSL_WRONG_VERSION_NUMBER: ['tls', 'it does not speak TLS there: use ldap:// with startTls, or its TLS port'],
}

/** The failure that an error of the client library or of the socket stands for. `where` names the server and what was done. */
export function failureOf(error: unknown, where: string): LdapFailure {
  if (error instanceof LdapFailure) return error
  const result = resultCodeOf(error)
  if (result !== undefined) {
    const [reason, sentence] = ofResult[result] ?? ['refused', `the server answers with result ${result}`]
    return new LdapFailure(reason, `${where}: ${sentence}`, { cause: error, isOfServer: otherServerHelps.has(result) })
  }
  const code = socketCodeOf(error)
  const [reason, sentence] = ofSocket[code] ?? ['unreachable', code === '' ? 'the connection broke' : `the connection failed (${code})`]
  return new LdapFailure(reason, `${where}: ${sentence}`, { cause: error, isOfServer: true })
}

function socketCodeOf(error: unknown): string {
  if (error instanceof AggregateError) return socketCodeOf(error.errors[0])
  if (typeof error !== 'object' || error === null || !('code' in error)) return ''
  return typeof error.code === 'string' ? error.code : ''
}
