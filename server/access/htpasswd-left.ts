/**
 * Accounts that are left when an htpasswd provider is deleted, and their way back.
 *
 * The problem: the identities go with the provider, and an account that nothing opens keeps its name from whoever stands in the next file. The way: what linked
 * those that only this provider opened is kept under the provider's name; an htpasswd provider of the same name that is made later links them again, as
 * entries that are gone, so that the file decides as for any other (htpasswd-provider.ts). Not those that changed since: enabled, given a password, linked
 * otherwise, or not there any more.
 */
import type { Who } from '#events/event.ts'
import { recordEvent } from '#events/record.ts'
import { identitiesOfUser, insertIdentity, type IdentityAttributes } from '#metadata/identities.ts'
import { isKnownOtherwise, presencesOfProvider, setPresence } from '#metadata/identity-presence.ts'
import type { Transactor } from '#metadata/metadata.ts'
import { deleteSetting, findSetting, putSetting } from '#metadata/settings.ts'
import { userRecord } from '#metadata/users.ts'

const pageOf = 500
const settingOf = (provider: string) => `htpasswd-left/${provider}`

interface Left {
  readonly userId: number
  /** Tells the account from a later one of the same id. */
  readonly createdAt: number
  readonly issuer: string
  readonly subject: string
  readonly attributes: IdentityAttributes
}

interface Provider {
  readonly id: number
  readonly name: string
}

/** Call it before the provider's row is deleted: disables the accounts that only it opens, and keeps what linked them. How many it disabled. */
export async function keepLeftAccounts(tx: Transactor, { id: providerId, name }: Provider, at: number): Promise<number> {
  const left: Left[] = []
  let disabled = 0
  for (let afterId = 0; ;) {
    const page = await presencesOfProvider(tx, { providerId, afterId, limit: pageOf })
    for (const { id: identityId, userId } of page) {
      if (await isKnownOtherwise(tx, { userId, providerId })) continue
      if ((await setPresence(tx, { identityId, isGone: true, at })) !== undefined) disabled++
      const user = await userRecord(tx, userId)
      const identity = (await identitiesOfUser(tx, userId)).find(({ id }) => id === identityId)
      if (user === undefined || identity === undefined) continue
      const { issuer, subject, attributes } = identity
      left.push({ userId, createdAt: user.createdAt, issuer, subject, attributes })
    }
    const last = page.at(-1)
    if (last === undefined || page.length < pageOf) break
    afterId = last.id
  }
  if (left.length > 0) await putSetting(tx, settingOf(name), left)
  return disabled
}

/** Call it when an htpasswd provider was made: links the accounts that one of its name left. */
export async function relinkLeftAccounts(
  tx: Transactor,
  { id: providerId, name }: Provider,
  { at, who }: { readonly at: number; readonly who: Who },
): Promise<void> {
  const left = (await findSetting(tx, settingOf(name))) as readonly Left[] | undefined
  if (left === undefined) return
  await deleteSetting(tx, settingOf(name))
  for (const { userId, createdAt, issuer, subject, attributes } of left) {
    const user = await userRecord(tx, userId)
    if (user?.createdAt !== createdAt || !user.isDisabled || (await isKnownOtherwise(tx, { userId, providerId }))) continue
    await insertIdentity(tx, { providerId, issuer, subject, userId, attributes, at })
    const detail = { provider: name, issuer, subject, by: 'provider' }
    await recordEvent(tx, { action: 'identity.linked', target: `user:${user.name}`, detail, at, ...who })
  }
}
