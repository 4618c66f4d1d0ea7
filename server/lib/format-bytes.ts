/** Sizes as people read them. */

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const

/** Three digits at most after the unit fits: `999 B`, `1.5 GiB`, `20 TiB`. */
export function formatBytes(sizeBytes: number): string {
  const sign = sizeBytes < 0 ? '-' : ''
  let [value, unit] = [Math.abs(sizeBytes), 0]
  while (value >= 1024 && unit < units.length - 1) [value, unit] = [value / 1024, unit + 1]
  const digits = unit === 0 || Number.isInteger(value) || value >= 100 ? 0 : value >= 10 ? 1 : 2
  const text = digits === 0 ? value.toFixed(0) : value.toFixed(digits).replace(/\.?0+$/, '')
  return `${sign}${text} ${units[unit]}`
}
