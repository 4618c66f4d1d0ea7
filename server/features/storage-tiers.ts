/**
 * Tiers: blobs that nobody pulls go to a cold store by rules, and come back when somebody does.
 *
 * When a blob was used last is what there is: pulls of the manifests that need it (counted in batches, a minute behind), pushes of those manifests, the push of
 * the blob, and its return. A blob that no manifest needs stays: garbage collection takes it soon. So a blob of several images is as warm as the warmest.
 */
import type { Who } from '#events/event.ts'
import type { TierRule, TiersConfig } from '#config/config.ts'
import { startJob, type Enqueued } from '#jobs/enqueue-job.ts'
import { FinalFailure } from '#jobs/final-failure.ts'
import type { JobKind, JobRun } from '#jobs/jobs.ts'
import { keyOfSchedule } from '#jobs/schedules.ts'
import { coldBlobs, projectsOfBlobs } from '#metadata/blob-places.ts'
import { matchesGlob, parseGlob, type RepositoryGlob } from '#metadata/repository-glob.ts'
import { transaction } from '#metadata/transaction.ts'
import { RegistryError } from '#oci/errors.ts'
import type { Registry } from '#registry/registry.ts'
import { firstMove, moveAll, nextPage, type MoveCounts, type MoveCursor, type MovePage } from './storage-move.ts'

/** Stands in rows. */
export const moveToColdKind = 'move-to-cold'
interface Cursor extends MoveCursor {
  /** Which rule is at work. */
  readonly rule: number
}

interface Parts {
  readonly tiers: TiersConfig
  /** Writes the pulls that wait to be written. */
  readonly flushPulls: () => Promise<void>
}

/** A page of what a rule sends to the cold store. */
function coldPage(
  registry: Registry,
  rule: TierRule,
  { afterId, now }: { readonly afterId: number; readonly now: number },
): Promise<MovePage> {
  const { reader } = registry.metadata
  const coldness = { unusedSince: now - rule.notPulledForMs, minimumBytes: rule.minimumBytes }
  const globs = rule.projects?.map((text) => parseGlob(text)).filter((glob) => glob !== undefined)
  return nextPage(registry, afterId, async (range) => {
    const found = await coldBlobs(reader, coldness, { store: registry.store.name, ...range })
    if (globs === undefined) return found
    const ids = found.map(({ blobId }) => blobId)
    const projects = await projectsOfBlobs(reader, ids)
    return found.filter(({ blobId }) => areAllAmong(globs, projects.get(blobId)))
  })
}

/** What only the trash has is nobody's project. */
function areAllAmong(globs: readonly RepositoryGlob[], projects: ReadonlySet<string> | undefined): boolean {
  if (projects === undefined) return false
  return [...projects].every((project) => globs.some((glob) => matchesGlob(glob, project)))
}

/** The job: one rule after the other. */
export function moveToColdJob(registry: Registry, { tiers, flushPulls }: Parts): JobKind<null, MoveCounts> {
  return {
    name: moveToColdKind,
    title: 'Move blobs that nobody pulls to the cold store',
    schedule: registry.options.readOnly ? undefined : tiers.schedule,
    async run(run) {
      const cold = registry.stores.all.get(tiers.cold)
      if (cold === undefined) throw new FinalFailure(`the configuration of this server does not name the store ${tiers.cold} any more`)
      await flushPulls()
      const { clock } = registry.context.ports
      let cursor = (run.cursor as Cursor | undefined) ?? { ...firstMove, rule: 0 }
      for (const [at, rule] of tiers.rules.entries()) {
        if (at < cursor.rule) continue
        if (at > cursor.rule) cursor = { ...cursor, rule: at, afterId: 0 }
        const page = (afterId: number) => coldPage(registry, rule, { afterId, now: clock.now() })
        const plan = { to: cold, bytesPerSecond: tiers.bytesPerSecond, page }
        const moved = await moveAll(registry, run, { plan, cursor })
        cursor = { ...moved, rule: at }
      }
      return tell(run, cursor, tiers.cold)
    },
  }
}

function tell(run: JobRun, { moved, bytes, changed, damaged }: MoveCounts, cold: string): MoveCounts {
  if (moved + damaged > 0) run.log('info', `${moved} blobs (${bytes} bytes) went to ${cold}`)
  return { moved, bytes, changed, damaged }
}

/** What the rules would move now. */
export async function planCold(registry: Registry, tiers: TiersConfig): Promise<{ readonly blobs: number; readonly bytes: number }> {
  const now = registry.context.ports.clock.now()
  // What several rules name goes once.
  const sizes = new Map<number, number>()
  for (const rule of tiers.rules) {
    for (let afterId: number | undefined = 0; afterId !== undefined;) {
      const page: MovePage = await coldPage(registry, rule, { afterId, now })
      for (const { blobId, sizeBytes } of page.blobs) sizes.set(blobId, sizeBytes)
      afterId = page.next
    }
  }
  return { blobs: sizes.size, bytes: [...sizes.values()].reduce((sum, sizeBytes) => sum + sizeBytes, 0) }
}

const start = transaction(import.meta.url, 'storage-tiers/start', (tx, { who, now }: { readonly who: Who; readonly now: number }) =>
  startJob(tx, { kind: moveToColdKind, uniqueKey: keyOfSchedule(moveToColdKind), now }, who),
)

/** Begins a run, unless one waits or runs; that one then. */
export function startMoveToCold({ metadata, context }: Registry, who: Who): Promise<Enqueued> {
  return metadata.write(start, { who, now: context.ports.clock.now() })
}

/** The tiers; throws UNSUPPORTED where there are none. */
export function requireTiers(tiers: TiersConfig | undefined): TiersConfig {
  if (tiers !== undefined) return tiers
  throw new RegistryError('UNSUPPORTED', undefined, { message: 'there is no cold store: see storage.tiers in the configuration' })
}
