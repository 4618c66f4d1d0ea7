/** Tags for people: pages in the order asked for, one tag, and what it pointed at before. */
import { contentSizes, type ContentSize } from '#metadata/content-size.ts'
import { findTwin } from '#metadata/hidden-repositories.ts'
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
import { tagPullsOf, type PullCount } from '#metadata/tag-pulls.ts'
import { placesOfDigests } from '#metadata/trashed-manifests.ts'
import type { Digest } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import type { RepositoryName, Tag } from '#oci/reference.ts'
import { tagGuardOf } from '#projects/immutable-tags.ts'
import type { Registry } from './registry.ts'
import { noSuchTag } from './trash-words.ts'

/** A tag with the labels of what it points at, and how big that is. */
export interface ListedTag extends TagRow {
  readonly labels: readonly LabelRecord[]
  /** Of the manifest’s document and all that it needs, each blob once. */
  readonly total: ContentSize
  /** How often it was pulled, under whatever digest, and when last; a minute behind. Undefined: never. */
  readonly pulled: PullCount | undefined
  /** A rule keeps it from being deleted. */
  readonly isImmutable: boolean
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
  return { items: await listed(reader, repository, items), ...rest }
}

/** Throws `NAME_UNKNOWN`, and `MANIFEST_UNKNOWN` when there is no such tag. */
export async function describeTag({ metadata: { reader } }: Parts, repository: RepositoryName, name: Tag): Promise<ListedTag> {
  const repositoryId = await requireRepositoryId({ metadata: { reader } }, repository)
  const row = await findTagRow(reader, repositoryId, name)
  if (row === undefined) throw noSuchTag(repository, name)
  const [found] = await listed(reader, repository, [row])
  if (found === undefined) throw new Error('a tag is neither listed nor refused')
  return found
}

/** The rows with what stands beside them; of many tags of one manifest it is read once. */
async function listed(reader: Reader, repository: RepositoryName, rows: readonly TagRow[]): Promise<ListedTag[]> {
  const manifests = new Map(rows.map(({ manifestId, sizeBytes }) => [manifestId, { id: manifestId, sizeBytes }]))
  const labels = await labelsOfManifests(reader, [...manifests.keys()])
  const totals = await contentSizes(reader, [...manifests.values()])
  const pulls = await tagPullsOf(
    reader,
    rows.map(({ id }) => id),
  )
  const guard = await tagGuardOf(reader, { name: repository })
  return rows.map((row) => ({
    ...row,
    labels: labels.get(row.manifestId) ?? [],
    total: totals.get(row.manifestId) ?? { sizeBytes: row.sizeBytes, isExact: false },
    pulled: pulls.get(row.id),
    isImmutable: guard.ruleOf(row.name, 'delete') !== undefined,
  }))
}

/** One change of a tag, told to people. */
export interface TagHistoryEntry extends TagHistoryRow {
  readonly action: 'pushed' | 'moved' | 'deleted' | 'restored'
  /** Where the manifest is now that the tag pointed at after the change; of a deletion, before it. */
  readonly state: 'here' | 'trash' | 'gone'
}

/** What happened to the tag, which need not be there any more. Throws `NAME_UNKNOWN`. */
export async function tagHistory(
  { metadata: { reader } }: Parts,
  repository: RepositoryName,
  request: { readonly name: Tag; readonly page: PageRequest<'id'> },
): Promise<Page<TagHistoryEntry>> {
  const repositoryId = await requireRepositoryId({ metadata: { reader } }, repository)
  const { items, ...rest } = await listTagHistory(reader, { repositoryId, name: request.name }, request.page)
  const digests = new Set(items.map(digestOfChange).filter((digest) => digest !== undefined))
  const places = await placesOfDigests(reader, { repositoryId, twinId: await findTwin(reader, repositoryId) }, [...digests])
  return {
    items: items.map((row) => ({ ...row, action: actionOf(row), state: places.get(digestOfChange(row) ?? ('' as Digest)) ?? 'gone' })),
    ...rest,
  }
}

function digestOfChange({ digest, previousDigest }: TagHistoryRow): Digest | undefined {
  return digest ?? previousDigest
}

function actionOf({ digest, previousDigest, reason }: TagHistoryRow): TagHistoryEntry['action'] {
  if (digest === undefined) return 'deleted'
  if (reason === 'restored') return 'restored'
  return previousDigest === undefined ? 'pushed' : 'moved'
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
