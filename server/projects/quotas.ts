/**
 * Limits of projects: how many bytes, repositories and tags they and those below them may hold. Nothing is deleted when a limit is lowered: pushes are
 * refused until there is room. What counts is metadata/usage.ts, where it is enforced metadata/quota-check.ts.
 */
import type { Who } from '#events/event.ts'
import { recordEvent } from '#events/record.ts'
import { accessTransaction } from '#metadata/access-epoch.ts'
import type { Reader, Transactor } from '#metadata/metadata.ts'
import { pageFrom, type Page, type PageRequest } from '#metadata/page.ts'
import { findProjectById } from '#metadata/projects.ts'
import {
  deleteQuota,
  findQuota,
  insertQuota,
  listQuotaRows,
  updateQuota,
  type NewLimits,
  type Quota,
  type WarnedAt,
} from '#metadata/quotas.ts'
import { noUsage, usageIn, usagesIn, type Usage } from '#metadata/usage-counters.ts'
import { uploadingBytesIn } from '#metadata/uploads.ts'
import { RegistryError } from '#oci/errors.ts'
import { noteLevels } from './quota-levels.ts'
import type { ProjectParts } from './projects.ts'

/** From this part of a limit on people are warned, unless somebody says otherwise. */
export const defaultWarnPercent = 80

/** What a project may hold and does hold; limits null: none. */
export interface ProjectQuota extends NewLimits {
  readonly project: string
  readonly used: Usage
  /** What uploads under way have stored, beside what is used. */
  readonly uploadingBytes: number
  readonly warnedAt: WarnedAt
  /** 0: there are no limits. */
  readonly version: number
  readonly updatedAt: number | undefined
}

const none: NewLimits = { bytesMax: null, repositoriesMax: null, tagsMax: null, warnPercent: defaultWarnPercent }

const neverWarned: WarnedAt = { bytes: undefined, repositories: undefined, tags: undefined }

function quotaOf(
  project: string,
  quota: Quota | undefined,
  { used, uploadingBytes }: Pick<ProjectQuota, 'used' | 'uploadingBytes'>,
): ProjectQuota {
  const { warnedAt, version, updatedAt, ...limits } = quota ?? { ...none, warnedAt: neverWarned, version: 0, updatedAt: undefined }
  const { bytesMax, repositoriesMax, tagsMax, warnPercent } = limits
  return { project, bytesMax, repositoriesMax, tagsMax, warnPercent, used, uploadingBytes, warnedAt, version, updatedAt }
}

interface Change {
  readonly projectId: number
  /** Undefined: they go. */
  readonly limits: NewLimits | undefined
  readonly expectedVersion: number | undefined
  readonly who: Who
  readonly now: number
}

const change = accessTransaction(import.meta.url, 'quotas/change', async (tx, input: Change): Promise<ProjectQuota> => {
  const { projectId, limits, expectedVersion, now, who } = input
  const project = await findProjectById(tx, projectId)
  if (project === undefined) throw new RegistryError('RESOURCE_UNKNOWN')
  const before = await findQuota(tx, projectId)
  if (expectedVersion !== undefined && expectedVersion !== (before?.version ?? 0)) throw new RegistryError('PRECONDITION_FAILED')
  if (!isSame(before, limits)) {
    await write(tx, { before, ...input })
    const detail = { before: before === undefined ? null : limitsOf(before), after: limits ?? null }
    await recordEvent(tx, { action: 'quota.updated', target: `project:${project.name}`, project: project.name, detail, at: now, ...who })
    await noteLevels(tx, [projectId], now)
  }
  return quotaOf(project.name, await findQuota(tx, projectId), await stored(tx, project))
})

async function stored(reader: Reader | Transactor, project: { readonly id: number; readonly name: string }) {
  const used = await usageIn(reader, { scope: 'project', id: project.id })
  return { used, uploadingBytes: await uploadingBytesIn(reader, project) }
}

async function write(tx: Transactor, { before, projectId, limits, now }: Change & { readonly before: Quota | undefined }): Promise<void> {
  if (limits === undefined) await deleteQuota(tx, projectId)
  else if (before === undefined) await insertQuota(tx, projectId, { limits, now })
  else await updateQuota(tx, projectId, { limits, now })
}

function limitsOf({ bytesMax, repositoriesMax, tagsMax, warnPercent }: NewLimits): NewLimits {
  return { bytesMax, repositoriesMax, tagsMax, warnPercent }
}

function isSame(before: NewLimits | undefined, limits: NewLimits | undefined): boolean {
  return JSON.stringify(before && limitsOf(before)) === JSON.stringify(limits && limitsOf(limits))
}

/** Sets the limits of a project, or takes them away. Throws RESOURCE_UNKNOWN, or PRECONDITION_FAILED when they changed since `expectedVersion`. */
export async function setQuota(
  { metadata, ports }: ProjectParts,
  quota: { readonly projectId: number; readonly limits: NewLimits | undefined; readonly expectedVersion: number | undefined },
  who: Who,
): Promise<ProjectQuota> {
  const { projectId, limits, expectedVersion } = quota
  return await metadata.write(change, { projectId, limits: limits && limitsOf(limits), expectedVersion, who, now: ports.clock.now() })
}

/** The limits of a project and what it uses. */
export async function readQuota(
  { metadata: { reader } }: Pick<ProjectParts, 'metadata'>,
  project: { readonly id: number; readonly name: string },
): Promise<ProjectQuota> {
  return quotaOf(project.name, await findQuota(reader, project.id), await stored(reader, project))
}

/** A page of the projects that have limits, with what each uses. */
export async function listQuotas(
  { metadata: { reader } }: Pick<ProjectParts, 'metadata'>,
  page: PageRequest<'project'>,
): Promise<Page<ProjectQuota>> {
  const found = await listQuotaRows(reader, page)
  const listed = pageFrom(
    found.map((each) => ({ ...each, id: each.projectId })),
    page,
    (each) => each.project,
  )
  const used = await usagesIn(
    reader,
    'project',
    listed.items.map(({ projectId }) => projectId),
  )
  const items: ProjectQuota[] = []
  for (const each of listed.items) {
    const uploadingBytes = await uploadingBytesIn(reader, { id: each.projectId, name: each.project })
    items.push(quotaOf(each.project, each, { used: used.get(each.projectId) ?? noUsage, uploadingBytes }))
  }
  return { ...listed, items }
}
