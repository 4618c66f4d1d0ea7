/** What the schemas of the contract let through: no member, parameter, order or filter that they do not name, whatever the route. Generated from it. */
import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { Compile } from 'typebox/compile'
import type { RouteContract } from '#api/contract.ts'
import { allRouteContracts } from '#api/routes/all.ts'
import { openPeople, type People } from '../api/people.ts'
import { pushImage } from '../support/registry-client.ts'
import { hostileTexts, type Schema } from '../support/schema-arbitrary.ts'
import { validBody } from '../support/valid-body.ts'

/** Columns of rows and words of other registries that nobody may set or ask by. */
const hidden = [
  'id',
  'isAdmin',
  'is_admin',
  'admin',
  'has_admin_role',
  'sysadmin_flag',
  'role_id',
  'passwordHash',
  'password_hash',
  'salt',
  'hash',
  'version',
  'createdBy',
  'created_by',
  'createdAt',
  'created_at',
  'projectId',
  'project_id',
  'userId',
  'user_id',
  'ownerId',
  'owner',
  'isBuiltIn',
  'isDefault',
  'attributes',
  'sealed',
  'secret_sealed',
  'tokenId',
  'credential',
  'lineage',
  'rights',
  '__proto__',
  'constructor',
]

const nameOf = ({ method, path }: RouteContract) => `${method} ${path}`
const known: Readonly<Record<string, string>> = { project: 'team', repository: 'team/app', tag: 'v1', role: 'guest', provider: 'local' }

let people: People
let digest: string

function pathOf({ path }: RouteContract): string {
  return path.replaceAll(/\{(\w+)\}/g, (_all, name: string) => encodeURIComponent(name === 'digest' ? digest : (known[name] ?? '1')))
}

before(async () => {
  people = await openPeople()
  const { root } = people
  await root.call('POST', '/projects', { name: 'team' })
  await root.call('POST', '/projects', { name: 'hidden' })
  digest = (await pushImage(root.registry, 'team/app', 'v1')).descriptor.digest
  await pushImage(root.registry, 'hidden/app', 'v1')
  for (const name of ['alice', 'bob', 'carol']) await people.add(name)
  await root.call('POST', '/projects/team/labels', { name: 'good' })
  await root.call('POST', '/groups', { name: 'crew' })
  await root.call('POST', '/robots', { name: 'ci', grants: [{ role: 'guest' }] })
  await root.call('POST', '/tokens', { name: 'mine' })
})
after(() => people[Symbol.asyncDispose]())

/** Every schema of an object below this one. */
function objectsIn(schema: Schema, at: string): (readonly [at: string, schema: Schema & { readonly additionalProperties?: unknown }])[] {
  const { properties = {}, items, anyOf = [] } = schema
  return [
    ...(schema.type === 'object' && schema.patternProperties === undefined ? [[at, schema] as const] : []),
    ...Object.entries(properties).flatMap(([name, member]) => objectsIn(member, `${at}/${name}`)),
    ...(items === undefined ? [] : objectsIn(items, `${at}[]`)),
    ...anyOf.flatMap((each, index) => objectsIn(each, `${at}|${index}`)),
  ]
}

/** What an identity provider sends may have members that nobody reads. */
const readsOthersForms = 'POST /session/oidc/{provider}/backchannel-logout'

suite('a body', () => {
  for (const route of allRouteContracts) {
    const { body } = route
    if (body === undefined || nameOf(route) === readsOthersForms) continue

    test(`of ${nameOf(route)} takes no member that is not in its schema, in no object of it`, async () => {
      // What an authenticator answered is another specification's, and read by what knows it.
      for (const [at, schema] of objectsIn(body as Schema, 'body'))
        assert.equal(at.endsWith('/response') || schema.additionalProperties === false, true, at)
      const { properties = {}, anyOf = [] } = body as Schema
      const members = new Set([properties, ...anyOf.map((each) => each.properties ?? {})].flatMap((each) => Object.keys(each)))
      const valid = validBody(body) as object
      for (const member of hidden.filter((each) => !members.has(each))) {
        const text = JSON.stringify(valid).replace(/^\{(?=(.))/, (_all, next) => `{${JSON.stringify(member)}:1${next === '}' ? '' : ','}`)
        assert.equal(Compile(body).Check(JSON.parse(text)), false, member)
        const answer = await people.root.registry.send(`/api/v1${pathOf(route)}`, {
          method: route.method,
          headers: { 'content-type': 'application/json' },
          body: text,
        })
        // Before its body is looked at a sign-in asks for what it continues.
        assert.ok([400, 401, 404, 409].includes(answer.status), `${member}: ${answer.status} ${answer.body.toString()}`)
      }
    })
  }

  test('changes nothing by a member that is smuggled in', async () => {
    const { root } = people
    const before = await root.call('GET', '/users?limit=1000')
    const alice = before.body.items?.find(({ name }) => name === 'alice')
    for (const extra of [{ id: 1 }, { version: 1 }, { isAdmin: true }, { hasPassword: false }, { passwordHash: '' }])
      assert.equal((await root.call('PATCH', `/users/${String(alice?.['id'])}`, { displayName: 'changed', ...extra })).status, 400)
    assert.deepEqual((await root.call('GET', '/users?limit=1000')).body, before.body)
  })
})

suite('a query', () => {
  for (const route of allRouteContracts.filter(({ method }) => method === 'GET')) {
    test(`of ${nameOf(route)} takes no parameter and no order that is not in its schema`, async () => {
      if (route.path.startsWith('/session/oidc/')) return
      const { properties = {} } = (route.query ?? {}) as Schema
      const path = pathOf(route)
      const ask = async (query: string) => (await people.root.call('GET', `${path}?${query}`)).status
      for (const name of hidden.filter((each) => !Object.hasOwn(properties, each)))
        assert.ok([400, 404].includes(await ask(`${name}=1`)), `${name} is not refused`)
      if (!Object.hasOwn(properties, 'sort')) return
      for (const column of [...hidden, 'name,passwordHash', 'name;--', '(select 1)', 'rowid', '1', '--name', 'NAME', 'toString'])
        if (!properties['sort']?.enum?.includes(column))
          assert.equal(await ask(`sort=${encodeURIComponent(column)}`), 400, `sort=${column}`)
    })
  }
})

const injections = [
  "'",
  '"',
  "' or 1=1 --",
  "x') or 1=1 --",
  "' union select id, name, password_hash from users --",
  '1; drop table users',
  "team' and randomblob(100000000) --",
  '%',
  '_',
  '\\',
  '*',
  '**',
  ...hostileTexts.slice(0, 20),
]

function filtersWith(name: string): readonly string[] {
  return injections.map((text) => `${name}=${encodeURIComponent(text.toWellFormed())}`)
}

/** Cursors that this list could have given, but for the value in them. */
function cursorsOf(properties: Readonly<Record<string, Schema>>): readonly string[] {
  if (!Object.hasOwn(properties, 'cursor')) return []
  const orders = (properties['sort']?.enum as readonly string[] | undefined) ?? ['id']
  const values = [...injections, 0, -1, 1e300, Number.MAX_SAFE_INTEGER, null, {}, [], true]
  return orders.flatMap((order) => {
    const sort = properties['sort'] === undefined ? '' : `&sort=${encodeURIComponent(order)}`
    return values.map((value) => `cursor=${Buffer.from(JSON.stringify([order, value, 0])).toString('base64url')}${sort}`)
  })
}

suite('a list', () => {
  const lists = allRouteContracts.filter(({ method, response }) => {
    const { properties = {} } = (response ?? {}) as Schema
    return method === 'GET' && Object.hasOwn(properties, 'items')
  })
  for (const route of lists) {
    const { properties = {} } = (route.query ?? {}) as Schema
    const texts = Object.entries(properties).flatMap(([name, { type, anyOf }]) =>
      (type === 'string' || anyOf !== undefined) && name !== 'sort' ? [name] : [],
    )

    test(`${nameOf(route)} shows no more and breaks by nothing that a filter or a cursor says`, async () => {
      const path = pathOf(route)
      const items = async (query: string) => {
        const { status, body } = await people.root.call('GET', `${path}?${query}`)
        assert.ok(status < 500, `${query}: ${status} ${JSON.stringify(body)}`)
        return status === 200 ? (body.items ?? []).map((item) => String(item['id'] ?? item['name'] ?? item['digest'])) : []
      }
      const limit = Object.hasOwn(properties, 'limit') ? 'limit=1000' : ''
      const all = new Set(await items(limit))
      const queries = [...texts.flatMap(filtersWith), ...cursorsOf(properties)].map((query) => `${query}&${limit}`)
      for (const query of queries) {
        // The log grows by what is asked here.
        for (const item of await items(query)) assert.ok(route.tag === 'audit' || all.has(item), `${query} shows ${item}`)
      }
    })
  }

  test('of what one may see holds nothing more for somebody without rights, whatever the filter', async () => {
    const nobody = await people.add('nobody')
    for (const [path, name] of [
      ['/repositories', 'q'],
      ['/repositories', 'name'],
      ['/repositories', 'project'],
      ['/projects', 'name'],
    ] as const) {
      for (const text of [...injections, 'hidden', 'team', 'hidden/app', '']) {
        const { status, body } = await nobody.call('GET', `${path}?${name}=${encodeURIComponent(text.toWellFormed())}`)
        assert.ok(status === 400 || body.items?.length === 0, `${path} ${name}=${text}: ${status} ${JSON.stringify(body)}`)
      }
    }
  })
})
