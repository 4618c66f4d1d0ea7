/**
 * Making the database of a store again from the journal in the store.
 *
 * The lines are applied in their order, some hundred in a transaction; what a later line takes back is left out from the first, so that nothing is made that
 * would have to go again. Several epochs are read as one (journal-epochs.ts). Then the store is asked for each blob: one that is elsewhere by now is found by its name, and one that is not there is missing for
 * everyone until it is pushed. Applying is safe to repeat, so a recovery that died is run again.
 */
import type { NamedFiles } from '#blobs/named-files.ts'
import { manifestsOfRepository } from '#metadata/manifests.ts'
import type { Reader } from '#metadata/metadata.ts'
import { deleteSetting, findSetting, putSetting } from '#metadata/settings.ts'
import { setTagExpiry } from '#metadata/tag-expiry.ts'
import { pointTag, tagTarget } from '#metadata/tags.ts'
import { transaction } from '#metadata/transaction.ts'
import { tagsChanged } from '#metadata/usage.ts'
import { digestAlgorithm, digestOf, parseDigest, type Digest } from '#oci/digest.ts'
import { parseManifest } from '#oci/manifest.ts'
import { isManifestMediaType } from '#oci/media-types.ts'
import type { RepositoryName, Tag } from '#oci/reference.ts'
import { ensureRepository } from '#registry/ensure-repository.ts'
import { foundManifest, type FoundManifest } from '#registry/found-manifest.ts'
import { findBlobs, type FindParts } from './journal-blobs.ts'
import { coverLines, linesTakenIn, type ChosenEpoch } from './journal-epochs.ts'
import { DamagedJournal, lineOf, readEpoch, type EpochSource, type JournalEpoch } from './journal-files.ts'
import type { JournalBlob, JournalLine, ManifestLine, TagLine } from './journal-lines.ts'

const markerSetting = 'recover'

/** What writes the rows. */
export interface RecoverParts extends FindParts {
  readonly files: NamedFiles
  readonly now: number
  readonly addBlobs: (repository: RepositoryName, store: string, blobs: readonly JournalBlob[]) => Promise<void>
  readonly addManifests: (repository: RepositoryName, manifests: readonly FoundManifest[]) => Promise<void>
  readonly addProject: (name: string) => Promise<void>
  readonly onStep: (text: string) => void
}

/** What an epoch of the journal gave. */
export interface RecoveredEpoch extends Pick<ChosenEpoch, 'use' | 'replacedBy'> {
  readonly epoch: number
  /** When the base was written; what came after it is there too. Undefined for one without. */
  readonly baseAt: number | undefined
  /** What came with it that none before it had. */
  readonly repositories: number
  readonly manifests: number
  readonly tags: number
}

/** What was made. */
export interface Recovery {
  /** Oldest first, also those that were not read. */
  readonly epochs: readonly RecoveredEpoch[]
  readonly projects: number
  readonly repositories: number
  readonly manifests: number
  readonly tags: number
  readonly blobs: number
  /** Blobs that were found under another key than the journal says. */
  readonly moved: number
  readonly missing: readonly Digest[]
  /** Lines that could not be applied: a sentence each. */
  readonly problems: readonly string[]
}

/** Throws one sentence where a recovery did not come to its end. */
export async function refuseHalfRecovered(reader: Reader): Promise<void> {
  if ((await findSetting(reader, markerSetting)) !== undefined)
    throw new Error('a recovery of this database did not come to its end: run berth recover again, with the same configuration')
}

/** Whether a recovery began here. */
export async function isRecovering(reader: Reader): Promise<boolean> {
  return (await findSetting(reader, markerSetting)) !== undefined
}

interface Marker {
  /** Those that are read. */
  readonly epochs?: readonly number[]
}

const begin = transaction(import.meta.url, 'journal-recover/begin', (tx, marker: Marker) => putSetting(tx, markerSetting, marker))

const finish = transaction(import.meta.url, 'journal-recover/finish', async (tx, lines: readonly string[]) => {
  await coverLines(tx, lines)
  await deleteSetting(tx, markerSetting)
})

/** Epochs that were read to their end once. */
export interface ReadJournal {
  readonly chosen: readonly ChosenEpoch[]
  readonly gone: Removals
  /** Files that are left out: why, a sentence each. Undefined: none may be. */
  readonly damaged: Set<string> | undefined
}

function journalsOf(chosen: readonly ChosenEpoch[]): readonly JournalEpoch[] {
  return chosen.filter(({ use }) => use === 'read').map(({ journal }) => journal)
}

/** How the journal is read. */
interface ReadOptions {
  readonly signal: AbortSignal
  /** What is missing or cannot be read is left out. */
  readonly skipsDamaged?: boolean | undefined
}

/** What of the epochs holds at their end. Throws one sentence for one that is not whole, before anything is made of the others. */
export async function readJournal(
  files: NamedFiles,
  chosen: readonly ChosenEpoch[],
  { signal, skipsDamaged = false }: ReadOptions,
): Promise<ReadJournal> {
  const damaged = skipsDamaged ? new Set<string>() : undefined
  return { chosen, damaged, gone: await readRemovals({ ...sourceOf(files, signal, damaged), journals: journalsOf(chosen) }) }
}

function sourceOf(files: NamedFiles, signal: AbortSignal, damaged: Set<string> | undefined): EpochSource {
  return { files, signal, onDamaged: damaged && ((reason) => damaged.add(reason)) }
}

/** Applies the epochs that are to be read. */
export async function recover(parts: RecoverParts, { chosen, gone, damaged }: ReadJournal): Promise<Recovery> {
  const { metadata, files, signal, onStep } = parts
  const journals = journalsOf(chosen)
  const source = sourceOf(files, signal, damaged)
  await refuseOtherChoice(metadata.reader, journals)
  await metadata.write(begin, { epochs: journals.map(({ epoch }) => epoch) })
  const run: Run = {
    ...parts,
    gone,
    at: 0,
    line: '',
    problems: [...(damaged ?? [])].map(
      (reason) => `${reason}, and is left out: what it says is not recovered, and what it says was deleted is there`,
    ),
    waitingTags: new Map(),
    projects: new Set(),
    counts: { manifests: 0, tags: 0 },
  }
  const epochs: RecoveredEpoch[] = []
  let before = await countRows(metadata.reader)
  for (const { journal, use, replacedBy } of chosen) {
    run.line = lineOf(journal) ?? ''
    for await (const lines of use === 'read' ? readEpoch(source, journal) : []) {
      await applyLines(run, lines)
      onStep(`${run.counts.manifests} manifests, ${run.counts.tags} tags`)
    }
    const after = await countRows(metadata.reader)
    epochs.push({ epoch: journal.epoch, baseAt: journal.base?.at, use, replacedBy, ...differenceOf(before, after) })
    before = after
  }
  for (const problem of run.waitingTags.values()) note(run, problem)
  const found = await findBlobs(parts)
  if (before.manifests === 0) await noteNothing(run, chosen)
  await metadata.write(finish, linesTakenIn(chosen))
  return { ...before, projects: run.projects.size, epochs, ...found, problems: run.problems }
}

/** What a recovery that died took from other epochs would stay. */
async function refuseOtherChoice(reader: Reader, journals: readonly JournalEpoch[]): Promise<void> {
  const { epochs } = ((await findSetting(reader, markerSetting)) as Marker | undefined) ?? {}
  const names = journals.map(({ epoch }) => epoch).join(', ')
  if (epochs !== undefined && epochs.join(', ') !== names)
    throw new Error(
      `a recovery from the epochs ${epochs.join(', ')} did not come to its end here, and this one would read ${names}: choose the same, or another empty database`,
    )
}

/** An empty registry is hardly what is wanted: where the store has more, that is said. */
async function noteNothing(run: Run, chosen: readonly ChosenEpoch[]): Promise<void> {
  const others = chosen.filter(({ use }) => use === 'replaced' || use === 'not chosen').map(({ journal }) => journal.epoch)
  if (others.length > 0)
    note(run, `nothing was recovered, and other epochs were not read (${others.join(', ')}): with an empty database, --epoch chooses them`)
  for (const [name, store] of run.stores.all) {
    const { keys } = await store.list({ limit: 1_000 })
    if (keys.length > 0) note(run, `the journal tells of no image, but the store ${name} has blobs`)
  }
}

interface Counts {
  readonly repositories: number
  readonly manifests: number
  readonly tags: number
}

function differenceOf(before: Counts, after: Counts): Counts {
  return {
    repositories: after.repositories - before.repositories,
    manifests: after.manifests - before.manifests,
    tags: after.tags - before.tags,
  }
}

async function countRows(reader: Reader): Promise<Counts> {
  const count = async (table: 'repositories' | 'manifests' | 'tags') =>
    Number(
      (
        await reader
          .selectFrom(table)
          .select((eb) => eb.fn.countAll().as('count'))
          .executeTakeFirst()
      )?.count ?? 0,
    )
  return { repositories: await count('repositories'), manifests: await count('manifests'), tags: await count('tags') }
}

/** The number of the last line that takes something back, by what it takes back. */
type Removals = ReadonlyMap<string, number>

async function readRemovals(source: JournalSource): Promise<Removals> {
  const gone = new Map<string, number>()
  let hasManifests = false
  await eachLine(source, (line, at, of) => {
    if (line.k === 'no-manifest' || line.k === 'no-tag' || line.k === 'no-repository') gone.set(nameOf(line, of), at)
    hasManifests ||= line.k === 'no-manifest'
  })
  if (!hasManifests) return gone
  // A manifest that was deleted took the tags with it that pointed at it, and no line says so: those went with it, whatever they pointed at before.
  await eachLine(source, (line, at, of) => {
    if (line.k !== 'tag' || (gone.get(manifestName(line.r, line.d)) ?? -1) < at) return
    // Behind the line itself, and before the next one.
    gone.set(nameOf(line, of), Math.max(gone.get(nameOf(line, of)) ?? -1, at + 0.5))
  })
  return gone
}

interface JournalSource extends EpochSource {
  readonly journals: readonly JournalEpoch[]
}

/** All lines of all epochs as if they were one. */
async function eachLine(source: JournalSource, take: (line: JournalLine, at: number, of: string) => void): Promise<void> {
  let at = 0
  for (const journal of source.journals) {
    const of = lineOf(journal) ?? ''
    for await (const lines of linesOf(source, journal)) for (const line of lines) take(line, at++, of)
  }
}

/** Throws one sentence for an epoch that is not whole. */
async function* linesOf(source: JournalSource, journal: JournalEpoch): AsyncGenerator<readonly JournalLine[]> {
  try {
    yield* readEpoch(source, journal)
  } catch (error) {
    if (!(error instanceof DamagedJournal)) throw error
    const others = source.journals.filter((each) => each !== journal).map(({ epoch }) => `--epoch ${epoch}`)
    const instead = others.length === 0 ? '' : `; berth recover ${others.join(' ')} does without epoch ${journal.epoch}`
    const message = `${error.message}: berth recover --skip-damaged leaves it out, with what it says${instead}`
    throw new DamagedJournal(message, { cause: error.cause })
  }
}

/** What a line is about. A repository as a whole is that of one line of epochs (`of`). */
function nameOf(line: JournalLine, of: string): string {
  if (line.k === 'manifest' || line.k === 'no-manifest') return manifestName(line.r, line.d)
  if (line.k === 'tag' || line.k === 'no-tag') return `tag ${line.r} ${line.t}`
  return line.k === 'project' ? `project ${line.n}` : repositoryName(line.r, of)
}

function manifestName(repository: string, digest: Digest): string {
  return `manifest ${repository} ${digest}`
}

function repositoryName(repository: string, of: string): string {
  return `repository ${of} ${repository}`
}

interface Run extends RecoverParts {
  readonly gone: Removals
  /** Number of the next line. */
  at: number
  /** What the epoch that is read belongs to. */
  line: string
  readonly problems: string[]
  /** Tags whose manifest did not come yet, by name: with a later line it may. */
  readonly waitingTags: Map<string, string>
  readonly projects: Set<string>
  readonly counts: { manifests: number; tags: number }
}

const problemsMax = 100

function note(run: Run, problem: string): void {
  if (run.problems.length < problemsMax) run.problems.push(problem)
}

function isTakenBack({ gone, line: of }: Run, line: JournalLine, at: number): boolean {
  const repository = 'r' in line ? gone.get(repositoryName(line.r, of)) : undefined
  return (repository ?? -1) > at || (gone.get(nameOf(line, of)) ?? -1) > at
}

const manifestsAtOnce = 50

/** Manifests before the tags that stand among them: within one file that is their order. */
async function applyLines(run: Run, lines: readonly JournalLine[]): Promise<void> {
  let waiting: ManifestLine[] = []
  const flush = async () => {
    await applyManifests(run, waiting)
    waiting = []
  }
  for (const line of lines) {
    run.signal.throwIfAborted()
    const at = run.at++
    if (isTakenBack(run, line, at)) continue
    if (line.k === 'manifest') waiting.push(line)
    if (waiting.length >= manifestsAtOnce || (line.k !== 'manifest' && waiting.length > 0)) await flush()
    if (line.k === 'tag') await applyTag(run, line)
    if (line.k === 'repository') await run.metadata.write(makeRepository, { repository: line.r as RepositoryName, now: run.now })
    if (line.k !== 'project') continue
    await run.addProject(line.n)
    run.projects.add(line.n)
  }
  await flush()
}

const actor = { name: 'system:recover', requestId: '' }

const makeRepository = transaction(
  import.meta.url,
  'journal-recover/make-repository',
  async (tx, { repository, now }: { readonly repository: RepositoryName; readonly now: number }) => {
    await ensureRepository(tx, { repository, now, actor })
  },
)

async function applyManifests(run: Run, lines: readonly ManifestLine[]): Promise<void> {
  const byRepository = Map.groupBy(lines, ({ r }) => r)
  for (const [repository, some] of byRepository) {
    const name = repository as RepositoryName
    const whole = some.map((line) => readManifest(run, line)).filter((manifest) => manifest !== undefined)
    const byStore = Map.groupBy(
      some.flatMap(({ b }) => b),
      ([, , store]) => store,
    )
    for (const [store, blobs] of byStore) await run.addBlobs(name, store, [...new Map(blobs.map((blob) => [blob[0], blob])).values()])
    await run.addManifests(name, whole)
    run.counts.manifests += whole.length
  }
}

/** A document that is not what its digest says is left out. */
function readManifest(run: Run, { r, d, m, at, p, b }: ManifestLine): FoundManifest | undefined {
  const payload = Buffer.from(p, 'base64')
  const digest = parseDigest(d)
  if (digest === undefined || digestOf(payload, digestAlgorithm(digest)) !== digest) {
    note(run, `${r}: manifest ${d} of the journal is not what its digest says`)
    return undefined
  }
  try {
    const known = new Set(b.map(([blob]) => blob))
    return foundManifest({ digest, payload, modifiedAt: at }, parseManifest(payload, m), {
      isPresent: (blob) => known.has(blob),
      isBlobChild: (child) => !isManifestMediaType(child.mediaType) || known.has(child.digest),
    })
  } catch (error) {
    note(run, `${r}: manifest ${d} cannot be read: ${(error as Error).message}`)
    return undefined
  }
}

interface PointTag {
  readonly repository: RepositoryName
  readonly tag: Tag
  readonly digest: Digest
  readonly at: number
  readonly expiresAt: number | undefined
  readonly now: number
}

const pointAt = transaction(import.meta.url, 'journal-recover/point-tag', async (tx, input: PointTag): Promise<boolean> => {
  const { repository, tag, digest, at } = input
  const repositoryId = await ensureRepository(tx, { repository, now: input.now, actor })
  const manifestId = (await manifestsOfRepository(tx, repositoryId, [digest])).get(digest)
  if (manifestId === undefined) return false
  const before = await pointTag(tx, { repositoryId, tag, now: at, actor: actor.name, reason: 'recovered' }, { manifestId, digest })
  if (before === 'new') await tagsChanged(tx, repositoryId, 1)
  const target = await tagTarget(tx, repositoryId, tag)
  if (target !== undefined && input.expiresAt !== undefined) await setTagExpiry(tx, target.tagId, input.expiresAt)
  return true
})

async function applyTag(run: Run, { r, t, d, at, x }: TagLine): Promise<void> {
  const input = { repository: r as RepositoryName, tag: t as Tag, digest: d, at, expiresAt: x, now: run.now }
  if (await run.metadata.write(pointAt, input)) run.waitingTags.delete(`${r}:${t}`)
  else
    run.waitingTags.set(
      `${r}:${t}`,
      `${r}:${t} pointed at ${d} last, of which the journal has no manifest: it points at what it was before, if at anything`,
    )
}
