/**
 * The journal: what is needed to make the database of a store again is in the store, too.
 *
 * The problem: manifests, tags, and which bytes belong to which digest are rows; a store whose database is lost is a heap of bytes. The way: one process of all
 * reads the events as they come, looks how what they are about is now, and writes that to a small file, every two seconds where something happened. A base,
 * written anew when what was added since is larger, has everything else. Nothing waits for the journal; a store that is away makes it late, which metrics show.
 *
 * A base begins an epoch, which takes the place of the one before if that was this database's: epochs of one database bear one name, their line. The journal of
 * another database (one that was lost, or a copy that went on elsewhere) is never removed: what only it knows is for a recovery (journal-epochs.ts).
 */
import type { NamedFiles } from '#blobs/named-files.ts'
import type { Logger } from '#lib/logger.ts'
import type { Ports } from '#lib/ports.ts'
import { eventsBetween, newestEventId, type EventRow } from '#metadata/events.ts'
import type { Metadata, Reader } from '#metadata/metadata.ts'
import { findSetting, putSetting } from '#metadata/settings.ts'
import { SettledEvents } from '#metadata/settled-events.ts'
import { transaction } from '#metadata/transaction.ts'
import { digestFromBytes } from '#oci/digest.ts'
import { coveredLines } from './journal-epochs.ts'
import { completeBase, lineOf, listEpochs, packAdditions, putAddition, putBasePart, type JournalEpoch } from './journal-files.ts'
import { manifestLine, manifestLines, nameLines, repositoryLines, tagLine, tagLines, type JournalLine } from './journal-lines.ts'

const stateSetting = 'journal'

/** How far it is. */
export interface JournalState {
  readonly epoch: number
  /** The last event whose outcome is written. */
  readonly position: number
  /** The last rows that are written, for what came without an event: an import. */
  readonly manifestId: number
  readonly tagId: number
  readonly baseBytes: number
  readonly addedBytes: number
  /** Number of the last addition, and how many files they are. */
  readonly number: number
  readonly additions: number
}

/** Undefined before its first base. */
export async function readJournalState(reader: Reader): Promise<JournalState | undefined> {
  return (await findSetting(reader, stateSetting)) as JournalState | undefined
}

interface Keeping {
  readonly from: JournalState | undefined
  readonly to: JournalState
}

/** False when another process wrote meanwhile: this one was paused, and leads no more. */
const keepState = transaction(import.meta.url, 'journal/keep-state', async (tx, { from, to }: Keeping): Promise<boolean> => {
  const found = (await findSetting(tx, stateSetting)) as JournalState | undefined
  if (found?.epoch !== from?.epoch || found?.number !== from?.number || found?.position !== from?.position) return false
  await putSetting(tx, stateSetting, to)
  return true
})

/** What it is made of. */
export interface JournalParts {
  readonly metadata: Metadata
  readonly files: NamedFiles
  readonly ports: Pick<Ports, 'clock' | 'timers' | 'random'>
  readonly log: Logger
}

/** A base that is whole, and not yet the one that is added to. */
interface FinishedBase {
  readonly state: JournalState
  readonly line: string
}

const turnMs = 2_000
const eventsAtOnce = 1_000
const partBytes = 8 * 1024 * 1024
/** Below it nobody minds what was added since the base. */
const addedBytesMin = 32 * 1024 * 1024
const additionsMax = 256
/** How long a process that ends waits for a base that it is writing. */
const lastBaseMs = 5_000

/** Begins to write. Disposing writes what has happened until then. */
export function startJournal(parts: JournalParts): AsyncDisposable {
  const writer = new JournalWriter(parts)
  let current: Promise<void> | undefined
  const turn = () => {
    current ??= writer.turn().finally(() => (current = undefined))
  }
  turn()
  const timer = parts.ports.timers.every(turnMs, turn)
  return {
    async [Symbol.asyncDispose]() {
      timer[Symbol.dispose]()
      await current
      await writer.endBase()
      await writer.turn()
    },
  }
}

/** How old the oldest event is that is not written yet, in milliseconds; 0: none is. */
export async function journalLagMs(reader: Reader, now: number): Promise<number> {
  const state = await readJournalState(reader)
  const row = await reader
    .selectFrom('events')
    .select('at')
    .where('id', '>', state?.position ?? 0)
    .where('action', 'in', [...ofContent, ...ofWholeRepository, ...ofProject])
    .orderBy('id')
    .limit(1)
    .executeTakeFirst()
  return row === undefined ? 0 : Math.max(0, now - row.at)
}

class JournalWriter {
  readonly #parts: JournalParts
  readonly #settled: SettledEvents
  readonly #stop = new AbortController()
  readonly #signal = new AbortController().signal
  #isFailing = false
  #isBaseFailing = false
  #base: Promise<void> | undefined
  #finished: FinishedBase | undefined
  /** Of the epochs that this database wrote. */
  #line: string | undefined
  #wantsBase = false
  #isKnown = false

  constructor(parts: JournalParts) {
    this.#parts = parts
    this.#settled = new SettledEvents(parts.metadata.reader)
  }

  /** A base under way gets a little time, and is then given up: the next process begins one. */
  async endBase(): Promise<void> {
    const { timers } = this.#parts.ports
    const enough = new AbortController()
    if (this.#base !== undefined) await Promise.race([this.#base, timers.sleep(lastBaseMs, enough.signal).catch(() => undefined)])
    enough.abort()
    this.#stop.abort(new Error('the registry is stopping'))
    await this.#base
  }

  /** What another process wrote meanwhile is looked at in the next turn. */
  async #keep(from: JournalState | undefined, to: JournalState): Promise<boolean> {
    const isKept = await this.#parts.metadata.write(keepState, { from, to })
    if (!isKept) this.#isKnown = false
    return isKept
  }

  /** Writes what has happened since the last turn. What fails is tried again in the next one. */
  async turn(): Promise<void> {
    try {
      await this.#turn()
      this.#isFailing = false
    } catch (error) {
      if (!this.#isFailing)
        this.#parts.log.warn({ err: error }, 'the journal in the store cannot be written: it is tried again every two seconds')
      this.#isFailing = true
    }
  }

  async #turn(): Promise<void> {
    let state = await this.#takeBase(await this.#ownState())
    if (state === undefined || this.#wantsBase) this.#beginBase(state)
    if (state === undefined) return
    for (let isMore = true; isMore;) {
      const next = await this.#add(state)
      isMore = next.isMore
      if (next.state !== state && !(await this.#keep(state, next.state))) return
      state = next.state
    }
    await this.#tidy(state)
  }

  /** The state, unless the store has another journal than the one that it is about: then a new one begins, and the other stays. */
  async #ownState(): Promise<JournalState | undefined> {
    const { metadata, files } = this.#parts
    const state = await readJournalState(metadata.reader)
    if (state === undefined || this.#isKnown) return state
    const epochs = await listEpochs(files, this.#signal)
    const own = epochs.find(({ epoch, base }) => epoch === state.epoch && base !== undefined)
    // One more is there where a process died between the file and the row. More: the database is a copy from before, and what was written since is not in it.
    const isAhead = (own?.additions.at(-1)?.to ?? 0) > state.number + 1
    this.#line = own === undefined || isAhead ? undefined : lineOf(own)
    if (this.#line === undefined) return undefined
    // Another database wrote here meanwhile: the newest epoch is to be this one's.
    if (epochs.some(({ epoch, base }) => epoch > state.epoch && base !== undefined)) return undefined
    this.#isKnown = true
    return state
  }

  /** A base that was written meanwhile takes the place of the one before, whose files go. */
  async #takeBase(state: JournalState | undefined): Promise<JournalState | undefined> {
    const { metadata, files } = this.#parts
    const finished = this.#finished
    if (finished === undefined) return state
    this.#finished = undefined
    const { epoch } = finished.state
    // Where the state was not of this store, it is replaced all the same.
    const isTaken = await this.#keep(await readJournalState(metadata.reader), finished.state)
    const isOver = ({ epoch: each, base }: JournalEpoch) =>
      each < epoch && (base === undefined || lineOf({ epoch: each, base }) === finished.line)
    const current = isTaken ? undefined : (await readJournalState(metadata.reader))?.epoch
    const isLost = ({ epoch: each }: JournalEpoch) => each === epoch && each !== current
    for (const found of await listEpochs(files, this.#signal)) if (isTaken ? isOver(found) : isLost(found)) await files.remove(found.names)
    if (!isTaken) return undefined
    this.#isKnown = true
    this.#line = finished.line
    return finished.state
  }

  #beginBase(state: JournalState | undefined): void {
    if (this.#base !== undefined || this.#stop.signal.aborted) return
    this.#wantsBase = false
    this.#base = this.#writeBase(state)
      .then(
        (finished) => {
          this.#finished = finished
          this.#isBaseFailing = false
        },
        (error: unknown) => {
          this.#wantsBase = true
          if (this.#stop.signal.aborted || this.#isBaseFailing) return
          this.#isBaseFailing = true
          this.#parts.log.warn({ err: error }, 'the base of the journal cannot be written: it is tried again every two seconds')
        },
      )
      .finally(() => (this.#base = undefined))
  }

  async #writeBase(state: JournalState | undefined): Promise<FinishedBase> {
    const { metadata, files, ports } = this.#parts
    const line = this.#line ?? ports.random.uuid()
    const { reader } = metadata
    const { signal } = this.#stop
    const epochs = await listEpochs(files, signal)
    const epoch = Math.max(0, state?.epoch ?? 0, ...epochs.map((each) => each.epoch)) + 1
    // What happens from here on is added behind the base.
    const position = Math.min(await newestEventId(reader), await this.#settled.through())
    const writer = new BaseWriter(files, epoch)
    let [manifestId, tagId] = [0, 0]
    for await (const lines of nameLines(reader)) await writer.add(lines)
    for await (const { lines, lastId } of manifestLines(reader, {})) {
      signal.throwIfAborted()
      await writer.add(lines)
      manifestId = lastId
    }
    for await (const { lines, lastId } of tagLines(reader, {})) {
      signal.throwIfAborted()
      await writer.add(lines)
      tagId = lastId
    }
    const { parts, bytes } = await writer.end()
    const [at, covers] = [ports.clock.now(), await coveredLines(reader)]
    await completeBase(files, epoch, { format: 'berth-journal', version: 1, position, at, parts, bytes, line, covers })
    return { line, state: { epoch, position, manifestId, tagId, baseBytes: bytes, addedBytes: 0, number: 0, additions: 0 } }
  }

  async #add(state: JournalState): Promise<{ readonly state: JournalState; readonly isMore: boolean }> {
    const { metadata, files } = this.#parts
    const { reader } = metadata
    const through = Math.min(await this.#settled.through(), Number.MAX_SAFE_INTEGER)
    const events = await eventsBetween(reader, { after: state.position, through, limit: eventsAtOnce })
    const about = aboutOf(events)
    if (about.isEverything) this.#wantsBase = true
    const { lines, ...last } = await linesFor(reader, state, about)
    const position = events.at(-1)?.id ?? state.position
    const moved = { ...state, ...last, position }
    const isMore = events.length === eventsAtOnce
    // Events that are about nothing here are passed over, and that is kept once in a while.
    const isWorthKeeping = position - state.position >= eventsAtOnce / 2 || last.manifestId !== state.manifestId
    if (lines.length === 0) return { state: isWorthKeeping ? moved : state, isMore }
    const number = state.number + 1
    const bytes = await putAddition(files, state.epoch, { number, position, lines })
    return { state: { ...moved, number, addedBytes: state.addedBytes + bytes, additions: state.additions + 1 }, isMore }
  }

  /** Keeps the number of files, and what must be read to recover, in bounds. */
  async #tidy(state: JournalState): Promise<void> {
    const { files } = this.#parts
    if (state.addedBytes > Math.max(addedBytesMin, state.baseBytes)) this.#wantsBase = true
    if (state.additions < additionsMax) return
    const own = (await listEpochs(files, this.#signal)).find(({ epoch }) => epoch === state.epoch)
    await packAdditions(files, state.epoch, own?.additions ?? [], this.#signal)
    await this.#keep(state, { ...state, additions: 1 })
  }
}

/** Cuts a base into parts. */
class BaseWriter {
  readonly #files: NamedFiles
  readonly #epoch: number
  #lines: JournalLine[] = []
  #waiting = 0
  #parts = 0
  #bytes = 0

  constructor(files: NamedFiles, epoch: number) {
    this.#files = files
    this.#epoch = epoch
  }

  async add(lines: readonly JournalLine[]): Promise<void> {
    for (const line of lines) {
      this.#lines.push(line)
      this.#waiting += line.k === 'manifest' ? line.p.length + 200 : 200
    }
    if (this.#waiting >= partBytes) await this.#flush()
  }

  async end(): Promise<{ readonly parts: number; readonly bytes: number }> {
    if (this.#lines.length > 0) await this.#flush()
    return { parts: this.#parts, bytes: this.#bytes }
  }

  async #flush(): Promise<void> {
    this.#bytes += await putBasePart(this.#files, this.#epoch, { number: this.#parts, lines: this.#lines })
    this.#parts++
    ;[this.#lines, this.#waiting] = [[], 0]
  }
}

/** What some events are about. */
interface About {
  readonly manifests: Map<string, readonly [repository: string, digest: Buffer]>
  /** With what the event says that it points at. */
  readonly tags: Map<string, readonly [repository: string, tag: string, digest: Buffer | null]>
  /** With all that they have. */
  readonly repositories: Set<string>
  /** A project changed its name, went or came back: its repositories did, too. */
  isEverything: boolean
}

const ofWholeRepository: ReadonlySet<string> = new Set([
  'repository.created',
  'repository.deleted',
  'repository.moved',
  'trash.restored',
  'tag.restored',
])
/** Much is elsewhere, or called otherwise, from then on. */
const ofProject: ReadonlySet<string> = new Set(['project.created', 'project.deleted', 'project.renamed', 'storage.migrated'])
const ofContent: ReadonlySet<string> = new Set(['manifest.pushed', 'manifest.deleted', 'tag.moved', 'tag.deleted', 'tag.updated'])

function aboutOf(events: readonly EventRow[]): About {
  const about: About = { manifests: new Map(), tags: new Map(), repositories: new Set(), isEverything: false }
  for (const event of events) if (event.outcome === 'success') noteEvent(about, event)
  return about
}

function noteEvent(about: About, { action, repository, digest, tag, detail }: EventRow): void {
  if (ofProject.has(action) || (action === 'trash.restored' && repository === null)) about.isEverything = true
  if (repository === null) return
  if (action === 'repository.created') return void about.tags.set(`${repository} `, [repository, '', null])
  if (ofWholeRepository.has(action)) about.repositories.add(repository)
  if (action === 'repository.moved') about.repositories.add((JSON.parse(detail) as { readonly from: string }).from)
  if (!ofContent.has(action)) return
  if (digest !== null) about.manifests.set(`${repository} ${digest.toString('hex')}`, [repository, digest])
  if (tag !== null) about.tags.set(`${repository} ${tag}`, [repository, tag, digest])
}

async function linesAbout(reader: Reader, { manifests, tags, repositories }: About): Promise<JournalLine[]> {
  const lines: JournalLine[] = []
  for (const name of repositories) for await (const some of repositoryLines(reader, name)) lines.push(...some)
  for (const [repository, digest] of manifests.values())
    if (!repositories.has(repository)) lines.push(await manifestLine(reader, repository, digestFromBytes(digest)))
  for (const [repository, tag, digest] of tags.values()) {
    if (repositories.has(repository)) continue
    const line: JournalLine = tag === '' ? { k: 'repository', r: repository } : await tagLine(reader, repository, tag)
    // Moved since: what it points at now may have come since, too.
    if (line.k === 'tag' && digest !== null && digestFromBytes(digest) !== line.d)
      lines.push(await manifestLine(reader, repository, line.d))
    lines.push(line)
  }
  return lines
}

type LastRows = Pick<JournalState, 'manifestId' | 'tagId'>

/** What the events are about, and rows that came without one: of an import. */
async function linesFor(reader: Reader, state: LastRows, about: About): Promise<LastRows & { readonly lines: readonly JournalLine[] }> {
  const lines = await linesAbout(reader, about)
  const said = new Set(lines.map(nameOf))
  const last = { manifestId: state.manifestId, tagId: state.tagId }
  const add = (some: readonly JournalLine[]) => lines.push(...some.filter((line) => !said.has(nameOf(line))))
  for await (const page of manifestLines(reader, { after: state.manifestId })) {
    add(page.lines)
    last.manifestId = page.lastId
    // The rest comes in the next turn, tags behind their manifests.
    if (lines.length >= eventsAtOnce) return { lines, ...last }
  }
  for await (const page of tagLines(reader, { after: state.tagId })) {
    add(page.lines)
    last.tagId = page.lastId
  }
  return { lines, ...last }
}

function nameOf(line: JournalLine): string {
  if (line.k === 'manifest' || line.k === 'no-manifest') return `manifest ${line.r} ${line.d}`
  return line.k === 'tag' || line.k === 'no-tag' ? `tag ${line.r} ${line.t}` : line.k
}
