/** What the steps of an export share, and what it counts. */
import type { Logger } from '#lib/logger.ts'
import type { Stores } from '#blobs/stores.ts'
import type { Reader } from '#metadata/metadata.ts'
import type { ProblemCollector } from './registry2-report.ts'
import type { ExportDirectory } from './export-files.ts'

/** What every step of one export gets. `count` adds to the tally of the run. */
export interface ExportRun {
  readonly reader: Reader
  readonly stores: Stores
  /** Where the primary store keeps its files under their keys; undefined when it has none, and bytes must be copied. */
  readonly rootDirectory: string | undefined
  readonly directory: ExportDirectory
  readonly log: Logger
  readonly signal: AbortSignal
  count(more: Partial<ExportTally>): void
}

/** The repository at hand: its row id and name, and where its problems are collected. */
export interface ExportedRepository {
  readonly run: ExportRun
  readonly id: number
  readonly name: string
  readonly problems: ProblemCollector
}

/** Numbers of one export. */
export interface ExportTally {
  readonly repositories: number
  readonly manifests: number
  readonly tags: number
  readonly layerLinks: number
  readonly blobsLinked: number
  readonly blobsCopied: number
  readonly bytesCopied: number
  /** What an earlier run wrote already. */
  readonly blobsKept: number
}

/** Where counting starts: zero of everything. */
export const emptyExportTally: ExportTally = {
  repositories: 0,
  manifests: 0,
  tags: 0,
  layerLinks: 0,
  blobsLinked: 0,
  blobsCopied: 0,
  bytesCopied: 0,
  blobsKept: 0,
}

/** The sum, member by member; what `other` lacks counts as zero. */
export function addExportTally(one: ExportTally, other: Partial<ExportTally>): ExportTally {
  const sum: Record<string, number> = { ...one }
  for (const [key, value] of Object.entries(other)) sum[key] = (sum[key] ?? 0) + value
  return sum as unknown as ExportTally
}
