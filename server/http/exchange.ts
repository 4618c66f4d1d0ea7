/** One request and its answer, with what is found out about them on the way. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Access } from '#access/access.ts'
import type { Directory } from '#access/directory.ts'
import type { ProjectFacts } from '#access/decide.ts'
import type { Principal } from '#access/principal.ts'
import type { TokenDesk } from '#access/token-desk.ts'
import type { Config } from '#config/config.ts'
import type { AcmeCertificates } from '#features/acme.ts'
import type { Audit } from '#features/audit.ts'
import type { AuditStream } from '#features/audit-stream.ts'
import type { PullStatistics } from '#features/pull-statistics.ts'
import type { Traffic } from '#features/statistics-count.ts'
import type { SystemRules } from '#features/system-rules.ts'
import type { BackupParts } from '#features/backup.ts'
import type { Jobs } from '#jobs/jobs.ts'
import type { Logger } from '#lib/logger.ts'
import type { Metrics } from '#lib/metrics.ts'
import type { Ports } from '#lib/ports.ts'
import type { RepositoryName } from '#oci/reference.ts'
import type { Actor, Registry } from '#registry/registry.ts'
import type { AccessLog } from './access-log.ts'
import { callerOf, type Caller, type TrustedProxies } from './forwarded.ts'
import type { Health } from './health.ts'
import type { LiveParts } from './live-connections.ts'
import type { Portal } from './portal-files.ts'
import type { Target } from './target.ts'

/** What the server is made of. */
export interface HttpParts {
  readonly config: Config
  readonly registry: Registry
  readonly access: Access
  /** What the verbs of accounts, rights, providers and projects take first. */
  readonly directory: Directory
  /** Issues bearer tokens; absent in an open registry, and where an outside token server does. */
  readonly tokens?: TokenDesk | undefined
  readonly metrics: Metrics
  /** The page of metrics of all processes that listen here; absent: this one's own. */
  readonly metricsPage?: (() => Promise<string>) | undefined
  readonly log: Logger
  readonly ports: Ports
  /** Where logins and refusals are noted. */
  readonly audit: Audit
  /** Where pulls are told; absent: nowhere. */
  readonly pulls?: Pick<AuditStream, 'pulled' | 'hasPulls'> | undefined
  /** Where pulls are counted; absent: nowhere. */
  readonly pullStatistics?: Pick<PullStatistics, 'pulled'> | undefined
  /** What administrators decide while the registry runs: networks, limits, read-only mode. */
  readonly system: SystemRules
  /** Work in the background. */
  readonly jobs: Jobs
  /** Undefined where the configuration names no place for them. */
  readonly backups: BackupParts | undefined
  /** The pages for people; absent: switched off, or not built. */
  readonly portal?: Portal | undefined
  /** What is counted over time; absent: nothing. */
  readonly traffic?: Pick<Traffic, 'answered' | 'pulled' | 'pushed'> | undefined
  /** Where live updates come from; absent: there are none. */
  readonly live?: LiveParts | undefined
  /** Certificates by ACME; absent: none are configured. */
  readonly acme?: AcmeCertificates | undefined
}

/** What one server works out once, for all its requests. */
export interface Site {
  readonly parts: HttpParts
  /** Name, value, name, value, …: sent with every answer. */
  readonly standardHeaders: readonly string[]
  readonly proxies: TrustedProxies
  /** Tells the operator of proxies that are not believed. */
  readonly watchProxy: (request: IncomingMessage) => void
  readonly health: Health
  readonly accessLog: AccessLog
  /** `isLeaving`: the end has been asked for. `isDraining`: and nothing more is taken up. */
  readonly state: { isLeaving: boolean; isDraining: boolean }
  /** Lets each answer that is held back leave. */
  readonly held: Set<() => void>
}

/** A project by its present name, with the repository as it was asked for. `isHidden`: the caller may not see it. */
export interface Aim {
  readonly project: string
  readonly repository?: RepositoryName | undefined
  readonly isHidden: boolean
}

/** Written while the request is handled, read by the access log and the metrics. */
interface Notes {
  /** registry:2's name of the route in metrics. */
  handler: string
  principal: Principal | undefined
  /** That owns the repository of the request, where the caller may do what it asks for. */
  project: ProjectFacts | undefined
  /** What a call of the management API was aimed at, for the record of a refusal: kept even where the caller is told that nothing is there. */
  aim: Aim | undefined
  errorCode: string | undefined
  /** What a 401 asks for. */
  challenge: { readonly scope?: string | undefined; readonly error?: 'insufficient_scope' | 'invalid_token' | undefined }
  receivedBytes: number
  sentBytes: number
  /** The answer took as long as its reader or its content wanted. */
  isStreamed: boolean
  /** The client asked for leave to send its body and has not got it yet. */
  awaitsContinue: boolean
}

export interface Exchange {
  readonly site: Site
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly requestId: string
  /** Milliseconds of the monotonic clock. */
  readonly startedAt: number
  readonly notes: Notes
}

/** An exchange whose target made sense. */
export interface TargetedExchange extends Exchange {
  readonly target: Target
}

// Only letters and digits of an id that no log line or header could choke on.
const saneRequestId = /^[A-Za-z0-9._-]{8,128}$/

/** Takes up a request. An `X-Request-Id` that a trusted proxy sends is kept. */
export function openExchange(site: Site, request: IncomingMessage, response: ServerResponse): Exchange {
  const { ports } = site.parts
  site.watchProxy(request)
  return {
    site,
    request,
    response,
    requestId: requestIdOf(site, request) ?? ports.random.uuid(),
    startedAt: ports.clock.monotonic(),
    notes: {
      handler: 'none',
      principal: undefined,
      project: undefined,
      aim: undefined,
      errorCode: undefined,
      challenge: {},
      receivedBytes: 0,
      sentBytes: 0,
      isStreamed: false,
      awaitsContinue: false,
    },
  }
}

function requestIdOf(site: Site, request: IncomingMessage): string | undefined {
  const given = request.headers['x-request-id']
  if (typeof given !== 'string' || !saneRequestId.test(given)) return undefined
  return callerOf(request, site.proxies).isProxied ? given : undefined
}

/** Who asks and by which address, as far as the proxies in between are to be believed. */
export function exchangeCaller(exchange: Exchange): Caller {
  return callerOf(exchange.request, exchange.site.proxies)
}

/** Who asks, as the registry's verbs want it. */
export function actorOf(exchange: Exchange): Actor {
  const principal = exchange.notes.principal
  return {
    name: principal?.name ?? '',
    requestId: exchange.requestId,
    key: principal?.key ?? '',
    credential: principal === undefined ? '' : credentialText(principal.credential),
    address: exchangeCaller(exchange).address,
    userAgent: exchange.request.headers['user-agent'] ?? '',
  }
}

/** Kind and id of a credential, as records name it: `password`, `personal:12`. */
export function credentialText({ kind, id }: Principal['credential']): string {
  return id === undefined ? kind : `${kind}:${id}`
}

const signals = new WeakMap<Exchange, AbortSignal>()

/** Aborts when the connection closes before the answer is complete. Made on demand: most requests need none. */
export function closeSignal(exchange: Exchange): AbortSignal {
  const known = signals.get(exchange)
  if (known !== undefined) return known
  const controller = new AbortController()
  const { response } = exchange
  const onClose = () => {
    if (!response.writableFinished) controller.abort(new ClientGone())
  }
  if (response.destroyed) onClose()
  else response.once('close', onClose)
  signals.set(exchange, controller.signal)
  return controller.signal
}

/** The client went away: nobody is left to answer. Logged as 499. */
export class ClientGone extends Error {
  override readonly name = 'ClientGone'

  constructor() {
    super('the client closed the connection')
  }
}

/** Whether the request announces a body, empty ones left out. */
export function hasBody(request: IncomingMessage): boolean {
  const length = request.headers['content-length']
  return request.headers['transfer-encoding'] !== undefined || (length !== undefined && Number(length) > 0)
}

/** Content-Length, undefined for a chunked body; 0 when there is none at all. Node's parser has refused anything but digits. */
export function bodyLength(request: IncomingMessage): number | undefined {
  if (request.headers['transfer-encoding'] !== undefined) return undefined
  return Number(request.headers['content-length'] ?? 0)
}
