/** Deletes tags whose time is over, as somebody would: into the trash, where there is one, with the reason `expiry`. */
import type { JobKind, JobRun } from '#jobs/jobs.ts'
import { dueTags, type DueAfter, type DueTag } from '#metadata/tag-expiry.ts'
import { RegistryError } from '#oci/errors.ts'
import { deleteTag } from '#registry/delete-manifest.ts'
import type { Registry } from '#registry/registry.ts'

/** What one run did. */
export interface ExpiryReport {
  readonly deleted: number
  /** Kept because a rule says that they are immutable. */
  readonly immutable: number
}

const batchTags = 100

/** Every minute. A tag that is immutable stays, and goes once no rule keeps it any more. */
export function expireTagsJob(registry: Registry): JobKind<null, ExpiryReport> {
  return {
    name: 'expire-tags',
    title: 'Delete tags that have expired',
    schedule: 'every 1m',
    run: (run) => expireTags(registry, run),
  }
}

/** Deletes what is due now. What dies in between goes on from its cursor; a tag that is gone already is passed over. */
export async function expireTags(registry: Registry, run: Pick<JobRun, 'cursor' | 'save' | 'signal' | 'log'>): Promise<ExpiryReport> {
  const now = registry.context.ports.clock.now()
  let after = (run.cursor as DueAfter | null | undefined) ?? { expiresAt: 0, id: 0 }
  let deleted = 0
  let immutable = 0
  // A registry that deletes nothing lets nothing expire.
  if (!registry.options.deleteEnabled) return { deleted, immutable }
  for (;;) {
    const due = await dueTags(registry.metadata.reader, { now, after, limit: batchTags })
    for (const tag of due) {
      run.signal.throwIfAborted()
      const outcome = await expireOne(registry, tag, now)
      if (outcome === 'deleted') deleted++
      if (outcome === 'immutable') {
        immutable++
        run.log('info', `${tag.repository}:${tag.tag} has expired, and stays: it is immutable`)
      }
    }
    const last = due.at(-1)
    if (last === undefined || due.length < batchTags) return { deleted, immutable }
    after = { expiresAt: last.expiresAt, id: last.id }
    await run.save(after, { done: deleted, unit: 'tags' })
  }
}

async function expireOne(
  registry: Registry,
  { repository, tag, digest }: DueTag,
  now: number,
): Promise<'deleted' | 'immutable' | 'changed'> {
  try {
    const wanted = { name: tag, expectedDigest: digest, dueAt: now, reason: 'expiry' } as const
    await deleteTag(registry, repository, wanted, { name: '', requestId: '' })
    return 'deleted'
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error
    if (error.code === 'TAG_IMMUTABLE') return 'immutable'
    // Moved, deleted or given more time in between.
    if (['PRECONDITION_FAILED', 'MANIFEST_UNKNOWN', 'NAME_UNKNOWN'].includes(error.code)) return 'changed'
    throw error
  }
}
