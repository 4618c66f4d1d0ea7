/** Every route of the management API with its handler. A test holds this list and api/routes/all.ts together. */
import { grantRoutes } from './grants.ts'
import { groupRoutes } from './groups.ts'
import { roleRoutes } from './roles.ts'
import { factorRoutes } from './session-factors.ts'
import { sessionProviderRoutes } from './session-providers.ts'
import { sessionRoutes } from './session.ts'
import { userRoutes } from './users.ts'
import type { ServedRoute } from './serve-route.ts'
import { manifestRoutes } from './manifests.ts'
import { repositoryRoutes } from './repositories.ts'
import { tagRoutes } from './tags.ts'
import { trashRoutes } from './trash.ts'
import { uploadRoutes } from './uploads.ts'
import { projectRoutes } from './projects.ts'
import { quotaRoutes } from './quotas.ts'
import { labelRoutes } from './labels.ts'
import { immutableRuleRoutes } from './immutable-rules.ts'
import { retentionRoutes } from './retention.ts'
import { systemRoutes } from './system.ts'
import { auditRoutes } from './audit.ts'
import { providerRoutes } from './providers.ts'
import { tokenRoutes } from './tokens.ts'
import { robotRoutes } from './robots.ts'
import { keyRoutes } from './keys.ts'
import { certificateRoutes } from './certificates.ts'
import { nodeRoutes } from './nodes.ts'
import { garbageRoutes } from './garbage.ts'
import { jobRoutes } from './jobs.ts'
import { scrubRoutes } from './scrub.ts'
import { backupRoutes } from './backups.ts'
import { storageRoutes } from './storage.ts'
import { imageRoutes } from './images.ts'
import { searchRoutes } from './search.ts'
import { liveRoutes } from './live.ts'
import { statisticsRoutes } from './statistics.ts'

/** In the order of the documentation. */
export const allRoutes: readonly ServedRoute[] = [
  ...sessionRoutes,
  ...factorRoutes,
  ...sessionProviderRoutes,
  ...userRoutes,
  ...groupRoutes,
  ...roleRoutes,
  ...grantRoutes,
  ...repositoryRoutes,
  ...tagRoutes,
  ...manifestRoutes,
  ...imageRoutes,
  ...uploadRoutes,
  ...trashRoutes,
  ...projectRoutes,
  ...quotaRoutes,
  ...labelRoutes,
  ...immutableRuleRoutes,
  ...retentionRoutes,
  ...systemRoutes,
  ...auditRoutes,
  ...providerRoutes,
  ...tokenRoutes,
  ...robotRoutes,
  ...keyRoutes,
  ...certificateRoutes,
  ...nodeRoutes,
  ...jobRoutes,
  ...garbageRoutes,
  ...scrubRoutes,
  ...backupRoutes,
  ...storageRoutes,
  ...searchRoutes,
  ...liveRoutes,
  ...statisticsRoutes,
]
