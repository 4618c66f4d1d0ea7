/** The stores that have the bytes of blobs, and moving blobs between them. */
import { Type } from 'typebox'
import { defineRoute, instant, strictObject, type RouteContract } from '#api/contract.ts'

const orNull = <Schema extends Type.TSchema>(schema: Schema) => Type.Union([schema, Type.Null()])
const name = Type.String({ minLength: 1, maxLength: 64, description: 'As in the configuration, and in rows.' })
const count = Type.Integer({ minimum: 0 })

/** How things stand in one store. */
export const storeState = strictObject({
  name,
  driver: orNull(Type.Enum(['filesystem', 'memory', 's3', 'azure', 'gcs'])),
  isConfigured: Type.Boolean({ description: 'False: rows name it, and the configuration does not.' }),
  role: Type.Enum(['primary', 'cold', 'other'], { description: 'Pushes go to the primary store.' }),
  blobs: count,
  bytes: Type.Number(),
  quarantined: Type.Integer({ description: 'Of the blobs, those in quarantine.' }),
  uploads: Type.Integer({ description: 'Under way; they end in the store that they began in.' }),
  leaving: Type.Integer({ description: 'Keys whose bytes wait to be deleted.' }),
  leavingUntil: orNull(instant),
})

/** Of routes that begin work. */
const planned = strictObject({
  job: orNull(Type.Integer({ description: 'Follow it with `/jobs/{job}`, end it with `/jobs/{job}/stop`. Null: it was a dry run.' })),
  isNew: Type.Boolean({ description: 'False: one waits or runs already, and this is it; or it was a dry run.' }),
  blobs: Type.Integer({ description: 'That are to move.' }),
  bytes: Type.Number(),
})

/** How things stand. */
export const readStorage = defineRoute({
  method: 'GET',
  path: '/storage',
  tag: 'storage',
  summary: 'Read which stores there are and what is in each, the primary one first. Counts all blobs.',
  demand: { permission: 'storage:read', on: 'system' },
  response: strictObject({ stores: Type.Array(storeState) }),
})

/** Empties a store into another. */
export const startMigration = defineRoute({
  method: 'POST',
  path: '/storage/migrations',
  tag: 'storage',
  summary: 'Move all blobs of a store to another one while pushes and pulls go on. While the same is under way, that is the answer.',
  demand: { permission: 'storage:move', on: 'system' },
  needsElevation: true,
  body: strictObject({
    from: name,
    to: name,
    bytesPerSecond: Type.Optional(Type.Integer({ minimum: 0, description: 'On average; 0, or nothing: as fast as it goes.' })),
    dropDamaged: Type.Optional(
      Type.Boolean({ description: 'Give up what the store has of blobs in quarantine: they stay missing until they are pushed again.' }),
    ),
    dryRun: Type.Optional(Type.Boolean({ description: 'Only count.' })),
  }),
  response: planned,
  status: 202,
})

/** Moves what is cold. */
export const startMoveToCold = defineRoute({
  method: 'POST',
  path: '/storage/cold-runs',
  tag: 'storage',
  summary: 'Move what the rules of `storage.tiers` name to the cold store now. While that is under way, it is the answer.',
  demand: { permission: 'storage:move', on: 'system' },
  body: strictObject({ dryRun: Type.Optional(Type.Boolean({ description: 'Only count.' })) }),
  response: planned,
  status: 202,
})

/** In the order of the documentation. */
export const storageContracts: readonly RouteContract[] = [readStorage, startMigration, startMoveToCold]
