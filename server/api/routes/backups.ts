/** Backups: what there is, and the jobs that make, prove and remove them. Restoring is no work for a server that runs: `berth restore`. */
import { Type } from 'typebox'
import { defineRoute, instant, strictObject, type RouteContract } from '#api/contract.ts'

const orNull = <Schema extends Type.TSchema>(schema: Schema) => Type.Union([schema, Type.Null()])
const backupId = Type.String({ pattern: '^[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}$', examples: ['20261121T020000Z-5d3c9f01'] })

/** A backup in its place. */
export const backup = strictObject({
  id: backupId,
  fault: Type.Optional(Type.String({ description: 'Why its record cannot be read; the others are then left out.' })),
  madeAt: Type.Optional(Type.String({ format: 'date-time', description: 'The instant that its rows are of.' })),
  endedAt: Type.Optional(Type.String({ format: 'date-time' })),
  version: Type.Optional(Type.String({ description: 'The version of Berth that made it.' })),
  database: Type.Optional(Type.Enum(['sqlite', 'postgres'])),
  rows: Type.Optional(Type.Integer()),
  blobs: Type.Optional(Type.Integer()),
  bytes: Type.Optional(Type.Number({ description: 'Of all its rows and blobs.' })),
  addedBytes: Type.Optional(Type.Number({ description: 'Of what was not in the place before.' })),
  missingBlobs: Type.Optional(Type.Integer({ description: 'Blobs whose bytes were missing or damaged, and so are not in it.' })),
  damagedBlobs: Type.Optional(
    Type.Integer({
      description: 'Blobs that a verification found damaged in the place, or gone from it, and no backup has written anew since.',
    }),
  ),
})

/** How things stand. */
export const backupStatus = strictObject({
  place: orNull(Type.String({ description: 'Where backups go; null: the configuration names no place.' })),
  last: orNull(
    strictObject({
      id: backupId,
      endedAt: instant,
      durationMs: Type.Number(),
      bytes: Type.Number(),
      addedBytes: Type.Number(),
      missingBlobs: Type.Integer(),
    }),
  ),
  failures: Type.Integer({ description: 'How often a backup, or a proof of backups, failed since the database was made.' }),
  failure: orNull(strictObject({ at: instant, error: Type.String() })),
  verified: orNull(
    strictObject({ at: instant, broken: Type.Integer({ description: 'Backups that were found broken when all were proved last.' }) }),
  ),
  current: orNull(strictObject({ job: Type.Integer(), state: Type.Enum(['waiting', 'running']) })),
  nextAt: orNull(instant),
})

/** Of routes that begin work. */
const started = strictObject({
  job: Type.Integer({ description: 'Follow it with `/jobs/{job}`.' }),
  isNew: Type.Boolean({ description: 'False: one waits or runs already, and this is it.' }),
})

/** How things stand. */
export const readBackupStatus = defineRoute({
  method: 'GET',
  path: '/backups/status',
  tag: 'backups',
  summary: 'Read when the last backup was made, when the next one is, and what failed.',
  demand: { permission: 'backup:read', on: 'system' },
  response: backupStatus,
})

/** What there is. */
export const listBackups = defineRoute({
  method: 'GET',
  path: '/backups',
  tag: 'backups',
  summary: 'List the backups of the place that the configuration names, newest first.',
  demand: { permission: 'backup:read', on: 'system' },
  query: strictObject({
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000, default: 100, description: 'So many at most.' })),
  }),
  response: strictObject({ items: Type.Array(backup) }),
})

/** Makes one. */
export const startBackup = defineRoute({
  method: 'POST',
  path: '/backups',
  tag: 'backups',
  summary:
    'Make a backup now; then remove those that `backup.keep` does not keep. While one waits or runs already, that one is the answer.',
  demand: { permission: 'backup:start', on: 'system' },
  response: started,
  status: 202,
})

/** Proves them. */
export const startVerification = defineRoute({
  method: 'POST',
  path: '/backups/verifications',
  tag: 'backups',
  summary: 'Read all backups, or one, and compare everything with what was written.',
  demand: { permission: 'backup:start', on: 'system' },
  body: strictObject({
    id: Type.Optional(backupId),
    quick: Type.Optional(Type.Boolean({ description: 'Look at the size of blobs alone.' })),
  }),
  response: started,
  status: 202,
})

/** Removes old ones. */
export const startPruning = defineRoute({
  method: 'POST',
  path: '/backups/prunings',
  tag: 'backups',
  summary: 'Remove the backups that `backup.keep` does not keep, and the blobs that none of the others needs.',
  demand: { permission: 'backup:prune', on: 'system' },
  needsElevation: true,
  response: started,
  status: 202,
})

/** In the order of the documentation. */
export const backupContracts: readonly RouteContract[] = [readBackupStatus, listBackups, startBackup, startVerification, startPruning]
