/** Who changes accounts and rights, and what they may: what each verb of this room takes last. */
import type { Permission } from '#api/permissions.ts'
import type { Who } from '#events/event.ts'
import { RegistryError } from '#oci/errors.ts'
import type { Rights } from './decide.ts'

/** The caller: `who` is recorded, `rights` bound what can be given away. */
export interface Acting {
  readonly who: Who
  readonly rights: Rights
  readonly unproved?: Unproved | undefined
}

/** What the credential would have to prove its person for (access/elevation.ts), and so gives to nobody before it has: not to a robot, a role, a group. */
export interface Unproved {
  readonly permissions: readonly Permission[]
  /** Says how to prove it. */
  readonly message: string
}

/** Throws ELEVATION_REQUIRED when one of the permissions is among those that the caller must prove themselves for. */
export function requireProved(unproved: Unproved | undefined, permissions: readonly Permission[]): void {
  if (unproved === undefined || !permissions.some((permission) => unproved.permissions.includes(permission))) return
  throw new RegistryError('ELEVATION_REQUIRED', undefined, { message: unproved.message })
}

/** Rights of the operator at the server's own console. */
export const operatorRights: Rights = { isAdministrator: true, rights: [] }

/** Whether nothing bounds them: an administrator whose credential narrows nothing. */
export function isFullAdministrator(rights: Rights): boolean {
  return rights.isAdministrator && rights.limits === undefined
}

/** Throws DENIED for all but administrators. `doing` goes on with the sentence "only an administrator may …". */
export function requireAdministrator(rights: Rights, doing: string): void {
  if (isFullAdministrator(rights)) return
  throw new RegistryError('DENIED', undefined, { message: `only an administrator may ${doing}` })
}

/** Throws PRECONDITION_FAILED when the row is no longer the one that the caller read; `expected` undefined: whatever it is. */
export function requireVersion(row: { readonly version: number }, expected: number | undefined): void {
  if (expected !== undefined && expected !== row.version) throw new RegistryError('PRECONDITION_FAILED')
}
