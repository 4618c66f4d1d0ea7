/** What happens, told as it happens. */
import { Type } from 'typebox'
import { defineRoute, strictObject, type RouteContract } from '#api/contract.ts'

/** Server-sent events until the caller has enough. */
export const live = defineRoute({
  method: 'GET',
  path: '/live',
  tag: 'live',
  summary:
    'Follow what happens as server-sent events. `activity` events are records of the audit log and have their id, by which a client that sends Last-Event-ID goes on where it was; `job` events are jobs as they are now, first all that wait or run; `missed` says that not all records since then are told; `end` says why the answer ends: `closing`, `right` (the session or the right is gone) or `error`. A comment comes each 15 seconds; who does not read is cut.',
  demand: { who: 'signed-in' },
  alsoNeeds: '`job:list` for jobs, and for activity `audit:list` on the project that is named, else on everything',
  query: strictObject({
    topics: Type.String({
      maxLength: 100,
      pattern: '^(?:jobs|activity)(?:,(?:jobs|activity))*$',
      description: 'What is told: `jobs`, `activity`, or both with a comma between.',
      examples: ['jobs,activity'],
    }),
    project: Type.Optional(Type.String({ maxLength: 255, description: 'Of activity only what is about this project and what is in it.' })),
    after: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: Number.MAX_SAFE_INTEGER,
        description: 'Records with larger ids are told; without it those that come from now on. Last-Event-ID goes before it.',
      }),
    ),
  }),
  produces: ['text/event-stream'],
})

/** In the order of the documentation. */
export const liveContracts: readonly RouteContract[] = [live]
