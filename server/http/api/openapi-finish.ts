/**
 * The last hand on the OpenAPI document: who may, which headers there are, what each part means, and shared schemas by one name.
 *
 * The generator knows schemas alone. All that follows from a contract beside them is added here to the document that it made, in place.
 */
import type { RouteContract } from '#api/contract.ts'
import { bodyExamples, pathWords, queryWords, tagWords } from './openapi-words.ts'
import { comparesIfMatch } from './if-match.ts'

interface Media {
  schema?: unknown
  example?: unknown
}
interface Answer {
  readonly $ref?: string
  description?: string
  headers?: Record<string, unknown>
  content?: Record<string, Media>
}
interface Parameter {
  readonly name?: string
  readonly in?: string
  description?: string
  readonly $ref?: string
}
interface Operation {
  description?: string
  parameters?: Parameter[]
  requestBody?: { description?: string; required?: boolean; content?: Record<string, Media> }
  responses: Record<string, Answer>
}
interface Document {
  servers?: unknown
  tags?: unknown
  components?: { schemas?: Record<string, unknown>; headers?: unknown; parameters?: unknown; responses?: unknown }
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
}

const text = { type: 'string' }
const headers = {
  ETag: { description: 'Names this state of the thing; If-Match takes it.', schema: text },
  Location: { description: 'Where the thing is, or where to go on.', schema: text },
  'X-Request-Id': { description: 'By which an operator finds the request in the log.', schema: text },
  'Retry-After': { description: 'Seconds to wait, with 429 and 503.', schema: { type: 'integer' } },
  RateLimit: { description: 'What is left of a limit: `"address";r=99;t=1`. Where limits are set.', schema: text },
  'RateLimit-Policy': { description: 'The limit: `"address";q=100;w=1`. Where limits are set.', schema: text },
  'WWW-Authenticate': { description: 'How to prove who asks, with 401.', schema: text },
  Allow: { description: 'The methods that the path takes, with 405.', schema: text },
}
const ifMatch = {
  name: 'If-Match',
  in: 'header',
  required: false,
  description:
    'ETags of the states that the request is meant for, or `*`. 412 when the thing is in another. Without it, whatever its state.',
  schema: text,
  example: '"1"',
}

const everyAnswer = ['X-Request-Id', 'RateLimit', 'RateLimit-Policy'] as const
const refusals = [...everyAnswer, 'Retry-After', 'WWW-Authenticate', 'Allow'] as const

/** An operation of the document and what it promises. */
interface Described {
  readonly contract: RouteContract
  readonly operation: Operation
}

/** Finishes the generator's document for the contracts, whose paths begin with `base` in it. */
export function finishOpenApi<Generated>(generated: Generated, base: string, contracts: readonly RouteContract[]): Generated {
  const document = generated as unknown as Document
  document.servers = [{ url: '/', description: 'This registry.' }]
  document.tags = [...new Set(contracts.map(({ tag }) => tag))].map((name) => ({ name, description: tagWords[name] ?? '' }))
  document.components = { ...document.components, headers, parameters: { IfMatch: ifMatch } }
  const operations = contracts.flatMap((contract) => {
    const operation = document.paths[base + contract.path]?.[contract.method.toLowerCase()]
    return operation === undefined ? [] : [{ contract, operation }]
  })
  for (const { contract, operation } of operations) finishOperation(contract, operation)
  shareRefusals(document, operations)
  shareSchemas(document, operations)
  return generated
}

function finishOperation(contract: RouteContract, operation: Operation): void {
  operation.description = whoMay(contract)
  for (const parameter of operation.parameters ?? []) describeParameter(parameter)
  if (comparesIfMatch(contract)) operation.parameters = [...(operation.parameters ?? []), { $ref: '#/components/parameters/IfMatch' }]
  if (contract.isBodyOptional === true && operation.requestBody !== undefined) operation.requestBody.required = false
  const example = bodyExamples[`${contract.method} ${contract.path}`]
  const body = operation.requestBody?.content?.['application/json']
  if (example !== undefined && body !== undefined) body.example = example
  for (const [status, answer] of Object.entries(operation.responses)) finishAnswer(contract, status, answer)
}

function describeParameter(parameter: Parameter): void {
  const { name = '' } = parameter
  parameter.description ??= (parameter.in === 'path' ? pathWords : queryWords)[name] ?? ''
}

function finishAnswer(contract: RouteContract, status: string, answer: Answer): void {
  const names: readonly string[] = status.endsWith('XX') ? refusals : [...everyAnswer, ...headersOf(contract)]
  answer.headers = Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]))
  if (!status.endsWith('XX')) answer.description = descriptionOf(contract)
}

/** Refusals are the same everywhere. */
function shareRefusals({ components }: Document, operations: readonly { readonly operation: Operation }[]): void {
  const names: Readonly<Record<string, string>> = { '4XX': 'Refused', '5XX': 'Fault' }
  const responses: Record<string, unknown> = {}
  for (const { operation } of operations) {
    for (const [status, name] of Object.entries(names)) {
      responses[name] ??= operation.responses[status]
      operation.responses[status] = { $ref: `#/components/responses/${name}` }
    }
  }
  if (components !== undefined) components.responses = responses
}

function headersOf({ hasEtag, response, status }: RouteContract): string[] {
  return [...(hasEtag !== undefined && response !== undefined ? ['ETag'] : []), ...(status === 201 || status === 303 ? ['Location'] : [])]
}

function descriptionOf({ method, status, response, produces }: RouteContract): string {
  if (produces !== undefined) return 'The lines as they come.'
  if (status === 303) return 'Go on at Location.'
  if (status === 201) return 'Made: Location says where it is.'
  if (response === undefined) return method === 'DELETE' ? 'It is gone.' : 'Done; there is nothing to say.'
  if (isPage(response)) return 'A page of the list; `next` is the cursor of the one after it, absent on the last.'
  return method === 'GET' ? 'As it is now.' : 'Done; as it is now.'
}

function whoMay({ demand, needsElevation, elevationWhen, alsoNeeds }: RouteContract): string {
  const again = 'people give their password or second factor again when that was some minutes ago (ELEVATION_REQUIRED).'
  const elevation =
    needsElevation === true ? ` ${again.replace('p', 'P')}` : elevationWhen === undefined ? '' : ` When ${elevationWhen}, ${again}`
  return `${whoCalls(demand)}${alsoNeeds === undefined ? '' : ` It takes ${alsoNeeds}, too.`}${elevation}`
}

function whoCalls(demand: RouteContract['demand']): string {
  if (!('who' in demand))
    return `Takes the permission \`${demand.permission}\` on the ${demand.on === 'system' ? 'whole registry' : demand.on}.`
  if ('permission' in demand && demand.on === 'thing')
    return `Takes the permission \`${demand.permission}\` on the project that it was in, or on the one above.`
  if ('permission' in demand) return `For everybody: holds what the caller has the permission \`${demand.permission}\` for.`
  return demand.who === 'anyone' ? 'For everybody, without an account too.' : 'For everybody who has an account.'
}

function isPage(schema: unknown): boolean {
  const { properties } = schema as { readonly properties?: Readonly<Record<string, unknown>> }
  return properties?.['items'] !== undefined && properties['next'] !== undefined
}

interface Place {
  readonly tag: string
  readonly isItem: boolean
  /** Puts a reference in its place. */
  readonly refer: (name: string) => void
}

interface Shared {
  readonly schema: unknown
  readonly first: Place
  readonly at: Place[]
}

/** Schemas that several answers have get the name of their resource; where one has two forms, that of its lists is called a summary. */
function shareSchemas({ components = {} }: Document, operations: readonly Described[]): void {
  const schemas: Record<string, unknown> = { ...components.schemas }
  for (const { schema, first, at } of sharedSchemas(operations)) {
    const name = freeName(schemas, first, at.length > 1)
    if (name === undefined) continue
    schemas[name] = schema
    for (const { refer } of at) refer(name)
  }
  components.schemas = schemas
}

/** Things by themselves come first: theirs is the plain name. */
function sharedSchemas(operations: readonly Described[]): Shared[] {
  const found = new Map<string, Shared>()
  const note = (schema: unknown, first: Place) => {
    const known = found.get(JSON.stringify(schema))
    if (known === undefined) found.set(JSON.stringify(schema), { schema, first, at: [first] })
    else known.at.push(first)
  }
  for (const { contract, operation } of operations) {
    for (const { content } of Object.values(operation.responses)) {
      const media = content?.['application/json']
      if (media !== undefined) notePlaces(media, contract, note)
    }
  }
  const isOfLists = ({ at }: Shared) => at.every(({ isItem }) => isItem)
  return [...found.values()]
    .filter(({ schema, first, at }) => isObject(schema) && (at.length > 1 || first.isItem))
    .toSorted((a, b) => Number(isOfLists(a)) - Number(isOfLists(b)))
}

function notePlaces(media: Media, { tag }: RouteContract, note: (schema: unknown, place: Place) => void): void {
  const { schema } = media
  const list = (schema as { readonly properties?: { readonly items?: { items?: unknown } } } | undefined)?.properties?.items
  if (list?.items === undefined)
    note(schema, { tag, isItem: false, refer: (name) => (media.schema = { $ref: `#/components/schemas/${name}` }) })
  else note(list.items, { tag, isItem: true, refer: (name) => (list.items = { $ref: `#/components/schemas/${name}` }) })
}

function isObject(schema: unknown): boolean {
  return (schema as { readonly type?: string } | undefined)?.type === 'object'
}

const oddSingulars: Readonly<Record<string, string>> = {
  repositories: 'Repository',
  system: 'System',
  audit: 'AuditRecord',
  'immutable tags': 'ImmutableTagRule',
}

/** Undefined: nothing plain is free, and only one answer has it. */
function freeName(taken: Readonly<Record<string, unknown>>, { tag, isItem }: Place, isShared: boolean): string | undefined {
  const base = oddSingulars[tag] ?? tag.slice(0, 1).toUpperCase() + tag.slice(1).replace(/s$/, '')
  const plain = [base, `${base}${isItem ? 'Summary' : 'Details'}`].find((name) => !Object.hasOwn(taken, name))
  if (plain !== undefined || !isShared) return plain
  let count = 2
  while (Object.hasOwn(taken, `${base}${count}`)) count += 1
  return `${base}${count}`
}
