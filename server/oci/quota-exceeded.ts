/** The refusal of what does not fit a project's limits: made in transactions, recognised where it is answered. */
import { formatBytes } from '#lib/format-bytes.ts'
import { RegistryError } from './errors.ts'

/** What a limit is of. */
export type QuotaUnit = 'bytes' | 'repositories' | 'tags'

/** The detail of the refusal: bytes or counts. */
export interface QuotaFacts {
  readonly project: string
  readonly unit: QuotaUnit
  readonly limit: number
  /** Without what was refused. */
  readonly used: number
  /** What uploads under way have stored beside it. */
  readonly uploading?: number | undefined
  /** What was refused, as far as it is known. */
  readonly more: number
}

/** DENIED, with a message that Docker shows. */
export function quotaExceeded({ project, unit, limit, used, uploading = 0, more }: QuotaFacts): RegistryError {
  const show = (count: number) => (unit === 'bytes' ? formatBytes(count) : String(count))
  const what = unit === 'bytes' ? '' : ` ${unit}`
  const coming = uploading > 0 ? `, ${show(uploading)} being uploaded` : ''
  const needs = more > 0 ? `, and this needs ${show(more)} more` : ''
  const message = `quota of project ${project} exceeded: ${show(used)} of ${show(limit)}${what} used${coming}${needs}`
  return new RegistryError('DENIED', { project, unit, limit, used, ...(uploading > 0 ? { uploading } : {}), more }, { message })
}

/** The facts of such a refusal; undefined for every other error. */
export function quotaFactsOf(error: unknown): QuotaFacts | undefined {
  if (!(error instanceof RegistryError) || error.code !== 'DENIED') return undefined
  const detail = error.detail as Partial<QuotaFacts> | null | undefined
  const isOurs = typeof detail?.project === 'string' && typeof detail.limit === 'number' && typeof detail.used === 'number'
  return isOurs ? (detail as QuotaFacts) : undefined
}
