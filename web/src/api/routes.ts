/** The routes that the portal calls. Their schemas are types alone here, so that no schema library is loaded by a browser. */
import type { RouteContract } from '#api/contract.ts'
import type * as audit from '#api/routes/audit.ts'
import type * as garbage from '#api/routes/garbage.ts'
import type * as grants from '#api/routes/grants.ts'
import type * as images from '#api/routes/images.ts'
import type * as jobs from '#api/routes/jobs.ts'
import type * as following from '#api/routes/live.ts'
import type * as manifests from '#api/routes/manifests.ts'
import type * as projects from '#api/routes/projects.ts'
import type * as quotas from '#api/routes/quotas.ts'
import type * as repositories from '#api/routes/repositories.ts'
import type * as robots from '#api/routes/robots.ts'
import type * as roles from '#api/routes/roles.ts'
import type * as finding from '#api/routes/search.ts'
import type * as session from '#api/routes/session.ts'
import type * as statistics from '#api/routes/statistics.ts'
import type * as system from '#api/routes/system.ts'
import type * as tags from '#api/routes/tags.ts'
import type * as tokens from '#api/routes/tokens.ts'
import type * as trash from '#api/routes/trash.ts'
import type * as users from '#api/routes/users.ts'

/** Method and path are the contract's, or this does not compile. */
export function route<Route extends RouteContract>(method: Route['method'], path: Route['path']): Route {
  return { method, path } as Route
}

export const readSystem = route<typeof system.readSystem>('GET', '/system')
export const readSession = route<typeof session.readSession>('GET', '/session')
export const signIn = route<typeof session.signIn>('POST', '/session')
export const signOut = route<typeof session.signOut>('DELETE', '/session')
export const giveSecondFactor = route<typeof session.giveSecondFactor>('POST', '/session/second-factor')
export const challengeFactor = route<typeof session.challengeFactor>('POST', '/session/challenge')
export const chooseName = route<typeof session.chooseName>('POST', '/session/name')
export const elevateSession = route<typeof session.elevateSession>('POST', '/session/elevation')
export const elevateAtProvider = route<typeof session.elevateAtProvider>('POST', '/session/elevation/provider')
export const listSessions = route<typeof session.listSessions>('GET', '/sessions')
export const endSession = route<typeof session.endSession>('DELETE', '/sessions/{session}')
export const endSessions = route<typeof session.endSessions>('DELETE', '/sessions')
export const listFactors = route<typeof session.listFactors>('GET', '/session/factors')
export const startTotp = route<typeof session.startTotp>('POST', '/session/factors/totp')
export const confirmTotp = route<typeof session.confirmTotp>('POST', '/session/factors/totp/confirmation')
export const startWebAuthn = route<typeof session.startWebAuthn>('POST', '/session/factors/webauthn')
export const confirmWebAuthn = route<typeof session.confirmWebAuthn>('POST', '/session/factors/webauthn/confirmation')
export const renewRecoveryCodes = route<typeof session.renewRecoveryCodes>('POST', '/session/factors/recovery-codes')
export const removeFactor = route<typeof session.removeFactor>('DELETE', '/session/factors/{factor}')
export const readAccount = route<typeof users.readAccount>('GET', '/session/account')
export const updateAccount = route<typeof users.updateAccount>('PATCH', '/session/account')
export const changePassword = route<typeof users.changePassword>('PUT', '/session/password')
export const listTokens = route<typeof tokens.listTokens>('GET', '/tokens')
export const createToken = route<typeof tokens.createToken>('POST', '/tokens')
export const revokeToken = route<typeof tokens.revokeToken>('DELETE', '/tokens/{token}')

export const listProjects = route<typeof projects.listProjects>('GET', '/projects')
export const createProject = route<typeof projects.createProject>('POST', '/projects')
export const readProject = route<typeof projects.readProject>('GET', '/projects/{project}')
export const updateProject = route<typeof projects.updateProject>('PATCH', '/projects/{project}')
export const deleteProject = route<typeof projects.deleteProject>('DELETE', '/projects/{project}')
export const readQuota = route<typeof quotas.readQuota>('GET', '/projects/{project}/quota')
export const readProjectUsage = route<typeof quotas.readProjectUsage>('GET', '/projects/{project}/usage')
export const readSystemUsage = route<typeof quotas.readSystemUsage>('GET', '/system/usage')
export const readOwnPermissions = route<typeof grants.readOwnPermissions>('GET', '/projects/{project}/permissions/own')
export const readOwnRepositoryPermissions = route<typeof grants.readOwnRepositoryPermissions>(
  'GET',
  '/repositories/{repository}/permissions/own',
)
export const listProjectGrants = route<typeof grants.listProjectGrants>('GET', '/projects/{project}/grants')
export const createProjectGrant = route<typeof grants.createProjectGrant>('POST', '/projects/{project}/grants')
export const updateProjectGrant = route<typeof grants.updateProjectGrant>('PATCH', '/projects/{project}/grants/{grant}')
export const deleteProjectGrant = route<typeof grants.deleteProjectGrant>('DELETE', '/projects/{project}/grants/{grant}')
export const listCandidates = route<typeof grants.listCandidates>('GET', '/projects/{project}/candidates')
export const listRoles = route<typeof roles.listRoles>('GET', '/roles')
export const listProjectRobots = route<typeof robots.listProjectRobots>('GET', '/projects/{project}/robots')
export const createProjectRobot = route<typeof robots.createProjectRobot>('POST', '/projects/{project}/robots')
export const updateProjectRobot = route<typeof robots.updateProjectRobot>('PATCH', '/projects/{project}/robots/{robot}')
export const deleteProjectRobot = route<typeof robots.deleteProjectRobot>('DELETE', '/projects/{project}/robots/{robot}')
export const addProjectRobotSecret = route<typeof robots.addProjectRobotSecret>('POST', '/projects/{project}/robots/{robot}/secrets')
export const listProjectAudit = route<typeof audit.listProjectAudit>('GET', '/projects/{project}/audit')

export const listRepositories = route<typeof repositories.listRepositories>('GET', '/repositories')
export const readRepository = route<typeof repositories.readRepository>('GET', '/repositories/{repository}')
export const updateRepository = route<typeof repositories.updateRepository>('PATCH', '/repositories/{repository}')
export const deleteRepository = route<typeof repositories.deleteRepository>('DELETE', '/repositories/{repository}')
export const listTags = route<typeof tags.listTags>('GET', '/repositories/{repository}/tags')

export const readTag = route<typeof tags.readTag>('GET', '/repositories/{repository}/tags/{tag}')
export const deleteTag = route<typeof tags.deleteTag>('DELETE', '/repositories/{repository}/tags/{tag}')
export const listTagHistory = route<typeof tags.listTagHistory>('GET', '/repositories/{repository}/tags/{tag}/history')
export const restoreTag = route<typeof tags.restoreTag>('POST', '/repositories/{repository}/tags/{tag}/restore')
export const readManifest = route<typeof manifests.readManifest>('GET', '/repositories/{repository}/manifests/{digest}')
export const readManifestDocument = route<typeof manifests.readManifestDocument>(
  'GET',
  '/repositories/{repository}/manifests/{digest}/document',
)
export const listManifestReferrers = route<typeof manifests.listManifestReferrers>(
  'GET',
  '/repositories/{repository}/manifests/{digest}/referrers',
)
export const listTrash = route<typeof trash.listTrash>('GET', '/trash')
export const restoreTrash = route<typeof trash.restoreTrash>('POST', '/trash/{trash}/restore')

export const readSystemInformation = route<typeof system.readSystemInformation>('GET', '/system/information')
export const readSystemConfiguration = route<typeof system.readSystemConfiguration>('GET', '/system/configuration')
export const readSystemSettings = route<typeof system.readSystemSettings>('GET', '/system/settings')
export const updateSystemSettings = route<typeof system.updateSystemSettings>('PATCH', '/system/settings')
export const readSystemDoctor = route<typeof system.readSystemDoctor>('GET', '/system/doctor')
export const listUsers = route<typeof users.listUsers>('GET', '/users')
export const createUser = route<typeof users.createUser>('POST', '/users')
export const updateUser = route<typeof users.updateUser>('PATCH', '/users/{user}')
export const deleteUser = route<typeof users.deleteUser>('DELETE', '/users/{user}')
export const resetUserPassword = route<typeof users.resetUserPassword>('PUT', '/users/{user}/password')

export const listJobs = route<typeof jobs.listJobs>('GET', '/jobs')
export const readJob = route<typeof jobs.readJob>('GET', '/jobs/{job}')
export const readJobLines = route<typeof jobs.readJobLines>('GET', '/jobs/{job}/lines')
export const stopJob = route<typeof jobs.stopJob>('POST', '/jobs/{job}/stop')
export const retryJob = route<typeof jobs.retryJob>('POST', '/jobs/{job}/retry')
export const listSchedules = route<typeof jobs.listSchedules>('GET', '/schedules')
export const updateSchedule = route<typeof jobs.updateSchedule>('PATCH', '/schedules/{schedule}')
export const runSchedule = route<typeof jobs.runSchedule>('POST', '/schedules/{schedule}/run')
export const readGarbage = route<typeof garbage.readGarbage>('GET', '/garbage')
export const startGarbageRun = route<typeof garbage.startGarbageRun>('POST', '/garbage/runs')
export const listAudit = route<typeof audit.listAudit>('GET', '/audit')

export const search = route<typeof finding.search>('GET', '/search')
export const listImageFiles = route<typeof images.listImageFiles>('GET', '/repositories/{repository}/manifests/{reference}/files')
export const readImageFile = route<typeof images.readImageFile>('GET', '/repositories/{repository}/manifests/{reference}/file')
export const compareImages = route<typeof images.compareImages>('GET', '/repositories/{repository}/compare')
export const exportImage = route<typeof images.exportImage>('GET', '/repositories/{repository}/manifests/{reference}/archive')
export const importImages = route<typeof images.importImages>('POST', '/repositories/{repository}/import')
export const readStatistics = route<typeof statistics.readStatistics>('GET', '/statistics')
export const readProjectStatistics = route<typeof statistics.readProjectStatistics>('GET', '/projects/{project}/statistics')
export const live = route<typeof following.live>('GET', '/live')
