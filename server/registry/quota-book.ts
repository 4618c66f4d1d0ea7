/**
 * What this process knows of limits of bytes, so that an upload that cannot fit is refused before its bytes are stored.
 *
 * The problem: whether a push fits is decided in its transaction, when all its bytes are here; a client should hear of it before, and no session may fill the
 * disk in vain; yet projects without a limit are to pay nothing. The way: the limits (few, and seldom changed) are kept in memory and read again when
 * the access epoch has moved, which is asked once a second at most; only for a repository under a limit is its usage read. What is refused here would be
 * refused there; what passes here may be refused there still.
 */
import type { Logger } from '#lib/logger.ts'
import type { Ports } from '#lib/ports.ts'
import { readAccessEpoch } from '#metadata/access-epoch.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { prefixesOf } from '#metadata/name-prefixes.ts'
import { allByteLimits, type BytesLimit } from '#metadata/quotas.ts'
import { projectsWithBlob } from '#metadata/usage-blobs.ts'
import { usageIn } from '#metadata/usage-counters.ts'
import type { Digest } from '#oci/digest.ts'
import { quotaExceeded } from '#oci/quota-exceeded.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { projectOf } from '#projects/find-project.ts'
import { foldUsage } from '#projects/fold-usage.ts'

const freshForMs = 1_000
/** Beyond so many changes, reading what is used begins to cost: they are folded. */
const changesMax = 250
/** And what few there are after so long, for the sake of warnings. */
const foldAfterMs = 1_000

/** What may still be stored in a project. */
export interface Allowance {
  readonly project: string
  readonly limit: number
  readonly used: number
}

/** What the book needs of its process. */
export interface QuotaBookParts {
  readonly metadata: Metadata
  readonly ports: Pick<Ports, 'clock' | 'timers'>
  readonly log: Logger
}

/** Throws DENIED for an upload of this size, complete or in the middle, that has no room. */
export function requireAllowed(allowance: Allowance | undefined, sizeBytes: number): void {
  if (allowance === undefined || allowance.used + sizeBytes <= allowance.limit) return
  throw quotaExceeded({ ...allowance, unit: 'bytes', more: sizeBytes })
}

/** Throws DENIED where nothing more fits, however small. */
export function requireAnyRoom(allowance: Allowance | undefined): void {
  if (allowance !== undefined && allowance.used >= allowance.limit) throw quotaExceeded({ ...allowance, unit: 'bytes', more: 0 })
}

/** Owns the timer of the next fold. */
export class QuotaBook implements Disposable {
  readonly #parts: QuotaBookParts
  #limits = new Map<string, BytesLimit>()
  #epoch = -1
  #freshUntil = -Infinity
  #reading: Promise<void> | undefined
  #changes = 0
  #isFolding = false
  #isDisposed = false
  #timer: Disposable | undefined

  constructor(parts: QuotaBookParts) {
    this.#parts = parts
  }

  /** The narrowest allowance for the repository, without a limit undefined; also where the blob is known and counts already wherever there is one. */
  async allowanceFor(repository: RepositoryName, digest?: Digest): Promise<Allowance | undefined> {
    if (this.#parts.ports.clock.monotonic() >= this.#freshUntil) await this.#refresh()
    if (this.#limits.size === 0) return undefined
    const { reader } = this.#parts.metadata
    let limits = await this.#limitsOf(repository)
    if (digest !== undefined && limits.length > 0) {
      const counted = await projectsWithBlob(reader, digest)
      limits = limits.filter(({ projectId }) => !counted.has(projectId))
    }
    let narrowest: Allowance | undefined
    for (const { projectId, project, bytesMax } of limits) {
      const { bytes } = await usageIn(reader, { scope: 'project', id: projectId })
      if (narrowest === undefined || bytesMax - bytes < narrowest.limit - narrowest.used)
        narrowest = { project, limit: bytesMax, used: bytes }
    }
    return narrowest
  }

  /** After a push: where it is under a limit, what was counted is folded soon. */
  changed(repository: RepositoryName): void {
    if (this.#limits.size === 0 || this.#isDisposed) return
    if (!this.#hasDefault() && !prefixesOf(repository).some((prefix) => this.#limits.has(prefix))) return
    this.#changes++
    if (this.#changes >= changesMax) this.#fold()
    else this.#timer ??= this.#parts.ports.timers.after(foldAfterMs, () => this.#fold())
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true
    this.#timer?.[Symbol.dispose]()
  }

  #hasDefault(): boolean {
    return [...this.#limits.values()].some(({ isDefault }) => isDefault)
  }

  async #limitsOf(repository: RepositoryName): Promise<BytesLimit[]> {
    const above = prefixesOf(repository).flatMap((prefix) => this.#limits.get(prefix) ?? [])
    if (above.some(({ isDefault }) => isDefault)) return above
    const fallback = [...this.#limits.values()].find(({ isDefault }) => isDefault)
    // A project without a limit may own the name, and then the default one does not.
    if (fallback === undefined || above.length > 0) return above
    return (await projectOf(this.#parts.metadata.reader, repository)) === fallback.projectId ? [fallback] : []
  }

  async #refresh(): Promise<void> {
    this.#reading ??= this.#read().finally(() => (this.#reading = undefined))
    await this.#reading
  }

  async #read(): Promise<void> {
    const { metadata, ports } = this.#parts
    const epoch = await readAccessEpoch(metadata.reader)
    if (epoch !== this.#epoch) {
      const limits = await allByteLimits(metadata.reader)
      this.#limits = new Map(limits.map((limit) => [limit.project, limit]))
      this.#epoch = epoch
    }
    this.#freshUntil = ports.clock.monotonic() + freshForMs
  }

  #fold(): void {
    this.#timer?.[Symbol.dispose]()
    this.#timer = undefined
    if (this.#isFolding || this.#isDisposed) return
    this.#isFolding = true
    this.#changes = 0
    const { metadata, ports, log } = this.#parts
    foldUsage(metadata, { now: () => ports.clock.now() })
      .catch((error: unknown) => log.warn({ err: error }, 'usage is folded later'))
      .finally(() => (this.#isFolding = false))
  }
}
