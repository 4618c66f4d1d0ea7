/** Serves api/routes/live.ts. */
import { Readable } from 'node:stream'
import type { ProjectFacts } from '#access/decide.ts'
import type { Principal } from '#access/principal.ts'
import * as contract from '#api/routes/live.ts'
import type { Exchange } from '#http/exchange.ts'
import { isInReach } from '#http/gate.ts'
import { LiveConnection, usualLiveLimits, type LiveParts } from '#http/live-connections.ts'
import { requesterOf } from '#http/requester.ts'
import { RegistryError } from '#oci/errors.ts'
import { present } from './audit.ts'
import { guard } from './guard.ts'
import { jobBody } from './jobs.ts'
import { serve, type ApiCall, type ServedRoute } from './serve-route.ts'
import { readCookie } from './session-cookie.ts'

type Call = ApiCall<typeof contract.live>
type Record = Parameters<typeof present>[0]

const headers = {
  'Content-Type': 'text/event-stream; charset=utf-8',
  'Cache-Control': 'no-store',
  // nginx holds an answer back until it has enough of it, unless it is told not to.
  'X-Accel-Buffering': 'no',
}

interface Wanted {
  readonly topics: ReadonlySet<string>
  readonly project: string | undefined
}

/** Throws what a list of the same would: for jobs, and for activity of everything or of the project, which is given. */
async function admit(exchange: Exchange, principal: Principal, { topics, project: name }: Wanted): Promise<ProjectFacts | undefined> {
  if (topics.has('jobs')) await guard(exchange, principal, { permission: 'job:list', on: 'system' }, {})
  if (!topics.has('activity')) return undefined
  const on = name === undefined ? 'system' : 'project'
  const { project } = await guard(exchange, principal, { permission: 'audit:list', on }, { project: name })
  if (project !== undefined && !(await isInReach(exchange, project))) throw new RegistryError('ADDRESS_DENIED')
  return project
}

/** Whether the caller is still who they were and may still have it; a database that is away says nothing of that. */
async function isStillLetIn(
  { exchange, principal, parts }: Pick<Call, 'exchange' | 'principal' | 'parts'>,
  wanted: Wanted,
): Promise<boolean> {
  try {
    const requester = { ...requesterOf(exchange), session: readCookie(exchange, 'session'), isWatching: true }
    const now = await parts.access.authenticate(requester)
    if (now.key !== principal.key || now.isAnonymous) return false
    await admit(exchange, now, wanted)
    return true
  } catch (error) {
    return !(error instanceof RegistryError) || error.status >= 500
  }
}

/** Ends it when the server does, or the right is gone. */
function watch(connection: LiveConnection, { live, call, wanted }: { live: LiveParts; call: Call; wanted: Wanted }): void {
  const { site } = call.exchange
  const leave = () => connection.end('closing')
  site.held.add(leave)
  let isLooking = false
  const look = async () => {
    if (site.state.isLeaving) return leave()
    if (isLooking) return
    isLooking = true
    if (!(await isStillLetIn(call, wanted))) connection.end('right')
    isLooking = false
  }
  const timer = site.parts.ports.timers.every((live.limits ?? usualLiveLimits).lookMs, () => void look())
  connection.signal.addEventListener('abort', () => {
    timer[Symbol.dispose]()
    site.held.delete(leave)
  })
  if (site.state.isDraining) leave()
}

/** The same text for all who are told of a record. */
const texts = new WeakMap<Record, string>()

function textOf(record: Record): string {
  const text = texts.get(record) ?? JSON.stringify(present(record))
  texts.set(record, text)
  return text
}

async function followActivity(
  live: LiveParts,
  connection: LiveConnection,
  { after, project }: { after: number | undefined; project: ProjectFacts | undefined },
) {
  await live.activity.follow(after, {
    signal: connection.signal,
    begin({ after: start, isMissed }) {
      if (isMissed) connection.send({ event: 'missed', data: JSON.stringify({ after: start }) })
      // So that who is cut off before the first record comes back to here.
      connection.send({ event: 'begin', id: start, data: JSON.stringify({ after: start }) })
    },
    tell(record) {
      const isWanted = project === undefined || record.projectId === project.id
      if (isWanted) connection.send({ event: 'activity', id: record.id, data: textOf(record) })
    },
    room: () => connection.room(),
  })
}

function lastEventId({ request }: Exchange): number | undefined {
  const text = request.headers['last-event-id']
  return typeof text === 'string' && /^\d{1,15}$/.test(text) ? Number(text) : undefined
}

/** Live updates. */
export const liveRoutes: readonly ServedRoute[] = [
  serve(contract.live, async (call) => {
    const { exchange, parts, principal, query } = call
    const { live } = parts
    if (live === undefined) throw new RegistryError('UNSUPPORTED')
    const wanted = { topics: new Set(query.topics.split(',')), project: query.project }
    const project = await admit(exchange, principal, wanted)
    if (exchange.request.method === 'HEAD') return { body: undefined, stream: Readable.from([]), headers }
    const connection = new LiveConnection(live, principal.key, {
      timers: parts.ports.timers,
      onSent: (bytes) => (exchange.notes.sentBytes += bytes),
    })
    exchange.response.once('close', () => connection.stream.destroy())
    if (wanted.topics.has('jobs')) {
      const jobs = live.jobs.follow((job) => connection.send({ event: 'job', data: JSON.stringify(jobBody(parts.jobs, job)) }))
      connection.signal.addEventListener('abort', () => jobs[Symbol.dispose]())
    }
    if (wanted.topics.has('activity')) {
      followActivity(live, connection, { after: lastEventId(exchange) ?? query.after, project }).catch((error: unknown) => {
        parts.log.warn({ err: error, requestId: exchange.requestId }, 'live updates ended: the records cannot be read')
        connection.end('error')
      })
    }
    watch(connection, { live, call, wanted })
    return { body: undefined, stream: connection.stream, headers }
  }),
]
