/**
 * A configuration before it means anything: the YAML tree of a file or of one environment variable, each value with the text that was written
 * and the place it was written at, so that a problem can name both.
 */
export type RawValue = RawScalar | RawList | RawMap

/** `value` is YAML's reading (`yes` is true); `text` is what stands there, which is what a key of type text takes. */
export interface RawScalar {
  readonly kind: 'scalar'
  readonly value: unknown
  readonly text: string
  readonly origin: string
}

/** A YAML sequence. `items` may grow: variables append to it. */
export interface RawList {
  readonly kind: 'list'
  readonly items: RawValue[]
  readonly origin: string
}

/** A YAML mapping in the order it was written. `entries` may change: variables replace and add. */
export interface RawMap {
  readonly kind: 'map'
  readonly entries: Map<string, RawValue>
  readonly origin: string
}

/** A map of its own, empty by default. `origin` is the place that a problem names. */
export function rawMap(origin: string, entries: Iterable<readonly [string, RawValue]> = []): RawMap {
  return { kind: 'map', entries: new Map(entries), origin }
}

/** Nothing is written there: YAML's null, or a key without a value. */
export function isNull(raw: RawValue | undefined): boolean {
  return raw === undefined || (raw.kind === 'scalar' && (raw.value === null || raw.value === undefined))
}

/** Nothing that could mean anything: null, an empty text, an empty list or map, or a map of nothing but such values. */
export function isEmpty(raw: RawValue | undefined): boolean {
  if (raw === undefined || isNull(raw)) return true
  if (raw.kind === 'scalar') return raw.text === ''
  return raw.kind === 'list' ? raw.items.length === 0 : [...raw.entries.values()].every(isEmpty)
}

const foundMaxLength = 60

/** What a problem shows as found. A secret is not shown, nor the user and password of a URL. */
export function describeFound(raw: RawValue, secret: boolean): string {
  if (raw.kind === 'list') return 'a list'
  if (raw.kind === 'map') return 'a map'
  if (isNull(raw)) return 'nothing'
  if (secret) return 'a value that is not shown here'
  const text = raw.text.replaceAll(/\/\/[^/@\s]*@/g, '//…@').replaceAll(/\p{Cc}/gu, ' ')
  return JSON.stringify(text.length > foundMaxLength ? `${text.slice(0, foundMaxLength)}…` : text)
}

/** The plain JavaScript value, for keys that take any value. */
export function plainValue(raw: RawValue): unknown {
  if (raw.kind === 'list') return raw.items.map(plainValue)
  if (raw.kind === 'map') return Object.fromEntries([...raw.entries].map(([key, value]) => [key, plainValue(value)]))
  return typeof raw.value === 'bigint' || raw.value instanceof Date ? raw.text : raw.value
}
