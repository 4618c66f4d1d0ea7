/** Changing what a project says of itself, who sees it, and for how long it keeps what has no tag. Its name is changed by rename-project.ts. */
import type { Who } from '#events/event.ts'
import { recordEvent } from '#events/record.ts'
import { accessTransaction } from '#metadata/access-epoch.ts'
import type { UntaggedAfterDays } from '#metadata/project-untagged.ts'
import { updateProject as updateRow, type ProjectRecord } from '#metadata/projects.ts'
import { projectAfter, projectToChange, type ProjectParts } from './projects.ts'
import { reviewUntagged } from './review-untagged.ts'

/** What changes; what is undefined stays. */
export interface ProjectChanges {
  readonly description?: string | undefined
  readonly isPublic?: boolean | undefined
  /** Null: manifests without a tag are kept. */
  readonly untaggedAfterDays?: UntaggedAfterDays | undefined
}

interface Update {
  readonly projectId: number
  readonly changes: ProjectChanges
  readonly expectedVersion: number | undefined
  readonly who: Who
  readonly now: number
}

const update = accessTransaction(import.meta.url, 'update-project/update', async (tx, input: Update): Promise<ProjectRecord> => {
  const project = await projectToChange(tx, input.projectId, input.expectedVersion)
  const { description, isPublic, untaggedAfterDays } = input.changes
  const changed = [
    ...(description !== undefined && description !== project.description ? ['description'] : []),
    ...(isPublic !== undefined && isPublic !== project.isPublic ? ['isPublic'] : []),
    ...(untaggedAfterDays !== undefined && untaggedAfterDays !== project.untaggedAfterDays ? ['untaggedAfterDays'] : []),
  ]
  if (changed.length === 0) return project
  await updateRow(tx, project.id, { description, isPublic, untaggedAfterDays, at: input.now })
  if (changed.includes('untaggedAfterDays')) await reviewUntagged(tx, project.id, input.now)
  const detail = {
    changed,
    ...(changed.includes('isPublic') && { isPublic }),
    ...(changed.includes('untaggedAfterDays') && { untaggedAfterDays }),
  }
  const { name } = project
  await recordEvent(tx, { action: 'project.updated', target: `project:${name}`, project: name, detail, at: input.now, ...input.who })
  return await projectAfter(tx, project.id)
})

/** Throws RESOURCE_UNKNOWN, or PRECONDITION_FAILED when it was changed since `expectedVersion`. */
export async function updateProject(
  { metadata, ports }: ProjectParts,
  change: { readonly projectId: number; readonly changes: ProjectChanges; readonly expectedVersion: number | undefined },
  who: Who,
): Promise<ProjectRecord> {
  return await metadata.write(update, { ...change, who, now: ports.clock.now() })
}
