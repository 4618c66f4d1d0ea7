/** A request for a route of the contract: parameters filled with what the scene has, fresh victims for what destroys, bodies that change nothing. */
import type { TSchema } from 'typebox'
import { Value } from 'typebox/value'
import type { RouteContract } from '#api/contract.ts'
import { startUpload } from '../support/upload.ts'
import { pushImage } from '../support/registry-client.ts'
import type { Actor, Place, Scene } from './scene.ts'

/** What to send. */
export interface Filled {
  readonly method: string
  readonly path: string
  readonly body?: string
  /** Names a version that nothing has, so that what is allowed answers 412 and changes nothing. */
  readonly hasEtag: boolean
}

/** The project of the path, and the one whose things the other parameters name: the same one, but for calls that try to reach across. */
export interface Aim {
  readonly path: Place
  readonly things: Place
}

type Fill = (scene: Scene, aim: Aim, actor: Actor) => string | number | Promise<string | number>

let victims = 0

function nextVictim(): string {
  victims++
  return `victim-${victims}`
}

/** Of calls below a project or repository. */
const below: Readonly<Record<string, Fill>> = {
  project: (_scene, { path }) => path.name,
  repository: (_scene, { path }) => path.repository,
  grant: (_scene, { things }) => things.grant,
  robot: (_scene, { things }) => things.robot,
  label: (_scene, { things }) => things.label,
  rule: async (scene, { things }) => await ruleOf(scene, things.name),
  policy: async (scene, { things }) => await policyOf(scene, things.name),
  run: async (scene, { things }) => await runOf(scene, things.name),
  digest: (_scene, { things }) => things.digest,
  reference: (_scene, { things }) => things.digest,
  tag: () => 'latest',
  secret: (scene, { things }) => partOf(scene, things.robot, 'secrets'),
  trust: (scene, { things }) => partOf(scene, things.robot, 'trusts'),
}

/** Of all others. */
const everywhere: Readonly<Record<string, Fill>> = {
  user: ({ spare }) => spare.user,
  group: ({ spare }) => spare.group,
  grant: ({ spare }) => spare.grant,
  robot: ({ spare }) => spare.robot,
  label: ({ spare }) => spare.label,
  role: () => 'spare',
  provider: () => 'spare',
  secret: (scene) => partOf(scene, scene.spare.robot, 'secrets'),
  trust: (scene) => partOf(scene, scene.spare.robot, 'trusts'),
  // Of a kind that nobody runs.
  job: async ({ rooms }) => (await rooms.jobs.enqueue({ kind: 'victim', createdBy: 'scene' })).jobId,
  schedule: (scene) => scheduleOf(scene),
  key: async (scene) => {
    const keys = await call<{ readonly items: readonly { readonly id?: string; readonly keyId?: string }[] }>(scene, {
      method: 'GET',
      path: '/keys',
      authorization: scene.adminAuthorization,
    })
    return keys.items[0]?.keyId ?? keys.items[0]?.id ?? 'none'
  },
}

/** What is destroyed is made for the purpose, so that the next one who tries finds the scene as it was. */
const fresh: Readonly<Record<string, Readonly<Record<string, Fill>>>> = {
  'DELETE /repositories/{repository}': {
    repository: async ({ admin }, { path }) => {
      const repository = `${path.repository}-${nextVictim()}`
      await pushImage(admin, repository, 'latest')
      return repository
    },
  },
  'DELETE /repositories/{repository}/tags/{tag}': {
    tag: async ({ admin }, { things }) => {
      const tag = nextVictim()
      await admin.pushManifest(things.repository, tag, things.manifest)
      return tag
    },
  },
  'DELETE /repositories/{repository}/manifests/{digest}': {
    digest: async ({ admin }, { things }) => {
      const image = await pushImage(admin, things.repository, undefined, { annotations: { victim: nextVictim() } })
      return image.descriptor.digest
    },
  },
  'DELETE /repositories/{repository}/uploads/{upload}': {
    upload: async ({ admin, rooms }, { things }) =>
      new URL(await startUpload(admin, rooms.url, things.repository)).pathname.split('/').at(-1) ?? '',
  },
  'DELETE /repositories/{repository}/manifests/{digest}/labels/{label}': {
    label: async (scene, { things }) => {
      const manifest = `/repositories/${encodeURIComponent(things.repository)}/manifests/${things.digest}`
      await asAdministrator(scene, 'PUT', `${manifest}/labels/${things.label}`)
      return things.label
    },
  },
  'POST /jobs/{job}/retry': {
    job: async ({ rooms: { jobs } }) => {
      const { jobId } = await jobs.enqueue({ kind: 'victim', createdBy: 'scene' })
      await jobs.stop(jobId, { actor: 'scene', requestId: 'scene' })
      return jobId
    },
  },
  'DELETE /users/{user}/tokens/{token}': { token: (scene) => tokenOf(scene, scene.spare.authorization) },
  'DELETE /groups/{group}/members/{user}': {
    user: async (scene) => {
      await asAdministrator(scene, 'PUT', `/groups/${scene.spare.group}/members/${scene.spare.user}`)
      return scene.spare.user
    },
  },
}

/** Ids of what people have of their own, and of what nobody has. Nobody of the scene has a session, a second factor or a linked identity: 1 is an id that nothing has. */
const own: Readonly<Record<string, Fill>> = {
  session: () => 1,
  factor: () => 1,
  identity: () => 1,
  trash: () => 999_999,
  token: async (scene, _aim, actor) => await tokenOf(scene, actor.ownerAuthorization ?? actor.authorization),
}

const scheduled = new WeakSet<Scene>()

/** The schedules are written down by the first start of jobs. */
async function scheduleOf(scene: Scene): Promise<string> {
  if (!scheduled.has(scene)) await scene.rooms.jobs.start()[Symbol.asyncDispose]()
  scheduled.add(scene)
  return 'prune-jobs'
}

/** A token of the caller, made when there is none; an id that nothing has where they may not make one. */
async function tokenOf(scene: Scene, authorization: string | undefined): Promise<number> {
  const path = '/tokens'
  const kept = await call<{ readonly items?: readonly { readonly id: number; readonly name: string }[] }>(scene, {
    method: 'GET',
    path,
    authorization,
  })
  const victim = kept.items?.find(({ name }) => name === 'victim')
  if (victim !== undefined) return victim.id
  const made = await call<{ readonly id?: number; readonly token?: { readonly id: number } }>(scene, {
    method: 'POST',
    path,
    authorization,
    body: { name: 'victim' },
  })
  return made.id ?? made.token?.id ?? 1
}

/** A secret or a trust of the robot, made when the last one was destroyed. */
async function partOf(scene: Scene, robot: number, part: 'secrets' | 'trusts'): Promise<number> {
  const path = `/robots/${robot}/${part}`
  const { adminAuthorization: authorization } = scene
  const kept = await call<{ readonly items: readonly { readonly id: number }[] }>(scene, { method: 'GET', path, authorization })
  const [first] = kept.items
  if (first !== undefined) return first.id
  const body = part === 'secrets' ? { name: 'victim' } : trust
  await call(scene, { method: 'POST', path, authorization, body })
  return await partOf(scene, robot, part)
}

/** An immutable tag rule of the project, about no tag that the scene has; made when the last one was destroyed. */
async function ruleOf(scene: Scene, project: string): Promise<number> {
  const path = `/projects/${encodeURIComponent(project)}/immutable-tag-rules`
  const { adminAuthorization: authorization } = scene
  const kept = await call<{ readonly items: readonly { readonly id: number }[] }>(scene, { method: 'GET', path, authorization })
  const [first] = kept.items
  if (first !== undefined) return first.id
  return (await call<{ readonly id: number }>(scene, { method: 'POST', path, authorization, body: { tags: 'no-such-tag' } })).id
}

/** A retention policy of the project, under a name that no other project has one of. */
async function policyOf(scene: Scene, project: string): Promise<string> {
  const name = `keeps-${project.replaceAll('/', '-')}`
  const path = `/projects/${encodeURIComponent(project)}/retention-policies`
  const { adminAuthorization: authorization } = scene
  await call(scene, { method: 'POST', path, authorization, body: { name, rules: [{ keep: { always: true } }] } })
  return name
}

/** A run of that policy. */
async function runOf(scene: Scene, project: string): Promise<number> {
  const path = `/projects/${encodeURIComponent(project)}/retention-policies/${await policyOf(scene, project)}/runs`
  const { adminAuthorization: authorization } = scene
  const kept = await call<{ readonly items: readonly { readonly id: number }[] }>(scene, { method: 'GET', path, authorization })
  const [first] = kept.items
  if (first !== undefined) return first.id
  return (await call<{ readonly id: number }>(scene, { method: 'POST', path, authorization, body: {} })).id
}

const keepAll = [{ keep: { always: true } }]
const trust = { provider: 'spare', audience: 'registry', claims: { sub: 'somebody' } }

/** For bodies whose schema does not say all: what `Value.Create` cannot make. */
const bodies: Readonly<Record<string, unknown>> = {
  'PATCH /projects/{project}/labels/{label}': { description: 'tried' },
  'PATCH /projects/{project}/immutable-tag-rules/{rule}': { description: 'tried' },
  'POST /projects/{project}/immutable-tag-rules': { tags: 'no-such-tag' },
  'PATCH /repositories/{repository}/tags/{tag}': { expiresAt: null },
  'PATCH /schedules/{schedule}': { isEnabled: true },
  'POST /projects/{project}/retention-policies': { name: 'tried', rules: keepAll },
  'POST /projects/{project}/retention-policies/preview': { repository: 'nowhere', rules: keepAll },
  'PATCH /projects/{project}/retention-policies/{policy}': { description: 'tried' },
  'PATCH /projects/{project}/robots/{robot}': { description: 'tried' },
  'POST /projects/{project}/robots/{robot}/secrets': { name: 'tried' },
  'POST /projects/{project}/robots/{robot}/trusts': trust,
}

/** Whether the repository is one that {@link fresh} makes beside the place's own. */
export function isOfVictim(route: RouteContract): boolean {
  return fresh[keyOf(route)]?.['repository'] !== undefined
}

async function asAdministrator(scene: Scene, method: string, path: string): Promise<void> {
  await call(scene, { method, path, authorization: scene.adminAuthorization })
}

interface Call {
  readonly method: string
  readonly path: string
  readonly authorization: string | undefined
  readonly body?: unknown
}

/** The answer's body, whatever its status; an empty object where there is none. */
async function call<Body>({ rooms }: Scene, { method, path, authorization, body }: Call): Promise<Body> {
  const headers = {
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    ...(authorization === undefined ? {} : { authorization }),
  }
  const sent = body === undefined ? {} : { body: JSON.stringify(body) }
  const answer = await fetch(`${rooms.url}api/v1${path}`, { method, headers, ...sent })
  const text = await answer.text()
  return (text === '' ? {} : JSON.parse(text)) as Body
}

export function keyOf({ method, path }: RouteContract): string {
  return `${method} ${path}`
}

/** Names of the parameters, in the order of the path. */
export function parametersOf({ path }: RouteContract): readonly string[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name ?? '')
}

/** Whether the route is about a project, or about a repository in one. */
export function isBelow(route: RouteContract): boolean {
  const [first = ''] = parametersOf(route)
  return first === 'project' || first === 'repository'
}

/** Throws for a parameter that nothing is known for: say above what the scene has for it. */
export async function fillRequest(
  scene: Scene,
  route: RouteContract,
  { aim, actor, isValid }: { aim: Aim; actor: Actor; isValid: boolean },
): Promise<Filled> {
  const known = { ...(isBelow(route) ? below : everywhere), ...own, ...fresh[keyOf(route)] }
  let { path } = route as { path: string }
  for (const name of parametersOf(route)) {
    const fill = known[name]
    if (fill === undefined) throw new Error(`${keyOf(route)}: the scene has nothing for {${name}}`)
    path = path.replace(`{${name}}`, encodeURIComponent(String(await fill(scene, aim, actor))))
  }
  const body = route.body === undefined ? {} : { body: JSON.stringify(isValid ? validBody(route, route.body) : {}) }
  return { method: route.method, path, ...body, hasEtag: route.hasEtag === true }
}

/** A body that fits, so that a call that must not reach its target is not stopped by its form. */
function validBody(route: RouteContract, schema: TSchema): unknown {
  const made = bodies[keyOf(route)] ?? Value.Create(schema)
  if (!Value.Check(schema, made)) throw new Error(`${keyOf(route)}: say a body that fits`)
  return made
}
