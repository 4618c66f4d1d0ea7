/** Garbage collection: what there is to free, and runs of it. */
import { Type, type TSchema } from 'typebox'
import { defineRoute, instant, strictObject, type RouteContract } from '#api/contract.ts'

const count = Type.Integer({ minimum: 0 })
const described = <Members extends Record<string, TSchema>>(description: string, members: Members) =>
  Type.Object(members, { additionalProperties: false, description })
const blobs = (description: string) => described(description, { blobs: count, bytes: count })
const orNull = <Schema extends Type.TSchema>(schema: Schema) => Type.Union([schema, Type.Null()])

/** What a run did, or would do. */
export const garbageReport = strictObject({
  dryRun: Type.Boolean(),
  manifests: Type.Integer({ description: 'Untagged manifests that went, into the trash where there is one.' }),
  links: Type.Integer({ description: 'Blobs that left a repository in which no manifest needed them; they may be in others.' }),
  blobs: Type.Integer({ description: 'Blobs that nothing held any more.' }),
  keys: Type.Integer({ description: 'Files whose bytes were deleted.' }),
  freedBytes: Type.Integer(),
  failedKeys: Type.Integer({
    description: 'Files that could not be deleted; the next run tries again, and the log of the job names the first of them.',
  }),
})

/** Read what there is to free. */
export const readGarbage = defineRoute({
  method: 'GET',
  path: '/garbage',
  tag: 'garbage',
  summary: 'Read what there is to free, when, and what was freed.',
  demand: { permission: 'garbage:read', on: 'system' },
  response: strictObject({
    isExact: Type.Boolean({ description: 'False: the queue is longer than was counted, and there is more.' }),
    queue: described('What waits to be looked at: manifests without a tag, blobs of repositories, blobs that are in none.', {
      manifests: count,
      links: count,
      blobs: count,
    }),
    oldestDueSeconds: Type.Integer({ description: 'For how long what is due longest has waited; 0: nothing is due.' }),
    reclaimable: strictObject({
      now: blobs('What the next collection takes: also bytes of blobs that are gone for everyone and were kept for pulls long enough.'),
      later: blobs('All that no manifest needs: also what a push may still rely on, for `storage.garbagedelay`.'),
    }),
    untagged: described(
      'Manifests that nothing keeps and that wait, for `storage.garbagedelay` or the days of their project: `deleteUntagged` takes none of them before.',
      { manifests: count, bytes: count, until: orNull(instant) },
    ),
    leaving: described('Bytes of blobs that are gone for everyone, kept for pulls under way until `storage.readersdelay` is over.', {
      files: count,
      bytes: count,
    }),
    trash: described('What was deleted and can be restored, as if it shared nothing.', { items: count, bytes: count }),
    freed: described('Since the database was made.', { files: count, bytes: count }),
    lastRun: orNull(
      strictObject({
        job: Type.Integer(),
        state: Type.Enum(['waiting', 'running', 'done', 'failed', 'stopped']),
        startedAt: orNull(instant),
        endedAt: orNull(instant),
        report: orNull(garbageReport),
      }),
    ),
  }),
})

/** Collect garbage now. */
export const startGarbageRun = defineRoute({
  method: 'POST',
  path: '/garbage/runs',
  tag: 'garbage',
  summary: 'Collect garbage now, or count what would go. While a run that was asked for the same waits or runs, that one is the answer.',
  demand: { permission: 'garbage:collect', on: 'system' },
  body: strictObject({
    dryRun: Type.Optional(Type.Boolean({ description: 'Only count.' })),
    deleteUntagged: Type.Optional(
      Type.Boolean({
        description: 'Manifests go too that no tag, index or subject keeps, whatever their project says. Looks at all manifests.',
      }),
    ),
    sweep: Type.Optional(Type.Boolean({ description: 'Look at all blobs first, for what an import brought and nothing needs.' })),
  }),
  response: strictObject({ job: Type.Integer({ description: 'Follow it at /jobs/{job}.' }), isNew: Type.Boolean() }),
  status: 202,
})

/** In the order of the documentation. */
export const garbageContracts: readonly RouteContract[] = [readGarbage, startGarbageRun]
