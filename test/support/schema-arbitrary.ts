import * as fc from 'fast-check'

/** A JSON schema, as the routes of the contract are made of. */
export interface Schema {
  readonly type?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly items?: Schema
  readonly anyOf?: readonly Schema[]
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly pattern?: string
  readonly format?: string
  readonly minLength?: number
  readonly maxLength?: number
  readonly minimum?: number
  readonly maximum?: number
  readonly minItems?: number
  readonly maxItems?: number
  readonly patternProperties?: Readonly<Record<string, Schema>>
}

/** Texts that have done harm somewhere. */
export const hostileTexts: readonly string[] = [
  '',
  ' ',
  '\u0000',
  'a\u0000b',
  "'",
  '"',
  "' or '1'='1",
  "x' union select password_hash from users --",
  '; drop table users; --',
  '%',
  '%25',
  '%00',
  '_',
  '\\',
  '..',
  '../../../../etc/passwd',
  'a/../b',
  '${7*7}',
  '{{7*7}}',
  '<script>alert(1)</script>',
  '\r\nSet-Cookie: x=y',
  '__proto__',
  'constructor',
  'toString',
  'null',
  'undefined',
  'true',
  '-1',
  '0',
  '1e309',
  'NaN',
  '9007199254740993',
  '99999999999999999999',
  '0x10',
  '１',
  '\u202e',
  '\ud800',
  '😀',
  'é',
  'İ',
  '*)(uid=*',
  'http://169.254.169.254/latest/meta-data/',
  'https://localhost.invalid/',
  'file:///etc/passwd',
  'javascript:alert(1)',
  '(a+)+$',
  'x'.repeat(300),
  'x'.repeat(5_000),
]

/** Values of every JSON type that fit few schemas. */
export const hostileValues: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1.5,
  1e300,
  Number.MAX_SAFE_INTEGER,
  Number.MIN_SAFE_INTEGER,
  [],
  {},
  [[[[]]]],
  { length: 1 },
  JSON.parse('{"__proto__":{"isAdministrator":true}}'),
  { $gt: '' },
  { toString: 'x' },
  Array.from({ length: 1_500 }, () => 'x'),
]

const hostileText = fc.constantFrom(...hostileTexts)
const hostileValue = fc.oneof(fc.constantFrom(...hostileValues), hostileText, fc.jsonValue({ maxDepth: 3 }))

/** Values that fit the schema, or nearly all of whose parts do: `known` gives values that mean something, by the member's name. */
export function arbitraryOf(schema: Schema, known: (name: string) => readonly unknown[] | undefined, name = ''): fc.Arbitrary<unknown> {
  const wellKnown = known(name)
  const plain = plainArbitrary(schema, known, name)
  return wellKnown === undefined || wellKnown.length === 0
    ? plain
    : fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...wellKnown) }, { weight: 1, arbitrary: plain })
}

type Known = (name: string) => readonly unknown[] | undefined

function plainArbitrary(schema: Schema, known: Known, name: string): fc.Arbitrary<unknown> {
  if (schema.const !== undefined) return fc.constant(schema.const)
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum)
  if (schema.anyOf !== undefined) return fc.oneof(...schema.anyOf.map((each) => arbitraryOf(each, known, name)))
  const make = Object.hasOwn(byType, schema.type ?? '') ? byType[schema.type ?? ''] : undefined
  return make?.(schema, known, name) ?? fc.jsonValue({ maxDepth: 2 })
}

const byType: Readonly<Record<string, (schema: Schema, known: Known, name: string) => fc.Arbitrary<unknown>>> = {
  object: objectArbitrary,
  array: ({ items = {}, minItems = 0, maxItems = 4 }, known, name) =>
    fc.array(arbitraryOf(items, known, name), { minLength: minItems, maxLength: Math.max(minItems, Math.min(maxItems, 4)) }),
  string: stringArbitrary,
  integer: (schema) => {
    const { minimum = -5, maximum = 50 } = schema
    return fc.oneof(fc.integer({ min: minimum, max: Math.min(maximum, minimum + 50) }), edgesOf(schema))
  },
  number: (schema) => {
    const { minimum = -5, maximum = 50 } = schema
    return fc.oneof(fc.double({ min: minimum, max: Math.min(maximum, 1e9), noNaN: true }), edgesOf(schema))
  },
  boolean: () => fc.boolean(),
  null: () => fc.constant(null),
}

function edgesOf({ minimum, maximum }: Schema): fc.Arbitrary<number> {
  return fc.constantFrom(minimum ?? 0, maximum ?? Number.MAX_SAFE_INTEGER)
}

function objectArbitrary(schema: Schema, known: (name: string) => readonly unknown[] | undefined): fc.Arbitrary<unknown> {
  const members = Object.entries(schema.properties ?? {}).map(([name, member]) => [name, arbitraryOf(member, known, name)] as const)
  const free = Object.values(schema.patternProperties ?? {})[0]
  if (members.length === 0 && free !== undefined)
    return fc.dictionary(fc.string({ maxLength: 8 }), arbitraryOf(free, known), { maxKeys: 4 })
  return fc.record(Object.fromEntries(members), { requiredKeys: [...(schema.required ?? [])] })
}

function stringArbitrary(schema: Schema): fc.Arbitrary<string> {
  if (schema.format === 'date-time') {
    const date = fc.date({ min: new Date(0), max: new Date('2100-01-01'), noInvalidDate: true })
    return fc.oneof(
      date.map((each) => each.toISOString()),
      fc.constantFrom('2999-01-01T00:00:00Z', '2026-02-30T00:00:00Z', '2026-01-01T00:00:00+14:00'),
    )
  }
  const longest = Math.min(schema.maxLength ?? 40, 40)
  const free = fc.oneof(anyText, plainWord).map((text) => text.padEnd(schema.minLength ?? 0, 'x').slice(0, longest))
  const { pattern } = schema
  // What must not be in a text is not worth the search for what may.
  return pattern === undefined || pattern.includes('[^') ? free : fc.oneof(matching(pattern), free)
}

// Made once: each takes milliseconds to make.
const anyText = fc.string({ unit: 'grapheme', maxLength: 40 })
const plainWord = fc.stringMatching(/^[a-z][a-z0-9-]{2,12}$/)
const matchers = new Map<string, fc.Arbitrary<string>>()

function matching(pattern: string): fc.Arbitrary<string> {
  const known = matchers.get(pattern) ?? fc.stringMatching(new RegExp(pattern))
  matchers.set(pattern, known)
  return known
}

/** Makes a value that fits wrong in one place: a part of it becomes something else, goes, or comes. */
export function spoiled(value: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc
    .tuple(value, fc.nat(), hostileValue, fc.constantFrom('replace', 'remove', 'add', 'whole'))
    .map(([original, seed, other, how]) => {
      if (how === 'whole' || typeof original !== 'object' || original === null) return other
      const copy = structuredClone(original) as Record<string, unknown>
      const names = Object.keys(copy)
      const name = names[seed % Math.max(1, names.length)]
      if (how === 'add' || name === undefined) copy[typeof other === 'string' ? other : 'unknown'] = other
      else if (how === 'remove') Reflect.deleteProperty(copy, name)
      else copy[name] = other
      return copy
    })
}

/** Anything that JSON can say. */
export const anyHostileValue: fc.Arbitrary<unknown> = hostileValue

/** Any of {@link hostileTexts}, or a text of any characters. */
export const anyHostileText: fc.Arbitrary<string> = fc.oneof(hostileText, fc.string({ unit: 'binary', maxLength: 30 }))
