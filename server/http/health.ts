/**
 * Whether this process should get requests.
 *
 * Two questions that must not be mixed: `/readyz` asks about faults of this process alone (its disk, its database, a drain under way), so that a fault that all share
 * never empties a balancer; the checks of the `health` section are the operator's, and while one of them fails every request is answered 503, as
 * registry:2 does. Checks that `main.ts` hands in are asked when somebody wants to know, the operator's in their intervals.
 */
import type { HttpParts } from './exchange.ts'
import { configuredProbes, type Probe } from './health-probes.ts'

/** A fault that can be asked for; throws when there is one. */
export interface HealthCheck {
  readonly name: string
  /** What all nodes would find at the same time: told, and counted against none of them. */
  readonly isShared?: boolean
  check(signal: AbortSignal): Promise<void>
  /** What is known of a fault while {@link check} has no answer. */
  readonly whenLate?: (() => Error | undefined) | undefined
}

/** The check among those handed in that `health.storagedriver` repeats. */
const storageCheckName = 'storage'

export interface Health extends Disposable {
  /** Begins to ask the operator's checks. */
  start(): void
  /** Reasons by name of the operator's checks that fail; empty when all is well. */
  failing(): ReadonlyMap<string, string>
  /** Names of the local faults found now, and all names asked. Answers of the last second are told again. */
  readiness(): Promise<Readiness>
}

interface Readiness {
  readonly isReady: boolean
  readonly checks: Readonly<Record<string, Finding>>
  /** Of what is shared with other nodes; absent where nothing is. */
  readonly shared?: Readonly<Record<string, Finding>>
  /** The code that the system or the service gave for a fault (`ECONNREFUSED`, `AccessDenied`), by name. Sentences, which may name places, are in the log alone. */
  readonly reasons?: Readonly<Record<string, string>>
}

type Finding = 'ok' | 'failed'

const readinessTimeoutMs = 2_000
const readinessAgeMs = 1_000

export function createHealth(parts: HttpParts, checks: readonly HealthCheck[]): Health {
  const { config, ports } = parts
  const probes = [...storageProbes(parts, checks), ...configuredProbes(config.health, ports)]
  const failures = new Map<string, string>()
  const running: Disposable[] = []
  let latest: { readonly at: number; readonly answer: Promise<Readiness> } | undefined
  return {
    start() {
      for (const probe of probes) running.push(repeat(parts, probe, failures))
    },
    failing: () => failures,
    readiness() {
      const now = ports.clock.monotonic()
      if (latest === undefined || now - latest.at > readinessAgeMs) latest = { at: now, answer: askAll(parts, checks, failures) }
      return latest.answer
    },
    [Symbol.dispose]() {
      for (const one of running.splice(0)) one[Symbol.dispose]()
    },
  }
}

function storageProbes({ config }: HttpParts, checks: readonly HealthCheck[]): Probe[] {
  const { enabled, intervalMs, threshold } = config.health.storageDriver
  const storage = checks.find(({ name }) => name === storageCheckName)
  if (!enabled || storage === undefined) return []
  const name = `storagedriver_${config.storage.driver}`
  return [{ name, intervalMs, threshold, timeoutMs: intervalMs, ask: (signal) => storage.check(signal) }]
}

/** Asks now and in each interval, one question at a time. */
function repeat({ ports, log }: HttpParts, probe: Probe, failures: Map<string, string>): Disposable {
  let badInARow = 0
  let isAsking = false
  const ask = async () => {
    if (isAsking) return
    isAsking = true
    const fault = await faultOf(ports, probe.timeoutMs, probe.ask)
    const reason = fault?.reason
    isAsking = false
    badInARow = reason === undefined ? 0 : badInARow + 1
    if (reason === undefined) {
      if (failures.delete(probe.name)) log.info({ check: probe.name }, 'health check is well again')
    } else if (badInARow >= probe.threshold) {
      if (!failures.has(probe.name)) log.warn({ check: probe.name, reason }, 'health check fails')
      failures.set(probe.name, reason)
    }
  }
  void ask()
  return ports.timers.every(Math.max(1, probe.intervalMs), () => void ask())
}

async function askAll(parts: HttpParts, checks: readonly HealthCheck[], failures: ReadonlyMap<string, string>): Promise<Readiness> {
  const reasons: Record<string, string> = {}
  const [own, shared] = await Promise.all([false, true].map((isShared) => findings(parts, checks, { isShared, reasons })))
  const configured = [...failures.keys()].map((name): [string, Finding] => [name, 'failed'])
  const all = { ...own, ...Object.fromEntries(configured) }
  const isReady = !Object.values(all).includes('failed')
  return {
    isReady,
    checks: all,
    ...(shared !== undefined && Object.keys(shared).length > 0 && { shared }),
    ...(Object.keys(reasons).length > 0 && { reasons }),
  }
}

async function findings(
  { ports, log }: HttpParts,
  checks: readonly HealthCheck[],
  { isShared: wanted, reasons }: { readonly isShared: boolean; readonly reasons: Record<string, string> },
): Promise<Readonly<Record<string, Finding>>> {
  const asked = checks.filter(({ isShared = false }) => isShared === wanted)
  const answers = asked.map(async (one): Promise<[string, Finding]> => {
    const fault = await faultOf(ports, readinessTimeoutMs, (signal) => one.check(signal), one.whenLate)
    if (fault === undefined) return [one.name, 'ok']
    log.warn({ check: one.name, reason: fault.reason }, wanted ? 'shared fault' : 'not ready')
    if (fault.code !== undefined) reasons[one.name] = fault.code
    return [one.name, 'failed']
  })
  return Object.fromEntries(await Promise.all(answers))
}

interface Fault {
  readonly reason: string
  readonly code: string | undefined
}

/** Why the question got a bad answer or none in time; undefined when it went well. Never throws. */
async function faultOf(
  ports: HttpParts['ports'],
  timeoutMs: number,
  ask: (signal: AbortSignal) => Promise<void>,
  whenLate?: HealthCheck['whenLate'],
): Promise<Fault | undefined> {
  const controller = new AbortController()
  const { promise: timeout, reject } = Promise.withResolvers<never>()
  const timer = ports.timers.after(timeoutMs, () => {
    const error = whenLate?.() ?? new Error('no answer in time')
    controller.abort(error)
    reject(error)
  })
  try {
    await Promise.race([ask(controller.signal), timeout])
    return undefined
  } catch (error) {
    return { reason: error instanceof Error ? error.message : String(error), code: codeOf(error) }
  } finally {
    timer[Symbol.dispose]()
  }
}

const causesMax = 5
const word = /^\w{2,40}$/

/** What failed first says most: the code of the innermost cause that has one. */
function codeOf(error: unknown): string | undefined {
  let code: string | undefined
  for (let at = error, depth = 0; at instanceof Error && depth < causesMax; at = at.cause, depth++)
    if ('code' in at && typeof at.code === 'string' && word.test(at.code)) code = at.code
  return code
}
