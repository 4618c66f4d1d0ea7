/** Rights as {@link Visibility}: the same answer that decide() gives name by name, for lists that are queried. */
import { levelOf, publicPermissions, type Permission } from '#api/permissions.ts'
import type { Reader } from '#metadata/metadata.ts'
import { projectsBelow } from '#metadata/project-facts.ts'
import type { Visibility } from '#metadata/visibility.ts'
import { decide, type Right, type Rights } from './decide.ts'
import { EpochMemory, type AccessEpoch } from '#metadata/watch-access.ts'

const rememberedSets = 10_000
const publicSet: ReadonlySet<Permission> = new Set(publicPermissions)

/** Computes what lists show. One per process. */
export class VisibilityBook {
  readonly #reader: Reader
  readonly #below: EpochMemory<readonly number[]>

  constructor(reader: Reader, epoch: AccessEpoch) {
    this.#reader = reader
    this.#below = new EpochMemory(epoch, rememberedSets)
  }

  /** Where the permission is held. `nowMs` judges expiry. */
  async of(rights: Rights, permission: Permission, nowMs: number): Promise<Visibility> {
    if (levelOf(permission) === 'system') return { kind: decide(rights, permission, { kind: 'system' }, nowMs) ? 'everything' : 'nothing' }
    const held: Visibility = rights.isAdministrator
      ? { kind: 'everything' }
      : await this.#union(inForce(rights.rights, permission, nowMs), publicSet.has(permission))
    if (rights.limits === undefined) return held
    return within(held, await this.#union(inForce(rights.limits, permission, nowMs), false))
  }

  async #union(rights: readonly Right[], includesPublic: boolean): Promise<Visibility> {
    const projectIds: number[] = []
    const repositoryGlobs: string[] = []
    const projectGlobs: { projectIds: readonly number[]; glob: string }[] = []
    for (const { scope } of rights) {
      if (scope.kind === 'everything') return { kind: 'everything' }
      if (scope.kind === 'project') projectIds.push(scope.projectId)
      else if (scope.projectId === undefined) repositoryGlobs.push(scope.text)
      else projectGlobs.push({ projectIds: await this.#withBelow([scope.projectId]), glob: scope.text })
    }
    if (rights.length === 0 && !includesPublic) return { kind: 'nothing' }
    return { kind: 'some', projectIds: await this.#withBelow(projectIds), repositoryGlobs, projectGlobs, includesPublic }
  }

  async #withBelow(ids: readonly number[]): Promise<readonly number[]> {
    if (ids.length === 0) return []
    const sorted = [...new Set(ids)].toSorted((a, b) => a - b)
    return (await this.#below.get(sorted.join(), () => projectsBelow(this.#reader, sorted))) ?? []
  }
}

function inForce(rights: readonly Right[], permission: Permission, nowMs: number): readonly Right[] {
  return rights.filter(({ permissions, expiresAt }) => permissions.has(permission) && (expiresAt === undefined || expiresAt > nowMs))
}

/** What is in both. */
function within(held: Visibility, limits: Visibility): Visibility {
  if (held.kind === 'everything') return limits
  if (limits.kind === 'everything' || held.kind === 'nothing') return held
  if (limits.kind === 'nothing') return limits
  return { ...held, within: limits }
}
