/**
 * The files of the journal, below `journal/` in the store of the blobs.
 *
 * `<epoch>/base-<number>.gz` hold everything that was there at one time, `<epoch>/complete` says that they are all there, and
 * `<epoch>/add-<from>-<to>-<position>.gz` what became of it: they are numbered, and `position` is the last event that they know of. Several are put together
 * into one from time to time, whose range of numbers then holds those of the others. Where a writer that was paused comes too late with a number that was
 * written meanwhile, both are kept, and the one that knows more is read last.
 */
import { gunzipSync, gzipSync } from 'node:zlib'
import { contentOf, readWholeFile, type NamedFiles } from '#blobs/named-files.ts'
import type { JournalLine } from './journal-lines.ts'

/** What `complete` says. */
export interface JournalBase {
  readonly format: 'berth-journal'
  readonly version: 1
  /** The event that it holds the outcome of, and of all before. */
  readonly position: number
  readonly at: number
  readonly parts: number
  readonly bytes: number
  /** The same in all epochs that one database wrote, each of which takes the place of those before. Absent in what a former version wrote. */
  readonly line?: string | undefined
  /** Lines that a recovery took into this database: all that they say is in the base, or was deleted since. */
  readonly covers?: readonly string[] | undefined
}

/** The line of an epoch; one of its own where it is not said. Undefined for an epoch without a base. */
export function lineOf({ epoch, base }: Pick<JournalEpoch, 'epoch' | 'base'>): string | undefined {
  return base && (base.line ?? `${epoch}@${base.at}`)
}

/** What was added: one of a number, or several. */
export interface JournalAddition {
  readonly name: string
  readonly from: number
  readonly to: number
  readonly position: number
}

/** What there is of an epoch. `base` is undefined for one whose base did not come to its end. */
export interface JournalEpoch {
  readonly epoch: number
  readonly base: JournalBase | undefined
  /** In order; those whose range another one holds are left out. */
  readonly additions: readonly JournalAddition[]
  /** All files. */
  readonly names: readonly string[]
}

const fileBytesMax = 1024 ** 3

function directoryOf(epoch: number): string {
  return String(epoch).padStart(8, '0')
}

function numbered(value: number): string {
  return String(value).padStart(15, '0')
}

function additionName(epoch: number, { from, to, position }: Omit<JournalAddition, 'name'>): string {
  return `${directoryOf(epoch)}/add-${numbered(from)}-${numbered(to)}-${numbered(position)}.gz`
}

function textOf(lines: readonly JournalLine[]): Buffer {
  return gzipSync(lines.map((line) => `${JSON.stringify(line)}\n`).join(''), { level: 5 })
}

/** Writes a part of a base; gives its size. */
export async function putBasePart(
  files: NamedFiles,
  epoch: number,
  part: { readonly number: number; readonly lines: readonly JournalLine[] },
): Promise<number> {
  const bytes = textOf(part.lines)
  await files.put(`${directoryOf(epoch)}/base-${numbered(part.number)}.gz`, contentOf(bytes))
  return bytes.length
}

/** Makes the base one. */
export async function completeBase(files: NamedFiles, epoch: number, base: JournalBase): Promise<void> {
  await files.put(`${directoryOf(epoch)}/complete`, contentOf(Buffer.from(`${JSON.stringify(base)}\n`)))
}

/** Writes what became of it; gives its size. */
export async function putAddition(
  files: NamedFiles,
  epoch: number,
  { number, position, lines }: { readonly number: number; readonly position: number; readonly lines: readonly JournalLine[] },
): Promise<number> {
  const bytes = textOf(lines)
  await files.put(additionName(epoch, { from: number, to: number, position }), contentOf(bytes))
  return bytes.length
}

/** All epochs, oldest first. */
export async function listEpochs(files: NamedFiles, signal: AbortSignal): Promise<readonly JournalEpoch[]> {
  const found = new Map<number, { names: string[]; additions: JournalAddition[] }>()
  for await (const { name } of files.list('')) {
    const [, epochText = '', file = ''] = /^(\d{8})\/(.+)$/.exec(name) ?? []
    if (epochText === '') continue
    const epoch = found.get(Number(epochText)) ?? { names: [], additions: [] }
    found.set(Number(epochText), epoch)
    epoch.names.push(name)
    const [, from, to, position] = /^add-(\d+)-(\d+)-(\d+)\.gz$/.exec(file) ?? []
    if (from !== undefined) epoch.additions.push({ name, from: Number(from), to: Number(to), position: Number(position) })
  }
  const epochs = [...found].toSorted(([one], [other]) => one - other)
  return await Promise.all(
    epochs.map(async ([epoch, { names, additions }]) => ({
      epoch,
      names,
      base: await readBase(files, epoch, signal),
      additions: withoutContained(additions),
    })),
  )
}

async function readBase(files: NamedFiles, epoch: number, signal: AbortSignal): Promise<JournalBase | undefined> {
  const bytes = await readWholeFile(files, `${directoryOf(epoch)}/complete`, { maximumBytes: 64 * 1024, signal })
  if (bytes === undefined) return undefined
  const base = JSON.parse(bytes.toString('utf8')) as { readonly format?: string; readonly version?: number }
  if (base.format !== 'berth-journal' || base.version !== 1) throw new Error(`the journal of epoch ${epoch} is of another version of Berth`)
  return base as JournalBase
}

/** One whose numbers another one has, and more, is in that one. */
function withoutContained(additions: readonly JournalAddition[]): readonly JournalAddition[] {
  const sorted = additions.toSorted((one, other) => one.from - other.from || other.to - one.to || one.position - other.position)
  const kept: JournalAddition[] = []
  for (const addition of sorted) {
    const last = kept.at(-1)
    const isContained = last !== undefined && addition.to <= last.to && (addition.from > last.from || addition.to < last.to)
    if (!isContained) kept.push(addition)
  }
  return kept
}

/** Where an epoch is read. */
export interface EpochSource {
  readonly files: NamedFiles
  readonly signal: AbortSignal
  /** Told why a file is missing or cannot be read, and it is left out; without this that is thrown. */
  readonly onDamaged?: ((reason: string) => void) | undefined
}

/** All lines of an epoch, some thousand at once, in order. */
export async function* readEpoch(
  { files, signal, onDamaged }: EpochSource,
  { epoch, base, additions }: JournalEpoch,
): AsyncGenerator<readonly JournalLine[]> {
  const parts = Array.from({ length: base?.parts ?? 0 }, (_, index) => `${directoryOf(epoch)}/base-${numbered(index)}.gz`)
  for (const name of [...parts, ...additions.map((addition) => addition.name)]) {
    const bytes = await readWholeFile(files, name, { maximumBytes: fileBytesMax, signal })
    try {
      if (bytes === undefined) throw new DamagedJournal(`the journal lacks ${name}`)
      yield linesOf(name, bytes)
    } catch (error) {
      if (onDamaged === undefined || !(error instanceof DamagedJournal)) throw error
      onDamaged(error.message)
    }
  }
}

/** A file of the journal is missing, or is not as it was written. */
export class DamagedJournal extends Error {
  override readonly name = 'DamagedJournal'
}

function linesOf(name: string, bytes: Buffer): readonly JournalLine[] {
  try {
    const texts = gunzipSync(bytes).toString('utf8').split('\n')
    return texts.filter((text) => text !== '').map((text) => JSON.parse(text) as JournalLine)
  } catch (cause) {
    throw new DamagedJournal(`${name} of the journal cannot be read`, { cause })
  }
}

/** Puts the additions together into one: gzip's own format allows that. Those that it holds go after it is there. */
export async function packAdditions(
  files: NamedFiles,
  epoch: number,
  additions: readonly JournalAddition[],
  signal: AbortSignal,
): Promise<void> {
  const [first, last] = [additions[0], additions.at(-1)]
  if (first === undefined || last === undefined || additions.length < 2) return
  const pieces: Buffer[] = []
  for (const { name } of additions) {
    const bytes = await readWholeFile(files, name, { maximumBytes: fileBytesMax, signal })
    if (bytes === undefined) throw new Error(`the journal lacks ${name}`)
    pieces.push(bytes)
  }
  await files.put(additionName(epoch, { from: first.from, to: last.to, position: last.position }), contentOf(Buffer.concat(pieces)))
  await files.remove(additions.map(({ name }) => name))
}
