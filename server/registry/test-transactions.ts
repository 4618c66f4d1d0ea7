/** Transactions of the tests, in a module of their own: the writer thread loads it, and a test file there would run its tests again. */
import { transaction } from '#metadata/transaction.ts'
import { blobEntered, linkEntered } from '#metadata/usage.ts'
import { digestToBytes, type Digest } from '#oci/digest.ts'

/** Forgets what garbage collection was to look at. */
export const emptyQueue = transaction(import.meta.url, 'test-registry/empty-queue', async (tx, _input: undefined) => {
  await tx.deleteFrom('garbage_reviews').execute()
})

/** Manifests wait until then, and nobody knows since when. */
export const reviewUnknownAt = transaction(import.meta.url, 'test-registry/review-unknown-at', async (tx, reviewAfter: number) => {
  await tx.updateTable('garbage_reviews').set({ review_after: reviewAfter, since: 0 }).where('kind', '=', 'manifest').execute()
})

/** A second row for the bytes of a blob, as an adoption may make it for its other digest. */
export const addAlias = transaction(
  import.meta.url,
  'test-registry/add-alias',
  async (tx, input: { readonly digest: Digest; readonly alias: Digest }) => {
    const { id: _id, ...row } = await tx
      .selectFrom('blobs')
      .selectAll()
      .where('digest', '=', digestToBytes(input.digest))
      .executeTakeFirstOrThrow()
    const alias = { ...row, digest: digestToBytes(input.alias) }
    const { id } = await tx.insertInto('blobs').values(alias).returning('id').executeTakeFirstOrThrow()
    const { repository_id } = await tx.selectFrom('repository_blobs').select('repository_id').executeTakeFirstOrThrow()
    await blobEntered(tx, row.size_bytes)
    await tx.insertInto('repository_blobs').values({ repository_id, blob_id: id, created_at: 0, is_counted: 0 }).execute()
    await linkEntered(tx, { repositoryId: repository_id, blobId: id })
  },
)

export interface ManyTags {
  readonly repositoryId: number
  readonly manifestId: number
  readonly from: number
  readonly count: number
}

/** Tags `t000000` and on, with their history. */
export const addManyTags = transaction(
  import.meta.url,
  'test-registry/add-many-tags',
  async (tx, { repositoryId, manifestId, from, count }: ManyTags) => {
    const { digest } = await tx.selectFrom('manifests').select('digest').where('id', '=', manifestId).executeTakeFirstOrThrow()
    const names = Array.from({ length: count }, (_, index) => `t${String(from + index).padStart(6, '0')}`)
    for (let start = 0; start < count; start += 1_000) {
      const chunk = names.slice(start, start + 1_000)
      const row = { repository_id: repositoryId, created_at: 0, updated_at: 0, manifest_id: manifestId }
      await tx
        .insertInto('tags')
        .values(chunk.map((name) => ({ ...row, name })))
        .execute()
      await tx
        .insertInto('tag_history')
        .values(chunk.map((name) => ({ repository_id: repositoryId, name, digest, previous_digest: null, at: 0, actor: 'system:test' })))
        .execute()
    }
  },
)

/** Repositories `r00000` and on, each with a copy of one manifest. */
export const addManyRepositories = transaction(
  import.meta.url,
  'test-registry/add-many-repositories',
  async (tx, { manifestId, count }: { readonly manifestId: number; readonly count: number }) => {
    const { id: _id, ...manifest } = await tx.selectFrom('manifests').selectAll().where('id', '=', manifestId).executeTakeFirstOrThrow()
    const { project_id } = await tx.selectFrom('repositories').select('project_id').executeTakeFirstOrThrow()
    for (let index = 0; index < count; index++) {
      const name = `r${String(index).padStart(5, '0')}`
      const { id } = await tx
        .insertInto('repositories')
        .values({ name, project_id, created_at: 0 })
        .returning('id')
        .executeTakeFirstOrThrow()
      await tx
        .insertInto('manifests')
        .values({ ...manifest, repository_id: id })
        .execute()
    }
  },
)

/** A label that is for all repositories; gives its id. */
export const addLabelRow = transaction(import.meta.url, 'test-registry/add-label', async (tx, { name }: { readonly name: string }) => {
  const row = { project_id: null, name, color: '#000000', description: '', version: 1, created_at: 0, updated_at: 0 }
  return (await tx.insertInto('labels').values(row).returning('id').executeTakeFirstOrThrow()).id
})

/** The blob is in another store, as a node with another configuration says. */
export const rewriteStore = transaction(
  import.meta.url,
  'test-registry/rewrite-store',
  async (tx, { blobId, store }: { readonly blobId: number; readonly store: string }) => {
    await tx.updateTable('blobs').set({ store }).where('id', '=', blobId).execute()
  },
)
