/** Seals made anew over rows that were changed with good reason: a copy into a database that takes no U+0000. The seals before them stay as they are. */
import { lastSealThrough, sealsAfter, type EventSeal } from '#metadata/event-seals.ts'
import { eventsBetween } from '#metadata/events.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { transaction } from '#metadata/transaction.ts'
import { noSealHash, sealHash, sealRowsMax } from './seal.ts'

interface Resealing {
  readonly seal: EventSeal
  readonly previous: Uint8Array
}

const resealOne = transaction(import.meta.url, 'events/reseal', async (tx, { seal, previous }: Resealing): Promise<Uint8Array> => {
  const rows = await eventsBetween(tx, { after: seal.first_id - 1, through: seal.last_id, limit: sealRowsMax })
  const hash = sealHash(previous, seal, rows)
  await tx.updateTable('event_seals').set({ hash }).where('id', '=', seal.id).execute()
  return hash
})

const sealsAtOnce = 100

/** Makes the seals anew that are over the event of that id or over later ones; says how many. May be repeated. Nobody seals meanwhile. */
export async function resealAfter(metadata: Metadata, eventId: number): Promise<number> {
  const before = await lastSealThrough(metadata.reader, eventId - 1)
  let previous: Uint8Array = before?.hash ?? noSealHash
  let lastId = before?.last_id ?? 0
  for (let count = 0; ;) {
    const seals = await sealsAfter(metadata.reader, lastId, sealsAtOnce)
    for (const seal of seals) previous = await metadata.write(resealOne, { seal, previous })
    count += seals.length
    const last = seals.at(-1)
    if (last === undefined) return count
    lastId = last.last_id
  }
}
