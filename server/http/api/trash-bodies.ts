/** What is in the trash, and what came out of it, as the API has it: for a server's answers, and for commands that work on the data itself. */
import type { ResponseOf } from '#api/contract.ts'
import { endedNamesMax, type listTrash, type readTrash, type restoreTrash } from '#api/routes/trash.ts'
import type { ListedTrash } from '#registry/list-trash.ts'
import type { TrashDetails } from '#registry/restore-trash.ts'
import type { RestoredTrash } from '#registry/trash-words.ts'
import { instantOf } from './page-body.ts'
import { warningsMember } from './warnings.ts'

/** A row of a list. */
export function trashBody(row: ListedTrash): ResponseOf<typeof listTrash>['items'][number] {
  return {
    id: row.id,
    kind: row.kind,
    project: row.project,
    ...(row.repository !== '' && { repository: row.repository }),
    ...(row.digest !== undefined && { digest: row.digest }),
    tags: [...row.tags],
    hasMoreTags: row.hasMoreTags,
    ...(row.tagCount !== undefined && { tagCount: row.tagCount }),
    sizeBytes: row.sizeBytes,
    reason: row.reason,
    deletedBy: row.deletedBy,
    deletedAt: instantOf(row.deletedAt),
    expiresAt: instantOf(row.expiresAt),
  }
}

/** One of them alone. */
export function trashDetailsBody(details: TrashDetails): ResponseOf<typeof readTrash> {
  return { ...trashBody(details), isHere: details.isHere, neededBy: [...details.neededBy] }
}

/** What a restore did. `isPublic`: of the project that it is in now. */
export function restoredBody(
  { kind, project, repository, digest, manifests, tags, takenTags, warnings, ...restored }: RestoredTrash,
  isPublic: boolean,
): ResponseOf<typeof restoreTrash> {
  const named = { ...(repository !== undefined && { repository }), ...(digest !== undefined && { digest }) }
  const counted = (kind === 'tag' || kind === 'manifest') && { manifests, tags: [...tags], takenTags: [...takenTags] }
  const [missing, lostLabels] = [[...restored.missing], [...restored.lostLabels]]
  const endedNames = restored.endedNames.slice(0, endedNamesMax)
  return { kind, project, ...named, isPublic, ...counted, missing, lostLabels, endedNames, ...warningsMember(...warnings) }
}
