/** Durations and sizes as operators write them: Go's `ParseDuration` strings, and byte counts with a unit. */

const millisecondsPerUnit: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3, // U+00B5, the micro sign
  μs: 1e-3, // U+03BC, the Greek letter; Go takes both
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
}

const nanosecondsPerMillisecond = 1e6

const maxDurationLength = 100

/** Go keeps a duration in 63 bits of nanoseconds: about 292 years. */
const longestMs = Number(2n ** 63n / 1_000_000n)

/**
 * Milliseconds of a Go duration ("168h", "2h10m", "1.5s", "0"); undefined for anything else, negative ones included.
 * A duration above zero is never rounded to zero, which would switch off what it times.
 */
export function parseDuration(text: string): number | undefined {
  if (text === '0' || text === '+0') return 0
  if (text.length > maxDurationLength) return undefined
  const body = text.startsWith('+') ? text.slice(1) : text
  const part = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/y
  let total = 0
  while (part.lastIndex < body.length) {
    const match = part.exec(body)
    if (match === null) return undefined
    total += Number(match[1]) * (millisecondsPerUnit[match[2] ?? ''] ?? Number.NaN)
  }
  return body === '' ? undefined : wholeMilliseconds(total)
}

/** Milliseconds of a bare number in a config file, which Go reads as nanoseconds. */
export function durationOfNanoseconds(nanoseconds: number): number | undefined {
  return Number.isInteger(nanoseconds) && nanoseconds >= 0 ? wholeMilliseconds(nanoseconds / nanosecondsPerMillisecond) : undefined
}

function wholeMilliseconds(ms: number): number | undefined {
  if (!(ms <= longestMs)) return undefined
  // Sums such as 0.1 + 0.2 carry binary dust that must not round a whole value up.
  return ms > 0 ? Math.max(1, Math.round(ms)) : 0
}

/** The shortest Go duration: 604800000 is "168h", 90000 is "1m30s". */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0s'
  let rest = ms
  let text = ''
  for (const unit of ['h', 'm', 's', 'ms'] as const) {
    const size = millisecondsPerUnit[unit] ?? 1
    const count = Math.floor(rest / size)
    rest -= count * size
    if (count > 0) text += `${count}${unit}`
  }
  return text
}

const binaryUnits = ['', 'KiB', 'MiB', 'GiB', 'TiB']
const bytesPerUnit: Readonly<Record<string, number>> = {
  '': 1, b: 1,
  kib: 1024, mib: 1024 ** 2, gib: 1024 ** 3, tib: 1024 ** 4,
  kb: 1000, mb: 1000 ** 2, gb: 1000 ** 3, tb: 1000 ** 4,
} // oxfmt-ignore

/** Bytes of "4194304", "4MiB", "1.5 GB"; undefined for anything else. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?) ?([a-z]*)$/i.exec(text)
  const unit = bytesPerUnit[(match?.[2] ?? '').toLowerCase()]
  if (match === null || unit === undefined) return undefined
  const bytes = Number(match[1]) * unit
  return Number.isSafeInteger(Math.round(bytes)) ? Math.round(bytes) : undefined
}

/** "4MiB" where it is whole, else plain bytes. */
export function formatSize(bytes: number): string {
  let count = bytes
  let unit = 0
  while (count >= 1024 && count % 1024 === 0 && unit < binaryUnits.length - 1) {
    count /= 1024
    unit += 1
  }
  return `${count}${binaryUnits[unit]}`
}
