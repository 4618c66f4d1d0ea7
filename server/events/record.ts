/** Writes events down. */
import { insertEvent } from '#metadata/events.ts'
import type { Transactor } from '#metadata/metadata.ts'
import { digestToBytes } from '#oci/digest.ts'
import type { Event } from './event.ts'

/** Records the event in the caller's transaction: it is true if and only if that commits. Gives its id. */
export async function recordEvent(tx: Transactor, event: Event): Promise<number> {
  return await insertEvent(tx, {
    at: event.at,
    action: event.action,
    repository: 'repository' in event ? event.repository : null,
    digest: 'digest' in event ? digestToBytes(event.digest) : null,
    tag: 'tag' in event ? event.tag : null,
    actor: event.actor,
    request_id: event.requestId,
    detail: JSON.stringify(event.detail ?? {}),
  })
}
