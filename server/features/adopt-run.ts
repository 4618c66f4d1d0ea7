/** What the steps of an adoption share: the whole run, and the repository that is under way. */
import type { Digest } from '#oci/digest.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { deletionKey, type Deletions } from './adopt-deletions.ts'
import type { LayoutSource } from './adopt-files.ts'
import { addTally, emptyTally, ProblemCollector, type AdoptionTally } from './registry2-report.ts'
import type { FoundBlob } from './adopt-rows.ts'
import type { AdoptionTarget } from './adopt-target.ts'

/** One adoption of one directory. */
export interface AdoptionRun {
  readonly source: LayoutSource
  readonly target: AdoptionTarget
  readonly deleted: Deletions
  /** Larger manifests are left out. */
  readonly manifestBytes: number
  readonly now: number
  readonly signal: AbortSignal | undefined
  /** Called after each batch, to show progress. */
  readonly tick: () => void
}

/** What the directory has under a digest: a blob, or why none. */
export type LocatedBlob = FoundBlob | 'absent' | 'dangling' | 'broken' | 'leaving'

/** Blobs of a repository that are remembered, so that a layer that all its images share is looked up once. */
const rememberedBlobs = 20_000
const rememberedFailures = 100_000

/** Blobs of one repository that were looked up. Bounded: the oldest go first. */
class BlobMemory {
  readonly #known = new Map<Digest, LocatedBlob>()

  get(digest: Digest): LocatedBlob | undefined {
    return this.#known.get(digest)
  }

  set(digest: Digest, located: LocatedBlob): void {
    this.#known.delete(digest)
    this.#known.set(digest, located)
    const [oldest] = this.#known.size > rememberedBlobs ? this.#known.keys() : []
    if (oldest !== undefined) this.#known.delete(oldest)
  }
}

/** The repository under way: what was found so far, and what was wrong. */
export class RepositoryAdoption {
  readonly run: AdoptionRun
  readonly name: RepositoryName
  readonly known = new BlobMemory()
  readonly problems: ProblemCollector
  readonly #failedRevisions = new Set<Digest>()
  #tally: AdoptionTally = emptyTally

  constructor(run: AdoptionRun, name: RepositoryName) {
    this.run = run
    this.name = name
    this.problems = new ProblemCollector(name)
  }

  get tally(): AdoptionTally {
    return this.#tally
  }

  count(more: Partial<AdoptionTally>): void {
    this.#tally = addTally(this.#tally, more)
  }

  /** Remembers a revision that was reported and is not worth a second look. */
  failRevision(digest: Digest): void {
    if (this.#failedRevisions.size < rememberedFailures) this.#failedRevisions.add(digest)
  }

  /** Whether it was deleted from this repository in Berth. */
  isDeleted(digest: Digest): boolean {
    return this.run.deleted.contents.has(deletionKey(this.name, digest))
  }

  hasFailed(digest: Digest): boolean {
    return this.#failedRevisions.has(digest)
  }
}
