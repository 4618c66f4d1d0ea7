import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { Validator } from '@seriousme/openapi-schema-validator'
import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import { allRouteContracts } from '#api/routes/all.ts'
import { allRoutes } from '#http/api/all-routes.ts'
import { openPeople, type People } from './people.ts'

type Json = Readonly<Record<string, unknown>>

const objectOf = (value: unknown, what: string): Json => {
  assert.ok(typeof value === 'object' && value !== null && !Array.isArray(value), `${what} is an object`)
  return value as Json
}
const listOf = (value: unknown, what: string): readonly unknown[] => {
  assert.ok(Array.isArray(value), `${what} is a list`)
  return value as readonly unknown[]
}

const words = (text: string): ReadonlySet<string> => new Set(text.split(' '))
const types = words('object array string number integer boolean null')
/** The words of JSON Schema 2020-12 that may stand in the document; any other is a slip. */
const keywords = words(
  'type properties required additionalProperties patternProperties minProperties maxProperties items minItems maxItems uniqueItems enum const ' +
    'anyOf oneOf allOf not $ref pattern format minLength maxLength minimum maximum exclusiveMinimum exclusiveMaximum multipleOf description ' +
    'title default examples deprecated readOnly writeOnly',
)
const numbers = ['minItems', 'maxItems', 'minLength', 'maxLength', 'minProperties', 'maxProperties', 'minimum', 'maximum']
const unions = ['anyOf', 'oneOf', 'allOf']

/** JSON Schema 2020-12, as far as the document uses it (OpenAPI 3.1.0 §4.8.24). */
function checkSchema(value: unknown, at: string, root: Json): void {
  if (typeof value === 'boolean') return
  const schema = objectOf(value, at)
  for (const word of Object.keys(schema)) assert.ok(keywords.has(word) || word.startsWith('x-'), `${at}: ${word} is no keyword`)
  for (const type of [schema['type'] ?? []].flat()) assert.ok(types.has(type as string), `${at}: ${JSON.stringify(type)} is no type`)
  for (const word of numbers) assert.ok(schema[word] === undefined || Number.isFinite(schema[word]), `${at}: ${word} is a number`)
  checkEnum(schema, at)
  // ECMA-262 with the u flag is what the specification asks of a pattern.
  const patterns = [schema['pattern'] ?? [], ...Object.keys(membersOf(schema, 'patternProperties'))].flat() as string[]
  for (const pattern of patterns) assert.doesNotThrow(() => new RegExp(pattern, 'u'), `${at}: ${pattern} is a pattern`)
  checkMembers(schema, at, root)
}

function checkEnum({ enum: listed }: Json, at: string): void {
  if (listed === undefined) return
  const values = listOf(listed, at)
  assert.ok(values.length > 0 && new Set(values).size === values.length, `${at}: enum has each value once`)
}

function membersOf(schema: Json, word: string): Json {
  return schema[word] === undefined ? {} : objectOf(schema[word], word)
}

function checkMembers(schema: Json, at: string, root: Json): void {
  const properties = membersOf(schema, 'properties')
  for (const [name, member] of Object.entries({ ...properties, ...membersOf(schema, 'patternProperties') }))
    checkSchema(member, `${at}.${name}`, root)
  for (const name of (schema['required'] ?? []) as readonly string[])
    assert.ok(Object.hasOwn(properties, name), `${at}: ${name} is required and not described`)
  for (const word of ['items', 'additionalProperties', 'not']) checkSchema(schema[word] ?? true, `${at}.${word}`, root)
  for (const word of unions) {
    const members = schema[word] === undefined ? undefined : listOf(schema[word], `${at}.${word}`)
    assert.notEqual(members?.length, 0, `${at}: ${word} is empty`)
    for (const [index, each] of (members ?? []).entries()) checkSchema(each, `${at}.${word}[${index}]`, root)
  }
}

function resolveRef(ref: string, root: Json): unknown {
  if (!ref.startsWith('#/')) return undefined
  let at: unknown = root
  for (const step of ref.slice(2).split('/')) at = (at as Json | undefined)?.[step.replaceAll('~1', '/').replaceAll('~0', '~')]
  return at
}

function dereferenced(value: unknown, root: Json): unknown {
  const { $ref: ref } = value as { readonly $ref?: string }
  return ref === undefined ? value : resolveRef(ref, root)
}

/** §4.8.12: where it stands, and a schema; those of the path are required. */
function checkParameters(operation: Json, path: string, root: Json): void {
  const seen = new Set<string>()
  const inPath: string[] = []
  for (const each of (operation['parameters'] ?? []) as readonly unknown[]) {
    const parameter = objectOf(dereferenced(each, root), `a parameter of ${path}`)
    const [name, place] = [String(parameter['name']), String(parameter['in'])]
    assert.ok(['query', 'path', 'header', 'cookie'].includes(place), `${path} ${name}: ${place}`)
    assert.ok(!seen.has(`${place} ${name}`), `${path}: ${name} stands twice`)
    seen.add(`${place} ${name}`)
    if (place === 'path') {
      assert.equal(parameter['required'], true, `${path}: ${name} is required`)
      inPath.push(name)
    }
    assert.match(String(parameter['description']), /\S{2,}/, `${path} ${name} is described`)
    checkSchema(parameter['schema'], `${path} ${name}`, root)
  }
  const named = [...path.matchAll(/\{([^}]+)\}/g)].map(([, name = '']) => name)
  assert.deepEqual(inPath.toSorted(), named.toSorted(), `${path}: each part of the path is described, and nothing else`)
}

function checkContent(holder: Json, at: string, root: Json): void {
  for (const [type, media] of Object.entries((holder['content'] ?? {}) as Json)) {
    assert.match(type, /^[\w.+-]+\/[\w.+-]+$/, at)
    checkSchema(objectOf(media, `${at} ${type}`)['schema'], `${at} ${type}`, root)
  }
}

suite('the OpenAPI document', () => {
  let people: People
  let root: Json
  before(async () => {
    people = await openPeople()
    const answer = await people.stranger.registry.send('/api/v1/openapi.json')
    assert.deepEqual([answer.status, answer.headers['x-content-type-options']], [200, 'nosniff'])
    assert.match(answer.headers['content-type'] ?? '', /^application\/json/)
    root = JSON.parse(answer.body.toString()) as Json
  })
  after(() => people[Symbol.asyncDispose]())

  test('says what it is (§4.8.1)', () => {
    assert.match(String(root['openapi']), /^3\.1\.\d+$/)
    const info = objectOf(root['info'], 'info')
    for (const member of ['title', 'version']) assert.equal(typeof info[member], 'string')
    const known = words('openapi info servers paths components tags security externalDocs jsonSchemaDialect webhooks')
    for (const member of Object.keys(root)) assert.ok(known.has(member), member)
  })

  test('fits the schema that the OpenAPI Initiative publishes, and names its parts by what it allows (§4.8.7.1)', async () => {
    const { valid, errors } = await new Validator().validate(structuredClone(root))
    assert.ok(valid, JSON.stringify(errors, undefined, 2))
    for (const [kind, parts] of Object.entries(objectOf(root['components'], 'components')))
      for (const name of Object.keys(objectOf(parts, kind))) assert.match(name, /^[a-zA-Z0-9._-]+$/, kind)
  })

  test('has every route of the contract, once, and no other', () => {
    const documented = Object.entries(objectOf(root['paths'], 'paths')).flatMap(([path, item]) =>
      Object.keys(objectOf(item, path)).map((method) => `${method.toUpperCase()} ${path}`),
    )
    const contracted = allRouteContracts.map(({ method, path }) => `${method} /api/v1${path}`)
    assert.deepEqual(documented.toSorted(), contracted.toSorted())
    assert.equal(new Set(contracted).size, contracted.length)
    const ids = Object.values(objectOf(root['paths'], 'paths')).flatMap((item) =>
      Object.values(objectOf(item, 'path')).map((operation) => objectOf(operation, 'operation')['operationId']),
    )
    assert.ok(ids.every((id) => typeof id === 'string' && /^[a-z][A-Za-z]+$/.test(id)))
    assert.equal(new Set(ids).size, contracted.length)
    assert.deepEqual(new Set(allRoutes.map(({ contract }) => contract)), new Set(allRouteContracts))
  })

  test('describes each operation: parameters, body, answers, errors, who may', () => {
    const schemes = objectOf(objectOf(root['components'], 'components')['securitySchemes'], 'securitySchemes')
    for (const { method, path, response, body, consumes, status, produces } of allRouteContracts) {
      const item = objectOf(objectOf(root['paths'], 'paths')[`/api/v1${path}`], path)
      const operation = objectOf(item[method.toLowerCase()], `${method} ${path}`)
      const at = `${method} ${path}`
      assert.ok(typeof operation['summary'] === 'string' && operation['summary'].endsWith('.'), `${at} has a sentence`)
      checkParameters(operation, `/api/v1${path}`, root)
      const requestBody = operation['requestBody'] as Json | undefined
      assert.equal(requestBody !== undefined, (body ?? consumes) !== undefined, `${at}: the body`)
      if (requestBody !== undefined) checkContent(requestBody, `${at} body`, root)
      const responses = objectOf(operation['responses'], `${at}: answers`)
      const done = String(status ?? (produces !== undefined || response !== undefined ? 200 : 204))
      assert.deepEqual(Object.keys(responses).toSorted(), [done, '4XX', '5XX'].toSorted(), at)
      for (const [code, each] of Object.entries(responses)) {
        const answer = objectOf(dereferenced(each, root), `${at} ${code}`)
        assert.equal(typeof answer['description'], 'string', `${at} ${code} is described`)
        checkContent(answer, `${at} ${code}`, root)
        if (code.endsWith('XX'))
          assert.deepEqual(Object.keys(objectOf(answer['content'], at)), ['application/problem+json'], `${at} ${code}`)
      }
      for (const requirement of listOf(operation['security'], `${at}: security`)) {
        for (const scheme of Object.keys(objectOf(requirement, at))) assert.ok(Object.hasOwn(schemes, scheme), `${at}: ${scheme}`)
      }
    }
  })

  test('names the types of a body that is read as it comes', () => {
    for (const { method, path, consumes } of allRouteContracts.filter((contract) => contract.consumes !== undefined)) {
      const body = objectOf(operationOf({ method, path })['requestBody'], path)
      assert.deepEqual(Object.keys(objectOf(body['content'], path)), consumes)
    }
  })

  const operationOf = ({ method, path }: { readonly method: string; readonly path: string }) =>
    objectOf(objectOf(objectOf(root['paths'], 'paths')[`/api/v1${path}`], path)[method.toLowerCase()], `${method} ${path}`)

  test('says where the server is, what each group is about, and of each operation who may', () => {
    assert.deepEqual(listOf(root['servers'], 'servers'), [{ url: '/', description: 'This registry.' }])
    const described = listOf(root['tags'], 'tags').map((tag) => objectOf(tag, 'tag'))
    assert.deepEqual(new Set(described.map(({ name }) => name)), new Set(allRouteContracts.map(({ tag }) => tag)))
    for (const { name, description } of described) assert.match(String(description), /\.$/, String(name))
    for (const contract of allRouteContracts) {
      const text = String(operationOf(contract)['description'])
      const permission = 'permission' in contract.demand ? contract.demand.permission : ''
      assert.ok(text.endsWith('.') && text.includes(permission), `${contract.method} ${contract.path}: ${text}`)
    }
  })

  test('describes each answer in words of its own, and the headers of it', () => {
    for (const contract of allRouteContracts) {
      const at = `${contract.method} ${contract.path}`
      const responses = objectOf(operationOf(contract)['responses'], at)
      const done = objectOf(Object.entries(responses).find(([status]) => /^[23]\d\d$/.test(status))?.[1], at)
      assert.doesNotMatch(String(done['description']), /default/i, at)
      const headers = Object.keys(objectOf(done['headers'], at))
      assert.equal(headers.includes('ETag'), contract.hasEtag !== undefined && contract.response !== undefined, `${at}: ETag`)
      assert.equal(headers.includes('Location'), contract.status === 201 || contract.status === 303, `${at}: Location`)
      for (const name of ['Retry-After', 'RateLimit', 'RateLimit-Policy'])
        assert.ok(Object.hasOwn(objectOf(objectOf(dereferenced(responses['4XX'], root), at)['headers'], at), name), `${at}: ${name}`)
      const names = ((operationOf(contract)['parameters'] ?? []) as readonly unknown[]).map(
        (each) => (dereferenced(each, root) as Json)['name'],
      )
      assert.equal(
        names.includes('If-Match'),
        contract.hasEtag === 'digest' || (contract.hasEtag !== undefined && contract.status !== 201),
        `${at}: If-Match`,
      )
    }
  })

  test('shows examples that the server would take, and says once what many answers have', () => {
    let examples = 0
    for (const contract of allRouteContracts) {
      const { requestBody } = operationOf(contract) as { readonly requestBody?: { readonly content: Json } }
      const { example } = (requestBody?.content['application/json'] ?? {}) as { readonly example?: unknown }
      if (example === undefined) continue
      examples += 1
      assert.ok(Compile(contract.body ?? Type.Never()).Check(example), `${contract.method} ${contract.path}`)
    }
    assert.ok(examples >= 6)
    const schemas = Object.keys(objectOf(objectOf(root['components'], 'components')['schemas'], 'schemas'))
    for (const name of ['Problem', 'User', 'Group', 'Project', 'Label', 'Grant', 'Robot', 'Repository', 'Tag'])
      assert.ok(schemas.includes(name), `${name} of ${schemas.join(' ')}`)
    const perRoute = JSON.stringify(root).length / allRouteContracts.length
    assert.ok(perRoute < 2_100, `${perRoute} characters a route`)
  })

  test('leads somewhere with every reference', () => {
    const walk = (value: unknown, at: string): void => {
      if (typeof value !== 'object' || value === null) return
      for (const [name, member] of Object.entries(value)) {
        if (name === '$ref' && typeof member === 'string') assert.ok(resolveRef(member, root) !== undefined, `${at}: ${member}`)
        walk(member, `${at}/${name}`)
      }
    }
    walk(root, '#')
  })
})
