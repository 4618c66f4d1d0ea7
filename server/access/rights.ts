/** Rights, gathered from grants and roles, and remembered until the access epoch changes. */
import { builtInRoles, parsePermission, type Permission } from '#api/permissions.ts'
import { hasEverythingByFile } from '#metadata/file-users.ts'
import { customRoles, grantsForRights, type GrantForRights, type GrantHolder } from '#metadata/grants-for-rights.ts'
import type { Reader } from '#metadata/metadata.ts'
import { parseGlob } from '#metadata/repository-glob.ts'
import type { Right, RightScope } from './decide.ts'
import { EpochMemory, type AccessEpoch } from '#metadata/watch-access.ts'
import { fileUserRights } from './preset-rights.ts'

const rememberedHolders = 10_000

const builtIn: ReadonlyMap<string, ReadonlySet<Permission>> = new Map(builtInRoles.map((role) => [role.name, new Set(role.permissions)]))

type Roles = ReadonlyMap<string, ReadonlySet<Permission>>

/** Who has what. One per process. */
export class RightsBook {
  readonly #reader: Reader
  readonly #roles: EpochMemory<Roles>
  readonly #rights: EpochMemory<readonly Right[]>

  constructor(reader: Reader, epoch: AccessEpoch) {
    this.#reader = reader
    this.#roles = new EpochMemory(epoch, 1)
    this.#rights = new EpochMemory(epoch, rememberedHolders)
  }

  /** Of somebody without an account. */
  async ofAnyone(): Promise<readonly Right[]> {
    return await this.#of({ kind: 'everyone' })
  }

  /** Of a person: what they and their groups were granted, what is everyone's, and what is everyone's who has an account. */
  async ofUser(id: number): Promise<readonly Right[]> {
    const [own, everyone, signedIn] = await Promise.all([
      this.#of({ kind: 'user', id }),
      this.#of({ kind: 'everyone' }),
      this.#of({ kind: 'signed-in' }),
    ])
    return joined(own, everyone, signedIn)
  }

  /** Of a robot: its own and everyone's. What people get by having an account (to make projects, say) is not a program's. */
  async ofRobot(id: number): Promise<readonly Right[]> {
    const [own, everyone] = await Promise.all([this.#of({ kind: 'robot', id }), this.#of({ kind: 'everyone' })])
    return joined(own, everyone)
  }

  async #of(holder: GrantHolder): Promise<readonly Right[]> {
    const key = 'id' in holder ? `${holder.kind}:${holder.id}` : holder.kind
    return (await this.#rights.get(key, () => this.#gather(holder))) ?? []
  }

  async #gather(holder: GrantHolder): Promise<readonly Right[]> {
    const [grants, roles] = await Promise.all([grantsForRights(this.#reader, holder), this.#allRoles()])
    const granted = grants.map((grant) => rightOf(grant, roles)).filter((right) => right !== undefined)
    const isByFile = holder.kind === 'user' && (await hasEverythingByFile(this.#reader, holder.id))
    return isByFile ? [...granted, ...fileUserRights] : granted
  }

  async #allRoles(): Promise<Roles> {
    return (await this.#roles.get('', async () => rolesFrom(await customRoles(this.#reader)))) ?? builtIn
  }
}

/** Most lists are empty: the one that is not is used as it is. */
function joined(...lists: readonly (readonly Right[])[]): readonly Right[] {
  const filled = lists.filter((list) => list.length > 0)
  return filled.length === 1 ? (filled[0] ?? []) : filled.flat()
}

/** Built-in roles cannot be replaced by a row of the same name. */
function rolesFrom(custom: ReadonlyMap<string, string>): Roles {
  const roles = new Map<string, ReadonlySet<Permission>>()
  for (const [name, json] of custom) roles.set(name, permissionsOf(json))
  for (const [name, permissions] of builtIn) roles.set(name, permissions)
  return roles
}

/** A permission that this program does not know (a newer one wrote it) gives nothing. */
function permissionsOf(json: string): ReadonlySet<Permission> {
  const texts: unknown = JSON.parse(json)
  if (!Array.isArray(texts)) return new Set()
  return new Set(texts.map((text) => parsePermission(String(text))).filter((permission) => permission !== undefined))
}

/** Undefined for a role that is not there and for a glob that can match nothing. */
function rightOf(grant: GrantForRights, roles: Roles): Right | undefined {
  const permissions = roles.get(grant.role)
  const scope = scopeOf(grant)
  if (permissions === undefined || scope === undefined) return undefined
  return { permissions, scope, expiresAt: grant.expiresAt ?? undefined }
}

/** Where a grant of these columns holds; undefined for a glob that can match nothing. */
export function scopeOf({ projectId, repositories }: Pick<GrantForRights, 'projectId' | 'repositories'>): RightScope | undefined {
  if (repositories === null) return projectId === null ? { kind: 'everything' } : { kind: 'project', projectId }
  const glob = parseGlob(repositories)
  if (glob === undefined) return undefined
  return { kind: 'repositories', glob, text: repositories, projectId: projectId ?? undefined }
}
