/** What an intruder would do to the tables, in a module of its own: the writer thread loads it. */
import { transaction } from '#metadata/transaction.ts'

/** Changes the detail of an event. */
export const changeEvent = transaction(import.meta.url, 'test-tampering/change-event', async (tx, id: number) => {
  await tx.updateTable('events').set({ actor: 'somebody-else' }).where('id', '=', id).execute()
})

/** Puts an event into another project. */
export const changeProject = transaction(import.meta.url, 'test-tampering/change-project', async (tx, id: number) => {
  await tx.updateTable('events').set({ project_id: 7 }).where('id', '=', id).execute()
})

/** Removes an event. */
export const removeEvent = transaction(import.meta.url, 'test-tampering/remove-event', async (tx, id: number) => {
  await tx.deleteFrom('events').where('id', '=', id).execute()
})

/** Puts a copy of an event elsewhere. */
export const moveEvent = transaction(
  import.meta.url,
  'test-tampering/move-event',
  async (tx, { from, to }: { from: number; to: number }) => {
    await tx.updateTable('events').set({ id: to }).where('id', '=', from).execute()
  },
)

/** Removes the seal that ends with an event. */
export const removeSeal = transaction(import.meta.url, 'test-tampering/remove-seal', async (tx, lastId: number) => {
  await tx.deleteFrom('event_seals').where('last_id', '=', lastId).execute()
})

/** Changes what a seal says of itself. */
export const changeSeal = transaction(import.meta.url, 'test-tampering/change-seal', async (tx, lastId: number) => {
  await tx.updateTable('event_seals').set({ at: 1 }).where('last_id', '=', lastId).execute()
})

/** Says that the first events went by age. */
export const makeUpSeal = transaction(
  import.meta.url,
  'test-tampering/make-up-seal',
  async (tx, { hash, lastId }: { hash: Uint8Array; lastId: number }) => {
    await tx
      .updateTable('event_seals')
      .set({ hash: Buffer.from(hash) })
      .where('last_id', '=', lastId)
      .execute()
  },
)
