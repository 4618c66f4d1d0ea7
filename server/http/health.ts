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
    const reason = await reasonOf(ports, probe.timeoutMs, (signal) => probe.ask(signal))
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
  const [own, shared] = await Promise.all([false, true].map((isShared) => findings(parts, checks, isShared)))
  const configured = [...failures.keys()].map((name): [string, Finding] => [name, 'failed'])
  const all = { ...own, ...Object.fromEntries(configured) }
  const isReady = !Object.values(all).includes('failed')
  return shared === undefined || Object.keys(shared).length === 0 ? { isReady, checks: all } : { isReady, checks: all, shared }
}

async function findings(
  { ports, log }: HttpParts,
  checks: readonly HealthCheck[],
  wanted: boolean,
): Promise<Readonly<Record<string, Finding>>> {
  const asked = checks.filter(({ isShared = false }) => isShared === wanted)
  const answers = asked.map(async (one): Promise<[string, Finding]> => {
    const reason = await reasonOf(ports, readinessTimeoutMs, (signal) => one.check(signal))
    if (reason !== undefined) log.warn({ check: one.name, reason }, wanted ? 'shared fault' : 'not ready')
    return [one.name, reason === undefined ? 'ok' : 'failed']
  })
  return Object.fromEntries(await Promise.all(answers))
}

/** Why the question got a bad answer or none in time; undefined when it went well. Never throws. */
async function reasonOf(
  ports: HttpParts['ports'],
  timeoutMs: number,
  ask: (signal: AbortSignal) => Promise<void>,
): Promise<string | undefined> {
  const controller = new AbortController()
  const { promise: timeout, reject } = Promise.withResolvers<never>()
  const timer = ports.timers.after(timeoutMs, () => {
    const error = new Error('no answer in time')
    controller.abort(error)
    reject(error)
  })
  try {
    await Promise.race([ask(controller.signal), timeout])
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  } finally {
    timer[Symbol.dispose]()
  }
}
