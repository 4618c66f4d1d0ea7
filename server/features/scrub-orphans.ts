/**
 * Deleting orphans, when somebody says so: each is looked at once more (is it still there, is it a day old, does no row name it), and in the transaction
 * that asks the rows its key is noted among the deletions, which garbage collection carries out as all others. So nothing is deleted here either.
 */
import type { BlobKey, BlobStore } from '#blobs/blob-store.ts'
import { advanceJob } from '#jobs/advance-job.ts'
import type { JobClaim, JobKind, JobRun } from '#jobs/jobs.ts'
import { scheduleDeletion } from '#metadata/blob-deletions.ts'
import { orphansAfter, resolveFindings, type FindingRow } from '#metadata/scrub-findings.ts'
import { knownKeys } from '#metadata/scrub-reads.ts'
import { transaction } from '#metadata/transaction.ts'
import type { Registry } from '#registry/registry.ts'
import { directoryOf, orphanAgeMs } from './scrub-keys.ts'

export const deleteOrphansKind = 'delete-orphans'
const batchRows = 200
/** Files beside a key in its directory: generations of one digest. */
const siblingsMax = 1_000

/** What a run noted for deletion. */
export interface OrphansReport {
  readonly keys: number
  readonly sizeBytes: number
}

interface Cursor extends OrphansReport {
  /** Whose orphans are at hand; stores come in the order of their names. */
  readonly ofStore?: string | undefined
  readonly afterId: number
}

interface Batch {
  readonly job: JobClaim
  readonly cursor: Cursor
  readonly store: string
  readonly orphans: readonly { readonly id: number; readonly key: string; readonly sizeBytes: number }[]
  /** Findings whose bytes are gone. */
  readonly goneIds: readonly number[]
  readonly now: number
}

const noteDeletions = transaction(
  import.meta.url,
  'scrub-orphans/note-deletions',
  async (tx, { job, cursor, store, orphans, goneIds, now }: Batch) => {
    const known = await knownKeys(
      tx,
      store,
      orphans.map(({ key }) => key),
    )
    const noted = orphans.filter(({ key }) => !known.has(key))
    for (const { key, sizeBytes } of noted) await scheduleDeletion(tx, { store, key, sizeBytes, deleteAfter: now })
    // Those that a row names are none (any more).
    await resolveFindings(tx, [...goneIds, ...orphans.map(({ id }) => id)], now)
    const next: Cursor = {
      ofStore: store,
      afterId: cursor.afterId,
      keys: cursor.keys + noted.length,
      sizeBytes: cursor.sizeBytes + noted.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    }
    await advanceJob(tx, job, next, { done: next.keys, unit: 'orphans' })
    return next
  },
)

/** The job. Garbage collection takes the bytes in its next turn. */
export function deleteOrphansJob(registry: Registry): JobKind<null, OrphansReport> {
  return {
    name: deleteOrphansKind,
    title: 'Delete bytes that no row names',
    async run(run) {
      let cursor = (run.cursor as Cursor | undefined) ?? { afterId: 0, keys: 0, sizeBytes: 0 }
      for (const store of [...registry.stores.all.values()].toSorted((one, other) => (one.name < other.name ? -1 : 1))) {
        if (cursor.ofStore !== undefined && store.name < cursor.ofStore) continue
        if (cursor.ofStore !== store.name) cursor = { ...cursor, ofStore: store.name, afterId: 0 }
        cursor = await noteOrphansOf(registry, store, { run, cursor })
      }
      return { keys: cursor.keys, sizeBytes: cursor.sizeBytes }
    },
  }
}

async function noteOrphansOf(
  { metadata, context }: Registry,
  store: BlobStore,
  { run, cursor: begun }: { readonly run: JobRun; readonly cursor: Cursor },
): Promise<Cursor> {
  for (let cursor = begun; ;) {
    run.signal.throwIfAborted()
    const page = await orphansAfter(metadata.reader, store.name, { afterId: cursor.afterId, limit: batchRows })
    const last = page.at(-1)
    if (last === undefined) return cursor
    const { orphans, goneIds } = await lookAgain({ store, context }, page)
    cursor = await metadata.write(noteDeletions, {
      job: run.job,
      cursor: { ...cursor, afterId: last.id },
      store: store.name,
      orphans,
      goneIds,
      now: context.ports.clock.now(),
    })
  }
}

/** Of a page of findings: those that can go, and those whose bytes are gone. Who is young again (a file that somebody put there) is left alone. */
async function lookAgain(
  { store, context }: Pick<Registry, 'store' | 'context'>,
  page: readonly FindingRow[],
): Promise<Pick<Batch, 'orphans' | 'goneIds'>> {
  const before = context.ports.clock.now() - orphanAgeMs
  const orphans: Batch['orphans'][number][] = []
  const goneIds: number[] = []
  for (const { id, key } of page) {
    if ((await store.stat(key as BlobKey)) === undefined) {
      goneIds.push(id)
      continue
    }
    const { keys } = await store.list({ below: directoryOf(key), limit: siblingsMax })
    const found = keys.find((listed) => listed.key === key)
    if (found !== undefined && found.modifiedAt <= before) orphans.push({ id, key, sizeBytes: found.sizeBytes })
  }
  return { orphans, goneIds }
}
