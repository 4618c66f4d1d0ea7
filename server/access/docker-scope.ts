/**
 * The `scope` of Docker's token protocol, `repository:team/app:pull,push`, and what its actions mean as permissions.
 *
 * Clients write names with the host before them (`repository:127.0.0.1:5000/team/app:pull`, docker trust), so a scope is read from both ends; types, classes
 * and actions that mean nothing here are passed over, because asking for more than there is is no error.
 */
import type { Permission } from '#api/permissions.ts'
import { parseGlob } from '#metadata/repository-glob.ts'
import { RegistryError } from '#oci/errors.ts'
import { parseRepositoryName, type RepositoryName } from '#oci/reference.ts'
import type { Right } from './decide.ts'

/** One entry of a token's `access` claim. */
export interface ScopeEntry {
  readonly type: string
  readonly name: string
  readonly actions: readonly string[]
}

const scopesMax = 100
const scopeLengthMax = 1024

/** The entries of all `scope` parameters, equal names joined. Throws REQUEST_INVALID for what no client sends: control characters, too much of it. */
export function parseScopes(parameters: readonly string[]): readonly ScopeEntry[] {
  const words = parameters.flatMap((parameter) => parameter.split(' ')).filter((word) => word !== '')
  if (words.length > scopesMax) throw new RegistryError('REQUEST_INVALID', `at most ${scopesMax} scopes at once`)
  const actions = new Map<string, Set<string>>()
  for (const word of words) {
    if (word.length > scopeLengthMax || !/^[!-~]+$/.test(word)) throw new RegistryError('REQUEST_INVALID', 'a scope is malformed')
    const entry = parseScope(word)
    if (entry === undefined) continue
    const key = `${entry.type}:${entry.name}`
    actions.set(key, new Set([...(actions.get(key) ?? []), ...entry.actions]))
  }
  return [...actions].map(([key, found]) => {
    const colon = key.indexOf(':')
    return { type: key.slice(0, colon), name: key.slice(colon + 1), actions: [...found] }
  })
}

/** Undefined for what is not `type:name:actions`. A class in brackets says nothing. */
function parseScope(word: string): ScopeEntry | undefined {
  const first = word.indexOf(':')
  const last = word.lastIndexOf(':')
  if (first < 1 || last <= first + 1) return undefined
  const type = word.slice(0, first).replace(/\([a-z0-9]*\)$/, '')
  const actions = word
    .slice(last + 1)
    .split(',')
    .filter((action) => action !== '')
  return { type, name: word.slice(first + 1, last), actions }
}

/** The repositories of ours that a name may mean: itself, and without the host by which the client knows us. */
export function repositoriesNamed(name: string, host: string | undefined): readonly RepositoryName[] {
  const bare = host !== undefined && name.startsWith(`${host}/`) ? name.slice(host.length + 1) : undefined
  return [name, bare].map((each) => (each === undefined ? undefined : parseRepositoryName(each))).filter((each) => each !== undefined)
}

const pulling: readonly Permission[] = [
  'project:read',
  'repository:list',
  'repository:read',
  'repository:pull',
  'manifest:list',
  'manifest:read',
  'tag:list',
]
const pushing: readonly Permission[] = [
  'project:create',
  'repository:push',
  'repository:create',
  'repository:update',
  'tag:create',
  'tag:update',
]
const deleting: readonly Permission[] = ['repository:delete', 'manifest:delete', 'tag:delete', 'upload:delete']

/** What each action allows at most. */
const permissionsByAction: Readonly<Record<string, ReadonlySet<Permission>>> = {
  pull: new Set(pulling),
  push: new Set(pushing),
  delete: new Set(deleting),
  '*': new Set([...pulling, ...pushing, ...deleting]),
}

/** By which permission it is judged whether an action may be in a token. */
export const permissionOfAction = { pull: 'repository:pull', push: 'repository:push', delete: 'manifest:delete' } as const

const catalogPermissions: ReadonlySet<Permission> = new Set<Permission>(['repository:list', 'project:list', 'project:read'])

/** The rights that entries stand for. `present` gives the name by which a repository is known now. Entries that mean nothing here give none. */
export async function rightsOfEntries(
  entries: readonly ScopeEntry[],
  present: (name: RepositoryName) => Promise<RepositoryName> | RepositoryName,
): Promise<readonly Right[]> {
  const rights: Right[] = []
  for (const { type, name, actions } of entries) {
    if (type === 'registry' && name === 'catalog' && actions.includes('*')) {
      rights.push({ permissions: catalogPermissions, scope: { kind: 'everything' } })
    }
    const repository = type === 'repository' ? parseRepositoryName(name) : undefined
    if (repository === undefined) continue
    const text = await present(repository)
    const glob = parseGlob(text)
    if (glob === undefined) continue
    for (const action of actions) {
      const permissions = Object.hasOwn(permissionsByAction, action) ? permissionsByAction[action] : undefined
      if (permissions !== undefined) rights.push({ permissions, scope: { kind: 'repositories', glob, text } })
    }
  }
  return rights
}
