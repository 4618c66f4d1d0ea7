/**
 * What this process knows of limits of bytes and repositories, so that an upload that cannot fit is refused before its bytes are stored.
 *
 * The problem: whether a push fits is decided in its transaction, when all its bytes are here; a client should hear of it before, and no session may fill the
 * disk in vain; yet projects without a limit are to pay nothing. The way: the limits (few, and seldom changed) are kept in memory and read again when
 * the access epoch has moved; only for a repository under a limit is its usage read. What is refused here would be
 * refused there; what passes here may be refused there still.
 */
import type { Logger } from '#lib/logger.ts'
import type { Ports } from '#lib/ports.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { prefixesOf } from '#metadata/name-prefixes.ts'
import { resolveRepositoryName } from '#metadata/name-redirects.ts'
import { allKnownLimits, type KnownLimit } from '#metadata/quotas.ts'
import { repositoryIdIn } from '#metadata/repositories.ts'
import { uploadingBytesIn } from '#metadata/uploads.ts'
import { projectsWithBlob } from '#metadata/usage-blobs.ts'
import { usageIn } from '#metadata/usage-counters.ts'
import type { AccessEpoch } from '#metadata/watch-access.ts'
import type { Digest } from '#oci/digest.ts'
import { quotaExceeded } from '#oci/quota-exceeded.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { projectOf } from '#projects/find-project.ts'
import { foldUsage } from '#projects/fold-usage.ts'
import { ReceivedBytes, UploadRoom, type ReadLimit } from './upload-room.ts'

/** Beyond so many changes, reading what is used begins to cost: they are folded. */
const changesMax = 250
/** And what few there are after so long, for the sake of warnings. */
const foldAfterMs = 1_000

/** What the book needs of its process. */
export interface QuotaBookParts {
  readonly metadata: Metadata
  readonly epoch: AccessEpoch
  readonly ports: Pick<Ports, 'clock' | 'timers'>
  readonly log: Logger
}

interface Reading {
  readonly epoch: number
  readonly done: Promise<void>
}

/** Owns the timer of the next fold. */
export class QuotaBook implements Disposable {
  readonly #parts: QuotaBookParts
  readonly #received = new ReceivedBytes()
  #limits = new Map<string, KnownLimit>()
  #epoch = -1
  #reading: Reading | undefined
  #changes = 0
  #isFolding = false
  #isDisposed = false
  #timer: Disposable | undefined

  constructor(parts: QuotaBookParts) {
    this.#parts = parts
  }

  /** The room of an upload; undefined where there is no limit, or where the blob counts already. `storedBytes` are those of its row. */
  async roomFor(
    repository: RepositoryName,
    { digest, storedBytes = 0 }: { readonly digest?: Digest; readonly storedBytes?: number } = {},
  ): Promise<UploadRoom | undefined> {
    await this.#beFresh()
    if (this.#limits.size === 0) return undefined
    const read = () => this.#readLimits(repository, digest)
    const limits = await read()
    return limits.length === 0 ? undefined : new UploadRoom(this.#received, { read, limits, storedBytes })
  }

  /** Throws DENIED where the repository would be one too many. */
  async requireRepository(repository: RepositoryName): Promise<void> {
    await this.#beFresh()
    if (this.#limits.size === 0) return
    const { reader } = this.#parts.metadata
    for (const { projectId, project, repositoriesMax: limit } of await this.#limitsOf(repository)) {
      if (limit === undefined) continue
      const { repositories: used } = await usageIn(reader, { scope: 'project', id: projectId })
      if (used < limit) continue
      if ((await repositoryIdIn(reader, await resolveRepositoryName(reader, repository))) !== undefined) return
      throw quotaExceeded({ project, unit: 'repositories', limit, used, more: 1 })
    }
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

  async #readLimits(repository: RepositoryName, digest: Digest | undefined): Promise<readonly ReadLimit[]> {
    const { reader } = this.#parts.metadata
    const limits = await this.#limitsOf(repository)
    if (limits.length === 0) return []
    const counted = digest === undefined ? undefined : await projectsWithBlob(reader, digest)
    const read: ReadLimit[] = []
    for (const { projectId, project, bytesMax } of limits) {
      if (bytesMax === undefined || counted?.has(projectId) === true) continue
      const ends = this.#received.endsIn(projectId)
      // In this order: an upload that ends in between is missed, and not counted twice.
      const { bytes: used } = await usageIn(reader, { scope: 'project', id: projectId })
      const storedBytes = await uploadingBytesIn(reader, { id: projectId, name: project })
      read.push({ projectId, project, limit: bytesMax, used, storedBytes, ends })
    }
    return read
  }

  async #beFresh(): Promise<void> {
    const epoch = await this.#parts.epoch.current()
    if (epoch === this.#epoch) return
    if (this.#reading?.epoch !== epoch) this.#reading = this.#begin(epoch)
    await this.#reading.done
  }

  #begin(epoch: number): Reading {
    const done = this.#read(epoch).finally(() => {
      if (this.#reading === reading) this.#reading = undefined
    })
    const reading: Reading = { epoch, done }
    return reading
  }

  #hasDefault(): boolean {
    return [...this.#limits.values()].some(({ isDefault }) => isDefault)
  }

  async #limitsOf(repository: RepositoryName): Promise<KnownLimit[]> {
    const above = prefixesOf(repository).flatMap((prefix) => this.#limits.get(prefix) ?? [])
    if (above.some(({ isDefault }) => isDefault)) return above
    const fallback = [...this.#limits.values()].find(({ isDefault }) => isDefault)
    // A project without a limit may own the name, and then the default one does not.
    if (fallback === undefined || above.length > 0) return above
    return (await projectOf(this.#parts.metadata.reader, repository)) === fallback.projectId ? [fallback] : []
  }

  /** What is read is at least as new as the epoch. */
  async #read(epoch: number): Promise<void> {
    const limits = await allKnownLimits(this.#parts.metadata.reader)
    if (epoch < this.#epoch) return
    this.#limits = new Map(limits.map((limit) => [limit.project, limit]))
    this.#epoch = epoch
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
