/** Changes that a running Berth makes, as rows, for the tests of a second import. The database's writer thread loads this module: no tests in it. */
import { transaction } from '#metadata/transaction.ts'

/** Alice moves the tag `moved`, and deletes the tag `deleted` and one manifest with its tags. */
export const changeInBerth = transaction(
  import.meta.url,
  'berth-changes/change',
  async (tx, input: { readonly deleted: Buffer; readonly moveTo: Buffer; readonly now: number }): Promise<void> => {
    const { id: target } = await tx.selectFrom('manifests').select('id').where('digest', '=', input.moveTo).executeTakeFirstOrThrow()
    const tags = await tx
      .selectFrom('tags as t')
      .innerJoin('manifests as m', 'm.id', 't.manifest_id')
      .select(['t.id', 't.name', 't.repository_id', 'm.digest'])
      .execute()
    for (const tag of tags) {
      const change = { repository_id: tag.repository_id, name: tag.name, previous_digest: tag.digest, at: input.now, actor: 'alice' }
      if (tag.name === 'moved') {
        await tx.updateTable('tags').set({ manifest_id: target }).where('id', '=', tag.id).execute()
        await tx
          .insertInto('tag_history')
          .values({ ...change, digest: input.moveTo })
          .execute()
      } else if (tag.name === 'deleted' || tag.digest.equals(input.deleted)) {
        await tx.deleteFrom('tags').where('id', '=', tag.id).execute()
        await tx
          .insertInto('tag_history')
          .values({ ...change, digest: null })
          .execute()
      }
    }
    await tx.deleteFrom('manifests').where('digest', '=', input.deleted).execute()
    await tx
      .insertInto('events')
      .values({
        at: input.now,
        action: 'manifest.deleted',
        repository: 'app',
        digest: input.deleted,
        tag: null,
        actor: 'alice',
        request_id: '',
        detail: '{}',
      })
      .execute()
    await tx
      .insertInto('blob_deletions')
      .columns(['store', 'key', 'size_bytes', 'delete_after'])
      .expression((eb) =>
        eb
          .selectFrom('blobs')
          .select((of) => ['store', 'key', 'size_bytes', of.val(input.now).as('delete_after')])
          .where('digest', '=', input.deleted),
      )
      .execute()
  },
)

/** What garbage collection does to a blob before it deletes the bytes. */
export const forgetBlob = transaction(import.meta.url, 'berth-changes/forget-blob', async (tx, digest: Buffer): Promise<void> => {
  const row = await tx.selectFrom('blobs').selectAll().where('digest', '=', digest).executeTakeFirstOrThrow()
  await tx.deleteFrom('blobs').where('id', '=', row.id).execute()
  await tx.insertInto('blob_deletions').values({ store: row.store, key: row.key, size_bytes: row.size_bytes, delete_after: 0 }).execute()
})
