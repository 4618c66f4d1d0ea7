/** Accounts: access/users.ts and access/user-passwords.ts over HTTP. */
import { isFullAdministrator } from '#access/acting.ts'
import { requireElevation, requireElevationWithFactor } from '#access/elevation.ts'
import type { Principal } from '#access/principal.ts'
import { changeOwnPassword, resetPassword } from '#access/user-passwords.ts'
import * as users from '#access/users.ts'
import type { ResponseOf } from '#api/contract.ts'
import * as contract from '#api/routes/users.ts'
import { RegistryError } from '#oci/errors.ts'
import { actingOf } from './acting-of.ts'
import { instantOf, instantOrNull, pageBody } from './page-body.ts'
import { givingOf } from './require-elevation-to-give.ts'
import { requireWhole } from './require-whole.ts'
import { serve, type ApiCall, type ServedRoute } from './serve-route.ts'
import { sortedPage } from './sorted-page.ts'

const sorts = { name: 'text', createdAt: 'number', lastLoginAt: 'number' } as const

function present(user: users.User): ResponseOf<typeof contract.readUser> {
  return {
    id: user.id,
    name: user.name,
    displayName: user.displayName,
    email: user.email,
    isAdministrator: user.isAdmin,
    isDisabled: user.isDisabled,
    hasPassword: user.hasPassword,
    providers: [...user.providers],
    createdAt: instantOf(user.createdAt),
    updatedAt: instantOf(user.updatedAt),
    lastLoginAt: instantOrNull(user.lastLoginAt),
    version: user.version,
  }
}

/** Throws DENIED for a token for one thing alone, CONFLICT for robots and for those whom something else than an account vouches for. */
function ownAccountOf(principal: Principal): number {
  requireWhole(principal)
  if (principal.kind === 'user' && principal.id !== undefined) return principal.id
  throw new RegistryError('CONFLICT', undefined, {
    message: 'only people with an account that is kept here have one to look at or to change',
  })
}

/**
 * An administrator more is a way around every other step-up, and one less, or one who cannot come in, leaves nobody to undo it. Who may change no
 * administrators is refused for that.
 */
async function requireProvedForAdministrators({ parts, principal, params, body }: ApiCall<typeof contract.updateUser>): Promise<void> {
  const { name, isAdministrator, isDisabled } = body
  const isGrave = isAdministrator !== undefined || isDisabled !== undefined || name !== undefined
  if (!isGrave || !isFullAdministrator(principal.rights)) return
  const { isAdmin } = await users.readUser(parts.directory, params.user)
  if (isAdministrator === true || isAdmin) await requireElevation(parts.directory, principal, 'user:update')
}

/** Served by the app. */
export const userRoutes: readonly ServedRoute[] = [
  serve(contract.listUsers, async ({ parts, query, page }) => {
    const { name: namePrefix, isAdministrator: isAdmin, isDisabled, provider } = query
    const found = await users.listUsers(parts.directory, { namePrefix, isAdmin, isDisabled, provider }, sortedPage(page, sorts))
    return { body: pageBody(found, present) }
  }),
  serve(contract.createUser, async (call) => {
    const { displayName = '', email = '', isAdministrator = false, name, password } = call.body
    if (isAdministrator) await requireElevation(call.parts.directory, call.principal, 'user:create')
    const user = await users.createUser(call.parts.directory, { name, displayName, email, isAdministrator, password }, await givingOf(call))
    return { body: present(user), version: user.version, location: `/users/${user.id}` }
  }),
  serve(contract.readUser, async ({ parts, params }) => {
    const user = await users.readUser(parts.directory, params.user)
    return { body: present(user), version: user.version }
  }),
  serve(contract.updateUser, async (call) => {
    const { name, displayName, email, isAdministrator: isAdmin, isDisabled } = call.body
    await requireProvedForAdministrators(call)
    const update = { id: call.params.user, expectedVersion: call.ifMatch, set: { name, displayName, email, isAdmin, isDisabled } }
    const user = await users.updateUser(call.parts.directory, update, await givingOf(call))
    return { body: present(user), version: user.version }
  }),
  serve(contract.deleteUser, async (call) => {
    await users.deleteUser(call.parts.directory, { id: call.params.user, expectedVersion: call.ifMatch }, actingOf(call))
  }),
  serve(contract.resetUserPassword, async (call) => {
    const { parts, principal, params, body } = call
    if (principal.kind === 'user' && principal.id === params.user) {
      throw new RegistryError('CONFLICT', undefined, { message: 'set your own password with your present one: PUT /session/password' })
    }
    const reset = { id: params.user, password: body.password, expectedVersion: call.ifMatch }
    await resetPassword(parts.directory, reset, actingOf(call))
  }),
  serve(contract.changePassword, async ({ parts, principal, who, body }) => {
    if (principal.kind !== 'user' || principal.id === undefined) {
      throw new RegistryError('CONFLICT', undefined, { message: 'only accounts of people that are kept here have a password to change' })
    }
    // It leads to everything else, and so is for no token of one thing alone; and where there is a second factor, knowing it is not enough.
    requireWhole(principal)
    await requireElevationWithFactor(parts.directory, principal)
    await changeOwnPassword(parts.directory, { id: principal.id, ...body }, who)
  }),
  serve(contract.readAccount, async ({ parts, principal }) => {
    const user = await users.readUser(parts.directory, ownAccountOf(principal))
    return { body: present(user), version: user.version }
  }),
  serve(contract.updateAccount, async (call) => {
    const { displayName, email } = call.body
    const update = { id: ownAccountOf(call.principal), expectedVersion: call.ifMatch, set: { displayName, email } }
    const user = await users.updateOwnAccount(call.parts.directory, update, actingOf(call))
    return { body: present(user), version: user.version }
  }),
]
