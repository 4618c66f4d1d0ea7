/** What `/readyz` asks of one process: faults of this node alone count, those that all nodes share are told only. */
import { dirname } from 'node:path'
import type { Config } from '#config/config.ts'
import { isObjectStore } from '#config/storage-place.ts'
import type { HealthCheck } from '#http/health.ts'
import { watchEventLoop } from '#lib/event-loop-lag.ts'
import type { Ports } from '#lib/ports.ts'
import type { Metadata } from '#metadata/metadata.ts'
import type { Registry } from '#registry/registry.ts'
import { createStoreLook, lastFailureOf } from './store-look.ts'

/** Half of all turns of the event loop are later than this: requests wait that long several times over. */
const lagLimitSeconds = 0.5
/** The part of the low-water mark below which uploads under way are stopped too (registry/space-gauge.ts): a disk that is full. */
const fullShare = 1 / 4

/** The checks, and what measures for them until it is disposed. */
export interface LocalChecks extends Disposable {
  readonly checks: readonly HealthCheck[]
}

/** Builds the checks. A database or store that several nodes share counts for none of them: else its fault would empty the balancer. */
export function createLocalChecks(config: Config, { metadata, store }: Pick<Registry, 'metadata' | 'store'>, ports: Ports): LocalChecks {
  const lag = watchEventLoop()
  const isShared = isObjectStore(config.storage)
  const look = isShared ? createStoreLook(store, ports) : async () => void (await store.space())
  const checks: readonly HealthCheck[] = [
    { name: 'database', isShared: metadata.dialect !== 'sqlite', check: () => askDatabase(metadata) },
    { name: 'storage', isShared, check: look, whenLate: () => lastFailureOf(store) },
    { name: 'disk', check: () => checkDisk(config, ports) },
    {
      name: 'event-loop',
      async check() {
        const { p50 } = lag.take()
        if (p50 > lagLimitSeconds) throw new Error(`the event loop is ${p50.toFixed(1)} s late`)
      },
    },
  ]
  return { checks, [Symbol.dispose]: () => lag[Symbol.dispose]() }
}

async function checkDisk({ storage, database }: Config, { files }: Ports): Promise<void> {
  const own = [storage.rootDirectory, database.driver === 'sqlite' && database.file !== ':memory:' ? dirname(database.file) : undefined]
  for (const directory of new Set(own)) {
    if (directory === undefined) continue
    const { bavail, bsize } = await files.statfs(directory)
    const freeBytes = bavail * bsize
    if (freeBytes < Math.max(1, storage.minimumFreeBytes * fullShare)) throw new Error(`${directory} is full: ${freeBytes} bytes are left`)
  }
}

/** One that is known to be away is not waited for. */
async function askDatabase(metadata: Pick<Metadata, 'away' | 'ping'>): Promise<void> {
  if (metadata.away?.isAway === true) throw new Error('the database is away', { cause: metadata.away.cause })
  await metadata.ping()
}
