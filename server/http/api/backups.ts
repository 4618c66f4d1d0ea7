/** Serves api/routes/backups.ts. */
import type { ResponseOf } from '#api/contract.ts'
import * as routes from '#api/routes/backups.ts'
import { listPlace, noBackupPlace, startBackupWork, type BackupParts } from '#features/backup.ts'
import { readBackupOverview, type BackupOverview } from '#features/backup-status.ts'
import { closeSignal, type HttpParts } from '#http/exchange.ts'
import { instantOf, instantOrNull } from './page-body.ts'
import { serve, type ServedRoute } from './serve-route.ts'

type Status = ResponseOf<typeof routes.readBackupStatus>

function requireBackups({ backups }: HttpParts): BackupParts {
  if (backups === undefined) throw noBackupPlace()
  return backups
}

function lastBody({ id, successAt, durationMs = 0, bytes = 0, addedBytes = 0, missingBlobs = 0 }: BackupOverview): Status['last'] {
  if (id === undefined || successAt === undefined) return null
  return { id, endedAt: instantOf(successAt), durationMs, bytes, addedBytes, missingBlobs }
}

function statusBody(place: string | undefined, overview: BackupOverview): Status {
  const { failures, failedAt, error = '', verifiedAt, brokenBackups = 0, current, nextAt } = overview
  return {
    place: place ?? null,
    last: lastBody(overview),
    failures,
    failure: failedAt === undefined ? null : { at: instantOf(failedAt), error },
    verified: verifiedAt === undefined ? null : { at: instantOf(verifiedAt), broken: brokenBackups },
    current: current === undefined ? null : { job: current.jobId, state: current.state },
    nextAt: place === undefined ? null : instantOrNull(nextAt),
  }
}

const listedUnlessSaid = 100

/** Backups. */
export const backupRoutes: readonly ServedRoute[] = [
  serve(routes.readBackupStatus, async ({ parts }) => ({
    body: statusBody(parts.backups?.place, await readBackupOverview(parts.registry.metadata.reader)),
  })),
  serve(routes.listBackups, async ({ parts, query, exchange }) => {
    const items = await listPlace(requireBackups(parts), query.limit ?? listedUnlessSaid, closeSignal(exchange))
    return { body: { items: [...items] } }
  }),
  serve(routes.startBackup, async ({ parts, who }) => {
    const { jobId, isNew } = await startBackupWork(requireBackups(parts), { kind: 'create' }, who)
    return { body: { job: jobId, isNew } }
  }),
  serve(routes.startVerification, async ({ parts, body, who }) => {
    const { jobId, isNew } = await startBackupWork(requireBackups(parts), { kind: 'verify', payload: body }, who)
    return { body: { job: jobId, isNew } }
  }),
  serve(routes.startPruning, async ({ parts, who }) => {
    const { jobId, isNew } = await startBackupWork(requireBackups(parts), { kind: 'prune' }, who)
    return { body: { job: jobId, isNew } }
  }),
]
