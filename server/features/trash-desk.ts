/**
 * The trash and the history of tags for whoever holds the data: past all rights, beside a running server or with none. On a registry without accounts it
 * is the only way to them.
 */
import { operator } from '#access/user-passwords.ts'
import type { Page } from '#metadata/page.ts'
import { findProjectByName } from '#metadata/projects.ts'
import type { TrashFilter, TrashRecord } from '#metadata/trash.ts'
import { parseDigest, type Digest } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import { parseRepositoryName, type RepositoryName, type Tag } from '#oci/reference.ts'
import { readNameClaim } from '#projects/name-claim.ts'
import { describeTag, tagHistory, type ListedTag, type TagHistoryEntry } from '#registry/list-tag-rows.ts'
import { listTrash, type ListedTrash } from '#registry/list-trash.ts'
import { purgeTrash } from '#registry/purge-trash.ts'
import type { Registry } from '#registry/registry.ts'
import { restoreTag } from '#registry/restore-tag.ts'
import { describeTrash, placeOfRestore, readTrash, restoreTrash, type TrashDetails } from '#registry/restore-trash.ts'
import { trashUnknown, type RestoredTrash } from '#registry/trash-words.ts'

/** What a list is narrowed to, by names. */
export interface DeskFilter extends Pick<TrashFilter, 'kind' | 'reason' | 'run'> {
  readonly project?: string | undefined
  readonly repository?: string | undefined
}

/** Which tag goes back, and to what; see registry/restore-tag.ts. */
export interface DeskTagRestore {
  readonly repository: string
  readonly tag: string
  readonly digest?: string | undefined
  readonly change?: number | undefined
  readonly isForced: boolean
}

/** What can be done. Each throws a RegistryError with a sentence. */
export interface TrashDesk {
  /** Pages, latest first. */
  list(filter: DeskFilter, pageItems: number): AsyncGenerator<readonly ListedTrash[]>
  /** `isPublic`: of the project that it is in then. */
  restore(
    id: number,
    how: { readonly name?: string | undefined; readonly isForced: boolean },
  ): Promise<RestoredTrash & { readonly isPublic: boolean }>
  describe(id: number): Promise<TrashDetails>
  remove(id: number): Promise<void>
  /** Pages, latest first. */
  history(repository: string, tag: string, pageItems: number): AsyncGenerator<readonly TagHistoryEntry[]>
  /** Gives the tag as it is then. */
  restoreTag(wanted: DeskTagRestore): Promise<ListedTag & { readonly missing: readonly Digest[] }>
}

/** The desk of a registry that is open. */
export function openTrashDesk(registry: Registry): TrashDesk {
  const { reader } = registry.metadata
  const rowOf = async (id: number) => {
    const row = await readTrash(registry, id)
    if (row === undefined) throw trashUnknown(id)
    return row
  }
  return {
    async *list({ project: name, repository: text, ...rest }, pageItems) {
      const project = name === undefined ? undefined : { id: (await findProjectByName(reader, name))?.id, name }
      const filter = { ...rest, project, repository: text === undefined ? undefined : repositoryOf(text) }
      yield* pages(pageItems, (page) => listTrash(registry, { kind: 'everything' }, { filter, page: { ...page, column: 'deletedAt' } }))
    },
    async restore(id, how) {
      const restored = await restoreRow(registry, await rowOf(id), how)
      return { ...restored, isPublic: (await findProjectByName(reader, restored.project))?.isPublic === true }
    },
    async describe(id) {
      return await describeTrash(registry, await rowOf(id))
    },
    async remove(id) {
      await purgeTrash(registry, await rowOf(id), operator)
    },
    async *history(text, tag, pageItems) {
      const repository = repositoryOf(text)
      yield* pages(pageItems, (page) => tagHistory(registry, repository, { name: tag as Tag, page: { ...page, column: 'id' } }))
    },
    async restoreTag({ repository, tag, digest, ...rest }) {
      const wanted = {
        ...rest,
        repository: repositoryOf(repository),
        tag: tag as Tag,
        digest: digest === undefined ? undefined : digestOf(digest),
      }
      const { missing } = await restoreTag(registry, { ...wanted, mayMove: true, mayTakeFromTrash: true }, operator)
      return { ...(await describeTag(registry, wanted.repository, wanted.tag)), missing }
    },
  }
}

async function restoreRow(
  registry: Registry,
  row: TrashRecord,
  { name, isForced }: { readonly name?: string | undefined; readonly isForced: boolean },
): Promise<RestoredTrash> {
  if (row.kind === 'project') {
    const mayTake = name === undefined ? undefined : (await readNameClaim(registry, name)).takings
    return await restoreTrash(registry, { row, name, mayTake, isForced }, operator)
  }
  if (row.kind !== 'repository') {
    if (name !== undefined)
      throw new RegistryError('REQUEST_INVALID', { path: 'name' }, { message: 'only a repository or a project can get another name' })
    return await restoreTrash(registry, { row, isForced }, operator)
  }
  const { repository, project } = await placeOfRestore(registry, row, name === undefined ? undefined : repositoryOf(name))
  return await restoreTrash(registry, { row, name, place: { to: repository, projectId: project.id }, isForced }, operator)
}

type Latest = { readonly limit: number; readonly isDescending: true; readonly after: Page<unknown>['next'] }

async function* pages<Item>(limit: number, read: (page: Latest) => Promise<Page<Item>>): AsyncGenerator<readonly Item[]> {
  let after: Latest['after']
  do {
    const page = await read({ limit, isDescending: true, after })
    yield page.items
    after = page.next
  } while (after !== undefined)
}

function digestOf(text: string): Digest {
  const digest = parseDigest(text)
  if (digest === undefined) throw new RegistryError('DIGEST_INVALID', { digest: text }, { message: `${text} is no digest` })
  return digest
}

function repositoryOf(text: string): RepositoryName {
  const name = parseRepositoryName(text)
  if (name === undefined) throw new RegistryError('NAME_INVALID', { name: text }, { message: `${text} is no name of a repository` })
  return name
}
