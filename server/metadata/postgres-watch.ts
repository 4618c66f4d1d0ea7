/**
 * Ends sessions whose server is gone without a word: a machine that lost its power, a network that is cut, an address that moved to another machine.
 *
 * The problem: a statement may take minutes, and a socket tells after many minutes that nobody is there. The way: what got no answer for a few seconds is
 * asked about on a new session: a server that is at work on it says so, and then it is left alone.
 */
import type { Ports, Timers } from '#lib/ports.ts'
import type { PostgresConnection } from './postgres-connection.ts'
import type { Connector } from './postgres-connector.ts'
import type { Presence } from './postgres-presence.ts'

/** How long the server has to take up a session and to say what it is at, in milliseconds. */
export const probeMs = 3000

/** Whose sessions are watched, and how long an answer may take before it is asked about, in milliseconds. */
export interface WatchOptions {
  readonly sessions: () => Iterable<PostgresConnection>
  /** Gives up sooner than who serves: until it does, everybody waits. */
  readonly connector: Connector
  readonly presence: Presence
  readonly answerMs: number
  readonly ports: Pick<Ports, 'clock' | 'timers'>
}

interface Asked {
  readonly question: number
  readonly since: number
}

/** Watches until it is disposed. */
export function watchSessions(options: WatchOptions): Disposable {
  const { sessions, answerMs, ports } = options
  const asked = new WeakMap<PostgresConnection, Asked>()
  let isAsking = false
  const look = async () => {
    const now = ports.clock.monotonic()
    const silent: PostgresConnection[] = []
    for (const session of sessions()) {
      const known = asked.get(session)
      if (session.question === 0) asked.delete(session)
      else if (known?.question !== session.question) asked.set(session, { question: session.question, since: now })
      else if (now - known.since >= answerMs) silent.push(session)
    }
    if (silent.length > 0) await endLost(silent, options)
  }
  return ports.timers.every(Math.max(50, answerMs / 2), () => {
    if (isAsking) return
    isAsking = true
    void look().finally(() => (isAsking = false))
  })
}

async function endLost(silent: readonly PostgresConnection[], { connector, presence, ports }: WatchOptions): Promise<void> {
  const questions = new Map(silent.map((session) => [session, session.question]))
  const alive = await askServer(silent, connector, ports.timers).catch((error: unknown) => {
    presence.lost(error)
    return new Set<PostgresConnection>()
  })
  for (const [session, question] of questions) {
    // One that was answered meanwhile is well.
    if (!alive.has(session) && session.question === question) session.destroy()
  }
}

/** Those that the server is at work on. */
async function askServer(
  silent: readonly PostgresConnection[],
  connector: Connector,
  timers: Pick<Timers, 'after'>,
): Promise<Set<PostgresConnection>> {
  const probe = await connector.connect('reads')
  // It may stand still between two answers.
  using _limit = timers.after(probeMs, () => probe.destroy())
  try {
    const ids = silent.map(({ facts }) => Math.trunc(facts.processId)).join(', ')
    const rows = await probe.script(`select pid from pg_stat_activity where pid in (${ids}) and state is distinct from 'idle'`)
    const working = new Set(rows.map(({ pid }) => pid))
    return new Set(silent.filter(({ facts }) => facts.timeline === probe.facts.timeline && working.has(facts.processId)))
  } finally {
    await probe[Symbol.asyncDispose]()
  }
}
