/** When tokens, robots and passwords were last used: gathered here and written together, off the path of requests. */
import type { Logger } from '#lib/logger.ts'
import type { Ports } from '#lib/ports.ts'
import { noteCredentialUses, type CredentialUse } from '#metadata/credential-use.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { transaction } from '#metadata/transaction.ts'

/** One credential's time is written this often at most. */
const intervalMs = 10 * 60_000
/** Of a password: when somebody last came in is compared with the audit log. */
const passwordIntervalMs = 60_000
/** How long uses are gathered before they are written. */
const gatherMs = 5_000
/** Remembered credentials; beyond it the oldest may be written once more than it need be. */
const rememberedMax = 20_000
const batchMax = 1_000

const note = transaction(import.meta.url, 'credential-uses/note', (tx, uses: readonly CredentialUse[]) => noteCredentialUses(tx, uses))

/** Takes note of uses. One per process. */
export class CredentialUses {
  readonly #parts: { readonly metadata: Metadata; readonly ports: Pick<Ports, 'clock' | 'timers'>; readonly log: Logger }
  /** Key → when it was last taken, by the monotonic clock; oldest first. */
  readonly #taken = new Map<string, number>()
  #waiting: CredentialUse[] = []
  #timer: Disposable | undefined

  constructor(parts: { readonly metadata: Metadata; readonly ports: Pick<Ports, 'clock' | 'timers'>; readonly log: Logger }) {
    this.#parts = parts
  }

  /** Returns at once. */
  take(use: Omit<CredentialUse, 'at'>): void {
    const key = `${use.tokenId ?? ''}/${use.robotId ?? ''}/${use.userId ?? ''}`
    const { clock, timers } = this.#parts.ports
    const now = clock.monotonic()
    const before = this.#taken.get(key)
    if (before !== undefined && now - before < (use.userId === undefined ? intervalMs : passwordIntervalMs)) return
    if (this.#waiting.length >= batchMax) return
    this.#taken.delete(key)
    this.#taken.set(key, now)
    const [oldest] = this.#taken.keys()
    if (this.#taken.size > rememberedMax && oldest !== undefined) this.#taken.delete(oldest)
    this.#waiting.push({ ...use, at: clock.now() })
    this.#timer ??= timers.after(gatherMs, () => void this.flush())
  }

  /** Writes what waits, now. What cannot be written is forgotten: it is a hint for people. */
  async flush(): Promise<void> {
    this.#timer?.[Symbol.dispose]()
    this.#timer = undefined
    const uses = this.#waiting
    this.#waiting = []
    if (uses.length === 0) return
    try {
      await this.#parts.metadata.write(note, uses)
    } catch (error) {
      this.#parts.log.debug({ err: error }, 'last uses of credentials could not be written')
    }
  }
}
