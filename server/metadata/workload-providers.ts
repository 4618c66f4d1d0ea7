/** What sign-in reads of providers of workload tokens: those that are enabled. */
import { prepare } from './prepared.ts'
import type { Reader } from './metadata.ts'

/** A provider of workload tokens. `settings` is JSON, see api/provider-settings.ts. */
export interface WorkloadProviderRow {
  readonly id: number
  readonly name: string
  readonly version: number
  readonly settings: string
}

const enabled = prepare<{ max: number }, WorkloadProviderRow>((db, param) =>
  db
    .selectFrom('providers')
    .select(['id', 'name', 'version', 'settings'])
    .where('kind', '=', 'workload')
    .where('is_enabled', '=', 1)
    .orderBy('id')
    .limit(param('max')),
)

/** `max` at most. */
export async function workloadProviders(reader: Reader, max: number): Promise<WorkloadProviderRow[]> {
  return await enabled(reader, { max })
}
