/** Serves api/routes/storage.ts. */
import * as routes from '#api/routes/storage.ts'
import { planMigration, startMigration } from '#features/storage-migrate.ts'
import { readStores, type StoreState } from '#features/storage-overview.ts'
import { planCold, requireTiers, startMoveToCold } from '#features/storage-tiers.ts'
import { requireWritable } from '#registry/require.ts'
import { instantOrNull } from './page-body.ts'
import { serve, type ServedRoute } from './serve-route.ts'

function storeBody({ driver, leavingUntil, liveBytes: _live, ...state }: StoreState) {
  return { ...state, driver: driver ?? null, isConfigured: driver !== undefined, leavingUntil: instantOrNull(leavingUntil ?? null) }
}

/** Storage. */
export const storageRoutes: readonly ServedRoute[] = [
  serve(routes.readStorage, async ({ parts }) => ({
    body: { stores: (await readStores(parts.registry, parts.config.storage)).map(storeBody) },
  })),
  serve(routes.startMigration, async ({ parts, body, who }) => {
    const { from, to, bytesPerSecond = 0, dropDamaged = false, dryRun = false } = body
    requireWritable(parts.registry)
    if (dryRun) {
      const { blobs, bytes } = await planMigration(parts.registry, { from, to })
      return { body: { job: null, isNew: false, blobs, bytes } }
    }
    const { started, plan } = await startMigration(parts.registry, { from, to, bytesPerSecond, dropDamaged }, who)
    return { body: { job: started.jobId, isNew: started.isNew, blobs: plan.blobs, bytes: plan.bytes } }
  }),
  serve(routes.startMoveToCold, async ({ parts, body, who }) => {
    const tiers = requireTiers(parts.config.storage.tiers)
    requireWritable(parts.registry)
    const plan = await planCold(parts.registry, tiers)
    if (body.dryRun === true) return { body: { job: null, isNew: false, ...plan } }
    const { jobId, isNew } = await startMoveToCold(parts.registry, who)
    return { body: { job: jobId, isNew, ...plan } }
  }),
]
