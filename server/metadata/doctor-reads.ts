/** What is left lying, as rows tell it: few counts, each by an index or over a small table. */
import type { Reader } from './metadata.ts'

/** Instants are milliseconds. */
export interface Leftovers {
  readonly failedJobs: number
  /** Jobs that wait although their time came before `overdueBefore`. */
  readonly overdueJobs: number
  /** When the oldest review of garbage was due; undefined when none waits. */
  readonly oldestReviewAt: number | undefined
  /** When the oldest deletion of bytes was due; undefined when none waits. */
  readonly oldestDeletionAt: number | undefined
  readonly findings: number
  readonly newestEventAt: number | undefined
}

/** Counts it all. */
export async function readLeftovers(reader: Reader, overdueBefore: number): Promise<Leftovers> {
  const count = async (state: 'failed' | 'waiting') => {
    const row = await reader
      .selectFrom('jobs')
      .select((eb) => eb.fn.countAll<number>().as('count'))
      .where('state', '=', state)
      .$if(state === 'waiting', (query) => query.where('run_after', '<', overdueBefore))
      .executeTakeFirstOrThrow()
    return Number(row.count)
  }
  const review = await reader.selectFrom('garbage_reviews').select('review_after').orderBy('review_after').limit(1).executeTakeFirst()
  const deletion = await reader.selectFrom('blob_deletions').select('delete_after').orderBy('delete_after').limit(1).executeTakeFirst()
  const findings = await reader
    .selectFrom('scrub_findings')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('resolved_at', 'is', null)
    .executeTakeFirstOrThrow()
  const event = await reader.selectFrom('events').select('at').orderBy('id', 'desc').limit(1).executeTakeFirst()
  return {
    failedJobs: await count('failed'),
    overdueJobs: await count('waiting'),
    oldestReviewAt: review?.review_after,
    oldestDeletionAt: deletion?.delete_after,
    findings: Number(findings.count),
    newestEventAt: event?.at,
  }
}
