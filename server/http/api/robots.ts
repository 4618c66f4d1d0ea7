/** Robots: access/robots.ts, robot-secrets.ts and robot-trusts.ts over HTTP. Below a project a verb is told which, and so finds robots of that project alone. */
import { formatRobotName } from '#access/robot-name.ts'
import { addRobotSecret, listRobotSecrets, revokeRobotSecret } from '#access/robot-secrets.ts'
import { addRobotTrust, listRobotTrusts, removeRobotTrust } from '#access/robot-trusts.ts'
import * as robots from '#access/robots.ts'
import type { ProjectFacts } from '#access/decide.ts'
import type { BodyOf, ResponseOf, RouteContract } from '#api/contract.ts'
import * as contract from '#api/routes/robots.ts'
import { RegistryError } from '#oci/errors.ts'
import { actingOf } from './acting-of.ts'
import { instantOf, instantOrNull, pageBody } from './page-body.ts'
import { givingOf } from './require-elevation-to-give.ts'
import { serve, type ApiCall, type ServedRoute } from './serve-route.ts'
import { sortedPage } from './sorted-page.ts'

type Robot = robots.RobotDetails['robot']
type Secret = Awaited<ReturnType<typeof addRobotSecret>>['token']
type Trust = Awaited<ReturnType<typeof addRobotTrust>>

const sorts = { name: 'text', createdAt: 'number' } as const
const secretSorts = { createdAt: 'number' } as const
/** An answer with a secret is nobody's to keep. */
const unkept = { 'Cache-Control': 'no-store' } as const

function presentSummary(robot: Robot): ResponseOf<typeof contract.listRobots>['items'][number] {
  const { id, name, project, description, isDisabled, allowedAddresses, createdBy, createdByState, version } = robot
  return {
    id,
    name,
    login: formatRobotName(robot),
    project,
    description,
    isDisabled,
    allowedAddresses: [...allowedAddresses],
    expiresAt: instantOrNull(robot.expiresAt),
    lastUsedAt: instantOrNull(robot.lastUsedAt),
    createdBy,
    createdByState,
    createdAt: instantOf(robot.createdAt),
    updatedAt: instantOf(robot.updatedAt),
    version,
  }
}

function present({ robot, grants }: robots.RobotDetails): ResponseOf<typeof contract.readRobot> {
  const views = grants.map(({ id, role, project, repositories, expiresAt }) => ({
    id,
    role,
    project,
    repositories,
    expiresAt: instantOrNull(expiresAt),
  }))
  return { ...presentSummary(robot), grants: views }
}

function presentSecret({ id, hint, name, expiresAt, lastUsedAt, createdBy, createdAt }: Secret) {
  return {
    id,
    hint,
    name,
    expiresAt: instantOrNull(expiresAt),
    lastUsedAt: instantOrNull(lastUsedAt),
    createdBy,
    createdAt: instantOf(createdAt),
  }
}

function presentTrust({ id, provider, audience, claims, description, createdAt }: Trust) {
  return { id, provider, audience, claims: { ...claims }, description, createdAt: instantOf(createdAt) }
}

type GrantInputs = BodyOf<typeof contract.createRobot>['grants']

/** Projects by name, if the caller may see them; a robot of a project gets its roles there unless said otherwise. */
async function grantsOf(
  { parts: { access }, principal }: Pick<Creating, 'parts' | 'principal'>,
  inputs: GrantInputs,
  home: ProjectFacts | undefined,
): Promise<readonly robots.RobotGrant[]> {
  const grants: robots.RobotGrant[] = []
  for (const { role, project: name, repositories = null } of inputs ?? []) {
    const project = name === undefined || name === null ? home : await access.project(name)
    const isSeen =
      project !== undefined && (project.id === home?.id || (await access.may(principal, 'project:read', { project: project.name })))
    if (typeof name === 'string' && !isSeen) throw invalid(`there is no project ${name}, or you may not see it`)
    grants.push({ role, project, repositories })
  }
  return grants
}

function invalid(message: string): RegistryError {
  return new RegistryError('REQUEST_INVALID', [{ path: 'body/grants', message }], { message })
}

function endOf(text: string | null | undefined): number | null | undefined {
  return typeof text === 'string' ? Date.parse(text) : text
}

type Creating = ApiCall<typeof contract.createRobot> | ApiCall<typeof contract.createProjectRobot>

async function create(call: Creating, home: ProjectFacts | undefined) {
  const { name, description = '', allowedAddresses = [], expiresAt, hasSecret = true } = call.body
  const grants = await grantsOf(call, call.body.grants, home)
  const wanted = { name, project: home, description, allowedAddresses, expiresAt: endOf(expiresAt) ?? null, grants, hasSecret }
  const made = await robots.createRobot(call.parts.directory, wanted, await givingOf(call))
  const { robot, secret = null } = made
  const location = home === undefined ? `/robots/${robot.id}` : `/projects/${encodeURIComponent(home.name)}/robots/${robot.id}`
  return { body: { robot: present(made), secret }, version: robot.version, location, headers: unkept }
}

/** Of a robot that was asked for below a project, or in the whole system. */
interface Addressed {
  readonly params: { readonly robot: number }
  readonly project?: ProjectFacts
}

function address({ params, project }: Addressed): robots.RobotAddress {
  return { id: params.robot, projectId: project?.id }
}

type Call<Route extends RouteContract> = ApiCall<Route>

async function update(call: Call<typeof contract.updateRobot> | Call<typeof contract.updateProjectRobot>, at: robots.RobotAddress) {
  const { description, isDisabled, allowedAddresses, expiresAt, grants } = call.body
  const { robot } = await robots.readRobot(call.parts.directory, at)
  const home = robot.project === null ? undefined : await call.parts.access.project(robot.project)
  const given = grants === undefined ? undefined : await grantsOf(call, grants, home)
  const set = { description, isDisabled, allowedAddresses, expiresAt: endOf(expiresAt), grants: given }
  const changed = await robots.updateRobot(call.parts.directory, { ...at, expectedVersion: call.ifMatch, set }, await givingOf(call))
  return { body: present(changed), version: changed.robot.version }
}

async function addSecret(
  call: Call<typeof contract.addRobotSecret> | Call<typeof contract.addProjectRobotSecret>,
  at: robots.RobotAddress,
) {
  const { name = '', expiresAt } = call.body
  const made = await addRobotSecret(call.parts.directory, { ...at, name, expiresAt: endOf(expiresAt) ?? null }, await givingOf(call))
  return { body: { secret: made.secret, details: presentSecret(made.token) }, headers: unkept }
}

async function addTrust(call: Call<typeof contract.addRobotTrust> | Call<typeof contract.addProjectRobotTrust>, at: robots.RobotAddress) {
  const { provider, audience, claims, description = '' } = call.body
  const trust = await addRobotTrust(
    call.parts.directory,
    { ...at, trust: { provider, audience, claims, description } },
    await givingOf(call),
  )
  return { body: presentTrust(trust) }
}

interface Family {
  readonly read: typeof contract.readRobot | typeof contract.readProjectRobot
  readonly update: typeof contract.updateRobot | typeof contract.updateProjectRobot
  readonly remove: typeof contract.deleteRobot | typeof contract.deleteProjectRobot
  readonly listSecrets: typeof contract.listRobotSecrets | typeof contract.listProjectRobotSecrets
  readonly addSecret: typeof contract.addRobotSecret | typeof contract.addProjectRobotSecret
  readonly revokeSecret: typeof contract.revokeRobotSecret | typeof contract.revokeProjectRobotSecret
  readonly listTrusts: typeof contract.listRobotTrusts | typeof contract.listProjectRobotTrusts
  readonly addTrust: typeof contract.addRobotTrust | typeof contract.addProjectRobotTrust
  readonly removeTrust: typeof contract.removeRobotTrust | typeof contract.removeProjectRobotTrust
}

/** What is the same for a robot wherever it was asked for: below a project, the address holds it to that project. */
function robotRoutesOf(family: Family, addressOf: (call: Addressed) => robots.RobotAddress): readonly ServedRoute[] {
  return [
    serve(family.read, async (call) => {
      const found = await robots.readRobot(call.parts.directory, addressOf(call))
      return { body: present(found), version: found.robot.version }
    }),
    serve(family.update, (call) => update(call, addressOf(call))),
    serve(family.remove, async (call) => {
      await robots.deleteRobot(call.parts.directory, { ...addressOf(call), expectedVersion: call.ifMatch }, actingOf(call))
    }),
    serve(family.listSecrets, async (call) => {
      const found = await listRobotSecrets(call.parts.directory, addressOf(call), sortedPage(call.page, secretSorts))
      return { body: pageBody(found, presentSecret) }
    }),
    serve(family.addSecret, (call) => addSecret(call, addressOf(call))),
    serve(family.revokeSecret, async (call) => {
      await revokeRobotSecret(call.parts.directory, { ...addressOf(call), secretId: call.params.secret }, actingOf(call))
    }),
    serve(family.listTrusts, async (call) => ({
      body: { items: (await listRobotTrusts(call.parts.directory, addressOf(call))).map(presentTrust) },
    })),
    serve(family.addTrust, (call) => addTrust(call, addressOf(call))),
    serve(family.removeTrust, async (call) => {
      await removeRobotTrust(call.parts.directory, { ...addressOf(call), trustId: call.params.trust }, actingOf(call))
    }),
  ]
}

const anywhere: Family = {
  read: contract.readRobot,
  update: contract.updateRobot,
  remove: contract.deleteRobot,
  listSecrets: contract.listRobotSecrets,
  addSecret: contract.addRobotSecret,
  revokeSecret: contract.revokeRobotSecret,
  listTrusts: contract.listRobotTrusts,
  addTrust: contract.addRobotTrust,
  removeTrust: contract.removeRobotTrust,
}

const ofProject: Family = {
  read: contract.readProjectRobot,
  update: contract.updateProjectRobot,
  remove: contract.deleteProjectRobot,
  listSecrets: contract.listProjectRobotSecrets,
  addSecret: contract.addProjectRobotSecret,
  revokeSecret: contract.revokeProjectRobotSecret,
  listTrusts: contract.listProjectRobotTrusts,
  addTrust: contract.addProjectRobotTrust,
  removeTrust: contract.removeProjectRobotTrust,
}

/** Served by the app. */
export const robotRoutes: readonly ServedRoute[] = [
  serve(contract.listRobots, async ({ parts, query, page }) => {
    const { name: namePrefix, isDisabled, level } = query
    const filter = { namePrefix, isDisabled, ...(level === 'system' ? { projectId: null } : {}) }
    const found = await robots.listRobots(parts.directory, filter, sortedPage(page, sorts))
    return { body: pageBody(found, presentSummary) }
  }),
  serve(contract.createRobot, (call) => create(call, undefined)),
  ...robotRoutesOf(anywhere, ({ params }) => address({ params })),
  serve(contract.listProjectRobots, async ({ parts, project, query, page }) => {
    const { name: namePrefix, isDisabled } = query
    const found = await robots.listRobots(parts.directory, { namePrefix, isDisabled, projectId: project.id }, sortedPage(page, sorts))
    return { body: pageBody(found, presentSummary) }
  }),
  serve(contract.createProjectRobot, (call) => create(call, call.project)),
  ...robotRoutesOf(ofProject, address),
]
