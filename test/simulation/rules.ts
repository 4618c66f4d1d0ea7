/** What projects decided of their tags, held against what happens to these: immutable ones stay, and rules remove what they were shown. */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { digestToBytes, type Digest } from '#oci/digest.ts'
import type { Timeline } from './timeline.ts'

/** The tag that policies of the simulation protect. */
export const protectedTag = 'stable'

interface Happened {
  readonly action: string
  readonly repository: string | null
  readonly tag: string | null
  readonly detail: string
  readonly outcome: string
  readonly project: string
  readonly target: string
}

export class Rules {
  readonly #tags: Timeline
  readonly #violate: (text: string) => void
  readonly #decided: StatementSync
  /** Projects with a rule in force that {@link protectedTag} is immutable, by the target of its events. */
  readonly #immutable = new Map<string, string>()
  /** Projects that once said that untagged manifests go. */
  readonly #untagged = new Set<string>()

  constructor(database: DatabaseSync, tags: Timeline, violate: (text: string) => void) {
    this.#tags = tags
    this.#violate = violate
    this.#decided = database.prepare(
      `select action, (select count(*) from tag_history h join repositories r on r.id = h.repository_id where r.name = d.repository and h.name = d.tag
        and h.digest is not null and h.at > d.pushed_at) as pushes from retention_decisions d
        where repository = ? and tag = ? and digest = ? and action = 'removed' order by id desc limit 1`,
    )
  }

  /** Before the event is applied to the tags. */
  happened(event: Happened, digest: Digest | undefined): void {
    if (event.outcome !== 'success') return
    this.#decide(event)
    const { repository } = event
    if (repository === null) return
    this.#keep(event, repository, digest)
    const { reason } = JSON.parse(event.detail) as { readonly reason?: string }
    if (event.action === 'tag.deleted' && reason === 'retention' && event.tag !== null && digest !== undefined)
      this.#wasDecided(repository, event.tag, digest)
    if (event.action === 'manifest.deleted' && reason === 'untagged') this.#wasUntagged(repository, digest)
  }

  #decide({ action, project, target, detail }: Happened): void {
    if (action === 'immutable-rule.created') this.#immutable.set(target, project)
    if (action === 'immutable-rule.deleted') this.#immutable.delete(target)
    if (action === 'project.updated' && (JSON.parse(detail) as { untaggedAfterDays?: unknown }).untaggedAfterDays !== undefined)
      this.#untagged.add(project)
  }

  #isImmutable(repository: string): boolean {
    return [...this.#immutable.values()].some((project) => repository.startsWith(`${project}/`))
  }

  #keep({ action, tag }: Happened, repository: string, digest: Digest | undefined): void {
    if (!this.#isImmutable(repository)) return
    const current = this.#tags.current.get(`${repository}:${protectedTag}`)
    if (current === undefined) return
    const isMoved = action === 'tag.moved' && tag === protectedTag && digest !== current
    const isDeleted = (action === 'tag.deleted' && tag === protectedTag) || (action === 'manifest.deleted' && digest === current)
    if (isMoved || isDeleted) this.#violate(`immutable: ${action} of ${repository}:${protectedTag}, which a rule keeps`)
  }

  #wasDecided(repository: string, tag: string, digest: Digest): void {
    if (tag === protectedTag) this.#violate(`retention: ${repository}:${tag} was removed, which the policy always keeps`)
    const decision = this.#decided.get(repository, tag, digestToBytes(digest))
    if (decision === undefined) this.#violate(`retention: ${repository}:${tag} was removed at ${digest}, which nobody decided`)
    else if (Number(decision['pushes']) > 0) this.#violate(`retention: ${repository}:${tag} was pushed after it was decided that it goes`)
  }

  #wasUntagged(repository: string, digest: Digest | undefined): void {
    const tagged = [...this.#tags.current].find(
      ([key, value]) => key.startsWith(`${repository}:`) && value === digest && !key.includes(':sha256-'),
    )
    if (tagged !== undefined) this.#violate(`untagged: manifest ${digest} was removed as untagged, and ${tagged[0]} points at it`)
  }
}
