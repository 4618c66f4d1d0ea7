/** Puts a registry together from its parts. */
import { createManifestParser, type ManifestParser } from '#oci/manifest-parser.ts'
import { onlyStore, type Stores } from '#blobs/stores.ts'
import type { Logger } from '#lib/logger.ts'
import type { Ports } from '#lib/ports.ts'
import type { AccessEpoch } from '#metadata/watch-access.ts'
import { ContentCache } from './content-cache.ts'
import { LastKnown } from './last-known.ts'
import { QuotaBook } from './quota-book.ts'
import type { Registry } from './registry.ts'
import { SpaceGauge } from './space-gauge.ts'
import { UploadHolds } from './upload-holds.ts'
import { UploadTable } from './upload-table.ts'

/** What `main.ts` hands in; the rest of a {@link Registry} is made from it. */
export interface RegistryParts extends Pick<Registry, 'metadata' | 'store' | 'options' | 'hooks'> {
  /** Where blobs may be beside the primary store; it alone unless said. */
  readonly stores?: Stores | undefined
  /** Of the same database. */
  readonly epoch: AccessEpoch
  readonly ports: Ports
  readonly log: Logger
  /** Bound of the bytes of manifests and small blobs kept in memory. */
  readonly cacheBytes: number
  /** By default one of its own, which starts its threads with the first large manifest. */
  readonly parser?: ManifestParser
  /** Whether other processes serve on the same database. */
  readonly isShared?: boolean
}

/** The registry borrows its parts: who made them ends them. {@link closeRegistry} ends what it made itself. */
export function openRegistry(parts: RegistryParts): Registry {
  const { metadata, store, options, hooks, ports, log } = parts
  const memory = {
    contents: new ContentCache(parts.cacheBytes),
    places: new LastKnown(metadata.away),
    uploads: new UploadTable(ports.clock),
    holds: parts.isShared === true ? new UploadHolds({ metadata, ports, log }) : undefined,
    space: new SpaceGauge(store, ports.clock),
    quotas: new QuotaBook({ metadata, epoch: parts.epoch, ports, log }),
  }
  const { stores = onlyStore(store) } = parts
  return { metadata, store, stores, options, hooks, memory, context: { ports, log, parser: parts.parser ?? createManifestParser() } }
}

/** Ends the parser's threads and what waits for its time. */
export async function closeRegistry(registry: Registry): Promise<void> {
  registry.memory.holds?.[Symbol.dispose]()
  registry.memory.quotas[Symbol.dispose]()
  await registry.context.parser[Symbol.asyncDispose]()
}
