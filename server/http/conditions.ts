/** Conditional requests (RFC 9110 §13) for content whose entity tag is its digest. */
import type { Digest } from '#oci/digest.ts'

/** Whether If-None-Match names this content: a list of tags, weak or strong, `*`, and the bare digest that registry:2 takes. */
export function matchesNone(header: string | undefined, digest: Digest): boolean {
  if (header === undefined) return false
  return header.split(',').some((entry) => {
    const tag = entry.trim()
    return tag === '*' || unquoted(tag.startsWith('W/') ? tag.slice(2) : tag) === digest
  })
}

/** Whether Range may be answered: no If-Range, or one with this strong tag. A date never matches: content by digest has none. */
export function matchesRange(header: string | undefined, digest: Digest): boolean {
  return header === undefined || unquoted(header.trim()) === digest
}

function unquoted(tag: string): string {
  return tag.length >= 2 && tag.startsWith('"') && tag.endsWith('"') ? tag.slice(1, -1) : tag
}
