/**
 * What a statement's values are to PostgreSQL, and which statements a connection keeps prepared.
 *
 * The problem: SQLite takes a value for what it is, PostgreSQL wants to know its type, and infers `text` or nothing where it cannot. The way: each
 * value's type is told (whole numbers are bigint), so that one SQL text means the same on both. A text that comes again is prepared under a name.
 */
import { createHash } from 'node:crypto'

/** Object ids of types, from pg_type: the same in every PostgreSQL. */
const oid = { unknown: 0, bytes: 17, int64: 20, double: 701 } as const

/** The type that is told of a value. Texts go untyped: then they are what the place wants, JSON or a name, too. */
function typeOf(value: unknown): number {
  if (typeof value === 'number') return Number.isInteger(value) ? oid.int64 : oid.double
  if (typeof value === 'bigint') return oid.int64
  return value instanceof Uint8Array ? oid.bytes : oid.unknown
}

/** Types and values as they go out: true and false are 1 and 0, which the columns are, and which PostgreSQL's own booleans take too. */
export function bindValues(parameters: readonly unknown[]): { readonly types: number[]; readonly values: unknown[] } {
  return { types: parameters.map(typeOf), values: parameters.map((value) => (typeof value === 'boolean' ? String(Number(value)) : value)) }
}

const maximumNames = 800
const maximumSeen = 4000

/** Gives names to statements that come again. The names are bounded: a connection keeps each that it met until it ends. */
export class StatementNames {
  readonly #names = new Map<string, string>()
  /** Met once: a list of values of that very length may never come again. */
  readonly #seen = new Set<string>()

  /** The name to prepare it under; undefined: not now. */
  nameOf(sql: string, types: readonly number[]): string | undefined {
    const key = types.length === 0 ? sql : `${types.join()} ${sql}`
    const known = this.#names.get(key)
    if (known !== undefined || this.#names.size >= maximumNames) return known
    if (!this.#seen.delete(key)) {
      if (this.#seen.size >= maximumSeen) this.#seen.clear()
      this.#seen.add(key)
      return undefined
    }
    const name = `b${createHash('sha256').update(key).digest('hex').slice(0, 24)}`
    this.#names.set(key, name)
    return name
  }
}

/** bigint, and numeric (which sums of bigint are), as numbers: digits beyond 2^53 throw rather than go missing. */
function parseNumber(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) && !text.includes('.') && Number.isFinite(value)) throw new RangeError(`${text} is beyond 2^53`)
  return value
}

const parsers: Readonly<Record<number, (text: string) => unknown>> = {
  16: (text) => (text === 't' ? 1 : 0),
  17: parseBytes,
  20: parseNumber,
  21: Number,
  23: Number,
  26: Number,
  700: Number,
  701: Number,
  1700: parseNumber,
}

/** bytea_output is hex on each of our sessions. */
function parseBytes(text: string): Buffer {
  return Buffer.from(text.slice(2), 'hex')
}

const asText = (text: string): string => text

/** What pg asks for the parser of a result's column. */
export const resultTypes = {
  getTypeParser: (id: number): ((text: string) => unknown) => parsers[id] ?? asText,
}
