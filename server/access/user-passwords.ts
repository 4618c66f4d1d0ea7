/** Passwords of Berth's own accounts: changed by their owner, reset by administrators, set at the server's console by whoever holds its data. */
import { recordEvent } from '#events/record.ts'
import type { Who } from '#events/event.ts'
import { accessTransaction } from '#metadata/access-epoch.ts'
import type { Transactor } from '#metadata/metadata.ts'
import { endSignIns, findUser, updateUserRow, userRecord } from '#metadata/users.ts'
import { RegistryError } from '#oci/errors.ts'
import { requireAdministrator, requireVersion, type Acting } from './acting.ts'
import { BackOff } from './back-off.ts'
import type { Directory } from './directory.ts'
import { requireGoodPassword } from './password-rules.ts'
import { hashPassword, verifyPassword } from './password.ts'

interface SetInput {
  readonly id: number
  readonly passwordHash: string
  /** The hash that the current password was checked against: another change in between refuses this one. */
  readonly expectedHash?: string | undefined
  readonly expectedVersion?: number | undefined
  readonly isEnabling?: boolean | undefined
  readonly by: 'owner' | 'administrator' | 'operator'
  readonly at: number
  readonly who: Who
}

async function setPassword(tx: Transactor, input: SetInput): Promise<void> {
  const { id, passwordHash, expectedHash, expectedVersion, isEnabling, by, at, who } = input
  const record = await userRecord(tx, id)
  if (record === undefined) throw new RegistryError('RESOURCE_UNKNOWN')
  requireVersion(record, expectedVersion)
  if (expectedHash !== undefined && (await findUser(tx, record.name))?.passwordHash !== expectedHash) {
    throw new RegistryError('PRECONDITION_FAILED', undefined, { message: 'the password was changed in between' })
  }
  await updateUserRow(tx, { id, set: { passwordHash, ...(isEnabling === true ? { isDisabled: false } : {}) }, at })
  await endSignIns(tx, id)
  await recordEvent(tx, { action: 'user.password-changed', target: `user:${record.name}`, detail: { by }, at, ...who })
}

const setAccountPassword = accessTransaction(import.meta.url, 'users/set-password', setPassword)

/** What the owner of an account says to change its password. */
export interface PasswordChange {
  readonly id: number
  readonly currentPassword: string
  readonly password: string
}

/** Changes one's own password and ends all sessions and refresh tokens. Throws REQUEST_INVALID for a wrong current one. */
export async function changeOwnPassword({ metadata, ports }: Directory, change: PasswordChange, who: Who): Promise<void> {
  const { id, currentPassword, password } = change
  const record = await userRecord(metadata.reader, id)
  const user = record && (await findUser(metadata.reader, record.name))
  if (record === undefined || user === undefined) throw new RegistryError('RESOURCE_UNKNOWN')
  if (user.passwordHash === '') {
    throw new RegistryError('CONFLICT', undefined, { message: 'this account has no password here: change it where you sign in' })
  }
  requireGoodPassword(password, record)
  // A session that was left open must not be a place to guess the password at.
  const attempt = { name: user.name, address: who.address ?? '' }
  const isRight = await new BackOff(metadata, ports.clock).judge(attempt, () => verifyPassword(currentPassword, user.passwordHash))
  if (!isRight) {
    const message = 'the current password is wrong'
    throw new RegistryError('REQUEST_INVALID', [{ path: 'body/currentPassword', message }], { message })
  }
  const passwordHash = await hashPassword(password, ports.random)
  await metadata.write(setAccountPassword, {
    id,
    passwordHash,
    expectedHash: user.passwordHash,
    by: 'owner',
    at: ports.clock.now(),
    who,
  })
}

/** Gives somebody else's account a password. It is theirs to change afterwards; what was signed in before ends. */
export async function resetPassword(
  { metadata, ports }: Directory,
  reset: { readonly id: number; readonly password: string; readonly expectedVersion: number | undefined },
  { who, rights }: Acting,
): Promise<void> {
  requireAdministrator(rights, 'reset passwords')
  const { id, password, expectedVersion } = reset
  const record = await userRecord(metadata.reader, id)
  if (record === undefined) throw new RegistryError('RESOURCE_UNKNOWN')
  requireGoodPassword(password, record)
  const passwordHash = await hashPassword(password, ports.random)
  await metadata.write(setAccountPassword, { id, passwordHash, expectedVersion, by: 'administrator', at: ports.clock.now(), who })
}

/** As whom the operator at the server's console is recorded. */
export const operator: Who = { actor: 'operator', actorKey: 'operator', requestId: '', credential: 'console' }

/** Sets the password of an account and enables it, for those who are locked out. Throws RESOURCE_UNKNOWN when there is no account of that name. */
export async function setPasswordAtConsole(
  { metadata, ports }: Pick<Directory, 'metadata' | 'ports'>,
  { name, password }: { readonly name: string; readonly password: string },
): Promise<void> {
  const user = await findUser(metadata.reader, name)
  if (user === undefined) throw new RegistryError('RESOURCE_UNKNOWN', undefined, { message: `there is no account ${name}` })
  requireGoodPassword(password, (await userRecord(metadata.reader, user.id)) ?? { name })
  const passwordHash = await hashPassword(password, ports.random)
  await metadata.write(setAccountPassword, {
    id: user.id,
    passwordHash,
    isEnabling: true,
    by: 'operator',
    at: ports.clock.now(),
    who: operator,
  })
}
