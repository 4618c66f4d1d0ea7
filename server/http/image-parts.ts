/** What looking into images needs, made for a server when somebody first does. */
import type { Comparison } from '#features/image-compare.ts'
import { createImageContents, type ImageContents } from '#features/image-contents.ts'
import { watchContents, type ContentsMetrics } from '#lib/contents-metrics.ts'
import { ByteLru } from '#lib/lru.ts'
import { createTurns, type Turns } from '#lib/turns.ts'
import type { HttpParts } from './exchange.ts'

/** Kept with the server that it is for. */
interface ImageParts {
  readonly contents: ImageContents
  /** Comparisons of late, for their further pages: images never change. */
  readonly comparisons: ByteLru<Comparison>
  /** Each archive that is being imported keeps its documents in memory. */
  readonly imports: Turns
  readonly metrics: ContentsMetrics
}

/** What differs between two images of nothing in common has a row for each of their files. */
const comparisonBytes = 32 * 1024 * 1024

function sizeOf({ files, packages }: Comparison): number {
  return files.items.reduce((total, { path }) => total + 250 + 2 * path.length, 5_000) + packages.length * 300
}

/** Some 16 MiB each at worst. */
const importsMax = 16

const known = new WeakMap<HttpParts, ImageParts>()

/** The same each time for the same server. */
export function imagePartsOf(parts: HttpParts): ImageParts {
  const kept = known.get(parts)
  if (kept !== undefined) return kept
  const metrics: ContentsMetrics = watchContents(parts.metrics.registry, {
    cacheBytes: () => contents.trees.sizeBytes,
    reading: () => contents.turns.trees.active + contents.turns.files.active,
  })
  const contents: ImageContents = createImageContents(parts.registry, parts.config.contents, metrics)
  const made = {
    contents,
    comparisons: new ByteLru<Comparison>({ maximumBytes: comparisonBytes, sizeOf }),
    imports: createTurns(importsMax, 0),
    metrics,
  }
  known.set(parts, made)
  return made
}
