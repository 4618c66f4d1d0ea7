/** What every tag pointed at, and when: told by events, and held against the rows. */
import type { Digest } from '#oci/digest.ts'

interface Moment {
  readonly step: number
  readonly value: Digest | undefined
}

export class Timeline {
  readonly #step: () => number
  readonly #moments = new Map<string, Moment[]>()
  readonly #current = new Map<string, Digest>()
  /** Repositories that came back as a whole in this commit. */
  readonly #reread = new Set<string>()

  constructor(step: () => number) {
    this.#step = step
  }

  set(repository: string, tag: string, value: Digest | undefined): void {
    this.#note(`${repository}:${tag}`, value)
  }

  #note(key: string, value: Digest | undefined): void {
    const moments = this.#moments.get(key) ?? []
    moments.push({ step: this.#step(), value })
    this.#moments.set(key, moments)
    if (value === undefined) this.#current.delete(key)
    else this.#current.set(key, value)
  }

  /** A manifest went: so did its tags. */
  drop(repository: string, digest: Digest): void {
    for (const [key, value] of this.#current) if (key.startsWith(`${repository}:`) && value === digest) this.#note(key, undefined)
  }

  forget(repository: string): void {
    for (const key of this.#current.keys()) if (key.startsWith(`${repository}:`)) this.#note(key, undefined)
  }

  reread(repository: string): void {
    this.#reread.add(repository)
  }

  /** The rows, which must say the same as the events did. */
  compare(rows: ReadonlyMap<string, Digest | undefined>, violate: (text: string) => void): void {
    for (const [key, value] of rows) {
      if (this.#current.get(key) === value) continue
      if (!this.#reread.has(key.split(':')[0] ?? ''))
        violate(`I3, I7: tag ${key} points at ${value}, the last event says ${this.#current.get(key)}`)
      this.#note(key, value)
    }
    for (const key of this.#current.keys()) {
      if (rows.has(key)) continue
      violate(`I3, I7: tag ${key} is gone, and no event says so`)
      this.#note(key, undefined)
    }
    this.#reread.clear()
  }

  /** Whether the tag pointed there at some moment between the two steps. */
  wasDuring(key: string, value: Digest | undefined, [from, to]: readonly [number, number]): boolean {
    const moments = this.#moments.get(key) ?? []
    const before = moments.findLast(({ step }) => step < from)
    return [before?.value, ...moments.filter(({ step }) => step >= from && step <= to).map((moment) => moment.value)].includes(value)
  }

  /** Everything that points somewhere now. */
  get current(): ReadonlyMap<string, Digest> {
    return this.#current
  }
}
