/**
 * The way back from the cold store: who pulls a blob from there gets its bytes at once, from there, and beside that they are copied to the primary store, once
 * for all who pull it, and a few blobs at a time. What does not get a turn comes back with a later pull.
 */
import type { TiersConfig } from '#config/config.ts'
import { moveBlob } from '#registry/move-blobs.ts'
import type { PulledElsewhere, Registry } from '#registry/registry.ts'
import { requireReserve, requireSpace } from '#registry/require.ts'

/** Blobs that come back at once, in one process. */
const returnsMax = 4
/** After a return failed, the blob is not tried again so soon. */
const patienceMs = 10 * 60_000
const rememberedMax = 10_000

/** Told of each return that ended, for metrics. */
export type ReturnObserver = (outcome: 'returned' | 'failed' | 'skipped', sizeBytes: number) => void

/** Brings blobs back until it is disposed, which ends the copies under way. */
export interface TierReturns extends AsyncDisposable {
  readonly hook: PulledElsewhere
}

/** The hook for {@link Registry.hooks}. */
export function createTierReturns(tiers: TiersConfig, observe: ReturnObserver): TierReturns {
  const closed = new AbortController()
  const running = new Map<number, Promise<void>>()
  /** By blob, oldest first. */
  const failedAt = new Map<number, number>()

  const comeBack = async (registry: Registry, blob: Parameters<PulledElsewhere>[1]) => {
    const { clock, timers } = registry.context.ports
    try {
      await requireSpace(registry)
      await requireReserve(registry, blob.sizeBytes)
      const startedAt = clock.monotonic()
      let seen = 0
      const pace = async (bytes: number) => {
        seen += bytes
        const aheadMs = tiers.bytesPerSecond === 0 ? 0 : (seen / tiers.bytesPerSecond) * 1_000 - (clock.monotonic() - startedAt)
        if (aheadMs > 0) await timers.sleep(aheadMs, closed.signal)
      }
      const outcome = await moveBlob(registry, blob, registry.store, { signal: closed.signal, pace })
      if (outcome !== 'moved' && outcome !== 'changed') throw new Error(`its bytes in ${blob.store}: ${outcome}`)
      observe('returned', blob.sizeBytes)
    } catch (error) {
      if (closed.signal.aborted) return
      observe('failed', blob.sizeBytes)
      failedAt.set(blob.blobId, clock.monotonic())
      const [oldest] = failedAt.keys()
      if (failedAt.size > rememberedMax && oldest !== undefined) failedAt.delete(oldest)
      registry.context.log.warn(
        { err: error, digest: blob.digest },
        'a blob could not be copied back from the cold store: it is served from there',
      )
    }
  }

  return {
    hook(registry, blob) {
      const isWanted = tiers.returns && blob.store === tiers.cold && !registry.options.readOnly
      if (!isWanted || closed.signal.aborted || running.has(blob.blobId)) return
      const { clock } = registry.context.ports
      const isPatient = clock.monotonic() - (failedAt.get(blob.blobId) ?? -Infinity) < patienceMs
      if (running.size >= returnsMax || isPatient) return observe('skipped', blob.sizeBytes)
      running.set(
        blob.blobId,
        comeBack(registry, blob).finally(() => running.delete(blob.blobId)),
      )
    },
    async [Symbol.asyncDispose]() {
      closed.abort(new Error('the registry is closing'))
      await Promise.all(running.values())
    },
  }
}
