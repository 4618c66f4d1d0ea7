/** What signing in reads of `providers`. */
import type { Reader, Transactor } from './metadata.ts'
import type { ProvidersTable } from './schema-access.ts'

/** A provider as whoever asks it needs it. */
export interface ProviderFacts {
  readonly id: number
  readonly name: string
  readonly kind: ProvidersTable['kind']
  readonly title: string
  readonly isEnabled: boolean
  /** As stored: complete for its kind (api/provider-settings.ts). */
  readonly settings: unknown
  /** Sealed JSON object. */
  readonly secrets: Buffer | undefined
  readonly version: number
}

type Row = Pick<ProvidersTable, 'name' | 'kind' | 'title' | 'is_enabled' | 'settings' | 'secrets' | 'version'> & { readonly id: number }

const columns = ['id', 'name', 'kind', 'title', 'is_enabled', 'settings', 'secrets', 'version'] as const

function factsOf(row: Row): ProviderFacts {
  return {
    id: row.id,
    name: row.name,
    kind: row.kind,
    title: row.title,
    isEnabled: row.is_enabled === 1,
    settings: JSON.parse(row.settings) as unknown,
    secrets: row.secrets ?? undefined,
    version: row.version,
  }
}

/** By name or id, switched off or not; undefined when there is none. */
export async function findProviderFacts(
  reader: Reader | Transactor,
  by: { readonly name: string } | { readonly id: number },
): Promise<ProviderFacts | undefined> {
  const query = reader.selectFrom('providers').select(columns)
  const row = await ('name' in by ? query.where('name', '=', by.name) : query.where('id', '=', by.id)).executeTakeFirst()
  return row && factsOf(row)
}

/** Those that are switched on, in the order in which they are asked and shown. */
export async function enabledProviders(reader: Reader | Transactor, kind?: ProvidersTable['kind']): Promise<readonly ProviderFacts[]> {
  let query = reader.selectFrom('providers').select(columns).where('is_enabled', '=', 1)
  if (kind !== undefined) query = query.where('kind', '=', kind)
  return (await query.orderBy('position').orderBy('id').execute()).map((row) => factsOf(row))
}

/** Names by id, switched off or not. */
export async function providerNames(reader: Reader | Transactor): Promise<ReadonlyMap<number, string>> {
  const rows = await reader.selectFrom('providers').select(['id', 'name']).execute()
  return new Map(rows.map(({ id, name }) => [id, name]))
}
