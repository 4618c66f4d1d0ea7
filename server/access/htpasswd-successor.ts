/** Somebody whose name in an htpasswd file was another's before: what was the account's own goes, so that nothing is inherited. */
import type { Who } from '#events/event.ts'
import { recordEvent } from '#events/record.ts'
import { deleteGrantsOfUser } from '#metadata/grants.ts'
import type { Transactor } from '#metadata/metadata.ts'
import { deleteFactorsOfUser } from '#metadata/second-factors.ts'
import { updateUserRow, userRecord } from '#metadata/users.ts'

/** Whose account, and why. */
export interface Succession {
  readonly userId: number
  readonly provider: string
  readonly at: number
  readonly who: Who
}

/** Removes second factors, the account's own grants and the administrator's flag, each with its event. */
export async function takeInheritance(tx: Transactor, { userId, provider, at, who }: Succession): Promise<void> {
  const user = await userRecord(tx, userId)
  if (user === undefined) return
  const target = `user:${user.name}`
  const by = { by: 'provider', provider }
  if ((await deleteFactorsOfUser(tx, { userId })) > 0) {
    await recordEvent(tx, { action: 'second-factor.removed', target, detail: { kind: 'all', ...by }, at, ...who })
  }
  for (const { id, role, repositories, project } of await deleteGrantsOfUser(tx, userId)) {
    const detail = { subject: target, role, repositories, ...by }
    await recordEvent(tx, { action: 'grant.deleted', target: `grant:${id}`, project: project ?? undefined, detail, at, ...who })
  }
  if (!user.isAdmin) return
  await updateUserRow(tx, { id: userId, set: { isAdmin: false }, at })
  const detail = { changed: ['isAdmin'], isAdministrator: false, ...by }
  await recordEvent(tx, { action: 'user.updated', target, detail, at, ...who })
}
