/** Keeps garbage collection from deleting bytes, here and in every process on the database, for as long as this process lives and wants it. */
import type { Logger } from '#lib/logger.ts'
import type { Ports } from '#lib/ports.ts'
import { dropGarbageHold, keepGarbageHold } from '#metadata/garbage-holds.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { transaction } from '#metadata/transaction.ts'

/** Who is silent for so long holds nothing any more. */
const holdMs = 10 * 60_000
const renewMs = 60_000

interface Keeping {
  readonly holder: string
  readonly until: number
  readonly now: number
}

const keep = transaction(import.meta.url, 'hold-garbage/keep', (tx, keeping: Keeping) => keepGarbageHold(tx, keeping))
const drop = transaction(import.meta.url, 'hold-garbage/drop', (tx, holder: string) => dropGarbageHold(tx, holder))

/** Disposing ends it. */
export interface GarbageHold extends AsyncDisposable {
  /** Throws when the hold may have ended meanwhile: the database was away for too long. */
  requireHeld(): void
}

/** Begins to hold: what a snapshot of the rows names that is taken after this stays where it is. */
export async function holdGarbage(
  {
    metadata,
    ports,
    log,
  }: { readonly metadata: Metadata; readonly ports: Pick<Ports, 'clock' | 'random' | 'timers'>; readonly log: Logger },
  what: string,
): Promise<GarbageHold> {
  const { clock, random, timers } = ports
  const holder = `${what}:${random.uuid()}`
  let confirmedAt = clock.monotonic()
  let current: Promise<void> | undefined
  const renew = async () => {
    const [now, at] = [clock.now(), clock.monotonic()]
    await metadata.write(keep, { holder, until: now + holdMs, now })
    confirmedAt = at
  }
  await renew()
  const timer = timers.every(renewMs, () => {
    current ??= renew()
      .catch((error: unknown) => log.warn({ err: error, holder }, 'the hold on garbage collection cannot be kept now'))
      .finally(() => (current = undefined))
  })
  return {
    requireHeld() {
      if (clock.monotonic() - confirmedAt > holdMs)
        throw new Error('garbage collection was not held back all the time: the database was away for too long')
    },
    async [Symbol.asyncDispose]() {
      timer[Symbol.dispose]()
      await current
      await metadata
        .write(drop, holder)
        .catch((error: unknown) => log.warn({ err: error, holder }, 'a hold on garbage collection ends by itself in minutes'))
    },
  }
}
