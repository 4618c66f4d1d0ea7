/** What the tests of this room share: a clock that moves by hand, and a log that is read back. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import type { Logger } from '#lib/logger.ts'
import { systemPorts, type Ports } from '#lib/ports.ts'

export interface TestParts {
  readonly ports: Ports
  readonly log: Logger
  /** The lines logged so far, as text. */
  readonly lines: string[]
  advance(ms: number): void
}

/** The machine's ports with a clock that starts at now and stands still. */
export function makeParts(): TestParts {
  let offsetMs = 0
  const start = systemPorts.clock.now()
  const lines: string[] = []
  return {
    lines,
    log: pino({ level: 'debug' }, { write: (line: string) => lines.push(line) }),
    ports: { ...systemPorts, clock: { now: () => start + offsetMs, monotonic: () => offsetMs } },
    advance: (ms) => void (offsetMs += ms),
  }
}

/** A directory that is removed with everything in it. */
export async function makeDirectory(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'berth-access-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

/** The header of a name and a password. */
export function basic(name: string, password: string): string {
  return `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`
}
