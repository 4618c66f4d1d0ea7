/** Ends of tokens, secrets and robots, as people write them. */
import { isDay } from '#lib/instant.ts'
import { WrongUsage } from './command-failure.ts'

const units: Readonly<Record<string, number>> = { h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000 }

/** A date, or a time with its zone (RFC 3339). */
const isoTime = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?(?:Z|[+-]\d{2}:\d{2}))?$/

/** Undefined for what is none. Of 01/02/2030 nobody knows which month is meant. */
export function timeOf(text: string): Date | undefined {
  const at = new Date(text)
  return isoTime.test(text) && isDay(text.slice(0, 10)) && !Number.isNaN(at.getTime()) ? at : undefined
}

/** Milliseconds of `12h`, `30d` or `4w`; undefined for what is no span. */
export function spanOf(text: string): number | undefined {
  const [, count = '', unit = ''] = /^(\d{1,5})([hdw])$/.exec(text) ?? []
  return unit === '' ? undefined : Number(count) * (units[unit] ?? 0)
}

/** RFC 3339 from a date, a time, or a span from now (`12h`, `30d`, `4w`); `never` is null, and nothing stays nothing. */
export function endOf(text: string | undefined, now: number = Date.now()): { readonly expiresAt?: string | null } {
  if (text === undefined) return {}
  if (text === 'never') return { expiresAt: null }
  const spanMs = spanOf(text)
  const at = spanMs === undefined ? timeOf(text) : new Date(now + spanMs)
  if (at === undefined) throw new WrongUsage(`${text} is no time: 30d, 2030-01-31 or 2030-01-31T12:00:00Z is one`)
  return { expiresAt: at.toISOString() }
}

/** For the option of that name. */
export const expiresOption = ['--expires <time>', 'when it ends: 30d, 12h, 2030-01-31, or never'] as const
