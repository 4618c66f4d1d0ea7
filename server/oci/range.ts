/** Byte ranges: the Range header of a pull (RFC 9110 §14) and the Content-Range of an upload (distribution-spec "Pushing a blob in chunks"). */

/** Both ends are counted from zero and included. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

/** containerd's and containers/image's lazy pulls ask for up to this many at once. */
export const rangesMax = 1024

/** RFC 9110 §14.2: many overlapping ranges are an attack or a broken client. */
export const overlappingRangesMax = 16

const rangesSpecifier = /^[ \t]*bytes[ \t]*=/i
const rangeSpec = /^[ \t]*(\d*)-(\d*)[ \t]*$/
const contentRange = /^(?:bytes[ \t]+)?(\d+)-(\d+)(?:\/(\d+|\*))?$/i

/**
 * What to send of a blob of `sizeBytes`: the ranges in the client's order, clamped; 'ignored' for a header that asks nothing which is
 * understood (send the whole: 200); 'unsatisfiable' (416); 'too-many' (400, on which containers/image asks again for fewer).
 */
export function parseRange(header: string, sizeBytes: number): ByteRange[] | 'unsatisfiable' | 'ignored' | 'too-many' {
  const unit = rangesSpecifier.exec(header)
  if (unit === null) return 'ignored'
  // RFC 9110 §5.6.1.2: empty elements of a list are skipped.
  const specs = header
    .slice(unit[0].length)
    .split(',')
    .filter((text) => !/^[ \t]*$/.test(text))
  if (specs.length === 0) return 'ignored'
  if (specs.length > rangesMax) return 'too-many'
  const parsed = specs.map((text) => parseSpec(text, sizeBytes))
  if (parsed.includes('malformed')) return 'ignored'
  // The RFC would have a reversed range ignored as well; the OCI conformance suite and Go's servers answer 416.
  if (parsed.includes('reversed')) return 'unsatisfiable'
  const ranges = parsed.filter((spec) => typeof spec === 'object')
  // Nothing of an empty blob can be named by a range; a client that resumes with `bytes=0-` wants its 200, not an error.
  if (ranges.length === 0) return sizeBytes === 0 ? 'ignored' : 'unsatisfiable'
  return isExcessive(ranges, sizeBytes) ? 'too-many' : ranges
}

/** The range of a chunk: `a-b` (OCI), `bytes a-b`, `bytes a-b/size`. Undefined for anything else, and for ends that contradict each other. */
export function parseContentRange(header: string): ByteRange | undefined {
  const match = contentRange.exec(header.trim())
  if (match === null) return undefined
  const [, first = '', last = '', size = '*'] = match
  const start = Number(first)
  const end = Number(last)
  if (!Number.isSafeInteger(end) || start > end) return undefined
  return size !== '*' && end >= Number(size) ? undefined : { start, end }
}

/** One range-spec. Positions of any length are fine: beyond 2^53 they lose precision, but stay beyond the end of every blob. */
function parseSpec(text: string, sizeBytes: number): ByteRange | 'unsatisfiable' | 'malformed' | 'reversed' {
  const [, first = '', last = ''] = rangeSpec.exec(text) ?? []
  if (first === '' && last === '') return 'malformed'
  const end = last === '' ? Infinity : Number(last)
  if (first === '') {
    const start = Math.max(0, sizeBytes - end)
    return start < sizeBytes ? { start, end: sizeBytes - 1 } : 'unsatisfiable'
  }
  const start = Number(first)
  if (start > end) return last === '' ? 'unsatisfiable' : 'reversed'
  return start < sizeBytes ? { start, end: Math.min(end, sizeBytes - 1) } : 'unsatisfiable'
}

/** Whether the ranges make the server send more than the blob, or seek to and fro in it without need. */
function isExcessive(ranges: readonly ByteRange[], sizeBytes: number): boolean {
  const totalBytes = ranges.reduce((sum, range) => sum + range.end - range.start + 1, 0)
  if (totalBytes > sizeBytes) return true
  let overlapping = 0
  let reached = -1
  for (const range of ranges.toSorted((a, b) => a.start - b.start)) {
    if (range.start <= reached) overlapping++
    reached = Math.max(reached, range.end)
  }
  return overlapping > overlappingRangesMax
}
