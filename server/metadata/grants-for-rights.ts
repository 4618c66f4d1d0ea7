/** What rights are gathered from: the grants that concern somebody, and the roles that people made. */
import type { Reader } from './metadata.ts'
import { prepare } from './prepared.ts'

/** One grant, as a right is made of it. */
export interface GrantForRights {
  readonly role: string
  readonly projectId: number | null
  readonly repositories: string | null
  readonly expiresAt: number | null
}

const columns = ['g.role', 'g.project_id as projectId', 'g.repositories', 'g.expires_at as expiresAt'] as const

const grantsOfUser = prepare<{ userId: number }, GrantForRights>((db, param) =>
  db
    .selectFrom('grants as g')
    .select(columns)
    .where('g.user_id', '=', param('userId'))
    .where('g.subject_kind', '=', 'user')
    .unionAll(
      db
        .selectFrom('group_members as m')
        .innerJoin('grants as g', 'g.group_id', 'm.group_id')
        .select(columns)
        .where('m.user_id', '=', param('userId'))
        .where('g.subject_kind', '=', 'group'),
    ),
)

const grantsOfRobot = prepare<{ robotId: number }, GrantForRights>((db, param) =>
  db.selectFrom('grants as g').select(columns).where('g.robot_id', '=', param('robotId')).where('g.subject_kind', '=', 'robot'),
)

const grantsOfMany = prepare<{ kind: 'everyone' | 'signed-in' }, GrantForRights>((db, param) =>
  db.selectFrom('grants as g').select(columns).where('g.subject_kind', '=', param('kind')),
)

/** Whose grants. A person's groups are included; what is everyone's is not. */
export type GrantHolder =
  | { readonly kind: 'user'; readonly id: number }
  | { readonly kind: 'robot'; readonly id: number }
  | { readonly kind: 'everyone' | 'signed-in' }

/** Expired ones too: time goes on while rights are remembered. */
export async function grantsForRights(reader: Reader, holder: GrantHolder): Promise<readonly GrantForRights[]> {
  if (holder.kind === 'user') return await grantsOfUser(reader, { userId: holder.id })
  if (holder.kind === 'robot') return await grantsOfRobot(reader, { robotId: holder.id })
  return await grantsOfMany(reader, { kind: holder.kind })
}

const allRoles = prepare<Record<never, never>, { name: string; permissions: string }>((db) =>
  db.selectFrom('roles').select(['name', 'permissions']),
)

/** Roles that people made: name → the JSON of its permissions. */
export async function customRoles(reader: Reader): Promise<ReadonlyMap<string, string>> {
  return new Map((await allRoles(reader, {})).map((row) => [row.name, row.permissions]))
}
