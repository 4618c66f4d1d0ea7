/**
 * What reads of pulls last found, for the time when the database is away.
 *
 * The problem: what a digest or tag means in a repository is read every time, and a failover takes half a minute. The way: a digest means the same for ever,
 * so its last answer goes on while the database is away; a tag's does where the operator allows it, and says so. Nothing is remembered of what was not
 * there, and nothing at all where the database is in this process and cannot be away without it.
 */
import { ByteLru } from '#lib/lru.ts'
import type { AwaySignal } from '#metadata/metadata.ts'
import { unlessAway } from '#metadata/unless-away.ts'

/** About 400 bytes each: names of repositories are 255 characters at most. */
const maximumEntries = 50_000

/** An answer, and whether it is one of before. */
export interface Answer<Value> {
  readonly value: Value
  readonly isLastKnown: boolean
}

/** The last answers of this process. */
export class LastKnown {
  readonly #away: AwaySignal | undefined
  readonly #values = new ByteLru<object>({ maximumBytes: maximumEntries, sizeOf: () => 1, maximumEntries })

  constructor(away: AwaySignal | undefined) {
    this.#away = away
  }

  /** What `read` finds under the key; its last answer while the database is away. An answer that is no object is not remembered. */
  async read<Value>(key: string, read: () => Promise<Value>): Promise<Answer<Value>> {
    if (this.#away === undefined) return { value: await read(), isLastKnown: false }
    const ask = async (): Promise<Answer<Value>> => {
      const value = await read()
      if (typeof value === 'object' && value !== null) this.#values.set(key, value)
      else this.#values.delete(key)
      return { value, isLastKnown: false }
    }
    return await unlessAway(this.#away, ask, () => this.#known<Value>(key))
  }

  /** Keeps what was found under another name, for a `read` of that key: of a tag, its manifest. Nothing where the database cannot be away. */
  note(key: string, value: object): void {
    if (this.#away !== undefined) this.#values.set(key, value)
  }

  #known<Value>(key: string): Answer<Value> | undefined {
    const value = this.#values.get(key)
    return value === undefined ? undefined : { value: value as Value, isLastKnown: true }
  }
}
