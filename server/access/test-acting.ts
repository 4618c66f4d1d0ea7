/** Callers of all kinds for tests of the verbs of accounts and rights. */
import { parsePermission, builtInRoles, type Permission } from '#api/permissions.ts'
import { insertProject } from '#metadata/projects.ts'
import { transaction } from '#metadata/transaction.ts'
import type { Acting } from './acting.ts'
import type { ProjectFacts, RightScope } from './decide.ts'
import { scopeOf } from './rights.ts'
import { testWho, type TestDirectory } from './test-vouched.ts'

/** An administrator without bounds. */
export const administrator: Acting = { who: { ...testWho, actor: 'root' }, rights: { isAdministrator: true, rights: [] } }

export const everything: RightScope = { kind: 'everything' }

/** Somebody who holds the permissions, or those of a built-in role, there. */
export function holder(what: string | readonly string[], scope: RightScope, expiresAt?: number): Acting {
  const role = builtInRoles.find(({ name }) => name === what)
  const texts = role?.permissions ?? (typeof what === 'string' ? [what] : what)
  const permissions = new Set(texts.map((text) => parsePermission(text) as Permission))
  return { who: { ...testWho, actor: 'somebody' }, rights: { isAdministrator: false, rights: [{ permissions, scope, expiresAt }] } }
}

/** On repositories by glob. */
export function onGlob(repositories: string, projectId: number | null = null): RightScope {
  const scope = scopeOf({ projectId, repositories })
  if (scope === undefined) throw new Error(`${repositories} is no glob`)
  return scope
}

const addProject = transaction(import.meta.url, 'test-acting/add-project', (tx, name: string) => insertProject(tx, { name, at: 1 }))

/** A project whose parents are the given ones, nearest first. */
export async function makeProject({ metadata }: TestDirectory, name: string, parents: readonly ProjectFacts[] = []): Promise<ProjectFacts> {
  const id = await metadata.write(addProject, name)
  if (id === 'exists') throw new Error(`${name} exists`)
  return { id, name, isPublic: false, isDefault: false, lineage: [id, ...parents.map((parent) => parent.id)] }
}

/** Actions and targets of what was recorded, oldest first. */
export async function recorded({ metadata }: TestDirectory): Promise<string[]> {
  const rows = await metadata.reader.selectFrom('events').select(['action', 'target']).orderBy('id').execute()
  return rows.map(({ action, target }) => `${action} ${target}`)
}

/** For `assert.rejects`. */
export function refusedAs(code: string): { readonly code: string } {
  return { code }
}
