/**
 * One leader among processes: a row of `leases` that one holds and says so, as a job's claim is (see leases.ts). What a leader writes may name the fence of
 * its lease; a leader that was paused then writes nothing.
 */
import { extendLease, findLease, releaseLease, takeLease, type Lease, type LeaseTaking } from '#metadata/leases.ts'
import { transaction } from '#metadata/transaction.ts'
import type { JobParts } from './jobs.ts'
import { createSilence } from './leases.ts'

/** Longer than that of a job: nobody waits for a leader by the second, and an idle registry shall not write all the time. */
const leaderLeaseMs = 60_000
const leaderBeatMs = 20_000
const turnMs = 5_000

const take = transaction(import.meta.url, 'leadership/take', (tx, taking: LeaseTaking) => takeLease(tx, taking))
const extend = transaction(import.meta.url, 'leadership/extend', (tx, lease: Lease) => extendLease(tx, lease))
const release = transaction(import.meta.url, 'leadership/release', (tx, lease: { readonly name: string; readonly fence: number }) =>
  releaseLease(tx, lease),
)

/** A place that this process holds, or waits for. Disposing gives it back. */
export interface Leadership extends AsyncDisposable {
  /** Settles when it was tried for the first time. */
  readonly begun: Promise<void>
  /** The fence under which this process leads now; undefined when it does not, or cannot be sure. */
  fence(): number | undefined
}

/** Of {@link lead}. */
export interface LeadershipWanted {
  /** Of the lease: `scheduler`, `housekeeping`. */
  readonly name: string
  /** No other process works on this database: the lease of a dead one is taken at once. */
  readonly isAlone?: boolean | undefined
}

/** Tries to lead, and goes on trying. */
export function lead(parts: JobParts, { name, isAlone = false }: LeadershipWanted): Leadership {
  const { clock, random, timers } = parts.ports
  const holder = `process-${random.uuid()}`
  const silence = createSilence<string>(clock, { silentMs: leaderLeaseMs, intervalMs: turnMs })
  let held: { readonly fence: number; readonly confirmedAt: number } | undefined
  const leaseUntil = () => clock.now() + leaderLeaseMs
  const keep = async (fence: number) => {
    const confirmedAt = clock.monotonic()
    const isKept = await parts.metadata.write(extend, { name, fence, holder, leaseUntil: leaseUntil() })
    held = isKept ? { fence, confirmedAt } : undefined
  }
  const seek = async () => {
    const seen = await findLease(parts.metadata.reader, name)
    const silent = silence.observe(seen === undefined ? [] : [[name, `${seen.holder} ${seen.fence} ${seen.leaseUntil}`]])
    if (seen !== undefined && seen.holder !== '' && silent.length === 0 && !isAlone) return
    const confirmedAt = clock.monotonic()
    const fence = await parts.metadata.write(take, { name, holder, leaseUntil: leaseUntil(), seen })
    if (fence !== undefined) held = { fence, confirmedAt }
  }
  const turn = async () => {
    try {
      if (held === undefined) await seek()
      else if (clock.monotonic() - held.confirmedAt >= leaderBeatMs) await keep(held.fence)
    } catch (error) {
      // The database is away or full: who leads is sure for a lease's length, then nobody does.
      parts.log.debug({ err: error, lease: name }, 'a lease cannot be kept or taken now')
    }
  }
  let current = turn()
  const begun = current
  let isBusy = true
  const rest = () => (isBusy = false)
  void current.then(rest)
  const timer = timers.every(turnMs, () => {
    if (isBusy) return
    isBusy = true
    current = turn()
    void current.then(rest)
  })
  return {
    begun,
    fence: () => (held !== undefined && clock.monotonic() - held.confirmedAt < leaderLeaseMs ? held.fence : undefined),
    async [Symbol.asyncDispose]() {
      timer[Symbol.dispose]()
      await current
      if (held !== undefined) await parts.metadata.write(release, { name, fence: held.fence }).catch(() => undefined)
    },
  }
}
