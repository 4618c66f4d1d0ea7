/**
 * What happens in the registry, as data.
 *
 * The problem: webhooks, the audit log and replication must not lose what happened, and must not slow a push down. The way: an {@link Event} is recorded
 * in the transaction that makes it true (record.ts); after the commit each subscriber reads the rows at its own pace (dispatch.ts); old rows are
 * pruned by age (prune.ts). To add an event, add a member to {@link Happening}; record and dispatch need no change.
 */
import type { EventRow } from '#metadata/events.ts'
import { digestFromBytes, type Digest } from '#oci/digest.ts'
import type { RepositoryName, Tag } from '#oci/reference.ts'

type NoDetail = Readonly<Record<string, never>>

/** What happened, to what. A tag that is pushed is `tag.moved`, from no digest if it was not there. */
export type Happening =
  | {
      readonly action: 'manifest.pushed'
      readonly repository: RepositoryName
      readonly digest: Digest
      readonly detail: { readonly mediaType: string; readonly sizeBytes: number }
    }
  | { readonly action: 'manifest.deleted'; readonly repository: RepositoryName; readonly digest: Digest; readonly detail?: NoDetail }
  | {
      readonly action: 'tag.moved'
      readonly repository: RepositoryName
      readonly tag: Tag
      readonly digest: Digest
      readonly detail: { readonly previousDigest?: Digest | undefined }
    }
  | {
      readonly action: 'tag.deleted'
      readonly repository: RepositoryName
      readonly tag: Tag
      readonly digest: Digest
      readonly detail?: NoDetail
    }
  | {
      readonly action: 'blob.mounted'
      readonly repository: RepositoryName
      readonly digest: Digest
      readonly detail: { readonly from?: RepositoryName | undefined }
    }
  | { readonly action: 'blob.deleted'; readonly repository: RepositoryName; readonly digest: Digest; readonly detail?: NoDetail }
  /** The stored bytes were found wrong; from now on the blob is missing until it is pushed again. */
  | { readonly action: 'blob.quarantined'; readonly digest: Digest; readonly detail: { readonly reason: string } }
  | { readonly action: 'repository.created'; readonly repository: RepositoryName; readonly detail?: NoDetail }
  | { readonly action: 'repository.deleted'; readonly repository: RepositoryName; readonly detail?: NoDetail }

/** Who made it happen, and when. */
export interface Circumstances {
  /** Milliseconds since the epoch. */
  readonly at: number
  /** Empty for anonymous. */
  readonly actor: string
  /** Of the request that did it; empty for work without one. */
  readonly requestId: string
}

/** What is recorded and told: one of the known happenings, by whom and when. `action` tells them apart. */
export type Event = Happening & Circumstances

/** An event with its place in the order of commits. */
export type RecordedEvent = Event & { readonly id: number }

const actions: Readonly<Record<Event['action'], true>> = {
  'manifest.pushed': true,
  'manifest.deleted': true,
  'tag.moved': true,
  'tag.deleted': true,
  'blob.mounted': true,
  'blob.deleted': true,
  'blob.quarantined': true,
  'repository.created': true,
  'repository.deleted': true,
}

/** The event of a row; undefined for an action that this program does not know (a newer process wrote it). */
export function eventFromRow(row: EventRow): RecordedEvent | undefined {
  if (!Object.hasOwn(actions, row.action)) return undefined
  const event = {
    id: row.id,
    action: row.action,
    at: row.at,
    actor: row.actor,
    requestId: row.request_id,
    ...(row.repository === null ? {} : { repository: row.repository }),
    ...(row.digest === null ? {} : { digest: digestFromBytes(row.digest) }),
    ...(row.tag === null ? {} : { tag: row.tag }),
    detail: JSON.parse(row.detail) as unknown,
  }
  // Rows are written by recordEvent alone, whose type the row mirrors.
  return event as unknown as RecordedEvent
}
