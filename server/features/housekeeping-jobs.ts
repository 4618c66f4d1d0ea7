/** The kinds of jobs by which a registry keeps itself small: uploads nobody goes on with, tokens and events of long ago. */
import { forgetEndedTokens } from '#access/forget-tokens.ts'
import { pruneEvents } from '#events/prune.ts'
import type { JobKind } from '#jobs/jobs.ts'
import { everyMs } from '#jobs/next-time.ts'
import { purgeUploads, type UploadPurgeReport } from '#registry/purge-uploads.ts'
import type { Registry } from '#registry/registry.ts'

/** What an operator decides: `storage.maintenance.uploadpurging` and `audit.retention` of the configuration. */
export interface HousekeepingOptions {
  readonly uploadPurging: { readonly enabled: boolean; readonly ageMs: number; readonly intervalMs: number; readonly dryRun: boolean }
  /** How long events are kept. */
  readonly retentionMs: number
}

/** Ends uploads that nobody goes on with. With purging off in the configuration it runs when somebody asks for it. */
export function purgeUploadsJob(registry: Registry, { uploadPurging }: HousekeepingOptions): JobKind<null, UploadPurgeReport> {
  const { enabled, ageMs, dryRun, intervalMs } = uploadPurging
  return {
    name: 'purge-uploads',
    title: 'End uploads that nobody goes on with',
    schedule: enabled ? everyMs(intervalMs) : undefined,
    run: ({ signal }) => purgeUploads(registry, { ageMs, dryRun, signal }),
  }
}

/** Forgets tokens that ended long ago. */
export function forgetTokensJob({ metadata, context }: Registry): JobKind<null, { readonly tokens: number }> {
  return {
    name: 'forget-tokens',
    title: 'Forget tokens that ended a month ago',
    schedule: 'every 1h',
    run: async ({ signal }) => ({ tokens: await forgetEndedTokens({ metadata, clock: context.ports.clock }, signal) }),
  }
}

/** Forgets events that are older than they are to be kept. */
export function pruneEventsJob(
  { metadata, context }: Registry,
  { retentionMs }: HousekeepingOptions,
): JobKind<null, { readonly events: number }> {
  return {
    name: 'prune-events',
    title: 'Forget audit records older than audit.retention',
    schedule: 'every 1h',
    async run({ signal }) {
      const now = context.ports.clock.now()
      return { events: await pruneEvents(metadata, { before: now - retentionMs, now, signal }) }
    },
  }
}
