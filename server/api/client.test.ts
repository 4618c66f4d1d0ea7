import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { Type } from 'typebox'
import { ApiProblem, createClient, type ClientOptions } from './client.ts'
import { defineRoute, pageOf, pageQuery, strictObject } from './contract.ts'

const listThings = defineRoute({
  method: 'GET',
  path: '/things',
  tag: 'things',
  summary: 'List things.',
  demand: { who: 'anyone' },
  query: strictObject({ ...pageQuery(['name']), kind: Type.Optional(Type.String()) }),
  response: pageOf(strictObject({ name: Type.String() })),
})
const readThing = defineRoute({
  method: 'GET',
  path: '/boxes/{box}/things/{thing}',
  tag: 'things',
  summary: 'Read one.',
  demand: { who: 'anyone' },
  params: strictObject({ box: Type.String(), thing: Type.Integer() }),
  response: strictObject({ name: Type.String() }),
})
const changeThing = defineRoute({
  method: 'PATCH',
  path: '/things/{thing}',
  tag: 'things',
  summary: 'Change one.',
  demand: { who: 'anyone' },
  params: strictObject({ thing: Type.Integer() }),
  body: strictObject({ name: Type.String() }),
})

interface Asked {
  readonly url: string
  readonly init: RequestInit
}

/** A client whose requests are answered one after the other, and what was asked. */
function clientOf(answers: readonly (() => Response)[], options: Partial<ClientOptions> = {}) {
  const asked: Asked[] = []
  const waiting = [...answers]
  const answer = (url: string, init: RequestInit) => {
    asked.push({ url, init })
    const next = waiting.shift()
    return next === undefined ? Promise.reject(new Error('asked too often')) : Promise.resolve(next())
  }
  return { asked, client: createClient({ baseUrl: 'https://registry.example/', fetch: answer as typeof fetch, ...options }) }
}

const json = (value: unknown, init: { readonly status?: number; readonly headers?: Readonly<Record<string, string>> } = {}) =>
  new Response(JSON.stringify(value), { ...init, headers: { 'content-type': 'application/json; charset=utf-8', ...init.headers } })

const headerOf = ({ init }: Asked, name: string) => new Headers(init.headers).get(name)

test('a parameter is one part of the path, whatever it holds', async () => {
  const { client, asked } = clientOf([() => json({ name: 'x' }), () => json({ name: 'x' })])
  await client.call(readThing, { params: { box: 'team/app', thing: 7 } })
  await client.call(readThing, { params: { box: '../a?b#c%2F é', thing: 7 } })
  assert.deepEqual(
    asked.map(({ url }) => url),
    [
      'https://registry.example/api/v1/boxes/team%2Fapp/things/7',
      'https://registry.example/api/v1/boxes/..%2Fa%3Fb%23c%252F%20%C3%A9/things/7',
    ],
  )
})

test('a parameter that would be a step in the path, or is missing, is never sent', async () => {
  const { client, asked } = clientOf([])
  for (const box of ['.', '..', '']) await assert.rejects(client.call(readThing, { params: { box, thing: 1 } }), /box/)
  await assert.rejects(client.call(readThing, {} as never), /needs box/)
  assert.equal(asked.length, 0)
})

test('a query leaves out what is undefined and encodes the rest', async () => {
  const { client, asked } = clientOf([() => json({ items: [] }), () => json({ items: [] })])
  await client.call(listThings, { query: { limit: 5, kind: 'a&b=c' } })
  await client.call(listThings)
  assert.equal(asked[0]?.url, 'https://registry.example/api/v1/things?limit=5&kind=a%26b%3Dc')
  assert.equal(asked[1]?.url, 'https://registry.example/api/v1/things')
})

test('a change sends its body as JSON and the version it was worked out from', async () => {
  const { client, asked } = clientOf([() => new Response(null, { status: 204 }), () => new Response(null, { status: 204 })])
  assert.equal(await client.call(changeThing, { params: { thing: 1 }, body: { name: 'é' }, ifMatch: 3 }), undefined)
  await client.call(changeThing, { params: { thing: 1 }, body: { name: 'é' }, ifMatch: 'W/"4"' })
  const [first, second] = asked
  assert.ok(first !== undefined && second !== undefined)
  assert.equal(first.init.body, '{"name":"é"}')
  assert.equal(first.init.method, 'PATCH')
  assert.equal(headerOf(first, 'content-type'), 'application/json')
  assert.equal(headerOf(first, 'if-match'), '"3"')
  assert.equal(headerOf(second, 'if-match'), 'W/"4"')
})

test('a credential goes as the header of its kind, in UTF-8', async () => {
  const credentials = [
    [{ kind: 'basic', name: 'älice', password: 'p:ä€' }, `Basic ${Buffer.from('älice:p:ä€').toString('base64')}`],
    [{ kind: 'bearer', token: 'berth_pat_x' }, 'Bearer berth_pat_x'],
    [{ kind: 'none' }, null],
  ] as const
  for (const [credential, header] of credentials) {
    const { client, asked } = clientOf([() => json({ items: [] })], { credential })
    await client.call(listThings)
    assert.equal(asked[0] && headerOf(asked[0], 'authorization'), header)
  }
})

test('ETag and Location come with the body', async () => {
  const { client } = clientOf([() => json({ name: 'x' }, { status: 201, headers: { etag: '"1"', location: '/api/v1/things/1' } })])
  const reply = await client.send(readThing, { params: { box: 'b', thing: 1 } })
  assert.deepEqual({ ...reply }, { status: 201, body: { name: 'x' }, etag: '"1"', location: '/api/v1/things/1' })
})

test('pages follow the cursor to the last, with the rest of the query', async () => {
  const { client, asked } = clientOf([
    () => json({ items: [{ name: 'a' }], next: 'c/1' }),
    () => json({ items: [], next: 'c2' }),
    () => json({ items: [{ name: 'b' }] }),
  ])
  const names: string[] = []
  for await (const page of client.pages(listThings, { query: { kind: 'k' } })) names.push(...page.items.map(({ name }) => name))
  assert.deepEqual(names, ['a', 'b'])
  assert.deepEqual(
    asked.map(({ url }) => new URL(url).search),
    ['?kind=k', '?kind=k&cursor=c%2F1', '?kind=k&cursor=c2'],
  )
})

suite('what is no success is thrown', () => {
  const refused = async (answer: () => Response): Promise<ApiProblem> => {
    const { client } = clientOf([answer])
    const error: unknown = await client.call(listThings).then(
      () => assert.fail('nothing was thrown'),
      (thrown: unknown) => thrown,
    )
    assert.ok(error instanceof ApiProblem, String(error))
    return error
  }

  test('with all that the problem says', async () => {
    const body = {
      type: 'urn:berth:error:request-invalid',
      title: 'request invalid',
      status: 400,
      code: 'REQUEST_INVALID',
      detail: 'no',
      requestId: 'r-1',
      errors: [{ path: 'query/limit', message: 'must be <= 1000' }, { nonsense: 1 }],
    }
    const problem = await refused(() =>
      json(body, { status: 400, headers: { 'content-type': 'application/problem+json', 'retry-after': '7' } }),
    )
    assert.equal(problem.status, 400)
    assert.equal(problem.code, 'REQUEST_INVALID')
    assert.equal(problem.message, 'no; query/limit: must be <= 1000')
    assert.equal(problem.requestId, 'r-1')
    assert.equal(problem.retryAfterSeconds, 7)
    assert.deepEqual(problem.errors, [{ path: 'query/limit', message: 'must be <= 1000' }])
  })

  test('in the form of /v2 as well', async () => {
    const body = { errors: [{ code: 'UNAVAILABLE', message: 'this server is shutting down' }] }
    const problem = await refused(() => json(body, { status: 503, headers: { 'x-request-id': 'r-2' } }))
    assert.deepEqual([problem.code, problem.title, problem.requestId], ['UNAVAILABLE', 'this server is shutting down', 'r-2'])
  })

  for (const [name, answer] of Object.entries({
    'a page of a proxy': () => new Response('<h1>Bad gateway</h1>', { status: 502, headers: { 'content-type': 'text/html' } }),
    'a success that is no JSON': () => new Response('hello', { status: 200, headers: { 'content-type': 'text/html' } }),
    'JSON that is cut': () => new Response('{"items":[', { status: 200, headers: { 'content-type': 'application/json' } }),
    'an error of another program': () => json({ message: 'no' }, { status: 418 }),
    'a redirect, which is not followed': () => new Response(null, { status: 301, headers: { location: 'https://elsewhere/' } }),
    'an error that is null': () => json(null, { status: 500 }),
  })) {
    test(`for ${name}`, async () => {
      const problem = await refused(answer)
      assert.equal(problem.code, 'UNEXPECTED_ANSWER')
      assert.equal(problem.status, answer().status)
    })
  }
})

test('the types of a call are the route’s', () => {
  const { client } = clientOf([])
  const wrong = () => {
    // @ts-expect-error -- the route has parameters
    void client.call(readThing)
    // @ts-expect-error -- a thing is a number
    void client.call(readThing, { params: { box: 'b', thing: 'x' } })
    // @ts-expect-error -- the route needs a body
    void client.call(changeThing, { params: { thing: 1 } })
    // @ts-expect-error -- the route takes no body
    void client.call(listThings, { body: {} })
    // @ts-expect-error -- no such sort
    void client.call(listThings, { query: { sort: 'color' } })
  }
  assert.equal(typeof wrong, 'function')
})

test('a route may be its method and path alone', async () => {
  const { client, asked } = clientOf([() => json({ items: [{ name: 'a' }] })])
  const bare = { method: 'GET', path: '/things' } as typeof listThings
  assert.equal((await client.call(bare)).items[0]?.name, 'a')
  assert.equal(asked[0]?.url, 'https://registry.example/api/v1/things')
})
