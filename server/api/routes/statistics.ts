/** How it went: series over time. */
import { Type, type TProperties } from 'typebox'
import { defineRoute, instant, strictObject, type RouteContract } from '#api/contract.ts'

const count = (description: string) => Type.Integer({ description })
const size = (description: string) => Type.Union([Type.Integer(), Type.Null()], { description })
const duration = (description: string) => Type.Union([Type.Number(), Type.Null()], { description })

const ofProject = {
  at: Type.String({ format: 'date-time', description: 'When the hour or day began.' }),
  pulls: count('Manifests that were pulled.'),
  pushes: count('Manifests that were pushed.'),
  errors: count('Answers with a status of 500 or more.'),
  storedBytes: size('Each blob once, at the end; null: not known.'),
  logicalBytes: size('As if nothing were shared: each manifest with all its blobs; null: not known.'),
}

const ofEverything = {
  ...ofProject,
  requests: count('All requests.'),
  reclaimableBytes: size('What the next garbage collection would have freed; null: not known.'),
  latencyP50Ms: duration('Half of the answers took no longer, those that carry blobs left out; null: there were none.'),
  latencyP99Ms: duration('All but a hundredth of these took no longer.'),
}

function seriesOf<Members extends TProperties>(members: Members) {
  return strictObject({
    step: Type.Enum(['hour', 'day']),
    from: instant,
    to: instant,
    items: Type.Array(strictObject(members), { description: 'One for each hour or day, in order, those in which nothing happened too.' }),
  })
}

const query = strictObject({
  step: Type.Optional(
    Type.Enum(['hour', 'day'], { description: 'Hours, of which there are two weeks, unless `day`. Days are those of UTC.' }),
  ),
  from: Type.Optional(
    Type.String({ format: 'date-time', description: 'From the hour or day of this instant on; 24 hours or 30 days unless said.' }),
  ),
  to: Type.Optional(Type.String({ format: 'date-time', description: 'Up to this instant; now unless said.' })),
})

/** Of everything. */
export const readStatistics = defineRoute({
  method: 'GET',
  path: '/statistics',
  tag: 'statistics',
  summary:
    'Read how many pulls, pushes, requests and errors there were, how long answers took, and how much there was, hour by hour or day by day.',
  demand: { permission: 'system:read', on: 'system' },
  query,
  response: seriesOf(ofEverything),
})

/** Of a project. */
export const readProjectStatistics = defineRoute({
  method: 'GET',
  path: '/projects/{project}/statistics',
  tag: 'statistics',
  summary:
    'Read how many pulls, pushes and errors there were in a project, hour by hour or day by day, and how much was in it. Pulls and pushes of projects below it are theirs; bytes are with those of projects below.',
  demand: { permission: 'project:read', on: 'project' },
  params: strictObject({ project: Type.String({ maxLength: 255 }) }),
  query,
  response: seriesOf(ofProject),
})

/** In the order of the documentation. */
export const statisticsContracts: readonly RouteContract[] = [readStatistics, readProjectStatistics]
