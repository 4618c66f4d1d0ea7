/**
 * The registry itself: push, pull, mount, delete, list, one file per verb.
 *
 * The problem: a push must be whole or absent whatever dies in between, and a pull must cost one indexed read. The way: bytes go to the blob
 * store first and become true by one transaction; the answer leaves after its commit. Each verb is a function whose first argument is the
 * {@link Registry}. To add a verb, add a file; to let another part of Berth have a say in a push or a pull, add an {@link AdmissionCheck};
 * to let it supply what is missing, a {@link MissingContent}.
 */
import type { Readable } from 'node:stream'
import type { FileHandle } from 'node:fs/promises'
import type { BlobStore } from '#blobs/blob-store.ts'
import type { Stores } from '#blobs/stores.ts'
import type { Ports } from '#lib/ports.ts'
import type { Logger } from '#lib/logger.ts'
import type { BlobPlace } from '#metadata/blobs.ts'
import type { Metadata } from '#metadata/metadata.ts'
import type { Digest } from '#oci/digest.ts'
import type { ManifestParser } from '#oci/manifest-parser.ts'
import type { Manifest } from '#oci/manifest.ts'
import type { RepositoryName, Tag } from '#oci/reference.ts'
import type { ContentCache } from './content-cache.ts'
import type { LastKnown } from './last-known.ts'
import type { QuotaBook } from './quota-book.ts'
import type { SpaceGauge } from './space-gauge.ts'
import type { UploadHolds } from './upload-holds.ts'
import type { UploadTable } from './upload-table.ts'

/** Who asks, as far as the registry needs to know: for upload ownership, history and the event record. */
export interface Actor {
  /** Empty for anonymous. */
  readonly name: string
  readonly requestId: string
  /** Stable and unambiguous (`user:12`), where names may change hands; empty for anonymous. Without it the name counts. */
  readonly key?: string | undefined
  /** By which credential (`password`, `personal:12`), and from where: for the record. */
  readonly credential?: string | undefined
  readonly address?: string | undefined
  readonly userAgent?: string | undefined
}

/** Who pulls a blob, and whether from the registry itself: some clients do not reach the place that the store would send them to. */
export interface BlobReader extends Actor {
  readonly direct?: boolean | undefined
}

/** What is being pushed or pulled when an {@link AdmissionCheck} is asked. */
export interface AdmissionRequest {
  readonly operation: 'push' | 'pull'
  readonly repository: RepositoryName
  readonly digest: Digest
  readonly tags: readonly Tag[]
  /** Present at push. */
  readonly manifest: Manifest | undefined
  readonly actor: Actor
}

/** Asked in order before a manifest is accepted, and before one is served. Throws `RegistryError` (`DENIED`, `MANIFEST_INVALID`, …) to refuse. */
export interface AdmissionCheck {
  readonly name: string
  readonly operations: readonly AdmissionRequest['operation'][]
  check(request: AdmissionRequest): Promise<void>
}

/** Asked in order when a pull finds nothing. True: the content is there now, look again. */
export interface MissingContent {
  readonly name: string
  findBlob(repository: RepositoryName, digest: Digest, actor: Actor): Promise<boolean>
}

/** Told of each blob that is pulled from another store than the primary one; nobody waits for what it does. */
export type PulledElsewhere = (registry: Registry, blob: BlobPlace & { readonly digest: Digest }) => void

/** A blob ready to be sent. Who gets it closes it with {@link BlobContent.close}. */
export interface BlobContent {
  readonly digest: Digest
  readonly sizeBytes: number
  readonly body:
    | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
    | { readonly kind: 'file'; readonly handle: FileHandle }
    | { readonly kind: 'stream'; readonly read: (start: number, end: number, signal: AbortSignal) => Promise<Readable> }
    | { readonly kind: 'redirect'; readonly url: string }
  /** Where the bytes are in the store, for a proxy that reads it too; absent where they do not come from there. */
  readonly key?: string
  close(): Promise<void>
  /** Told why the bytes could not be read to their end: a blob that is damaged is missing from then on. */
  readFailed(error: unknown): Promise<void>
}

/** Settings of the verbs, a part of Config that `main.ts` hands over. Sizes in bytes, durations in milliseconds. */
export interface RegistryOptions {
  readonly deleteEnabled: boolean
  readonly readOnly: boolean
  readonly minimumFreeBytes: number
  readonly garbageDelayMs: number
  /** How long the bytes of a blob stay after its row went, for those who are reading them. */
  readonly readersDelayMs: number
  /** How long what is deleted can be restored; 0: there is no trash. */
  readonly trashWindowMs: number
  readonly manifestBytes: number
  readonly uploadsPerActor: number
  readonly indexPlatforms: 'all' | 'none' | readonly { readonly os: string; readonly architecture: string }[]
  readonly referrersMayPrecedeBlobs: boolean
  /** Whether pulls by tag go on from the last known value while the database is away. */
  readonly staleTags?: boolean
}

/** What every verb takes first: where things are kept, what was decided, who has a say, and what this process remembers. */
export interface Registry {
  readonly metadata: Metadata
  /** The primary one: pushes go there. */
  readonly store: BlobStore
  /** Where the bytes of rows are. */
  readonly stores: Stores
  readonly options: RegistryOptions
  readonly hooks: {
    readonly admission: readonly AdmissionCheck[]
    readonly missingContent: readonly MissingContent[]
    readonly pulledElsewhere?: PulledElsewhere | undefined
  }
  /** What this process remembers: immutable bytes by digest, the uploads it is receiving, free space, limits of projects. Losing it loses nothing. */
  readonly memory: {
    readonly contents: ContentCache
    readonly places: LastKnown
    readonly uploads: UploadTable
    /** Where other processes may receive the same upload. */
    readonly holds: UploadHolds | undefined
    readonly space: SpaceGauge
    readonly quotas: QuotaBook
  }
  readonly context: { readonly ports: Ports; readonly log: Logger; readonly parser: ManifestParser }
}
