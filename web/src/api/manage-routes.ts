/** The routes of the pages that run the registry and its projects: apart, because most who come never open those. */
import type * as backups from '#api/routes/backups.ts'
import type * as certificates from '#api/routes/certificates.ts'
import type * as grants from '#api/routes/grants.ts'
import type * as groups from '#api/routes/groups.ts'
import type * as immutable from '#api/routes/immutable-rules.ts'
import type * as keys from '#api/routes/keys.ts'
import type * as labels from '#api/routes/labels.ts'
import type * as nodes from '#api/routes/nodes.ts'
import type * as projects from '#api/routes/projects.ts'
import type * as providers from '#api/routes/providers.ts'
import type * as quotas from '#api/routes/quotas.ts'
import type * as retention from '#api/routes/retention.ts'
import type * as robots from '#api/routes/robots.ts'
import type * as roles from '#api/routes/roles.ts'
import type * as scrub from '#api/routes/scrub.ts'
import type * as session from '#api/routes/session.ts'
import type * as storage from '#api/routes/storage.ts'
import type * as system from '#api/routes/system.ts'
import type * as tags from '#api/routes/tags.ts'
import type * as tokens from '#api/routes/tokens.ts'
import type * as uploads from '#api/routes/uploads.ts'
import type * as users from '#api/routes/users.ts'
import { route } from './routes.ts'

export const listGroups = route<typeof groups.listGroups>('GET', '/groups')
export const createGroup = route<typeof groups.createGroup>('POST', '/groups')
export const readGroup = route<typeof groups.readGroup>('GET', '/groups/{group}')
export const updateGroup = route<typeof groups.updateGroup>('PATCH', '/groups/{group}')
export const deleteGroup = route<typeof groups.deleteGroup>('DELETE', '/groups/{group}')
export const listGroupMembers = route<typeof groups.listGroupMembers>('GET', '/groups/{group}/members')
export const addGroupMember = route<typeof groups.addGroupMember>('PUT', '/groups/{group}/members/{user}')
export const removeGroupMember = route<typeof groups.removeGroupMember>('DELETE', '/groups/{group}/members/{user}')
export const listGrants = route<typeof grants.listGrants>('GET', '/grants')

export const readUser = route<typeof users.readUser>('GET', '/users/{user}')
export const listFactorsOfUser = route<typeof session.listFactorsOfUser>('GET', '/users/{user}/factors')
export const removeFactorsOfUser = route<typeof session.removeFactorsOfUser>('DELETE', '/users/{user}/factors')
export const listUserTokens = route<typeof tokens.listUserTokens>('GET', '/users/{user}/tokens')
export const revokeUserToken = route<typeof tokens.revokeUserToken>('DELETE', '/users/{user}/tokens/{token}')

export const listProviders = route<typeof providers.listProviders>('GET', '/providers')
export const createProvider = route<typeof providers.createProvider>('POST', '/providers')
export const updateProvider = route<typeof providers.updateProvider>('PATCH', '/providers/{provider}')
export const deleteProvider = route<typeof providers.deleteProvider>('DELETE', '/providers/{provider}')
export const testProvider = route<typeof providers.testProvider>('POST', '/providers/{provider}/test')
export const testSettings = route<typeof providers.testSettings>('POST', '/provider-tests')

export const createRole = route<typeof roles.createRole>('POST', '/roles')
export const updateRole = route<typeof roles.updateRole>('PATCH', '/roles/{role}')
export const deleteRole = route<typeof roles.deleteRole>('DELETE', '/roles/{role}')
export const listPermissions = route<typeof roles.listPermissions>('GET', '/permissions')

export const listRobots = route<typeof robots.listRobots>('GET', '/robots')
export const createRobot = route<typeof robots.createRobot>('POST', '/robots')
export const readRobot = route<typeof robots.readRobot>('GET', '/robots/{robot}')
export const updateRobot = route<typeof robots.updateRobot>('PATCH', '/robots/{robot}')
export const deleteRobot = route<typeof robots.deleteRobot>('DELETE', '/robots/{robot}')
export const listRobotSecrets = route<typeof robots.listRobotSecrets>('GET', '/robots/{robot}/secrets')
export const addRobotSecret = route<typeof robots.addRobotSecret>('POST', '/robots/{robot}/secrets')
export const revokeRobotSecret = route<typeof robots.revokeRobotSecret>('DELETE', '/robots/{robot}/secrets/{secret}')
export const listRobotTrusts = route<typeof robots.listRobotTrusts>('GET', '/robots/{robot}/trusts')
export const addRobotTrust = route<typeof robots.addRobotTrust>('POST', '/robots/{robot}/trusts')
export const removeRobotTrust = route<typeof robots.removeRobotTrust>('DELETE', '/robots/{robot}/trusts/{trust}')
export const readProjectRobot = route<typeof robots.readProjectRobot>('GET', '/projects/{project}/robots/{robot}')
export const listProjectRobotSecrets = route<typeof robots.listProjectRobotSecrets>('GET', '/projects/{project}/robots/{robot}/secrets')
export const revokeProjectRobotSecret = route<typeof robots.revokeProjectRobotSecret>(
  'DELETE',
  '/projects/{project}/robots/{robot}/secrets/{secret}',
)
export const listProjectRobotTrusts = route<typeof robots.listProjectRobotTrusts>('GET', '/projects/{project}/robots/{robot}/trusts')
export const addProjectRobotTrust = route<typeof robots.addProjectRobotTrust>('POST', '/projects/{project}/robots/{robot}/trusts')
export const removeProjectRobotTrust = route<typeof robots.removeProjectRobotTrust>(
  'DELETE',
  '/projects/{project}/robots/{robot}/trusts/{trust}',
)

export const listLabels = route<typeof labels.listLabels>('GET', '/labels')
export const createLabel = route<typeof labels.createLabel>('POST', '/labels')
export const updateLabel = route<typeof labels.updateLabel>('PATCH', '/labels/{label}')
export const deleteLabel = route<typeof labels.deleteLabel>('DELETE', '/labels/{label}')
export const listProjectLabels = route<typeof labels.listProjectLabels>('GET', '/projects/{project}/labels')
export const createProjectLabel = route<typeof labels.createProjectLabel>('POST', '/projects/{project}/labels')
export const updateProjectLabel = route<typeof labels.updateProjectLabel>('PATCH', '/projects/{project}/labels/{label}')
export const deleteProjectLabel = route<typeof labels.deleteProjectLabel>('DELETE', '/projects/{project}/labels/{label}')
export const listManifestLabels = route<typeof labels.listManifestLabels>('GET', '/repositories/{repository}/manifests/{digest}/labels')
export const addManifestLabel = route<typeof labels.addManifestLabel>('PUT', '/repositories/{repository}/manifests/{digest}/labels/{label}')
export const removeManifestLabel = route<typeof labels.removeManifestLabel>(
  'DELETE',
  '/repositories/{repository}/manifests/{digest}/labels/{label}',
)

export const listQuotas = route<typeof quotas.listQuotas>('GET', '/quotas')
export const replaceQuota = route<typeof quotas.replaceQuota>('PUT', '/projects/{project}/quota')
export const deleteQuota = route<typeof quotas.deleteQuota>('DELETE', '/projects/{project}/quota')

export const listCertificates = route<typeof certificates.listCertificates>('GET', '/certificates')
export const renewCertificates = route<typeof certificates.renewCertificates>('POST', '/certificates/renewals')
export const listKeys = route<typeof keys.listKeys>('GET', '/keys')
export const rotateKeys = route<typeof keys.rotateKeys>('POST', '/keys')
export const deleteKey = route<typeof keys.deleteKey>('DELETE', '/keys/{key}')
export const listNodes = route<typeof nodes.listNodes>('GET', '/nodes')

export const readBackupStatus = route<typeof backups.readBackupStatus>('GET', '/backups/status')
export const listBackups = route<typeof backups.listBackups>('GET', '/backups')
export const startBackup = route<typeof backups.startBackup>('POST', '/backups')
export const startVerification = route<typeof backups.startVerification>('POST', '/backups/verifications')
export const startPruning = route<typeof backups.startPruning>('POST', '/backups/prunings')
export const readStorage = route<typeof storage.readStorage>('GET', '/storage')
export const startMigration = route<typeof storage.startMigration>('POST', '/storage/migrations')
export const startMoveToCold = route<typeof storage.startMoveToCold>('POST', '/storage/cold-runs')
export const readScrub = route<typeof scrub.readScrub>('GET', '/scrub')
export const listScrubFindings = route<typeof scrub.listScrubFindings>('GET', '/scrub/findings')
export const startScrub = route<typeof scrub.startScrub>('POST', '/scrub/runs')
export const deleteOrphans = route<typeof scrub.deleteOrphans>('DELETE', '/scrub/findings/orphans')

export const readProjectNetworks = route<typeof system.readProjectNetworks>('GET', '/projects/{project}/networks')
export const replaceProjectNetworks = route<typeof system.replaceProjectNetworks>('PUT', '/projects/{project}/networks')
export const renameProject = route<typeof projects.renameProject>('POST', '/projects/{project}/rename')
export const moveRepository = route<typeof projects.moveRepository>('POST', '/repositories/{repository}/move')
export const createTag = route<typeof tags.createTag>('POST', '/repositories/{repository}/tags')
export const updateTag = route<typeof tags.updateTag>('PATCH', '/repositories/{repository}/tags/{tag}')
export const listUploads = route<typeof uploads.listUploads>('GET', '/uploads')
export const listRepositoryUploads = route<typeof uploads.listRepositoryUploads>('GET', '/repositories/{repository}/uploads')
export const cancelUpload = route<typeof uploads.cancelUpload>('DELETE', '/repositories/{repository}/uploads/{upload}')

export const listImmutableRules = route<typeof immutable.listImmutableRules>('GET', '/projects/{project}/immutable-tag-rules')
export const createImmutableRule = route<typeof immutable.createImmutableRule>('POST', '/projects/{project}/immutable-tag-rules')
export const updateImmutableRule = route<typeof immutable.updateImmutableRule>('PATCH', '/projects/{project}/immutable-tag-rules/{rule}')
export const deleteImmutableRule = route<typeof immutable.deleteImmutableRule>('DELETE', '/projects/{project}/immutable-tag-rules/{rule}')

export const listRetentionPolicies = route<typeof retention.listRetentionPolicies>('GET', '/projects/{project}/retention-policies')
export const createRetentionPolicy = route<typeof retention.createRetentionPolicy>('POST', '/projects/{project}/retention-policies')
export const updateRetentionPolicy = route<typeof retention.updateRetentionPolicy>(
  'PATCH',
  '/projects/{project}/retention-policies/{policy}',
)
export const deleteRetentionPolicy = route<typeof retention.deleteRetentionPolicy>(
  'DELETE',
  '/projects/{project}/retention-policies/{policy}',
)
export const listRetentionRuns = route<typeof retention.listRetentionRuns>('GET', '/projects/{project}/retention-policies/{policy}/runs')
export const previewRetention = route<typeof retention.previewRetention>('POST', '/projects/{project}/retention-policies/preview')
export const startRetentionRun = route<typeof retention.startRetentionRun>('POST', '/projects/{project}/retention-policies/{policy}/runs')
export const readRetentionRun = route<typeof retention.readRetentionRun>('GET', '/projects/{project}/retention-runs/{run}')
export const stopRetentionRun = route<typeof retention.stopRetentionRun>('POST', '/projects/{project}/retention-runs/{run}/stop')
export const undoRetentionRun = route<typeof retention.undoRetentionRun>('POST', '/projects/{project}/retention-runs/{run}/undo')
export const listRetentionDecisions = route<typeof retention.listRetentionDecisions>(
  'GET',
  '/projects/{project}/retention-runs/{run}/decisions',
)
