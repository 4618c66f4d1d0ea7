/** The processes that serve on one database. */
import { Type } from 'typebox'
import { defineRoute, instant, strictObject, type RouteContract } from '#api/contract.ts'

const node = strictObject({
  name: Type.String({ description: 'Of the machine.' }),
  address: Type.String({ description: 'Where it listens.' }),
  processId: Type.Integer(),
  state: Type.Enum(['serving', 'draining', 'silent'], { description: '`silent`: not heard of for 35 seconds; after a day its row goes.' }),
  version: Type.String(),
  schemaVersion: Type.String({ description: 'The newest migration that its program knows.' }),
  startedAt: instant,
  seenAt: instant,
  clockOffsetMs: Type.Union([Type.Integer(), Type.Null()], { description: "By how much its clock is ahead of the database's." }),
})

/** There are a handful. */
export const listNodes = defineRoute({
  method: 'GET',
  path: '/nodes',
  tag: 'nodes',
  summary: 'List the nodes (processes that serve on this database), and what is wrong with them as a whole.',
  demand: { permission: 'system:read', on: 'system' },
  response: strictObject({
    items: Type.Array(node),
    warnings: Type.Array(Type.String(), {
      description: 'Sentences: versions that differ, clocks that do not agree, nodes that are silent.',
    }),
  }),
})

/** In the order of the documentation. */
export const nodeContracts: readonly RouteContract[] = [listNodes]
