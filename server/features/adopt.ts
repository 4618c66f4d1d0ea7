/**
 * Adoption: takes over the data directory of registry:2 (or registry:3) where it is.
 *
 * The problem: an operator has terabytes in `/var/lib/registry` and scripts around it; copying takes a weekend, and a way back must stay open.
 * The way: only the small files are read (links, manifests) and become rows; blobs stay where they are, their rows say so, and nothing in the
 * directory is written, so the old registry can serve it still. One run walks the repositories in a fixed order, a few at once, each in batches of
 * one transaction; how far it came is a row, so a killed run goes on where it was, and a second run adds what came since. What is broken is
 * reported and left out, never fatal. What nothing in Berth references is not queued for garbage collection, for a manifest that was left out may
 * need it: only an operator's `garbage-collect` takes it. What was set in Berth is never overwritten (see adopt-rows.ts).
 * To adopt one more kind of thing of a repository, add a step to {@link adoptRepository}.
 */
import type { Logger } from '#lib/logger.ts'
import type { Ports } from '#lib/ports.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { adoptLayerLinks } from './adopt-blobs.ts'
import { readDeletions } from './adopt-deletions.ts'
import { hasRegistry2Layout, requireRegistry2Layout } from './adopt-place.ts'
import { inBatches, type LayoutSource } from './adopt-files.ts'
import { adoptManifests } from './adopt-manifests.ts'
import {
  addProblems,
  addTally,
  logProblems,
  ProblemCollector,
  type AdoptionTally,
  type Problem,
  type ProblemTotals,
} from './registry2-report.ts'
import { RepositoryAdoption, type AdoptionRun } from './adopt-run.ts'
import { newAdoption, readAdoption, writeAdoption, type AdoptionState, type Verification } from './adopt-state.ts'
import { adoptTags, reportUploads } from './adopt-tags.ts'
import { databaseTarget, dryTarget } from './adopt-target.ts'
import { verifyBlobs } from './adopt-verify.ts'
import { walkRepositories } from './adopt-walk.ts'

/** The rooms and limits of an adoption. A manifest larger than `manifestBytes` is reported and left out. */
export interface AdoptionParts {
  readonly metadata: Metadata
  /** Name of the blob store over `rootDirectory`. */
  readonly storeName: string
  /** Absolute; `docker/registry/v2` is below it. */
  readonly rootDirectory: string
  readonly garbageDelayMs: number
  readonly manifestBytes: number
  readonly context: { readonly ports: Ports; readonly log: Logger }
}

/** What one run does and whom it tells. An abort leaves what is committed; the next run goes on from there. */
export interface AdoptionOptions {
  readonly verify: Verification
  /** Looks and reports, writes nothing. */
  readonly dryRun?: boolean
  readonly signal?: AbortSignal | undefined
  /** Called after each batch with what is done so far; without it a line is logged from time to time. */
  readonly onProgress?: (progress: AdoptionProgress) => void
  /** Called for each repository that has problems; without it they are logged. */
  readonly onProblems?: (problems: readonly Problem[]) => void
}

/** How far a run is: its phase, and the numbers since the first of the runs that it continues. */
export interface AdoptionProgress {
  readonly phase: AdoptionState['phase']
  readonly tally: AdoptionTally
}

/** What came of it. The numbers include those of the runs that this one continued; `durationMs` is of this run alone. */
export interface AdoptionReport {
  readonly tally: AdoptionTally
  readonly problems: ProblemTotals
  /** Whether an earlier run was continued. */
  readonly isResumed: boolean
  readonly durationMs: number
}

/** Repositories under way at once: their transactions share commits. */
const repositoriesAtOnce = 4
const logIntervalMs = 5_000

/** What a start does: adopts the directory unless that is finished, or there is none. Undefined when there is nothing to do. */
export async function adoptIfNeeded(
  parts: AdoptionParts,
  options: AdoptionOptions = { verify: 'size' },
): Promise<AdoptionReport | undefined> {
  const state = await readAdoption(parts.metadata)
  if (state?.phase === 'finished') return undefined
  if (!(await hasRegistry2Layout(parts.context.ports.files, parts.rootDirectory))) return undefined
  return await adoptRegistry2(parts, options)
}

/** Adopts the directory, going on where a run that did not finish stopped; after one that did, looks at everything again. */
export async function adoptRegistry2(parts: AdoptionParts, options: AdoptionOptions): Promise<AdoptionReport> {
  const { ports, log } = parts.context
  await requireRegistry2Layout(ports.files, parts.rootDirectory)
  const startedAt = ports.clock.monotonic()
  const earlier = options.dryRun === true ? undefined : await readAdoption(parts.metadata)
  const isResumed = earlier !== undefined && earlier.phase !== 'finished'
  const state = isResumed
    ? { ...earlier, verify: options.verify === 'digest' ? 'digest' : earlier.verify }
    : newAdoption(options.verify, ports.clock.now(), earlier)
  log.info(
    { rootDirectory: parts.rootDirectory, resumed: isResumed, dryRun: options.dryRun === true },
    'adopting the data directory of registry:2',
  )
  const adoption = new Adoption(parts, options, state)
  await adoption.repositories()
  if (options.dryRun !== true) await adoption.blobs()
  const { tally, problems } = adoption.state
  const durationMs = Math.round(ports.clock.monotonic() - startedAt)
  log.info(
    { ...tally, problems, durationMs },
    options.dryRun === true ? 'looked at the data directory of registry:2' : 'adopted the data directory of registry:2',
  )
  return { tally, problems, isResumed, durationMs }
}

/** One run: where it is, and what it tells on the way. */
class Adoption {
  state: AdoptionState
  readonly #parts: AdoptionParts
  readonly #options: AdoptionOptions
  readonly #source: LayoutSource
  readonly #onProblems: (problems: readonly Problem[]) => void
  #underWay: RepositoryAdoption[] = []
  #loggedAt: number

  constructor(parts: AdoptionParts, options: AdoptionOptions, state: AdoptionState) {
    this.#parts = parts
    this.#options = options
    this.state = state
    this.#onProblems = options.onProblems ?? logProblems(parts.context.log)
    this.#source = { files: parts.context.ports.files, rootDirectory: parts.rootDirectory }
    this.#loggedAt = parts.context.ports.clock.monotonic()
  }

  async repositories(): Promise<void> {
    if (this.state.phase !== 'repositories') return
    const run = await this.#run()
    const strays = new ProblemCollector('repositories')
    const found = walkRepositories(this.#source, this.state.afterRepository, (kind, example) => strays.add(kind, example))
    for await (const group of inBatches(found, repositoriesAtOnce)) {
      this.#options.signal?.throwIfAborted()
      for (const { path, name } of group) if (name === undefined) strays.add('name-invalid', path)
      this.#underWay = group.flatMap(({ name }) =>
        name === undefined || run.deleted.repositories.has(name) ? [] : [new RepositoryAdoption(run, name)],
      )
      await settleAll(this.#underWay.map(adoptRepository))
      const done = this.#underWay
      this.#underWay = []
      for (const { tally, problems } of done) this.#add(tally, problems.list())
      await this.#save({ afterRepository: group.at(-1)?.path ?? '' })
    }
    this.#add({}, strays.list())
    await this.#save({ phase: 'blobs' })
  }

  async blobs(): Promise<void> {
    const { metadata, storeName, context } = this.#parts
    const { signal } = this.#options
    const parts = { metadata, storeName, source: this.#source, signal, clock: context.ports.clock }
    while (this.state.verify === 'digest') {
      const page = await verifyBlobs(parts, this.state.afterBlob)
      if (page === undefined) break
      this.#add({ blobsVerified: page.verified }, page.problems)
      await this.#save({ afterBlob: page.afterId })
      this.#tick()
    }
    const finishedAt = context.ports.clock.now()
    await this.#save({ phase: 'finished', finishedAt, firstFinishedAt: this.state.firstFinishedAt ?? finishedAt })
  }

  async #run(): Promise<AdoptionRun> {
    const { metadata, storeName, garbageDelayMs, manifestBytes, context } = this.#parts
    const target =
      this.#options.dryRun === true ? dryTarget() : databaseTarget({ metadata, storeName, garbageDelayMs, clock: context.ports.clock })
    const now = context.ports.clock.now()
    const deleted = await readDeletions(metadata.reader, this.state.firstFinishedAt)
    return { source: this.#source, target, deleted, manifestBytes, now, signal: this.#options.signal, tick: () => this.#tick() }
  }

  #add(tally: Partial<AdoptionTally>, problems: readonly Problem[]): void {
    this.state = { ...this.state, tally: addTally(this.state.tally, tally), problems: addProblems(this.state.problems, problems) }
    if (problems.length > 0) this.#onProblems(problems)
  }

  async #save(change: Partial<AdoptionState>): Promise<void> {
    this.state = { ...this.state, ...change }
    if (this.#options.dryRun !== true) await writeAdoption(this.#parts.metadata, this.state)
  }

  #tick(): void {
    const tally = this.#underWay.reduce((sum, adoption) => addTally(sum, adoption.tally), this.state.tally)
    if (this.#options.onProgress !== undefined) return this.#options.onProgress({ phase: this.state.phase, tally })
    const { clock } = this.#parts.context.ports
    if (clock.monotonic() - this.#loggedAt < logIntervalMs) return
    this.#loggedAt = clock.monotonic()
    this.#parts.context.log.info({ phase: this.state.phase, ...tally }, 'adopting the data directory of registry:2')
  }
}

/** All of one repository. Blobs first, so that manifests find what they need; tags last, so that they point at what is there. */
async function adoptRepository(adoption: RepositoryAdoption): Promise<void> {
  await adoptLayerLinks(adoption)
  await adoptManifests(adoption)
  await adoptTags(adoption)
  await reportUploads(adoption)
  adoption.count({ repositories: 1 })
  adoption.run.tick()
}

/** Waits for all, also when one fails, so that nothing still writes after the failure is told. */
async function settleAll(work: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(work)).find((result) => result.status === 'rejected')
  if (failed !== undefined) throw failed.reason as Error
}
