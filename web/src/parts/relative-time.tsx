/** An instant as people say it; the exact one on hover and for machines. */
import { useCallback, useSyncExternalStore } from 'react'
import { useTranslation } from 'react-i18next'
import { timeZone } from '../app/time-zone.ts'
import { keptFormat } from './formats.ts'

const steps = [
  ['year', 31_536_000],
  ['month', 2_592_000],
  ['week', 604_800],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
] as const

/** `3 days ago`. */
export function relativeText(at: string, language: string, now = Date.now()): string {
  const seconds = (Date.parse(at) - now) / 1_000
  const words = keptFormat(`relative ${language}`, () => new Intl.RelativeTimeFormat(language, { numeric: 'auto' }))
  const step = steps.find(([, length]) => Math.abs(seconds) >= length)
  return step === undefined ? words.format(0, 'second') : words.format(Math.trunc(seconds / step[1]), step[0])
}

/** In the zone that was chosen. */
export function exactText(at: string, language: string): string {
  return formatted(at, language, 'exact', { dateStyle: 'medium', timeStyle: 'long' })
}

/** The time of day alone, for lines that were written close together. */
export function clockText(at: string, language: string): string {
  return formatted(at, language, 'clock', { timeStyle: 'medium', hourCycle: 'h23' })
}

function formatted(at: string, language: string, name: string, options: Intl.DateTimeFormatOptions): string {
  const zone = timeZone()
  const make = () => new Intl.DateTimeFormat(language, { ...options, timeZone: zone })
  return keptFormat(`${name} ${language} ${zone ?? ''}`, make).format(new Date(at))
}

const tickMs = 20_000
const listeners = new Set<() => void>()
let timer: ReturnType<typeof setInterval> | undefined

/** One clock for all that is shown: who listens is drawn again only when its words change. */
function onTick(listener: () => void): () => void {
  listeners.add(listener)
  timer ??= setInterval(() => {
    for (const each of listeners) each()
  }, tickMs)
  return () => {
    listeners.delete(listener)
    if (listeners.size > 0) return
    clearInterval(timer)
    timer = undefined
  }
}

export function RelativeTime({ at }: { readonly at: string }) {
  const { i18n } = useTranslation()
  const read = useCallback(() => relativeText(at, i18n.language), [at, i18n.language])
  const text = useSyncExternalStore(onTick, read)
  return (
    <time dateTime={at} className="number" title={exactText(at, i18n.language)}>
      {text}
    </time>
  )
}
