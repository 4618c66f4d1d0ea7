/** What scrub has found and when it runs, for people; and starting it. */
import type { Who } from '#events/event.ts'
import { startJob, type Enqueued } from '#jobs/enqueue-job.ts'
import { keyOfSchedule } from '#jobs/schedules.ts'
import { findJob, jobOfKey } from '#metadata/jobs.ts'
import { findSchedule } from '#metadata/schedules.ts'
import {
  countFindings,
  listFindings,
  type FindingCount,
  type FindingKind,
  type FindingRow,
  type FindingSort,
} from '#metadata/scrub-findings.ts'
import type { Page, PageRequest } from '#metadata/page.ts'
import type { ScrubFigures } from '#lib/scrub-metrics.ts'
import { transaction } from '#metadata/transaction.ts'
import type { Registry } from '#registry/registry.ts'
import { deleteOrphansKind } from './scrub-orphans.ts'
import { findingKinds, lastScrub, scrubKind, type LastScrub, type ScrubPayload } from './scrub.ts'

type Parts = Pick<Registry, 'metadata' | 'context'>

/** A pass that waits or runs. */
export interface ScrubUnderWay {
  readonly jobId: number
  readonly state: 'waiting' | 'running'
}

/** How things stand. */
export interface ScrubStatus {
  readonly last: LastScrub | undefined
  readonly current: ScrubUnderWay | undefined
  /** Null: not by itself. */
  readonly nextAt: number | null
  readonly findings: readonly FindingCount[]
}

/** The last full pass, the one under way, the next one, and what is wrong now. */
export async function readScrubStatus({ metadata }: Parts): Promise<ScrubStatus> {
  const { reader } = metadata
  const jobId = await jobOfKey(reader, keyOfSchedule(scrubKind))
  const job = jobId === undefined ? undefined : await findJob(reader, jobId)
  const schedule = await findSchedule(reader, scrubKind)
  return {
    last: await lastScrub({ metadata }),
    current: job && { jobId: job.id, state: job.state === 'running' ? 'running' : 'waiting' },
    nextAt: schedule?.isEnabled === true ? schedule.nextAt : null,
    findings: await countFindings(reader),
  }
}

/** For metrics. */
export function scrubFigures(parts: Parts): ScrubFigures {
  return {
    async findings() {
      const counted = await countFindings(parts.metadata.reader)
      return findingKinds.map((kind) => ({ kind, count: counted.find((each) => each.kind === kind)?.count ?? 0 }))
    },
    lastEndedAt: async () => (await lastScrub(parts))?.endedAt,
  }
}

/** A page of findings. */
export function listScrubFindings(
  { metadata }: Parts,
  filter: { readonly kind?: FindingKind | undefined; readonly isResolved: boolean },
  page: PageRequest<FindingSort>,
): Promise<Page<FindingRow>> {
  return listFindings(metadata.reader, filter, page)
}

interface Start {
  readonly kind: string
  readonly payload: ScrubPayload | null
  readonly key: string
  readonly who: Who
  readonly now: number
}

const start = transaction(import.meta.url, 'scrub-status/start', (tx, { kind, payload, key, who, now }: Start) =>
  startJob(tx, { kind, payload, uniqueKey: key, now }, who),
)

/** Begins a pass, unless one waits or runs; that one's id then. */
export function startScrub({ metadata, context }: Parts, payload: ScrubPayload, who: Who): Promise<Enqueued> {
  return metadata.write(start, { kind: scrubKind, payload, key: keyOfSchedule(scrubKind), who, now: context.ports.clock.now() })
}

/** Begins to delete the orphans that are known. */
export function startDeletingOrphans({ metadata, context }: Parts, who: Who): Promise<Enqueued> {
  return metadata.write(start, { kind: deleteOrphansKind, payload: null, key: deleteOrphansKind, who, now: context.ports.clock.now() })
}
