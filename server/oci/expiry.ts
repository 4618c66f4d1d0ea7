/**
 * What an image says of how long its tags live.
 *
 * No specification has such a label. Quay's `quay.expires-after` is what people write, on images that they push elsewhere too; the other names are
 * Berth's own, in the style of the image-spec's annotations.
 */
import { parseInstant } from '#lib/instant.ts'
import { parseLifetime } from '#lib/lifetime.ts'

/** A lifetime that begins with the push: `1h`, `2d`, `3w`. The first that can be read counts. */
export const lifetimeNames = ['quay.expires-after', 'org.opencontainers.image.expires-after'] as const
/** An instant (RFC 3339). */
export const instantNames = ['org.opencontainers.image.expires-at'] as const

/** When a tag expires that was pointed there at `pushedAt`, in milliseconds; undefined when nothing readable is said. */
export function expiryOf(labels: Readonly<Record<string, string>>, pushedAt: number): number | undefined {
  for (const name of lifetimeNames) {
    const lifetimeMs = parseLifetime(labelOf(labels, name))
    if (lifetimeMs !== undefined) return pushedAt + lifetimeMs
  }
  for (const name of instantNames) {
    const instant = parseInstant(labelOf(labels, name))
    if (instant !== undefined) return instant
  }
  return undefined
}

function labelOf(labels: Readonly<Record<string, string>>, name: string): string {
  return Object.hasOwn(labels, name) ? (labels[name] ?? '') : ''
}
