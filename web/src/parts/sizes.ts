/** Numbers as people read them: decimal units, as docker and the disks' makers count. */
import i18next from 'i18next'
import { numberFormat, percentFormat } from './formats.ts'

const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'] as const

/** `12.3 MB`; a space that does not break. */
export function formatBytes(bytes: number): string {
  const step = bytes < 1_000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3))
  const value = bytes / 1_000 ** step
  const digits = step === 0 || value >= 100 ? 0 : 1
  return `${numberFormat(i18next.language, digits).format(value)}\u00a0${units[step]}`
}

/** `12,345`. */
export function formatNumber(value: number): string {
  return numberFormat(i18next.language, 3).format(value)
}

/** A share, as `12 %` or `<1 %`. */
export function formatShare(part: number, whole: number): string {
  const share = whole === 0 ? 0 : part / whole
  if (share > 0 && share < 0.01) return `<${percentFormat(i18next.language).format(0.01)}`
  return percentFormat(i18next.language).format(share)
}

/** `12 ms`, `1.2 s`. */
export function formatDuration(milliseconds: number): string {
  const [value, unit] = milliseconds < 1_000 ? [milliseconds, 'ms'] : [milliseconds / 1_000, 's']
  const digits = value < 10 ? 1 : 0
  return `${numberFormat(i18next.language, digits).format(value)}\u00a0${unit}`
}
