import { systemPorts, type Ports } from '#lib/ports.ts'

/** The machine's ports with a clock that can be put forward. */
export interface MovingClock {
  readonly ports: Ports
  advance(ms: number): void
}

export function movingClock(): MovingClock {
  let offsetMs = 0
  const { clock } = systemPorts
  return {
    ports: { ...systemPorts, clock: { now: () => clock.now() + offsetMs, monotonic: () => clock.monotonic() + offsetMs } },
    advance: (ms) => void (offsetMs += ms),
  }
}
