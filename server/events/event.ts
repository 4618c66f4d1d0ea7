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
/** Why something was deleted, where nobody asked for it: `retention`, `expiry`, `untagged`. */
interface DeletionDetail {
  readonly reason?: string | undefined
}
/** JSON. */
type Detail = Readonly<Record<string, unknown>>

const administrationActions = [
  'user.created',
  'user.updated',
  'user.deleted',
  'user.disabled',
  'user.enabled',
  'user.password-changed',
  'second-factor.added',
  'second-factor.removed',
  'identity.linked',
  'identity.unlinked',
  'group.created',
  'group.updated',
  'group.deleted',
  'group.member-added',
  'group.member-removed',
  'provider.created',
  'provider.updated',
  'provider.deleted',
  'provider.tested',
  'role.created',
  'role.updated',
  'role.deleted',
  'grant.created',
  'grant.updated',
  'grant.deleted',
  'project.created',
  'project.updated',
  'project.renamed',
  'project.deleted',
  'robot.created',
  'robot.updated',
  'robot.deleted',
  'robot.secret-added',
  'robot.secret-revoked',
  'robot.trust-added',
  'robot.trust-removed',
  'token.created',
  'token.revoked',
  'key.rotated',
  'key.deleted',
  'label.created',
  'label.updated',
  'label.deleted',
  'system.updated',
  'session.opened',
  'session.closed',
  'login.succeeded',
  'login.failed',
  'access.refused',
  'bearer.issued',
  'bearer.refused',
  'audit.exported',
  'audit.purged',
  'job.started',
  'job.stopped',
  'job.retried',
  'job.failed',
  'schedule.updated',
  'quota.updated',
  'quota.warned',
  'quota.exceeded',
  'immutable-rule.created',
  'immutable-rule.updated',
  'immutable-rule.deleted',
  'retention-policy.created',
  'retention-policy.updated',
  'retention-policy.deleted',
  'retention.run',
  'trash.restored',
  'tag.restored',
  'trash.purged',
  'scrub.found',
  'storage.migrated',
  'certificate.issued',
  'certificate.failed',
  'backup.created',
  'backup.failed',
  'backup.verified',
  'backup.pruned',
  'backup.restored',
  'store.recovered',
  'database.copied',
] as const

/** What happens to accounts, rights and settings; logins and refusals too. */
export type AdministrationAction = (typeof administrationActions)[number]

/** What happened, to what. A tag that is pushed is `tag.moved`, from no digest if it was not there. */
export type Happening =
  | {
      readonly action: 'manifest.pushed'
      readonly repository: RepositoryName
      readonly digest: Digest
      readonly detail: { readonly mediaType: string; readonly sizeBytes: number }
    }
  | { readonly action: 'manifest.deleted'; readonly repository: RepositoryName; readonly digest: Digest; readonly detail?: DeletionDetail }
  | {
      readonly action: 'tag.moved'
      readonly repository: RepositoryName
      readonly tag: Tag
      readonly digest: Digest
      /** `restored`: somebody put it back, which says how long it lives: for ever. */
      readonly detail: { readonly previousDigest?: Digest | undefined; readonly restored?: true }
    }
  /** When it expires was set; null: never. */
  | {
      readonly action: 'tag.updated'
      readonly repository: RepositoryName
      readonly tag: Tag
      readonly digest: Digest
      readonly detail: { readonly expiresAt: string | null; readonly previousExpiresAt: string | null }
    }
  | {
      readonly action: 'tag.deleted'
      readonly repository: RepositoryName
      readonly tag: Tag
      readonly digest: Digest
      readonly detail?: DeletionDetail
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
  | { readonly action: 'repository.updated'; readonly repository: RepositoryName; readonly detail?: Detail }
  | { readonly action: 'repository.moved'; readonly repository: RepositoryName; readonly detail: { readonly from: RepositoryName } }
  | {
      readonly action: 'manifest.labelled'
      readonly repository: RepositoryName
      readonly digest: Digest
      readonly detail: { readonly label: string }
    }
  | {
      readonly action: 'manifest.unlabelled'
      readonly repository: RepositoryName
      readonly digest: Digest
      readonly detail: { readonly label: string }
    }
  | { readonly action: 'upload.cancelled'; readonly repository: RepositoryName; readonly detail: { readonly uploadId: string } }
  /** `target` is `<kind>:<name>`, such as `user:alice`, `robot:ci@team`, `provider:corp`; `project` where one is concerned. No secret is ever in `detail`. */
  | {
      readonly action: AdministrationAction
      readonly target: string
      readonly project?: string | undefined
      /** Where it was refused, or what came back from the trash. */
      readonly repository?: RepositoryName | undefined
      readonly detail?: Detail
    }

/** Who made it happen, by which credential and from where. */
export interface Who {
  /** Name; empty for anonymous. */
  readonly actor: string
  /** Of the request that did it; empty for work without one. */
  readonly requestId: string
  /** `Principal.key`. */
  readonly actorKey?: string | undefined
  /** Kind and id: `password`, `personal:12`. Never the secret. */
  readonly credential?: string | undefined
  readonly address?: string | undefined
  readonly userAgent?: string | undefined
}

/** Who made it happen, when, and how it ended. */
export interface Circumstances extends Who {
  /** Milliseconds since the epoch. */
  readonly at: number
  /** `failure`: it was refused, for `reason` (an error code). Success unless said. */
  readonly outcome?: 'success' | 'failure' | undefined
  readonly reason?: string | undefined
  /** How many alike this record stands for; 1 unless said. */
  readonly count?: number | undefined
}

/** What is recorded and told: one of the known happenings, by whom and when. `action` tells them apart. */
export type Event = Happening & Circumstances

/** An event with its place in the order of commits, and the id of the project that its name was the name of. */
export type RecordedEvent = Event & { readonly id: number; readonly projectId?: number }

const actions: Readonly<Record<Event['action'], true>> = {
  'manifest.pushed': true,
  'manifest.deleted': true,
  'manifest.labelled': true,
  'manifest.unlabelled': true,
  'tag.moved': true,
  'tag.deleted': true,
  'tag.updated': true,
  'blob.mounted': true,
  'blob.deleted': true,
  'blob.quarantined': true,
  'repository.created': true,
  'repository.deleted': true,
  'repository.updated': true,
  'repository.moved': true,
  'upload.cancelled': true,
  ...(Object.fromEntries(administrationActions.map((action) => [action, true])) as Record<AdministrationAction, true>),
}

/** All that this program records. */
export const actionNames: readonly string[] = Object.keys(actions)

/** The event of a row; undefined for an action that this program does not know (a newer process wrote it). */
export function eventFromRow(row: EventRow): RecordedEvent | undefined {
  if (!Object.hasOwn(actions, row.action)) return undefined
  const event = {
    id: row.id,
    action: row.action,
    at: row.at,
    actor: row.actor,
    requestId: row.request_id,
    actorKey: row.actor_key,
    credential: row.credential,
    address: row.address,
    userAgent: row.user_agent,
    outcome: row.outcome,
    reason: row.reason,
    count: row.count,
    ...(row.project === '' ? {} : { project: row.project }),
    ...(row.project_id === null ? {} : { projectId: row.project_id }),
    ...(row.target === '' ? {} : { target: row.target }),
    ...(row.repository === null ? {} : { repository: row.repository }),
    ...(row.digest === null ? {} : { digest: digestFromBytes(row.digest) }),
    ...(row.tag === null ? {} : { tag: row.tag }),
    detail: JSON.parse(row.detail) as unknown,
  }
  // Rows are written by recordEvent alone, whose type the row mirrors.
  return event as unknown as RecordedEvent
}
