/** Tags for people: pages in the order asked for, one tag, and what it pointed at before. */
import { contentSizes, type ContentSize } from '#metadata/content-size.ts'
import { labelsOfManifests, type LabelRecord } from '#metadata/labels.ts'
import type { Reader } from '#metadata/metadata.ts'
import type { Page, PageRequest } from '#metadata/page.ts'
import { findRepositoryId } from '#metadata/repositories.ts'
import {
  findTagRow,
  listTagHistory,
  listTagPage,
  type TagFilter,
  type TagHistoryRow,
  type TagRow,
  type TagSort,
} from '#metadata/tag-rows.ts'
import { RegistryError } from '#oci/errors.ts'
import type { RepositoryName, Tag } from '#oci/reference.ts'
import type { Registry } from './registry.ts'

/** A tag with the labels of what it points at, and how big that is. */
export interface ListedTag extends TagRow {
  readonly labels: readonly LabelRecord[]
  /** Of the manifest’s document and all that it needs, each blob once. */
  readonly total: ContentSize
}

type Parts = Pick<Registry, 'metadata'>

/** A page that is narrowed by label may be short although there is more. Throws `NAME_UNKNOWN`. */
export async function listTagRows(
  { metadata: { reader } }: Parts,
  repository: RepositoryName,
  request: { readonly filter: TagFilter; readonly page: PageRequest<TagSort> },
): Promise<Page<ListedTag>> {
  const repositoryId = await requireRepositoryId({ metadata: { reader } }, repository)
  const { items, ...rest } = await listTagPage(reader, { repositoryId, ...request })
  return { items: await listed(reader, items), ...rest }
}

/** Throws `NAME_UNKNOWN`, and `MANIFEST_UNKNOWN` when there is no such tag. */
export async function describeTag({ metadata: { reader } }: Parts, repository: RepositoryName, name: Tag): Promise<ListedTag> {
  const repositoryId = await requireRepositoryId({ metadata: { reader } }, repository)
  const row = await findTagRow(reader, repositoryId, name)
  if (row === undefined) throw new RegistryError('MANIFEST_UNKNOWN', { tag: name })
  const [found] = await listed(reader, [row])
  if (found === undefined) throw new Error('a tag is neither listed nor refused')
  return found
}

/** The rows with what stands beside them; of many tags of one manifest it is read once. */
async function listed(reader: Reader, rows: readonly TagRow[]): Promise<ListedTag[]> {
  const manifests = new Map(rows.map(({ manifestId, sizeBytes }) => [manifestId, { id: manifestId, sizeBytes }]))
  const labels = await labelsOfManifests(reader, [...manifests.keys()])
  const totals = await contentSizes(reader, [...manifests.values()])
  return rows.map((row) => ({
    ...row,
    labels: labels.get(row.manifestId) ?? [],
    total: totals.get(row.manifestId) ?? { sizeBytes: row.sizeBytes, isExact: false },
  }))
}

/** What happened to the tag, which need not be there any more. Throws `NAME_UNKNOWN`. */
export async function tagHistory(
  { metadata: { reader } }: Parts,
  repository: RepositoryName,
  request: { readonly name: Tag; readonly page: PageRequest<'id'> },
): Promise<Page<TagHistoryRow>> {
  const repositoryId = await requireRepositoryId({ metadata: { reader } }, repository)
  return await listTagHistory(reader, { repositoryId, name: request.name }, request.page)
}

/** The repository's id; throws `NAME_UNKNOWN`. */
export async function requireRepositoryId(
  { metadata }: { readonly metadata: Pick<Registry['metadata'], 'reader'> },
  repository: RepositoryName,
): Promise<number> {
  const id = await findRepositoryId(metadata.reader, repository)
  if (id === undefined) throw new RegistryError('NAME_UNKNOWN', { name: repository })
  return id
}
