/** Every route of the management API, for the typed client's users, the documentation and the tests that walk them all. */
import type { RouteContract } from '#api/contract.ts'
import { grantContracts } from './grants.ts'
import { groupContracts } from './groups.ts'
import { roleContracts } from './roles.ts'
import { sessionContracts } from './session.ts'
import { userContracts } from './users.ts'
import { manifestContracts } from './manifests.ts'
import { repositoryContracts } from './repositories.ts'
import { tagContracts } from './tags.ts'
import { trashContracts } from './trash.ts'
import { uploadContracts } from './uploads.ts'
import { projectContracts } from './projects.ts'
import { quotaContracts } from './quotas.ts'
import { labelContracts } from './labels.ts'
import { immutableRuleContracts } from './immutable-rules.ts'
import { retentionContracts } from './retention.ts'
import { systemContracts } from './system.ts'
import { auditContracts } from './audit.ts'
import { providerContracts } from './providers.ts'
import { tokenContracts } from './tokens.ts'
import { robotContracts } from './robots.ts'
import { keyContracts } from './keys.ts'
import { certificateContracts } from './certificates.ts'
import { nodeContracts } from './nodes.ts'
import { garbageContracts } from './garbage.ts'
import { jobContracts } from './jobs.ts'
import { scrubContracts } from './scrub.ts'
import { backupContracts } from './backups.ts'
import { storageContracts } from './storage.ts'
import { imageContracts } from './images.ts'
import { searchContracts } from './search.ts'
import { liveContracts } from './live.ts'
import { statisticsContracts } from './statistics.ts'

/** In the order of the documentation. */
export const allRouteContracts: readonly RouteContract[] = [
  ...sessionContracts,
  ...userContracts,
  ...groupContracts,
  ...roleContracts,
  ...grantContracts,
  ...repositoryContracts,
  ...tagContracts,
  ...manifestContracts,
  ...imageContracts,
  ...uploadContracts,
  ...trashContracts,
  ...projectContracts,
  ...quotaContracts,
  ...labelContracts,
  ...immutableRuleContracts,
  ...retentionContracts,
  ...systemContracts,
  ...auditContracts,
  ...providerContracts,
  ...tokenContracts,
  ...robotContracts,
  ...keyContracts,
  ...certificateContracts,
  ...nodeContracts,
  ...jobContracts,
  ...garbageContracts,
  ...scrubContracts,
  ...backupContracts,
  ...storageContracts,
  ...searchContracts,
  ...liveContracts,
  ...statisticsContracts,
]
