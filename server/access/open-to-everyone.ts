/** Roles that are granted to whoever shows no credential, on everything: one line at the start for what changes something. */
import type { Permission } from '#api/permissions.ts'
import { grantsForRights } from '#metadata/grants-for-rights.ts'
import type { Directory } from './directory.ts'
import { findRole } from './roles.ts'

const changing: readonly Permission[] = ['repository:push', 'repository:delete', 'manifest:delete', 'tag:delete']

/** Warns of them, with where to look. */
export async function warnOfOpenGrants({ metadata: { reader }, ports, log }: Pick<Directory, 'metadata' | 'ports' | 'log'>): Promise<void> {
  const now = ports.clock.now()
  const found = new Set<string>()
  for (const { role, projectId, repositories, expiresAt } of await grantsForRights(reader, { kind: 'everyone' })) {
    const isOnEverything = projectId === null && (repositories === null || repositories === '**')
    if (!isOnEverything || (expiresAt !== null && expiresAt <= now)) continue
    const permissions = (await findRole(reader, role))?.permissions ?? []
    if (changing.some((permission) => permissions.includes(permission))) found.add(role)
  }
  if (found.size === 0) return
  log.warn(
    { roles: [...found] },
    'anyone may push to or delete from every repository without signing in: a role that allows it is granted to everyone (berth grant list)',
  )
}
