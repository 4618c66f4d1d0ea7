/** Whether params, query and body fit the contract. Params and query are texts and are converted; a body must have the right types by itself. */
import { Compile, type Validator } from 'typebox/compile'
import { Value } from 'typebox/value'
import { Format } from 'typebox/format'
import { Settings } from 'typebox/system'
import type { TSchema } from 'typebox'
import { judgedByServer } from '#api/contract.ts'
import { parseInstant } from '#lib/instant.ts'
import { RegistryError } from '#oci/errors.ts'
import { misfitsOf } from './misfit-sentences.ts'
import type { Misfit } from './problem.ts'

interface Compiled {
  readonly schema: TSchema
  readonly validator: Validator
}

const compiled = new WeakMap<TSchema, Compiled>()

/** Compiled at the first use: most routes are not called in most processes. */
function compiledOf(contracted: TSchema): Compiled {
  const known = compiled.get(contracted)
  if (known !== undefined) return known
  const schema = withoutChoices(contracted)
  const made = { schema, validator: Compile(schema) }
  compiled.set(contracted, made)
  return made
}

/** Of what the server judges by itself, no more is asked here than that it is an object. */
function withoutChoices(schema: TSchema): TSchema {
  const { properties } = schema as { readonly properties?: Readonly<Record<string, TSchema>> }
  const isJudged = (member: TSchema) => Object.keys(judgedByServer).some((mark) => Object.hasOwn(member, mark))
  if (properties === undefined || !Object.values(properties).some(isJudged)) return schema
  const members = Object.entries(properties).map(([name, member]) => [name, isJudged(member) ? { type: 'object' } : member])
  return { ...schema, properties: Object.fromEntries(members) as Record<string, TSchema> }
}

// As what is pushed is read: without leap seconds, which no clock here has, and suffixes.
Format.Set('date-time', (text) => parseInstant(text) !== undefined)

// Of a choice the finding that says so comes last: with the eight that are usual it would be missed.
Settings.Set({ maxErrors: 256 })

const misfitsMax = 20
const saidMax = 3
const nameLengthMax = 64
const pathLengthMax = 256

/** Throws REQUEST_INVALID with each part that does not fit. `part` is where it stands: `query`, `path`, `body`. */
export function validated(schema: TSchema | undefined, value: unknown, part: 'query' | 'path' | 'body'): unknown {
  if (schema === undefined) {
    const [name] = part === 'path' ? [] : Object.keys(value ?? {})
    const what = part === 'query' ? 'parameters' : 'body'
    if (name !== undefined) throw misfit([{ path: `${part}/${name.slice(0, nameLengthMax)}`, message: `this takes no ${what}` }])
    return value
  }
  const hollow = placeOfNul(value)
  if (hollow !== undefined)
    throw misfit([{ path: [part, ...hollow].join('/').slice(0, pathLengthMax), message: 'must not contain U+0000' }])
  const converted = part === 'body' ? value : fromTexts(schema, value as Readonly<Record<string, unknown>>)
  const { validator, schema: checked } = compiledOf(schema)
  if (validator.Check(converted)) return converted
  throw misfit(misfitsOf(checked, { findings: validator.Errors(converted), value: converted, part }))
}

/** Where a text is that PostgreSQL cannot keep: the same is refused whatever the database, for data moves from one to the other. A body may be deep. */
function placeOfNul(value: unknown): readonly string[] | undefined {
  // A list of what is left to look at, for a body may be nested deeper than calls can be.
  const left: { readonly value: unknown; readonly within: Place | undefined }[] = [{ value, within: undefined }]
  for (let each = left.pop(); each !== undefined; each = left.pop()) {
    const { value: found, within } = each
    if (typeof found === 'string' && found.includes('\0')) return namesOf(within)
    if (typeof found !== 'object' || found === null) continue
    for (const [name, member] of Object.entries(found)) {
      const place = { name, within }
      if (name.includes('\0')) return namesOf(place)
      left.push({ value: member, within: place })
    }
  }
  return undefined
}

interface Place {
  readonly name: string
  readonly within: Place | undefined
}

function namesOf(place: Place | undefined): string[] {
  const names: string[] = []
  for (let each = place; each !== undefined; each = each.within) names.push(each.name.replaceAll('\0', ''))
  return names.toReversed()
}

/** Path and query are texts: whole numbers and truth values are read as such where the schema wants them, in their plainest form only. */
function fromTexts(schema: TSchema, texts: Readonly<Record<string, unknown>>): unknown {
  const members = (schema as { readonly properties?: Readonly<Record<string, { readonly type?: string }>> }).properties ?? {}
  const read = ([name, text]: [string, unknown]): [string, unknown] => [name, fromText(members[name]?.type, text)]
  return Object.fromEntries(Object.entries(texts).map(read))
}

function fromText(type: string | undefined, text: unknown): unknown {
  if (type === 'array') return Array.isArray(text) ? text : [text]
  if (typeof text !== 'string') return text
  if (type === 'integer' && /^-?\d{1,15}$/.test(text)) return Number(text)
  if (type === 'boolean' && (text === 'true' || text === 'false')) return text === 'true'
  return text
}

/** The first of them are the sentence that people read; programs get them by their places. */
function misfit(misfits: readonly Misfit[]): RegistryError {
  const said = misfits.slice(0, saidMax).map(sentenceOf)
  const more = misfits.length - said.length
  const message = [...said, ...(more > 0 ? [`and ${more} more`] : [])].join('; ')
  return new RegistryError('REQUEST_INVALID', misfits.slice(0, misfitsMax), { message })
}

function sentenceOf({ path, message }: Misfit): string {
  const [part = '', ...member] = path.split('/')
  if (member.length > 0) return `${member.join('/')}: ${message}`
  return message.startsWith('must') ? `the ${part} ${message}` : message
}

/** The members of the schema and no others, so that a row's column never gets out by accident. */
export function onlyContracted(schema: TSchema, value: unknown): unknown {
  return Value.Clean(schema, structuredClone(value))
}
