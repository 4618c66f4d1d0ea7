/** Serves api/routes/garbage.ts. */
import type { ResponseOf } from '#api/contract.ts'
import * as routes from '#api/routes/garbage.ts'
import { startGarbageRun } from '#registry/collect-garbage-job.ts'
import { readGarbageStatus, type GarbageStatus } from '#registry/garbage-status.ts'
import { readWaitingUntagged, type WaitingUntagged } from '#registry/waiting-untagged.ts'
import { instantOrNull } from './page-body.ts'
import { serve, type ServedRoute } from './serve-route.ts'

type Run = NonNullable<ResponseOf<typeof routes.readGarbage>['lastRun']>

const reportMembers = ['manifests', 'links', 'blobs', 'keys', 'freedBytes', 'failedKeys'] as const

/** What a run of this or another version kept; null when it is none. */
function reportOf(text: string | null): Run['report'] {
  if (text === null) return null
  const kept = JSON.parse(text) as Readonly<Record<string, unknown>> | null
  const numbers = reportMembers.map((member) => [member, Number(kept?.[member] ?? 0)])
  return { dryRun: kept?.['dryRun'] === true, ...(Object.fromEntries(numbers) as Record<(typeof reportMembers)[number], number>) }
}

function runOf(run: GarbageStatus['lastRun']): Run | null {
  if (run === undefined) return null
  const { id: job, state, startedAt, endedAt, result } = run
  return { job, state, startedAt: instantOrNull(startedAt), endedAt: instantOrNull(endedAt), report: reportOf(result) }
}

/** All of it, as the API has it. */
export function garbageBody(
  { queue, reclaimable, leaving, trash, freed, ...rest }: GarbageStatus,
  untagged: WaitingUntagged,
): ResponseOf<typeof routes.readGarbage> {
  return {
    isExact: rest.isExact,
    queue: { manifests: queue.manifest, links: queue.link, blobs: queue.blob },
    oldestDueSeconds: Math.floor(rest.oldestDueSeconds),
    reclaimable: {
      now: { blobs: reclaimable.now.count, bytes: reclaimable.now.bytes },
      later: { blobs: reclaimable.later.count, bytes: reclaimable.later.bytes },
    },
    untagged: { manifests: untagged.manifests, bytes: untagged.bytes, until: instantOrNull(untagged.until ?? null) },
    leaving: { files: leaving.count, bytes: leaving.bytes },
    trash: { items: trash.count, bytes: trash.bytes },
    freed: { files: freed.keys, bytes: freed.freedBytes },
    lastRun: runOf(rest.lastRun),
  }
}

/** Served by the app. */
export const garbageRoutes: readonly ServedRoute[] = [
  serve(routes.readGarbage, async ({ parts: { registry } }) => ({
    body: garbageBody(await readGarbageStatus(registry), await readWaitingUntagged(registry)),
  })),
  serve(routes.startGarbageRun, async ({ parts, who, body }) => {
    const { jobId, isNew } = await startGarbageRun(parts.registry, body, who)
    return { body: { job: jobId, isNew } }
  }),
]
