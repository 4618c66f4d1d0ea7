/**
 * When something that repeats is next: a cron expression of five fields in a time zone, or `every 10m`.
 *
 * Clocks that change: a time that falls into the hour that is left out in spring runs right after it, a time that comes twice in autumn runs once (Vixie
 * cron's rules, by croner). `every` counts from the run before, whatever the clock on the wall does.
 */
import { Cron } from 'croner'

/** What repeats. */
export interface Repetition {
  readonly cron: string
  /** IANA name, such as `Europe/Berlin`; `every` has no use for it. */
  readonly timeZone: string
}

const textMax = 100
const unitsMs = { m: 60_000, h: 3_600_000, d: 86_400_000 } as const
const longestMs = 366 * unitsMs.d
const everyText = /^every ([1-9]\d{0,5})([mhd])$/

/** Milliseconds between two runs of `every …`; undefined when it is none. */
export function intervalOf(cron: string): number | undefined {
  const [, count, unit] = everyText.exec(cron) ?? []
  return count === undefined ? undefined : Number(count) * unitsMs[unit as keyof typeof unitsMs]
}

/** An interval in words that {@link intervalOf} reads, to the minute. */
export function everyMs(intervalMs: number): string {
  const minutes = Math.max(1, Math.round(Math.min(intervalMs, longestMs) / unitsMs.m))
  return `every ${minutes}m`
}

/** What is the matter with it, in a sentence; undefined when nothing is. */
export function faultOf({ cron, timeZone }: Repetition): string | undefined {
  if (cron.length > textMax || timeZone.length > textMax) return `at most ${textMax} characters`
  if (!isTimeZone(timeZone)) return `${JSON.stringify(timeZone)} is no time zone: Europe/Berlin and UTC are`
  const interval = intervalOf(cron)
  if (interval !== undefined) return interval > longestMs ? 'every 366d at most' : undefined
  if (cron.startsWith('every')) return 'an interval looks like "every 10m", "every 6h" or "every 1d"'
  try {
    if (new Cron(cron, cronOptions(timeZone)).nextRun() === null) return `${JSON.stringify(cron)} never comes`
    return undefined
  } catch {
    return `${JSON.stringify(cron)} is no cron expression: minute, hour, day of month, month, day of week, such as "0 3 * * *"`
  }
}

/** The first time after that instant (milliseconds since the epoch); undefined when there is none, or when {@link faultOf} finds one. */
export function nextTime({ cron, timeZone }: Repetition, after: number): number | undefined {
  const interval = intervalOf(cron)
  if (interval !== undefined) return after + interval
  // Without one croner would take that of the machine.
  if (!isTimeZone(timeZone)) return undefined
  try {
    return new Cron(cron, cronOptions(timeZone)).nextRun(new Date(after))?.getTime()
  } catch {
    return undefined
  }
}

function cronOptions(timezone: string) {
  return { timezone, mode: '5-part', fixedTimeRule: 'no-wildcard' } as const
}

function isTimeZone(timeZone: string): boolean {
  try {
    return Intl.DateTimeFormat('en', { timeZone }).resolvedOptions().timeZone !== ''
  } catch {
    return false
  }
}
