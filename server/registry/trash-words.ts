/** What a restore is made of, and how records and refusals name what is in the trash. */
import type { Who } from '#events/event.ts'
import { trashedNameOf } from '#metadata/hidden-repositories.ts'
import type { TrashRecord } from '#metadata/trash.ts'
import { RegistryError } from '#oci/errors.ts'
import type { Digest } from '#oci/digest.ts'
import type { RepositoryName, Tag } from '#oci/reference.ts'

/** What came back. */
export interface RestoredTrash {
  readonly kind: TrashRecord['kind']
  readonly project: string
  /** Undefined for a project. */
  readonly repository: RepositoryName | undefined
  readonly digest: Digest | undefined
  /** How many manifests came back: what the restored one lists, and what refers to it, with it. Not counted for a repository or a project. */
  readonly manifests: number
  readonly tags: readonly Tag[]
  /** Tags that went with it and point elsewhere now: they stay there. */
  readonly takenTags: readonly Tag[]
  /** What came back without them: manifests that an index lists and that are not here, and blobs that are damaged. */
  readonly missing: readonly Digest[]
  /** Names of labels that do not reach to where it is now. */
  readonly lostLabels: readonly string[]
  /** Former names that led elsewhere from where it is now, and end. */
  readonly endedNames: readonly string[]
  /** Sentences: what does not hold any more where it is now. */
  readonly warnings: readonly string[]
}

/** By whom, and when: what every restore takes. `reviewAfter`: when garbage collection may look at what comes back without a tag. */
export interface RestoreRequest {
  readonly trashId: number
  readonly who: Who
  readonly now: number
  readonly reviewAfter: number
  /** It may come back without what it needs, and out of a private project into a public one. */
  readonly isForced: boolean
}

/** `tag:team/app:v1`, `manifest:team/app@sha256:…`, `repository:team/app`, `project:team`. */
export function trashTarget({ kind, project, repository, digest }: Omit<TrashRecord, 'id'>, tag: Tag | undefined): string {
  if (kind === 'tag') return `tag:${repository}:${tag ?? ''}`
  if (kind === 'manifest') return `manifest:${repository}@${digest ?? ''}`
  return kind === 'repository' ? `repository:${repository}` : `project:${project}`
}

/** The refusal of what is not in the trash, or not for the caller to see. */
export function trashUnknown(id: number): RegistryError {
  return new RegistryError('RESOURCE_UNKNOWN', { trash: id }, { message: 'there is nothing of this number in the trash' })
}

/** The refusal of a restore that something stands in the way of; the message says what helps. */
export function cannotRestore(message: string): RegistryError {
  return new RegistryError('CONFLICT', undefined, { message })
}

/** The refusal of a tag that is not there. */
export function noSuchTag(repository: RepositoryName, tag: Tag): RegistryError {
  return new RegistryError('MANIFEST_UNKNOWN', { tag }, { message: `there is no tag ${tag} in ${repository}` })
}

/** The refusal of what would come back broken. */
export function wouldBeBroken(missing: readonly Digest[]): RegistryError {
  const more = missing.length > 1 ? ` and ${missing.length - 1} more` : ''
  const message = `it needs ${missing[0] ?? ''}${more}, which cannot be had back from here: push it again, or restore without it with force=true`
  return new RegistryError('CONFLICT', { missing: missing.slice(0, 20) }, { message })
}

/** The name under which rights on a project of the trash are looked up: none that a client can write. */
export function hiddenProjectName({ projectId }: TrashRecord): string {
  return trashedNameOf(projectId)
}
