/** Entries of a directory, read as people: attributes by the settings, in any case of their names, and what says that an account is closed. */
import type { Entry } from 'ldapts'
import type { LdapSettings } from '#api/provider-settings.ts'
import type { LdapRefusal } from './ldap-failures.ts'

/** A person as the directory has them. */
export interface LdapPerson {
  readonly dn: string
  /** Hexadecimal for identifiers that are bytes. */
  readonly id: string
  /** As the directory writes it. */
  readonly name: string
  readonly displayName: string
  readonly email: string
  /** DNs of the groups that the entry itself names; undefined when it names so many that the server gave only a part. */
  readonly memberOf: readonly string[] | undefined
  /** Why the account is closed, as far as the entry tells without a password. */
  readonly closed: LdapRefusal | undefined
}

const states = ['userAccountControl', 'accountExpires', 'nsAccountLock', 'pwdAccountLockedTime'] as const

/** What to ask for. */
export function personAttributes({ attributes, groups }: LdapSettings): string[] {
  const { id, name, displayName, email } = attributes
  const wanted = [id, name, displayName, email, ...states, ...(groups.source === 'memberOf' ? ['memberOf'] : [])]
  return [...new Set(wanted.filter((attribute) => attribute !== ''))]
}

/** Identifiers that are bytes, not text. */
const binary: ReadonlySet<string> = new Set(['objectguid', 'objectsid', 'guid', 'msexchmailboxguid'])

/** Whether the attribute's values are bytes. */
export function isBinaryAttribute(attribute: string): boolean {
  return binary.has(attribute.toLowerCase())
}

/** Undefined for an entry without an identifier or a name: it can be nobody's account. */
export function personOf(entry: Entry, settings: LdapSettings, nowMs: number): LdapPerson | undefined {
  const { attributes } = settings
  const [rawId] = valuesOf(entry, attributes.id)
  const id = rawId === undefined ? '' : isBinaryAttribute(attributes.id) ? rawId.toString('hex') : rawId.toString('utf8')
  const text = (attribute: string) => (attribute === '' ? '' : (valuesOf(entry, attribute)[0]?.toString('utf8') ?? ''))
  const name = text(attributes.name)
  if (entry.dn === '' || id === '' || name === '') return undefined
  const isPartial = Object.keys(entry).some((key) => /^memberof;range=\d+-\d+$/i.test(key))
  return {
    dn: entry.dn,
    id,
    name,
    displayName: text(attributes.displayName),
    email: text(attributes.email),
    memberOf: isPartial ? undefined : valuesOf(entry, 'memberOf').map(String),
    closed: closedBy(text, nowMs),
  }
}

/** All values of an attribute, whatever case the server writes its name in. */
export function valuesOf(entry: Entry, attribute: string): readonly Buffer[] {
  const wanted = attribute.toLowerCase()
  const key = Object.keys(entry).find((each) => each.toLowerCase() === wanted)
  const value = key === undefined || key === 'dn' ? [] : (entry[key] ?? [])
  const list: readonly (string | Buffer)[] = Array.isArray(value) ? value : [value]
  return list.map((each) => (typeof each === 'string' ? Buffer.from(each) : each))
}

const accountDisabledFlag = 0x2
/** Milliseconds from 1601, where Active Directory counts from, to 1970. */
const fileTimeOffsetMs = 11_644_473_600_000n
const neverExpires = 0x7fff_ffff_ffff_ffffn

function closedBy(text: (attribute: string) => string, nowMs: number): LdapRefusal | undefined {
  const [control, expires, nsLock, locked] = states.map(text)
  if ((Number(control) & accountDisabledFlag) !== 0) return { reason: 'disabled', sentence: 'the account is disabled' }
  if (nsLock?.toLowerCase() === 'true') return { reason: 'disabled', sentence: 'the account is locked by its administrator' }
  // RFC draft-behera-ldap-password-policy §5.3.3: this instant means for good; others end by themselves, and the server alone knows when.
  if (locked === '000001010000Z') return { reason: 'locked', sentence: 'the account is locked for good' }
  if (expires === undefined || !/^\d{1,19}$/.test(expires)) return undefined
  const fileTime = BigInt(expires)
  if (fileTime === 0n || fileTime === neverExpires) return undefined
  const hasEnded = fileTime / 10_000n - fileTimeOffsetMs <= BigInt(Math.floor(nowMs))
  return hasEnded ? { reason: 'expired', sentence: 'the account has expired' } : undefined
}
