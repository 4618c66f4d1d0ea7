/**
 * Every route of the management API and every verb of /v2, asked by everybody, about their own, a child's, a foreign and a public project, and with ids of
 * one project below another. What the answer must be is worked out from the contract's demand and the scene's grants alone (naive-rights.ts).
 *
 * Allowed calls carry a body that does not fit, or an ETag that nothing has, so that they end in 400, 409 or 412 and leave the scene as it was; what can
 * only be destroyed is made for each call (fill-request.ts). A route whose parameters the scene does not know fails here: extend the scene.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { RouteContract } from '#api/contract.ts'
import { builtInRoles } from '#api/permissions.ts'
import { allRouteContracts } from '#api/routes/all.ts'
import { fillRequest, isBelow, isOfVictim, keyOf, parametersOf, type Aim, type Filled } from './fill-request.ts'
import { naivelyMay, type Where } from './naive-rights.ts'
import { pushImage } from '../support/registry-client.ts'
import { registryVerbs, type RegistryVerb } from './registry-verbs.ts'
import { ownRules, withoutPermission, type Verdict } from './own-rules.ts'
import { makeScene, type Actor, type Place, type Scene } from './scene.ts'

let scene: Scene
let cells = 0
const wrong: string[] = []

before(async () => {
  scene = await makeScene()
})

after(async () => {
  await scene[Symbol.asyncDispose]()
  process.stderr.write(`permission matrix: ${cells} cells, ${wrong.length} wrong answers\n`)
})

/** A victim is in the place, and is no repository that anybody has a right of their own on. */
function whereOf({ name: project, isPublic, repository }: Place, isVictim = false): Where {
  return { project, isPublic, ...(isVictim ? {} : { repository }) }
}

/** The rule of hiding: no credential, 401; not seen, 404; seen, 403. */
function expectedOf(route: RouteContract, actor: Actor, place: Place): Verdict {
  const { demand } = route
  const { rights } = actor
  const refused = rights.isAnonymous === true ? 401 : 403
  if ('who' in demand) {
    const usual = demand.who === 'signed-in' && refused === 401 ? 401 : 'allowed'
    return ownRules[keyOf(route)]?.(actor, usual) ?? usual
  }
  const { permission, on } = demand
  if (on === 'system') return naivelyMay(rights, permission, {}) ? 'allowed' : refused
  // A right on one repository is none on its project.
  const where = whereOf(place, on === 'project' || isOfVictim(route))
  if (naivelyMay(rights, permission, where)) return 'allowed'
  return refused === 401 ? 401 : refusedWith(rights, on, where)
}

function refusedWith(rights: Actor['rights'], on: 'project' | 'repository', where: Where): Verdict {
  return naivelyMay(rights, `${on}:read`, where) ? 403 : 404
}

async function send(base: string, request: Filled, { authorization }: Actor): Promise<{ status: number; text: string }> {
  const headers = {
    ...(authorization === undefined ? {} : { authorization }),
    ...(request.body === undefined ? {} : { 'content-type': 'application/json' }),
    ...(request.hasEtag && request.method !== 'GET' ? { 'if-match': '"999999999"' } : {}),
  }
  const answer = await fetch(base + request.path, {
    method: request.method,
    headers,
    ...(request.body === undefined ? {} : { body: request.body }),
  })
  return { status: answer.status, text: await answer.text() }
}

function fits(status: number, expected: Verdict): boolean {
  return expected === 'allowed' ? ![401, 403, 404].includes(status) && status < 500 : status === expected
}

function judge(cell: string, answer: { status: number; text: string }, expected: Verdict): void {
  cells++
  if (!fits(answer.status, expected)) wrong.push(`${cell}: ${answer.status} where ${expected} is right; ${answer.text.slice(0, 200)}`)
}

async function walk(route: RouteContract, aim: Aim, expect: (actor: Actor) => Verdict): Promise<void> {
  const isAcross = aim.path !== aim.things
  for (const actor of scene.actors) {
    const request = await fillRequest(scene, route, { aim, actor, isValid: isAcross })
    const answer = await send(`${scene.rooms.url}api/v1`, request, actor)
    const what = isAcross ? `${aim.path.name} with a thing of ${aim.things.name}` : aim.path.name
    judge(`${keyOf(route)} (${what}) as ${actor.name}`, answer, expect(actor))
  }
}

function report(since: number): void {
  assert.deepEqual(wrong.slice(since), [])
}

for (const route of allRouteContracts) {
  test(`${keyOf(route)} answers each caller as its demand says`, async () => {
    const since = wrong.length
    const [first] = scene.places
    assert.ok(first)
    for (const place of isBelow(route) ? scene.places : [first]) {
      await walk(route, { path: place, things: place }, (actor) => expectedOf(route, actor, place))
    }
    report(since)
  })
}

test('a route without a permission is one of those that are known to need none', () => {
  const open = allRouteContracts.filter(({ demand }) => 'who' in demand).map(keyOf)
  assert.deepEqual(open.toSorted(), [...withoutPermission].toSorted())
})

test('the role system-reader reads whatever is read but the insides of images, which are pulled; only who gives roles asks whom they could give them to', () => {
  const held: ReadonlySet<string> = new Set(builtInRoles.find(({ name }) => name === 'system-reader')?.permissions)
  const unread = allRouteContracts.filter(
    ({ method, demand }) => method === 'GET' && 'permission' in demand && !held.has(demand.permission),
  )
  assert.deepEqual(unread.map(keyOf).toSorted(), [
    'GET /projects/{project}/candidates',
    'GET /projects/{project}/permissions',
    'GET /repositories/{repository}/compare',
    'GET /repositories/{repository}/manifests/{reference}/archive',
    'GET /repositories/{repository}/manifests/{reference}/file',
    'GET /repositories/{repository}/manifests/{reference}/files',
  ])
})

test('a route below a project or a repository asks for a right there', () => {
  for (const route of allRouteContracts.filter(isBelow)) {
    const [first] = parametersOf(route)
    assert.ok('on' in route.demand && route.demand.on === first, keyOf(route))
  }
})

/** What refers to a digest may be there before it: the list is empty, wherever the digest is known. */
const listsReferrers = 'GET /repositories/{repository}/manifests/{digest}/referrers'

/** Parameters that name a thing of the project of the path. */
function hasThing(route: RouteContract): boolean {
  return (
    isBelow(route) &&
    keyOf(route) !== listsReferrers &&
    parametersOf(route).some((name) => ['grant', 'robot', 'label', 'digest', 'upload', 'secret', 'trust', 'policy', 'run'].includes(name))
  )
}

for (const route of allRouteContracts.filter(hasThing)) {
  test(`${keyOf(route)} finds nothing of another project`, async () => {
    const since = wrong.length
    for (const path of scene.places) {
      for (const things of scene.places.filter((place) => place !== path)) {
        await walk(route, { path, things }, (actor) => {
          const expected = expectedOf(route, actor, path)
          return expected === 'allowed' ? 404 : expected
        })
      }
    }
    report(since)
  })
}

test(`${listsReferrers} tells nothing of another project`, async () => {
  const [path, things] = scene.places
  assert.ok(path && things)
  await pushImage(scene.admin, things.repository, undefined, { subject: { ...things.descriptor } })
  const root = scene.actors.find(({ rights }) => rights.isAdministrator === true && rights.limit === undefined)
  assert.ok(root)
  const route = allRouteContracts.find((each) => keyOf(each) === listsReferrers)
  assert.ok(route)
  for (const [aim, count] of [
    [{ path: things, things }, 1],
    [{ path, things }, 0],
  ] as const) {
    const answer = await send(`${scene.rooms.url}api/v1`, await fillRequest(scene, route, { aim, actor: root, isValid: true }), root)
    assert.equal((JSON.parse(answer.text) as { items: unknown[] }).items.length, count)
  }
})

/** What is refused below /v2 is never told apart by whether it is there: 401 without a credential, 403 with one. */
function expectedOfVerb(verb: RegistryVerb, { rights }: Actor, place: Place): Verdict {
  if (verb.permission === 'visible') return 'allowed'
  if (verb.permission === 'identity') return rights.isAnonymous === true ? 401 : 'allowed'
  if (naivelyMay(rights, verb.permission, whereOf(place, verb.isOfVictim === true))) return 'allowed'
  return rights.isAnonymous === true ? 401 : 403
}

for (const verb of registryVerbs) {
  test(`/v2: ${verb.name} answers each caller as its demand says`, async () => {
    const since = wrong.length
    for (const place of scene.places) {
      for (const actor of scene.actors) {
        const request = await verb.request(scene, place, actor)
        const { authorization } = actor
        const headers = { ...request.headers, ...(authorization === undefined ? {} : { authorization }) }
        const answer = await fetch(`${scene.rooms.url}${request.path}`, {
          method: verb.method,
          headers,
          ...(request.body === undefined ? {} : { body: request.body }),
        })
        judge(
          `${verb.name} (${place.name}) as ${actor.name}`,
          { status: answer.status, text: await answer.text() },
          expectedOfVerb(verb, actor, place),
        )
      }
    }
    report(since)
  })
}

async function tryMount({ into, from }: { into: Place; from: Place }, { name, authorization, rights }: Actor): Promise<void> {
  const mayPush = naivelyMay(rights, 'repository:push', whereOf(into))
  const mayPull = naivelyMay(rights, 'repository:pull', whereOf(from))
  const refused = rights.isAnonymous === true ? 401 : 403
  const mounted = mayPull ? 201 : 202
  const right = mayPush ? mounted : refused
  const path = `v2/${into.repository}/blobs/uploads/?mount=${from.blob}&from=${from.repository}`
  const answer = await fetch(`${scene.rooms.url}${path}`, { method: 'POST', headers: authorization === undefined ? {} : { authorization } })
  await answer.arrayBuffer()
  cells++
  if (answer.status !== right) wrong.push(`mount ${from.name} into ${into.name} as ${name}: ${answer.status} where ${right} is right`)
  // What was mounted goes again, so that the next one finds it missing.
  if (answer.status === 201) await scene.admin.send(`/v2/${into.repository}/blobs/${from.blob}`, { method: 'DELETE' })
}

test('a blob is mounted only by who may pull it where it is and push where it goes', async () => {
  const since = wrong.length
  const pairs = scene.places.flatMap((into) => scene.places.filter((place) => place !== into).map((from) => ({ into, from })))
  for (const pair of pairs) for (const actor of scene.actors) await tryMount(pair, actor)
  report(since)
})

/** What lists hold of the scene's own projects and repositories. */
const lists: readonly (readonly [
  path: string,
  permission: string,
  names: (answer: Answered) => readonly string[],
  of: 'project' | 'repository',
])[] = [
  ['api/v1/projects?limit=1000', 'project:list', ({ items }) => (items ?? []).map(({ name }) => name), 'project'],
  ['api/v1/repositories?limit=1000', 'repository:list', ({ items }) => (items ?? []).map(({ name }) => name), 'repository'],
  ['v2/_catalog?n=1000', 'repository:list', ({ repositories }) => repositories ?? [], 'repository'],
]

interface Answered {
  readonly items?: readonly { readonly name: string }[]
  readonly repositories?: readonly string[]
}

for (const [path, permission, namesOf, of] of lists) {
  test(`${path} holds what the caller may see, all of it and nothing else`, async () => {
    const since = wrong.length
    for (const { name, authorization, rights } of scene.actors) {
      const answer = await fetch(`${scene.rooms.url}${path}`, { headers: authorization === undefined ? {} : { authorization } })
      const listed = namesOf((await answer.json()) as Answered)
      for (const place of scene.places) {
        const isRight = naivelyMay(rights, permission, whereOf(place, of === 'project'))
        const isThere = listed.includes(of === 'project' ? place.name : place.repository)
        cells++
        if (isThere !== isRight)
          wrong.push(`${path} as ${name}: ${place[of === 'project' ? 'name' : 'repository']} is ${isThere ? 'there' : 'missing'}`)
      }
    }
    report(since)
  })
}
