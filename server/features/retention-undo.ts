/** Undoing a run: what it removed comes out of the trash, as far as it is there, a bounded part with each call. */
import type { Metadata } from '#metadata/metadata.ts'
import { knowsRemovals, tagsNotBack, type RetentionRunRecord, type TagNotBack } from '#metadata/retention-runs.ts'
import { trashOfRun } from '#metadata/trash.ts'
import { RegistryError } from '#oci/errors.ts'

/** Something that a run put into the trash. */
export type RemovedByRun = Awaited<ReturnType<typeof trashOfRun>>[number]

/** What is to be restored now, and where the rest begins. */
export interface UndoPart {
  readonly items: readonly RemovedByRun[]
  readonly next: number | null
}

const partMax = 100
const notBackMax = 100

/** The next part. Throws CONFLICT for a run that removed nothing, goes on removing, or of which nobody knows any more what it removed. */
export async function partToUndo(
  { reader }: Pick<Metadata, 'reader'>,
  run: RetentionRunRecord,
  before = Number.MAX_SAFE_INTEGER,
): Promise<UndoPart> {
  if (run.isDry || (run.removed === 0 && run.state === 'done')) throw refusal('the run removed nothing')
  if (run.state === 'waiting' || run.state === 'running') throw refusal('the run is under way: stop it first, or wait for its end')
  if (!(await knowsRemovals(reader, run.id)))
    throw refusal('what the run removed is not kept any more: berth trash list --reason retention shows what is in the trash')
  const items = await trashOfRun(reader, { run: run.id, before, limit: partMax })
  return { items, next: items.length < partMax ? null : (items.at(-1)?.id ?? null) }
}

/** Tags that the run removed and that are not what they were. */
export function notBackOf({ reader }: Pick<Metadata, 'reader'>, run: RetentionRunRecord): Promise<TagNotBack[]> {
  return tagsNotBack(reader, run.id, notBackMax)
}

function refusal(message: string): RegistryError {
  return new RegistryError('CONFLICT', undefined, { message })
}
