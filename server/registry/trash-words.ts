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
  /** How many manifests came back: what the restored one lists, and what refers to it, with it. */
  readonly manifests: number
  readonly tags: readonly Tag[]
  /** Tags that went with it and point elsewhere now: they stay there. */
  readonly takenTags: readonly Tag[]
}

/** By whom, and when: what every restore takes. `reviewAfter`: when garbage collection may look at what comes back without a tag. */
export interface RestoreRequest {
  readonly trashId: number
  readonly who: Who
  readonly now: number
  readonly reviewAfter: number
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

/** The name under which rights on a project of the trash are looked up: none that a client can write. */
export function hiddenProjectName({ projectId }: TrashRecord): string {
  return trashedNameOf(projectId)
}
