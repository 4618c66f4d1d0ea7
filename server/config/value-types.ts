/**
 * The types that a configuration key may have: each says what it expects, turns a {@link RawValue} into a value or reports why not, and shows a
 * value as a person would write it.
 */
import { describeFound, isNull, plainValue, type RawValue } from './raw-value.ts'
import { durationOfNanoseconds, formatDuration, formatSize, parseDuration, parseSize } from './quantity.ts'
import type { Problem } from './problem.ts'

/** Where a value is read: its path, and who wants to hear of problems and oddities. */
export interface Place {
  readonly path: string
  readonly secret: boolean
  readonly problem: (problem: Problem) => void
  readonly warn: (text: string) => void
}

/** How a key's value is read and shown. `parse` never throws: what is wrong goes to its {@link Place}. */
export interface ValueType<T> {
  /** One or two words, for the documentation. */
  readonly name: string
  /** Completes "expected …". */
  readonly expected: string
  /** Undefined after having reported a problem. */
  parse(raw: RawValue, place: Place): T | undefined
  show(value: T): string
  /** The fields of a list's entries, for the documentation. */
  readonly fields?: FieldTypes
}

type FieldTypes = Readonly<Record<string, ValueType<unknown>>>

/** A type whose whole value is one scalar. `read` returns undefined for what does not fit. */
function scalarType<T>(
  name: string,
  expected: string,
  read: (text: string, value: unknown, place: Place) => T | undefined,
  show: (value: T) => string,
): ValueType<T> {
  return {
    name,
    expected,
    show,
    parse: (raw, place) => {
      const value = raw.kind === 'scalar' ? read(raw.text, raw.value, place) : undefined
      if (value === undefined) mismatch(raw, place, expected)
      return value
    },
  }
}

function mismatch(raw: RawValue, { path, secret, problem }: Place, expected: string): undefined {
  problem({ path, expected, found: describeFound(raw, secret), origin: raw.origin })
}

/** Any scalar, by the text that was written: `realm: 007` is the text "007". */
export const text: ValueType<string> = scalarType('text', 'a text', (written) => written, String)

/** A text that must fit `pattern`. */
export function textLike(expected: string, accepts: (value: string) => boolean): ValueType<string> {
  return scalarType('text', expected, (written) => (accepts(written) ? written : undefined), String)
}

/** `true` or `false` unquoted, as YAML reads it; a quoted word is a text and is refused. */
export const boolean: ValueType<boolean> = scalarType(
  'boolean',
  'true or false',
  (_, value) => (typeof value === 'boolean' ? value : undefined),
  String,
)

/** A whole number in a range. */
export function integer(minimum = 0, maximum: number = Number.MAX_SAFE_INTEGER): ValueType<number> {
  const upTo = maximum === Number.MAX_SAFE_INTEGER ? '' : ` to ${maximum}`
  const fits = (value: unknown) => typeof value === 'number' && Number.isInteger(value) && value >= minimum && value <= maximum
  const expected = minimum === Number.MIN_SAFE_INTEGER ? 'a whole number' : `a whole number from ${minimum}${upTo}`
  return scalarType('integer', expected, (_, value) => (fits(value) ? (value as number) : undefined), String)
}

/**
 * Milliseconds. A timer cannot wait longer than 24.8 days, so what is given to one is bounded. `needsUnit`: of a key that registry:2 does not have, a bare
 * number other than 0 is a mistake.
 */
export function duration({ maximumMs = Number.MAX_SAFE_INTEGER, minimumMs = 0, needsUnit = false } = {}): ValueType<number> {
  const bounds = [
    minimumMs > 0 ? ` of at least ${formatDuration(minimumMs)}` : '',
    maximumMs < Number.MAX_SAFE_INTEGER ? ` up to ${formatDuration(maximumMs)}` : '',
  ]
  const read = (written: string, value: unknown, place: Place) => {
    if (needsUnit && typeof value === 'number' && value !== 0) return undefined
    const ms = typeof value === 'number' ? durationOfNanoseconds(value) : parseDuration(written)
    if (typeof value === 'number' && value > 0 && value < 1e6)
      place.warn(`${place.path}: ${written} without a unit is ${written} nanoseconds; write for instance "${written}s"`)
    return ms !== undefined && ms >= minimumMs && ms <= maximumMs ? ms : undefined
  }
  return scalarType(
    'duration',
    `a duration such as 168h, 2h10m or 300ms${bounds.join('')}${needsUnit ? ', with its unit' : ''}`,
    read,
    formatDuration,
  )
}

/** What a timer can wait, in round hours. */
export const longestTimerMs = 576 * 3_600_000

/** Bytes. */
export function size(minimumBytes = 0): ValueType<number> {
  const atLeast = minimumBytes > 0 ? ` of at least ${formatSize(minimumBytes)}` : ''
  const read = (written: string) => {
    const bytes = parseSize(written)
    return bytes !== undefined && bytes >= minimumBytes ? bytes : undefined
  }
  return scalarType('size', `a size such as 64MiB, or a number of bytes${atLeast}`, read, formatSize)
}

/** One of a few words, in any case. */
export function oneOf<const Word extends string>(...words: readonly Word[]): ValueType<Word> {
  const read = (written: string) => words.find((word) => word === written.toLowerCase())
  return scalarType(words.join(', '), `one of ${words.join(', ')}`, read, String)
}

/** A regular expression, as its source. */
export const pattern: ValueType<string> = textLike('a regular expression', (source) => {
  try {
    return new RegExp(source).source !== ''
  } catch {
    return false
  }
})

/** A list; null is an empty one. */
export function listOf<T>(item: ValueType<T>): ValueType<readonly T[]> {
  const expected = `a list, each entry ${item.expected}`
  return {
    name: `list of ${item.name}`,
    expected,
    ...(item.fields === undefined ? {} : { fields: item.fields }),
    show: (values) => `[${values.map((value) => item.show(value)).join(', ')}]`,
    parse: (raw, place) => {
      if (isNull(raw)) return []
      if (raw.kind !== 'list') return mismatch(raw, place, expected)
      const values = raw.items.map((entry, index) => item.parse(entry, { ...place, path: `${place.path}[${index}]` }))
      return values.includes(undefined) ? undefined : (values as T[])
    },
  }
}

/** A map from any names to values of one type; null is an empty one. */
export function mapOf<T>(item: ValueType<T>): ValueType<Readonly<Record<string, T>>> {
  const expected = `a map, each value ${item.expected}`
  return {
    name: `map to ${item.name}`,
    expected,
    show: (values) =>
      `{${Object.entries(values)
        .map(([key, value]) => `${key}: ${item.show(value)}`)
        .join(', ')}}`,
    parse: (raw, place) => {
      if (isNull(raw)) return {}
      if (raw.kind !== 'map') return mismatch(raw, place, expected)
      const values = [...raw.entries].map(([key, entry]) => [key, item.parse(entry, { ...place, path: `${place.path}.${key}` })] as const)
      return values.some(([, value]) => value === undefined) ? undefined : (Object.fromEntries(values) as Record<string, T>)
    },
  }
}

/** Any YAML value, as plain data. */
export const anything: ValueType<NonNullable<unknown>> = {
  name: 'any value',
  expected: 'a value',
  show: (value) => JSON.stringify(value),
  parse: (raw) => plainValue(raw) ?? '',
}

/** A map with known fields, some of which must be there. */
export function fieldsOf<Required extends FieldTypes, Optional extends FieldTypes>(
  required: Required,
  optional: Optional,
): ValueType<ValuesOf<Required> & Partial<ValuesOf<Optional>>> {
  const fields: FieldTypes = { ...required, ...optional }
  const expected = `a map with ${Object.keys(fields).join(', ')}`
  return {
    name: 'map',
    expected,
    fields,
    show: (values) =>
      `{${Object.entries(values)
        .map(([key, value]) => `${key}: ${secretFields.has(key) ? '…' : (fields[key]?.show(value) ?? '')}`)
        .join(', ')}}`,
    parse: (raw, place) => {
      if (raw.kind !== 'map') return mismatch(raw, place, expected)
      const values: Record<string, unknown> = {}
      let complete = true
      for (const [name, entry] of raw.entries) {
        const at = { ...place, path: `${place.path}.${name}`, secret: place.secret || secretFields.has(name) }
        if (fields[name] === undefined) place.warn(`${at.path}: unknown key, ignored (${entry.origin})`)
        else if (!isNull(entry)) complete = (values[name] = fields[name].parse(entry, at)) !== undefined && complete
      }
      for (const name of Object.keys(required).filter((field) => isNull(raw.entries.get(field)))) {
        complete = false
        place.problem({ path: `${place.path}.${name}`, expected: required[name]?.expected ?? '', origin: raw.origin })
      }
      return complete ? (values as ValuesOf<Required> & Partial<ValuesOf<Optional>>) : undefined
    },
  }
}

/** Fields of list entries whose values are never shown. */
const secretFields: ReadonlySet<string> = new Set(['headers', 'password', 'options'])

type ValuesOf<Fields extends FieldTypes> = { readonly [Name in keyof Fields]: Fields[Name] extends ValueType<infer T> ? T : never }
