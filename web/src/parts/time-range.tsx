/** Which time a chart is of: hours up to a week, days beyond. */
import { SegmentedControl } from '@mantine/core'
import { useTranslation } from 'react-i18next'

const days = { day: 1, week: 7, month: 30, year: 365 } as const
export type Range = keyof typeof days

/** As the address says it. */
export function rangeOf(text: string | undefined, otherwise: Range = 'day'): Range {
  return text !== undefined && text in days ? (text as Range) : otherwise
}

/** What is asked of the server. Its beginning moves on with the hour, so that what was read stays good until then. */
export function queryOfRange(range: Range): { readonly step: 'hour' | 'day'; readonly from: string } {
  const hourMs = 3_600_000
  const now = Math.floor(Date.now() / hourMs) * hourMs
  const step = days[range] > 7 ? 'day' : 'hour'
  // The hour, or the day, that is now is one of them.
  const steps = step === 'hour' ? days[range] * 24 - 1 : (days[range] - 1) * 24
  return { step, from: new Date(now - steps * hourMs).toISOString() }
}

export function RangePicker({ range, onChange }: { readonly range: Range; readonly onChange: (range: Range) => void }) {
  const { t } = useTranslation()
  return (
    <SegmentedControl
      size="xs"
      aria-label={t('overview.range')}
      data={(Object.keys(days) as Range[]).map((value) => ({ value, label: t(`overview.ranges.${value}`) }))}
      value={range}
      onChange={(value) => onChange(value as Range)}
    />
  )
}
