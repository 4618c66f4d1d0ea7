/**
 * An htpasswd file as a provider of identities: its users have accounts, which follow the file.
 *
 * The problem: an entry is a name and a hash, and a name may be taken out and given to somebody else later; and a file that is being written may be
 * read half. The way: an account remembers by which entry it was last seen (a digest of the hash). An entry that is gone disables the account at the next
 * look, a second later at most, and ends nothing for good; when it is back as it was, so is the account. Another hash is another password: it ends
 * sessions and every token, for nobody proves that it is the same person; and where the entry was gone in between, all that was the account's own goes,
 * for it is somebody else then (htpasswd-successor.ts). Whoever is let in on what was read before that look is judged again after it.
 */
import { createHash } from 'node:crypto'
import { recordEvent } from '#events/record.ts'
import { accessTransaction } from '#metadata/access-epoch.ts'
import { findIdentity } from '#metadata/identities.ts'
import { presenceById, setEntry, setPresence, type IdentityPresence } from '#metadata/identity-presence.ts'
import type { Transactor } from '#metadata/metadata.ts'
import { endPersonalTokens, endSignIns, isUserNameTaken, updateUserRow, userRecord } from '#metadata/users.ts'
import { RegistryError } from '#oci/errors.ts'
import { accountNameFrom, parseAccountName } from './account-name.ts'
import { openBcrypt } from './bcrypt.ts'
import type { Directory } from './directory.ts'
import type { SignInPlace } from './hooks.ts'
import type { HtpasswdFile } from './htpasswd-file.ts'
import { takeInheritance } from './htpasswd-successor.ts'
import { onboard } from './onboard.ts'

/** Of all identities that come from files: what tells them apart is the provider. */
export const fileIssuer = 'htpasswd'

/** A file in which passwords are looked up. */
export interface PasswordFile {
  /** Of the row in `providers`. */
  readonly id: number
  readonly name: string
  /** Grows when the entries change. */
  revision(): Promise<number>
  /**
   * `hash` is undefined for a name that is not in the file; `unmatchable` costs as much as any and fits no password. Throws UNAVAILABLE while the file
   * cannot be read.
   */
  find(name: string): Promise<{ readonly hash: string | undefined; readonly unmatchable: string }>
  verify(password: string, hash: string): Promise<boolean>
  /** The account of the user of that name, made at the first sight; call it when the password was right. Throws CONFLICT when the name is taken. */
  open(name: string, place: SignInPlace): Promise<number>
}

/** The provider of a row over its file. Reads nothing yet. */
export function passwordFile(
  directory: Directory,
  { id, name }: { readonly id: number; readonly name: string },
  file: HtpasswdFile,
): PasswordFile {
  const bcrypt = openBcrypt()
  return {
    id,
    name,
    revision: async () => (await file.users()).revision,
    verify: (password, hash) => bcrypt.verify(password, hash),
    async find(user) {
      const { hashes, unmatchable } = await file.users()
      return { hash: hashes.get(user), unmatchable }
    },
    async open(user, place) {
      const hash = (await file.users()).hashes.get(user)
      if (hash === undefined) throw new RegistryError('UNAUTHORIZED')
      return await accountOf(directory, { providerId: id, user, hash }, place)
    },
  }
}

/** Tells one hash of an entry from another, and gives neither away: bcrypt's salt has 128 bits. */
function entryDigest(hash: string): string {
  return createHash('sha256').update(hash).digest('base64url').slice(0, 22)
}

interface SeenEntry {
  readonly providerId: number
  readonly user: string
  readonly hash: string
}

async function accountOf(directory: Directory, { providerId, user, hash }: SeenEntry, place: SignInPlace): Promise<number> {
  const { reader } = directory.metadata
  const known = await findIdentity(reader, { providerId, issuer: fileIssuer, subject: user })
  if (known !== undefined) return known.userId
  const said = { displayName: '', email: '', groups: [], isAdministrator: undefined, attributes: { entry: entryDigest(hash) } }
  const name = await accountNameOf(user, async (wanted) => await isUserNameTaken(reader, wanted))
  const identity = { issuer: fileIssuer, subject: user, name, ...said }
  const { address, userAgent, requestId } = place
  return (await onboard(directory, { providerId, identity, onNewName: name }, { actor: '', requestId, address, userAgent })).userId
}

/**
 * The name as it stands in the file. What no account may be called (`build bot`), and what another account is called but for upper and lower case, gets
 * a digest behind it: every user of a file comes in, as with registry:2. Who asks has found no account of exactly that name, or another's.
 */
async function accountNameOf(user: string, isTaken: (name: string) => Promise<boolean>): Promise<string> {
  const plain = parseAccountName(user)
  if (plain !== undefined && !(await isTaken(plain))) return plain
  const start = (accountNameFrom(user) ?? 'user').slice(0, 200)
  return `${start}-${createHash('sha256').update(user).digest('hex').slice(0, 8)}`
}

interface EntryChange {
  readonly identityId: number
  /** Undefined: it is not in the file. */
  readonly entry: string | undefined
  readonly provider: string
  readonly at: number
}

const applyEntry = accessTransaction(
  import.meta.url,
  'htpasswd-provider/apply',
  async (tx: Transactor, { identityId, entry, provider, at }: EntryChange) => {
    const before = await presenceById(tx, identityId)
    if (before === undefined || isAsBefore(before, entry)) return
    await notePresence(tx, { identityId, isGone: entry === undefined, provider, at })
    if (entry === undefined || entry === before.entry) return
    await setEntry(tx, { identityId, entry, at })
    const { userId } = before
    const name = (await userRecord(tx, userId))?.name ?? ''
    // The version ends bearer tokens.
    await updateUserRow(tx, { id: userId, set: {}, at })
    await endSignIns(tx, userId)
    await endPersonalTokens(tx, userId)
    const detail = { by: 'provider', provider, tokensEnded: true }
    await recordEvent(tx, { action: 'user.password-changed', target: `user:${name}`, detail, at, ...whoOf(provider) })
    if (before.isGone) await takeInheritance(tx, { userId, provider, at, who: whoOf(provider) })
  },
)

/** Disables the account of an entry that is gone, or enables it when it is back, and records it. */
export async function notePresence(tx: Transactor, change: Omit<EntryChange, 'entry'> & { readonly isGone: boolean }): Promise<void> {
  const { identityId, isGone, provider, at } = change
  const changed = await setPresence(tx, { identityId, isGone, at })
  if (changed === undefined) return
  const reason = isGone ? 'the htpasswd file has no entry of that name, or does not count' : 'the htpasswd file has the entry again'
  const action = isGone ? 'user.disabled' : 'user.enabled'
  await recordEvent(tx, { action, target: `user:${changed.name}`, detail: { provider, reason }, at, ...whoOf(provider) })
}

function isAsBefore({ isGone, entry: before }: IdentityPresence, entry: string | undefined): boolean {
  return entry === undefined ? isGone : !isGone && entry === before
}

/** Has the account follow its entry; writes only when that has changed. Throws UNAVAILABLE while the file cannot be read. */
export async function followEntry({ metadata, ports }: Directory, file: PasswordFile, presence: IdentityPresence): Promise<void> {
  const { hash } = await file.find(presence.subject)
  const entry = hash === undefined ? undefined : entryDigest(hash)
  if (isAsBefore(presence, entry)) return
  await metadata.write(applyEntry, { identityId: presence.id, entry, provider: file.name, at: ports.clock.now() })
}

function whoOf(provider: string) {
  return { actor: `provider:${provider}`, requestId: '' }
}
