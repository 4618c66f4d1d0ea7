import { Agent, request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import * as fc from 'fast-check'
import { Compile } from 'typebox/compile'
import { problem, type RouteContract } from '#api/contract.ts'
import { allRouteContracts } from '#api/routes/all.ts'
import { errorTable } from '#oci/errors.ts'
import { createGrant } from '#access/grants.ts'
import { operatorRights } from '#access/acting.ts'
import { openPeople, password, type People } from '../api/people.ts'
import { basicAuthorization } from './http-client.ts'
import { providerValues, settingsWithTheirKind } from './provider-arbitrary.ts'
import { pushArtifact, pushImage, pushIndex } from './registry-client.ts'
import { anyHostileText, anyHostileValue, arbitraryOf, spoiled, type Schema } from './schema-arbitrary.ts'
import { startUpload } from './upload.ts'

/** A request of the fuzz, as it goes out. */
interface FuzzRequest {
  readonly route: RouteContract
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
}

interface FuzzAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** What a run found. */
export interface FuzzReport {
  readonly requests: number
  /** By status. */
  readonly statuses: ReadonlyMap<number, number>
  /** Routes that answered with success at least once, and all that were called. */
  readonly succeeded: ReadonlySet<string>
  readonly called: ReadonlySet<string>
  /** One line for each answer that was wrong. */
  readonly failures: readonly string[]
}

/** Requests before the server is made anew: an administrator who does anything sooner or later locks everybody out. */
const requestsPerServer = 250

/** Sends so many requests, half as an administrator, half as nobody or a guest, and judges each answer. The same seed sends the same. */
export async function fuzzApi({ requests, seed }: { readonly requests: number; readonly seed: number }): Promise<FuzzReport> {
  const report = {
    requests,
    statuses: new Map<number, number>(),
    succeeded: new Set<string>(),
    called: new Set<string>(),
    failures: [] as string[],
  }
  for (let sent = 0, round = 0; sent < requests; round++) {
    const count = Math.min(requestsPerServer, requests - sent)
    await fuzzServer(report, count, seed + round)
    sent += count
  }
  return report
}

type OpenReport = Awaited<ReturnType<typeof fuzzApi>> & {
  readonly statuses: Map<number, number>
  readonly succeeded: Set<string>
  readonly called: Set<string>
  readonly failures: string[]
}

async function fuzzServer(report: Omit<OpenReport, 'requests'>, count: number, seed: number): Promise<void> {
  await using people = await openPeople()
  const known = await furnish(people)
  const guest = await people.add('guest')
  await people.grant(guest, 'guest', 'team')
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const administrator = { authorization: basicAuthorization('root', password) }
  const callers = [administrator, administrator, { authorization: basicAuthorization('guest', password) }, {}]
  const origin = new URL(people.rooms.url)
  try {
    for (const [index, each] of fc.sample(requestArbitrary(known), { numRuns: count, seed }).entries()) {
      const headers = { ...callers[index % callers.length], ...each.headers }
      const what = `${each.route.method} ${each.path.slice(0, 300)} ${JSON.stringify(each.headers)} ${each.body?.slice(0, 500) ?? ''}`
      try {
        judge(report, each.route, await send(agent, origin, { ...each, headers }), what)
      } catch (error) {
        report.failures.push(`${what}: no answer: ${String(error)}`)
      }
    }
  } finally {
    agent.destroy()
  }
}

/** One thing of each kind, so that requests meet something; gives values that mean something, by the name of a parameter or member. */
async function furnish(people: People): Promise<(name: string) => readonly unknown[] | undefined> {
  const { root, rooms } = people
  await root.call('POST', '/projects', { name: 'team' })
  await root.call('POST', '/projects', { name: 'open', isPublic: true })
  const image = await pushImage(root.registry, 'team/app', 'latest', { command: ['sh'] })
  const index = await pushIndex(root.registry, 'team/app', 'index', [image.descriptor])
  const sbom = await pushArtifact(root.registry, 'team/app', {
    artifactType: 'application/x-sbom',
    content: Buffer.from('{}'),
    subject: image.descriptor,
  })
  await pushImage(root.registry, 'open/tool', 'v1')
  await startUpload(root.registry, rooms.url, 'team/app')
  const spare = await people.add('spare')
  const label = await root.call('POST', '/projects/team/labels', { name: 'good' })
  await root.call('POST', '/labels', { name: 'all' })
  await root.call('POST', '/roles', { name: 'custom', title: 'Custom', permissions: ['repository:pull'] })
  await root.call('POST', '/groups', { name: 'crew' })
  await root.call('POST', '/tokens', { name: 'mine' })
  const acting = { who: { actor: 'fuzz', requestId: 'fuzz' }, rights: operatorRights }
  const grant = { subject: { kind: 'user', id: spare.id }, role: 'guest', project: undefined, repositories: null, expiresAt: null } as const
  await createGrant(rooms.accounts, grant, acting)
  const uploads = await root.call('GET', '/uploads')
  const digests = [image, index, sbom].map(({ descriptor }) => descriptor.digest)
  const values: Readonly<Record<string, readonly unknown[]>> = {
    project: ['team', 'open', 'library', 'none'],
    repository: ['team/app', 'open/tool', 'team/none'],
    tag: ['latest', 'v1', 'index', 'none'],
    digest: digests,
    reference: ['latest', 'index', ...digests],
    from: ['latest', 'index'],
    to: ['latest', 'index', 'none'],
    toRepository: ['team/app', 'open/tool', 'none'],
    path: ['/', '/etc', '/etc/name', '/none'],
    platform: ['linux/amd64', 'linux/arm64'],
    upload: [uploads.body.items?.[0]?.['id'] ?? 'x'],
    label: [label.body['id'] ?? 1, 1, 2],
    role: ['custom', 'guest', 'developer', 'none'],
    provider: ['local', 'corp', 'none'],
    sort: ['name', '-name', 'createdAt', 'updatedAt'],
    // Never 1: that is who asks.
    user: [spare.id, 99],
    group: [1, 2],
    robot: [1, 2],
    grant: [1, 2, 3],
    token: [1, 2],
    job: [1, 2],
    schedule: ['collect-garbage', 'none'],
    ...providerValues,
  }
  return (name) => (Object.hasOwn(values, name) ? values[name] : undefined)
}

/** Routes whose effect ends the usefulness of a server for the rest of the run come seldom. */
const endsTheRun = new Set(['PATCH /system/settings', 'PUT /projects/{project}/networks'])

function requestArbitrary(known: (name: string) => readonly unknown[] | undefined): fc.Arbitrary<FuzzRequest> {
  return fc.oneof(
    ...allRouteContracts.map((route) => ({
      weight: endsTheRun.has(`${route.method} ${route.path}`) ? 1 : 8,
      arbitrary: routeArbitrary(route, known),
    })),
  )
}

type Part = 'params' | 'query' | 'body'

/** Three requests of five fit the contract; of the others one part is spoiled, or everything may be anything. */
function routeArbitrary(route: RouteContract, known: (name: string) => readonly unknown[] | undefined): fc.Arbitrary<FuzzRequest> {
  const valid = (part: Part) => {
    const schema = route[part]
    return schema === undefined ? fc.constant(undefined) : arbitraryOf(schema as Schema, known)
  }
  const fitting = { params: valid('params'), query: valid('query'), body: settingsOfKind(route, known) ?? valid('body') }
  const parts = (['params', 'query', 'body'] as const).filter((part) => route[part] !== undefined)
  const spoilt = parts.map((part) => fc.record({ ...fitting, [part]: spoiled(fitting[part]) }))
  const hostile = fc.record({ params: anyHostileValue, query: anyHostileValue, body: fc.option(anyHostileValue, { nil: undefined }) })
  return fc.oneof(
    { weight: 6, arbitrary: fc.record(fitting).map((each) => requestOf(route, each)) },
    { weight: spoilt.length === 0 ? 0 : 3, arbitrary: fc.oneof(...spoilt, hostile).map((each) => requestOf(route, each)) },
    { weight: 1, arbitrary: rawArbitrary(route, fc.oneof(fc.record(fitting), hostile)) },
  )
}

/** For routes whose body has settings of the kind that it names. */
function settingsOfKind(route: RouteContract, known: (name: string) => readonly unknown[] | undefined): fc.Arbitrary<unknown> | undefined {
  if (route.path === '/provider-tests') return settingsWithTheirKind(known)
  const isMaking = route.method === 'POST' && route.path === '/providers'
  return isMaking ? settingsWithTheirKind(known, { name: fc.stringMatching(/^[a-z]{3,8}$/), isEnabled: fc.constant(false) }) : undefined
}

interface Values {
  readonly params: unknown
  readonly query: unknown
  readonly body: unknown
}

function requestOf(route: RouteContract, { params, query, body }: Values): FuzzRequest {
  const text = body === undefined ? undefined : JSON.stringify(body)
  const headers = text === undefined ? {} : { 'content-type': 'application/json' }
  return { route, path: pathOf(route.path, params, undefined) + queryOf(query), headers, body: text }
}

/** What no client of ours would send: broken JSON, other types, any bytes that a path takes, any ETag. */
function rawArbitrary(route: RouteContract, values: fc.Arbitrary<Values>): fc.Arbitrary<FuzzRequest> {
  return fc
    .record({
      values,
      body: fc.option(fc.constantFrom(...rawBodies), { freq: 3, nil: undefined }),
      type: fc.constantFrom(
        'application/json',
        'text/plain',
        'application/x-www-form-urlencoded',
        'application/json; charset=utf-16',
        '*/*',
        ';',
      ),
      etag: fc.option(fc.constantFrom('"1"', 'W/"1"', '*', '"x"', '1', '"99999999999999999999"', ''), { nil: undefined }),
      path: fc.option(anyHostileText, { nil: undefined }),
      query: fc.option(anyHostileText, { nil: undefined }),
    })
    .map((raw) => {
      const { body, headers } = requestOf(route, raw.values)
      const query = raw.query === undefined ? queryOf(raw.values.query) : `?${escaped(raw.query)}`
      return {
        route,
        path: pathOf(route.path, raw.values.params, raw.path) + query,
        headers: { ...headers, 'content-type': raw.type, ...(raw.etag !== undefined && { 'if-match': raw.etag }) },
        body: raw.body ?? body,
      }
    })
}

const rawBodies = ['', '{', '[1,', '"', 'null', '{"a":1,"a":2}', '\u0000', '['.repeat(20_000), `{"a":"${'x'.repeat(100_000)}"}`]

function pathOf(path: string, params: unknown, raw: string | undefined): string {
  const values = (typeof params === 'object' && params !== null ? params : {}) as Readonly<Record<string, unknown>>
  return `/api/v1${path.replaceAll(/\{(\w+)\}/g, (_, name: string) => (raw === undefined ? encoded(textOf(values[name])) : escaped(raw)))}`
}

function queryOf(query: unknown): string {
  if (typeof query !== 'object' || query === null) return ''
  const parts = Object.entries(query).flatMap(([name, value]) =>
    (Array.isArray(value) ? (value as unknown[]).slice(0, 3) : [value]).map((each) => `${encoded(name)}=${encoded(textOf(each))}`),
  )
  return parts.length === 0 ? '' : `?${parts.join('&').slice(0, 6_000)}`
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? 'undefined')
}

function encoded(text: string): string {
  return encodeURIComponent(text.toWellFormed())
}

/** As it is, as far as HTTP lets it pass. */
function escaped(text: string): string {
  return text.toWellFormed().replaceAll(/[^\u0021-\u007e]/gu, (character) => encodeURIComponent(character))
}

function send(agent: Agent, { hostname, port }: URL, { route, path, headers, body }: FuzzRequest): Promise<FuzzAnswer> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }
    const outgoing = httpRequest({ agent, hostname, port, method: route.method, path, headers: { ...headers, ...length } }, (incoming) => {
      let text = ''
      incoming.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      incoming.once('error', reject)
      // An answer of events has no end.
      if (incoming.headers['content-type']?.startsWith('text/event-stream') === true)
        incoming.once('data', () => {
          resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: text })
          incoming.destroy()
        })
      incoming.once('end', () => resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: text }))
    })
    outgoing.setTimeout(30_000, () => outgoing.destroy(new Error('no answer in 30 s')))
    outgoing.once('error', reject)
    outgoing.end(body)
  })
}

const validators = new Map<unknown, ReturnType<typeof Compile>>()

function fits(schema: unknown, value: unknown): string | undefined {
  let validator = validators.get(schema)
  if (validator === undefined) validators.set(schema, (validator = Compile(schema as never)))
  if (validator.Check(value)) return undefined
  const [first] = validator.Errors(value)
  return `${first?.instancePath} ${first?.message}`
}

function judge(report: Omit<OpenReport, 'requests'>, route: RouteContract, answer: FuzzAnswer, what: string): void {
  const name = `${route.method} ${route.path}`
  report.called.add(name)
  report.statuses.set(answer.status, (report.statuses.get(answer.status) ?? 0) + 1)
  if (answer.status < 300) report.succeeded.add(name)
  const wrong = wrongWith(route, answer)
  if (wrong !== undefined) report.failures.push(`${what}\n    → ${answer.status} ${wrong}: ${answer.body.slice(0, 500)}`)
}

/** Undefined when the answer is what the contract says. */
function wrongWith(route: RouteContract, { status, headers, body }: FuzzAnswer): string | undefined {
  if (status >= 500) return 'is a fault of the server'
  if (headers['x-content-type-options'] !== 'nosniff') return 'may be sniffed'
  if (status >= 400) return problemWith(status, headers, body)
  const type = headers['content-type'] ?? ''
  if (route.produces !== undefined) return route.produces.some((each) => type.startsWith(each)) ? undefined : `is ${type}`
  if (status !== documentedStatus(route)) return `is not the documented ${documentedStatus(route)}`
  // Where a browser is sent on, there is nothing to read.
  if (status >= 300) return headers.location === undefined ? 'sends nowhere' : undefined
  return bodyWith(route, type, body)
}

function documentedStatus({ status, response }: RouteContract): number {
  return status ?? (response === undefined ? 204 : 200)
}

function bodyWith({ response }: RouteContract, type: string, body: string): string | undefined {
  if (response === undefined) return body === '' ? undefined : 'has a body that nothing documents'
  if (!/^application\/json\b/.test(type)) return `is ${type}`
  const misfit = fits(response, JSON.parse(body))
  return misfit === undefined ? undefined : `does not fit its schema (${misfit})`
}

function problemWith(status: number, headers: IncomingHttpHeaders, body: string): string | undefined {
  if (!/^application\/problem\+json\b/.test(headers['content-type'] ?? '')) return `is ${headers['content-type']}, no problem`
  const value = JSON.parse(body) as { readonly status: number; readonly code: string }
  const misfit = fits(problem, value)
  if (misfit !== undefined) return `is no problem (${misfit})`
  if (value.status !== status) return 'says another status'
  return Object.hasOwn(errorTable, value.code) ? undefined : 'has a code of no table'
}
