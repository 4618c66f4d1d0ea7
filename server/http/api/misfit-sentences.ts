/**
 * What a validator finds wrong, as sentences for people: which member, and what it must be.
 *
 * The validator speaks of schemas, and of a choice it tells what each branch misses. Here each finding is said by its kind (add a kind to `sayings`), a
 * form that is hard to say is shown by the schema's first example or told by its description, and of a choice only the branch that was meant is left.
 */
import type { TSchema } from 'typebox'
import type { TLocalizedValidationError } from 'typebox/error'
import { nearest } from '#config/suggest.ts'
import type { Misfit } from './problem.ts'

type Finding = TLocalizedValidationError
interface AnySchema {
  readonly properties?: Readonly<Record<string, unknown>>
  readonly examples?: readonly unknown[]
  readonly description?: string
  readonly anyOf?: readonly AnySchema[]
  readonly type?: string
  readonly maxProperties?: number
}

/** What did not fit: the validator's findings about a value, which is the `part` of the request. */
export interface Unfit {
  readonly findings: readonly Finding[]
  readonly value: unknown
  readonly part: string
}

/** Findings as misfits below `part`, each once. */
export function misfitsOf(schema: TSchema, { findings, value, part }: Unfit): Misfit[] {
  const sorted = findings.map((finding) => nearestFirst(finding, value))
  const misfits = meant(schema as AnySchema, sorted).flatMap((finding) => say(schema as AnySchema, nearestFirst(finding, value)))
  const lines = new Map(misfits.map(({ path, message }) => [`${path} ${message}`, { path: `${part}${path}`, message }]))
  return [...lines.values()]
}

const membersMax = 20
const nameLengthMax = 64

function say(schema: AnySchema, finding: Finding): Misfit[] {
  const { instancePath: path, keyword } = finding
  const params = finding.params as Readonly<Record<string, unknown>>
  const at = schemaAt(schema, finding.schemaPath)
  if (keyword === 'required')
    return listOf(params['requiredProperties']).map((name) => ({ path: `${path}/${name}`, message: 'is missing' }))
  if (keyword === 'boolean') {
    const known = Object.keys(schemaAt(schema, finding.schemaPath.replace(/\/additionalProperties$/, ''))?.properties ?? {})
    const message = known.length === 0 ? 'is not a member of this' : `is not a member of this: ${known.slice(0, membersMax).join(', ')} are`
    return [{ path: path.slice(0, path.lastIndexOf('/') + 1 + nameLengthMax), message }]
  }
  return [{ path, message: sayings[keyword]?.(params, at) ?? finding.message }]
}

function membersOf(schema: AnySchema | undefined): string {
  return Object.keys(schema?.properties ?? {}).join(', ')
}

type Saying = (params: Readonly<Record<string, unknown>>, schema: AnySchema | undefined) => string

const sayings: Readonly<Record<string, Saying>> = {
  type: ({ type }) => `must be ${typeNames[String(type)] ?? String(type)}`,
  enum: ({ allowedValues }) => `must be one of ${choiceText(allowedValues)}`,
  const: ({ allowedValue }) => `must be ${String(allowedValue)}`,
  minLength: ({ limit }) => `must have at least ${counted(limit, 'character')}`,
  maxLength: ({ limit }) => `must have at most ${counted(limit, 'character')}`,
  minItems: ({ limit }) => `must have at least ${counted(limit, 'item')}`,
  maxItems: ({ limit }) => `must have at most ${counted(limit, 'item')}`,
  uniqueItems: () => 'must have each item once',
  minProperties: (_, schema) => `give ${schema?.maxProperties === 1 ? 'exactly' : 'at least'} one of ${membersOf(schema)}`,
  maxProperties: ({ limit }, schema) =>
    limit === 1 ? `give exactly one of ${membersOf(schema)}` : `must have at most ${counted(limit, 'member')}`,
  minimum: ({ limit }) => `must be ${String(limit)} or more`,
  maximum: ({ limit }) => `must be ${String(limit)} or less`,
  exclusiveMinimum: ({ limit }) => `must be more than ${String(limit)}`,
  exclusiveMaximum: ({ limit }) => `must be less than ${String(limit)}`,
  format: ({ format }) => `must be ${formatNames[String(format)] ?? `of the format ${String(format)}`}`,
  pattern: (_, schema) => formOf(schema),
  anyOf: (_, schema) => `must be ${(schema?.anyOf ?? []).map((each) => typeNames[each.type ?? ''] ?? 'something else').join(' or ')}`,
}

const typeNames: Readonly<Record<string, string>> = {
  string: 'a text',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  null: 'null',
}

const formatNames: Readonly<Record<string, string>> = {
  'date-time': 'an instant such as 2026-01-31T12:00:00Z',
}

/** By an example where there is one, in the description's words otherwise. */
function formOf({ examples: [example] = [], description }: AnySchema = {}): string {
  if (typeof example === 'string') return `must look like ${example}`
  if (description === undefined) return 'has a character that is not allowed here'
  return `has not the form that is wanted: ${description.slice(0, 1).toLowerCase()}${description.slice(1).replace(/\.$/, '')}`
}

function counted(limit: unknown, unit: string): string {
  return `${String(limit)} ${unit}${limit === 1 ? '' : 's'}`
}

const choicesMax = 40

/** Says how many there are beyond those that it names: who is told of a part takes it for all. */
function choiceText(values: unknown): string {
  const all = Array.isArray(values) ? values.map(String) : []
  const more = all.length - choicesMax
  return more > 0 ? `${all.slice(0, choicesMax).join(', ')}, … and ${more} more` : all.join(', ')
}

/** Of a choice that is too long to be told in full, what was meant stands first. */
function nearestFirst(finding: Finding, value: unknown): Finding {
  const { allowedValues } = finding.params as { readonly allowedValues?: readonly unknown[] }
  if (finding.keyword !== 'enum' || !Array.isArray(allowedValues) || allowedValues.length <= choicesMax) return finding
  const given = valueAt(value, finding.instancePath)
  const meantOne = typeof given === 'string' && given.length <= nameLengthMax ? nearest(given, allowedValues.map(String)) : undefined
  if (meantOne === undefined) return finding
  return { ...finding, params: { allowedValues: [meantOne, ...allowedValues.filter((each) => each !== meantOne)] } } as Finding
}

/** By a JSON pointer. */
function valueAt(value: unknown, path: string): unknown {
  let at = value
  for (const step of path.split('/').slice(1))
    at = (at as Readonly<Record<string, unknown>> | null | undefined)?.[step.replaceAll('~1', '/').replaceAll('~0', '~')]
  return at
}

function listOf(value: unknown): string[] {
  return Array.isArray(value) ? value.slice(0, membersMax * 2).map(String) : []
}

/** A schema path is that of a URI fragment: `#/properties/name`. */
function schemaAt(schema: AnySchema, path: string): AnySchema | undefined {
  let at: unknown = schema
  for (const step of path.split('/').slice(1))
    at = (at as Readonly<Record<string, unknown>> | undefined)?.[step.replaceAll('~1', '/').replaceAll('~0', '~')]
  return at as AnySchema | undefined
}

/** Without what is said twice, and with each choice reduced to what was meant by it. */
function meant(schema: AnySchema, findings: readonly Finding[]): Finding[] {
  // Each member that is too much is a finding by itself.
  let left = findings.filter(({ keyword }) => keyword !== 'additionalProperties')
  if (left.some(isAboutMembers)) left = left.filter(({ keyword }) => keyword !== 'minProperties')
  const choices = left.filter(({ keyword }) => keyword === 'anyOf').toSorted((a, b) => b.schemaPath.length - a.schemaPath.length)
  for (const choice of choices) left = reduced(schema, left, choice)
  return left
}

const branchOf = (choice: Finding, { schemaPath }: Finding): string | undefined => {
  const start = `${choice.schemaPath}/anyOf/`
  return schemaPath.startsWith(start) ? schemaPath.slice(start.length).split('/', 1)[0] : undefined
}

function reduced(schema: AnySchema, findings: readonly Finding[], choice: Finding): Finding[] {
  const others = findings.filter((each) => each !== choice && branchOf(choice, each) === undefined)
  const groups = Map.groupBy(
    findings.filter((each) => each !== choice && branchOf(choice, each) !== undefined),
    (each) => branchOf(choice, each),
  )
  // A branch of another type was not meant, nor one whose kind is another.
  const isOther = (each: Finding) => each.keyword === 'type' && each.instancePath === choice.instancePath
  const fitting = [...groups.values()].filter((group) => !group.some(isOther))
  if (fitting.length === 0) return [...others, allTypes(schema, choice)]
  const kinds = fitting.map((group) => group.filter(isKind))
  const ofKind = fitting.filter((_, index) => kinds[index]?.length === 0)
  if (ofKind.length > 0) return [...others, ...fewest(schema, choice, ofKind)]
  const [first] = kinds.flat()
  if (first === undefined) return [...others, ...fewest(schema, choice, fitting)]
  const allowedValues = [...new Set(kinds.flat().flatMap(({ params }) => allowedBy(params as Readonly<Record<string, unknown>>)))]
  return [...others, { ...first, keyword: 'enum', params: { allowedValues } } as Finding]
}

const isAboutMembers = ({ keyword }: { readonly keyword: string }) => keyword === 'required' || keyword === 'boolean'
const isKind = ({ keyword }: Finding) => keyword === 'const' || keyword === 'enum'

function allowedBy({ allowedValues, allowedValue }: Readonly<Record<string, unknown>>): unknown[] {
  return Array.isArray(allowedValues) ? (allowedValues as unknown[]) : [allowedValue]
}

/** Of branches that might all be meant, the one that most of it fits: `an id must be a number` before `a name is missing`. */
function fewest(schema: AnySchema, choice: Finding, groups: readonly Finding[][]): Finding[] {
  const weight = (group: Finding[]) => group.reduce((sum, { keyword }) => sum + (isAboutMembers({ keyword }) ? 2 : 1), 0)
  const [best = []] = groups.toSorted((a, b) => weight(a) - weight(b))
  const [only] = best
  const isNullable = schemaAt(schema, choice.schemaPath)?.anyOf?.some(({ type }) => type === 'null') === true
  if (!isNullable || only === undefined || best.length > 1 || only.instancePath !== choice.instancePath) return best
  const said = sayings[only.keyword]?.(only.params as Readonly<Record<string, unknown>>, schemaAt(schema, only.schemaPath)) ?? only.message
  return [{ ...only, keyword: 'said', message: `${said}, or null` } as unknown as Finding]
}

function allTypes(schema: AnySchema, choice: Finding): Finding {
  const branches = schemaAt(schema, choice.schemaPath)?.anyOf ?? []
  const names = [...new Set(branches.map(({ type = '' }) => typeNames[type] ?? 'something else'))]
  return { ...choice, keyword: 'said', message: `must be ${names.join(' or ')}` } as unknown as Finding
}
