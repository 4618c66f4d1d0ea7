/** An instant as people say it; the exact one on hover and for machines. */
import { Tooltip } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import { timeZone } from '../app/time-zone.ts'

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
  const words = new Intl.RelativeTimeFormat(language, { numeric: 'auto' })
  const step = steps.find(([, length]) => Math.abs(seconds) >= length)
  return step === undefined ? words.format(0, 'second') : words.format(Math.trunc(seconds / step[1]), step[0])
}

export function exactText(at: string, language: string): string {
  return new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'long', timeZone: timeZone() }).format(new Date(at))
}

export function RelativeTime({ at }: { readonly at: string }) {
  const { i18n } = useTranslation()
  return (
    <Tooltip label={exactText(at, i18n.language)}>
      <time dateTime={at} className="number">
        {relativeText(at, i18n.language)}
      </time>
    </Tooltip>
  )
}
