/** One repository for people, and its description. */
import type { Who } from '#events/event.ts'
import { recordEvent } from '#events/record.ts'
import { projectNames } from '#metadata/project-names.ts'
import {
  countManifests,
  countTags,
  describeRepositoryRow,
  findRepositoryRow,
  sumBlobBytes,
  type BoundedCount,
} from '#metadata/repository-rows.ts'
import { transaction } from '#metadata/transaction.ts'
import { RegistryError } from '#oci/errors.ts'
import type { RepositoryName } from '#oci/reference.ts'
import type { ListedRepository } from './list-repository-rows.ts'
import type { Registry } from './registry.ts'
import { requireWritable } from './require.ts'

/** A repository with what is counted of it. */
export interface RepositoryDescription extends ListedRepository {
  readonly manifests: BoundedCount
  /** Of its blobs, each once. */
  readonly size: { readonly sizeBytes: number; readonly isExact: boolean }
}

/** Tags, manifests and blobs are counted so far: some 10 ms. */
const countedRows = 10_000

/** Throws `NAME_UNKNOWN`. */
export async function describeRepository(
  { metadata: { reader } }: Pick<Registry, 'metadata'>,
  repository: RepositoryName,
): Promise<RepositoryDescription> {
  const row = await findRepositoryRow(reader, repository)
  if (row === undefined) throw new RegistryError('NAME_UNKNOWN', { name: repository })
  const tags = (await countTags(reader, [row.id], countedRows)).get(row.id) ?? { count: 0, isExact: true }
  return {
    ...row,
    project: (await projectNames(reader, [row.projectId])).get(row.projectId) ?? '',
    tags,
    manifests: await countManifests(reader, row.id, countedRows),
    size: await sumBlobBytes(reader, row.id, countedRows),
  }
}

interface Change {
  readonly repository: RepositoryName
  readonly description: string
  /** Of the row that the change was worked out from; undefined: whatever it is now. */
  readonly expectedVersion: number | undefined
  readonly who: Who
  readonly now: number
}

const update = transaction(import.meta.url, 'describe-repository/update', async (tx, input: Change): Promise<void> => {
  const { repository, description, expectedVersion, now, who } = input
  const row = await findRepositoryRow(tx, repository)
  if (row === undefined) throw new RegistryError('NAME_UNKNOWN', { name: repository })
  if (expectedVersion !== undefined && row.version !== expectedVersion) throw new RegistryError('PRECONDITION_FAILED')
  if (!(await describeRepositoryRow(tx, { repositoryId: row.id, description, now }))) return
  await recordEvent(tx, { action: 'repository.updated', repository, detail: { changed: ['description'] }, at: now, ...who })
})

/** Sets the description. Throws `NAME_UNKNOWN`, or `PRECONDITION_FAILED` when it was changed since `expectedVersion`. */
export async function updateRepository(
  registry: Registry,
  repository: RepositoryName,
  change: { readonly description: string; readonly expectedVersion?: number | undefined },
  who: Who,
): Promise<void> {
  requireWritable(registry)
  const now = registry.context.ports.clock.now()
  await registry.metadata.write(update, { repository, ...change, expectedVersion: change.expectedVersion, who, now })
}
