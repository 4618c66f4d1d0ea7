/** Scrub: what is wrong with the store or the rows, and the passes that look for it. */
import { Type } from 'typebox'
import { defineRoute, instant, pageOf, pageQuery, strictObject, type RouteContract } from '#api/contract.ts'

const orNull = <Schema extends Type.TSchema>(schema: Schema) => Type.Union([schema, Type.Null()])

/** What can be wrong. */
export const findingKinds = ['missing', 'damaged', 'orphan', 'stranger', 'upload', 'manifest', 'tag'] as const

const kind = Type.Enum([...findingKinds], {
  description:
    '`missing`, `damaged`: a blob whose bytes are not there, or not its own; it is in quarantine, and the next push heals it. `orphan`: bytes that no row names. `stranger`: a file among the blobs that is none. `upload`: bytes of no upload. `manifest`, `tag`: rows that do not hold together.',
})

/** Something that is wrong, or was. */
export const finding = strictObject({
  id: Type.Integer(),
  kind,
  store: Type.String({ description: 'The blob store, or `database`.' }),
  key: Type.String({ description: 'The place in the store, the id of an upload, or `manifest/12`.' }),
  digest: Type.Optional(Type.String()),
  sizeBytes: Type.Number(),
  detail: Type.String({ description: 'What is the matter and what to do, in a sentence.' }),
  foundAt: instant,
  seenAt: Type.String({ format: 'date-time', description: 'When it was seen last.' }),
  resolvedAt: orNull(Type.String({ format: 'date-time', description: 'Since when it is no longer so.' })),
})

const counts = {
  blobs: Type.Integer(),
  bytes: Type.Number({ description: 'Of blobs that were read.' }),
  quarantined: Type.Integer(),
  released: Type.Integer({ description: 'Blobs that were in quarantine and are whole.' }),
  manifests: Type.Integer(),
  tags: Type.Integer(),
  keys: Type.Integer(),
  uploads: Type.Integer(),
  found: Type.Integer({ description: 'What was not known before.' }),
}

/** How things stand. */
export const scrubStatus = strictObject({
  last: orNull(
    strictObject({
      startedAt: instant,
      endedAt: instant,
      sample: Type.Integer({ description: 'Of a hundred blobs, so many were read.' }),
      ...counts,
    }),
  ),
  current: orNull(strictObject({ job: Type.Integer(), state: Type.Enum(['waiting', 'running']) })),
  nextAt: orNull(instant),
  findings: Type.Array(strictObject({ kind, count: Type.Integer(), sizeBytes: Type.Number() }), {
    description: 'What is wrong now; kinds of which there is nothing are left out.',
  }),
})

/** Of routes that begin work. */
const started = strictObject({
  job: Type.Integer({ description: 'Follow it with `/jobs/{job}`.' }),
  isNew: Type.Boolean({ description: 'False: one waits or runs already, and this is it.' }),
})

/** How things stand. */
export const readScrub = defineRoute({
  method: 'GET',
  path: '/scrub',
  tag: 'scrub',
  summary: 'Read how things stand: the last full pass, the one under way, the next one, and what is wrong now.',
  demand: { permission: 'scrub:read', on: 'system' },
  response: scrubStatus,
})

/** What is wrong. */
export const listScrubFindings = defineRoute({
  method: 'GET',
  path: '/scrub/findings',
  tag: 'scrub',
  summary: 'List what is wrong, found last first; or what was.',
  demand: { permission: 'scrub:read', on: 'system' },
  query: strictObject({
    ...pageQuery([]),
    kind: Type.Optional(kind),
    resolved: Type.Optional(Type.Boolean({ description: 'What is no longer so, instead. It is kept for 92 days.' })),
    sort: Type.Optional(Type.Enum(['-foundAt', 'foundAt'])),
  }),
  response: pageOf(finding),
})

/** Begins a pass. */
export const startScrub = defineRoute({
  method: 'POST',
  path: '/scrub/runs',
  tag: 'scrub',
  summary: 'Begin a pass now. While one waits or runs already, that one is the answer.',
  demand: { permission: 'scrub:start', on: 'system' },
  body: strictObject({
    full: Type.Optional(Type.Boolean({ description: 'Read the bytes of all blobs, whatever the configuration says.' })),
    sample: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 100, description: 'Of a hundred blobs, read the bytes of so many; `scrub.sample` unless said.' }),
    ),
  }),
  response: started,
  status: 202,
})

/** Deletes what no row names. */
export const deleteOrphans = defineRoute({
  method: 'DELETE',
  path: '/scrub/findings/orphans',
  tag: 'scrub',
  summary: 'Delete the orphans that are known and still are orphans; garbage collection takes their bytes in its next turn.',
  demand: { permission: 'scrub:start', on: 'system' },
  needsElevation: true,
  response: started,
  status: 202,
})

/** In the order of the documentation. */
export const scrubContracts: readonly RouteContract[] = [readScrub, listScrubFindings, startScrub, deleteOrphans]
