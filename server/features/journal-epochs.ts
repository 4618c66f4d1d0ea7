/**
 * Which epochs of the journal a recovery reads, and in which order.
 *
 * The problem: a store may have the journals of several databases, one after the other: the one that was lost, an empty one that was served on in its place, the
 * one that a recovery made. The newest alone may tell of nothing. The way: every epoch is read, oldest first, but for those whose place another one took: of
 * one line (one database) the newest has all, and a recovery writes down which lines it took in. Statements are merged name by name: the newest about a tag,
 * a manifest or a repository holds. A database that began empty knows nothing of what was before it, so what it says of a whole repository ("nothing of it
 * holds any more") counts for its own line alone; what it says of one tag or manifest counts for all.
 *
 * Rejected: the newest epoch alone, or the newest that is not empty (one push after the loss hides all); the largest (what is newer is lost); the union without
 * lines (what was deleted since a recovery would come back with each next one). What merging gets wrong is a thing that was deleted, by a database that had it from
 * elsewhere (a backup), before that one's base was written anew: it comes back. `--epoch` reads those alone that are named.
 */
import type { NamedFiles } from '#blobs/named-files.ts'
import type { Reader, Transactor } from '#metadata/metadata.ts'
import { findSetting, putSetting } from '#metadata/settings.ts'
import { lineOf, listEpochs, type JournalEpoch } from './journal-files.ts'

const coversSetting = 'journal-covers'

/** The lines that recoveries took into this database. */
export async function coveredLines(reader: Reader | Transactor): Promise<readonly string[]> {
  return ((await findSetting(reader, coversSetting)) as { readonly lines: readonly string[] } | undefined)?.lines ?? []
}

/** Notes what a recovery took in: the journal of this database says so from its first base on. */
export async function coverLines(tx: Transactor, lines: readonly string[]): Promise<void> {
  await putSetting(tx, coversSetting, { lines: [...new Set([...(await coveredLines(tx)), ...lines])] })
}

/** An epoch, and what becomes of it. */
export interface ChosenEpoch {
  readonly journal: JournalEpoch
  /** `replaced`: a newer one has what it says; `unfinished`: its base did not come to its end; `not chosen`: others were named. */
  readonly use: 'read' | 'replaced' | 'unfinished' | 'not chosen'
  readonly replacedBy?: number | undefined
}

/** A choice that cannot be made: a sentence. */
export class NoSuchEpoch extends Error {
  override readonly name = 'NoSuchEpoch'
}

/** All epochs of the store, oldest first; `wanted` names those to read. Throws {@link NoSuchEpoch} for one that is not there, or not whole. */
export async function chooseEpochs(
  files: NamedFiles,
  { wanted, signal }: { readonly wanted?: readonly number[] | undefined; readonly signal: AbortSignal },
): Promise<readonly ChosenEpoch[]> {
  const epochs = await listEpochs(files, signal)
  const whole = epochs.filter(({ base }) => base !== undefined)
  for (const epoch of wanted ?? [])
    if (!whole.some((each) => each.epoch === epoch))
      throw new NoSuchEpoch(`the journal has no whole epoch ${epoch}: there ${whole.length === 1 ? 'is' : 'are'} ${namesOf(whole)}`)
  return epochs.map((journal) => {
    if (journal.base === undefined) return { journal, use: 'unfinished' }
    if (wanted !== undefined) return { journal, use: wanted.includes(journal.epoch) ? 'read' : 'not chosen' }
    const replacedBy = whole.findLast((newer) => takesPlaceOf(newer, journal))?.epoch
    return replacedBy === undefined ? { journal, use: 'read' } : { journal, use: 'replaced', replacedBy }
  })
}

function namesOf(epochs: readonly JournalEpoch[]): string {
  return epochs.length === 0 ? 'none' : epochs.map(({ epoch }) => epoch).join(', ')
}

function takesPlaceOf(newer: JournalEpoch, older: JournalEpoch): boolean {
  const line = lineOf(older)
  if (newer.epoch <= older.epoch || line === undefined) return false
  return lineOf(newer) === line || newer.base?.covers?.includes(line) === true
}

/** The lines that a recovery of these takes in: those that are read, and those whose place these took. */
export function linesTakenIn(chosen: readonly ChosenEpoch[]): readonly string[] {
  const read = chosen.filter(({ use }) => use === 'read').map(({ journal }) => journal)
  return [...new Set(read.flatMap((journal) => [lineOf(journal) ?? [], journal.base?.covers ?? []].flat()))]
}
