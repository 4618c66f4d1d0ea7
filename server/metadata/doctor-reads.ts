/** What is left lying, as rows tell it: few counts, each by an index or over a small table. */
import { takenDeletion } from './blob-deletions.ts'
import type { Reader } from './metadata.ts'
import { countFindings, countQuarantined } from './scrub-findings.ts'

/** Instants are milliseconds. */
export interface Leftovers {
  readonly failedJobs: number
  /** Jobs that wait although their time came before `overdueBefore`. */
  readonly overdueJobs: number
  /** When the oldest review of garbage was due; undefined when none waits. */
  readonly oldestReviewAt: number | undefined
  /** When the oldest deletion of bytes was due; undefined when none waits. */
  readonly oldestDeletionAt: number | undefined
  /** Deletions of bytes that a collection began. */
  readonly unfinishedDeletions: number
  /** What scrub knows to be wrong, blobs in quarantine aside. */
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
  // What a collection has taken has no time any more.
  const deletion = await reader
    .selectFrom('blob_deletions')
    .select('delete_after')
    .where('delete_after', '>', takenDeletion)
    .orderBy('delete_after')
    .limit(1)
    .executeTakeFirst()
  const unfinished = await reader
    .selectFrom('blob_deletions')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('delete_after', '=', takenDeletion)
    .executeTakeFirstOrThrow()
  const findings = await countFindings(reader)
  const known = findings.reduce((sum, { count: each }) => sum + each, 0)
  const event = await reader.selectFrom('events').select('at').orderBy('id', 'desc').limit(1).executeTakeFirst()
  return {
    failedJobs: await count('failed'),
    overdueJobs: await count('waiting'),
    oldestReviewAt: review?.review_after,
    oldestDeletionAt: deletion?.delete_after,
    unfinishedDeletions: Number(unfinished.count),
    findings: Math.max(known - (await countQuarantined(reader)), 0),
    newestEventAt: event?.at,
  }
}

/** A blob's bytes as its row says where they are. */
export interface SampledBlob {
  readonly key: string
  readonly isQuarantined: boolean
}

/** A few blobs of a store: the oldest and the newest, `limit` of each at most. */
export async function sampleBlobs(reader: Reader, store: string, limit: number): Promise<SampledBlob[]> {
  const few = (order: 'asc' | 'desc') =>
    reader.selectFrom('blobs').select(['key', 'state']).where('store', '=', store).orderBy('id', order).limit(limit).execute()
  const rows = [...(await few('asc')), ...(await few('desc'))]
  return [...new Map(rows.map(({ key, state }) => [key, { key, isQuarantined: state === 'quarantined' }])).values()]
}
