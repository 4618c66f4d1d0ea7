/**
 * Export: writes a directory from which registry:2 serves what Berth has, so that nobody is locked in.
 *
 * The problem: the way back must be as cheap as the way in, must work while Berth serves, and must include what was pushed to Berth. The way:
 * blobs become second names of the same files (copies only across devices), manifests and links are written from the rows, repository by
 * repository; everything appears whole by rename, and one walk at the end makes it durable. It may be repeated into the same directory: it adds and
 * moves tags, and removes nothing. What is named by sha512 is kept
 * under that name: registry:2 serves it so, and its garbage collection deletes the bytes of the sha256 aliases that it makes itself. To export to another layout, write a sibling of this file.
 */
import { join } from 'node:path'
import type { Stores } from '#blobs/stores.ts'
import type { Logger } from '#lib/logger.ts'
import type { Ports } from '#lib/ports.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { firstRepositoryName } from '#metadata/repositories.ts'
import { RegistryError } from '#oci/errors.ts'
import { layoutRoot, repositoriesRoot } from './registry2-layout.ts'
import { addProblems, logProblems, ProblemCollector, type Problem, type ProblemTotals } from './registry2-report.ts'
import { exportBlobs } from './export-blobs.ts'
import { exportMark, syncAll, writeBytes, type ExportDirectory } from './export-files.ts'
import { exportManifests, exportTags, newestManifest } from './export-manifests.ts'
import { addExportTally, emptyExportTally, type ExportedRepository, type ExportRun, type ExportTally } from './export-run.ts'

/** What is exported: the rows, and the stores that have their bytes. */
export interface ExportParts {
  readonly metadata: Metadata
  readonly stores: Stores
  /** Where the primary store keeps its files; undefined for a store without a directory. */
  readonly rootDirectory: string | undefined
  readonly context: { readonly ports: Ports; readonly log: Logger }
}

/** Where to, and whom to tell. An abort leaves whole files only; exporting again into the directory goes on. */
export interface ExportOptions {
  /** Absolute. Absent, empty, or of an earlier export. */
  readonly directory: string
  /** Writes into a directory that holds something else, too. */
  readonly force?: boolean
  readonly signal?: AbortSignal
  readonly onProgress?: (tally: ExportTally) => void
  /** Called for each repository that has problems; without it they are logged. */
  readonly onProblems?: (problems: readonly Problem[]) => void
}

/** What was written and what was wrong, over all repositories. */
export interface ExportReport {
  readonly tally: ExportTally
  readonly problems: ProblemTotals
  readonly durationMs: number
}

const repositoriesInPage = 100
/** A repository where tags move faster than they are written gets the last state that was whole. */
const roundsMax = 5

/** Writes everything into `directory` in registry:2's layout. Rejects when the directory holds something else. */
export async function exportRegistry2(parts: ExportParts, options: ExportOptions): Promise<ExportReport> {
  const { ports, log } = parts.context
  const startedAt = ports.clock.monotonic()
  const directory: ExportDirectory = { ports, path: options.directory }
  const signal = options.signal ?? new AbortController().signal
  await prepareDirectory(directory, options.force === true)
  await mark(directory, 'running', ports.clock.now())
  const onProblems = options.onProblems ?? logProblems(log)
  let tally = emptyExportTally
  let totals: ProblemTotals = {}
  const count = (more: Partial<ExportTally>) => {
    tally = addExportTally(tally, more)
    options.onProgress?.(tally)
  }
  const run: ExportRun = {
    reader: parts.metadata.reader,
    stores: parts.stores,
    rootDirectory: parts.rootDirectory,
    directory,
    log,
    signal,
    count,
  }
  for await (const { id, name } of repositoriesOf(run)) {
    const repository: ExportedRepository = { run, id, name, problems: new ProblemCollector(name) }
    await exportRepository(repository)
    count({ repositories: 1 })
    const problems = repository.problems.list()
    totals = addProblems(totals, problems)
    if (problems.length > 0) onProblems(problems)
  }
  await syncAll(directory, signal)
  // Only after everything else is durable; that this is, too, nobody relies on.
  await mark(directory, 'finished', ports.clock.now())
  const durationMs = Math.round(ports.clock.monotonic() - startedAt)
  log.info({ directory: options.directory, ...tally, problems: totals, durationMs }, 'exported the layout of registry:2')
  return { tally, problems: totals, durationMs }
}

async function* repositoriesOf({ reader, signal }: ExportRun): AsyncGenerator<{ readonly id: number; readonly name: string }> {
  let lastId: number | undefined = 0
  while (lastId !== undefined) {
    signal.throwIfAborted()
    const rows: { id: number; name: string }[] = await reader
      .selectFrom('repositories')
      .select(['id', 'name'])
      .where('id', '>', lastId)
      .where('name', '>=', firstRepositoryName)
      .orderBy('id')
      .limit(repositoriesInPage)
      .execute()
    yield* rows
    lastId = rows.at(-1)?.id
  }
}

/**
 * Blobs before the manifests that need them, those before the tags. What is pushed meanwhile has higher ids; a tag that moved to such a manifest waits
 * for the next round, so no tag ever points at something that is not written.
 */
async function exportRepository(repository: ExportedRepository): Promise<void> {
  let afterBlob = 0
  let afterManifest = 0
  for (let round = 0; round < roundsMax; round++) {
    const upTo = await newestManifest(repository)
    afterBlob = await exportBlobs(repository, afterBlob)
    await exportManifests(repository, afterManifest, upTo)
    const { written, beyond } = await exportTags(repository, upTo)
    if (beyond === 0) return repository.run.count({ tags: written })
    afterManifest = upTo
  }
  repository.problems.add('tag-moving', repository.name)
}

/** Refuses a directory with contents of somebody else: an export there would mix two registries. */
async function prepareDirectory({ ports: { files }, path }: ExportDirectory, force: boolean): Promise<void> {
  await files.mkdir(path, { recursive: true })
  const entries = await files.readdir(path)
  if (!force && entries.length > 0 && !entries.includes(exportMark)) {
    const message = 'the directory is not empty and not an earlier export: name another one, or say --force to add to what is there'
    throw new RegistryError('REQUEST_INVALID', { directory: path }, { message })
  }
  await files.mkdir(join(path, exportMark), { recursive: true })
  for (const name of await files.readdir(join(path, exportMark))) {
    // Left by a run that was killed.
    if (name.endsWith('.tmp')) await files.rm(join(path, exportMark, name), { force: true })
  }
  for (const part of [repositoriesRoot, `${layoutRoot}/blobs`]) await files.mkdir(join(path, part), { recursive: true })
}

async function mark(directory: ExportDirectory, status: 'running' | 'finished', at: number): Promise<void> {
  await writeBytes(directory, `${exportMark}/state.json`, Buffer.from(`${JSON.stringify({ layout: 'registry2', status, at })}\n`))
}
