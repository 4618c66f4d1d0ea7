/** Which accounts are of users of an htpasswd file whose provider gives them everything: read with their grants. */
import type { Reader } from './metadata.ts'
import { prepare } from './prepared.ts'

const settingsOfUser = prepare<{ userId: number }, { readonly settings: string }>((db, param) =>
  db
    .selectFrom('identities')
    .innerJoin('providers', 'providers.id', 'identities.provider_id')
    .select('providers.settings')
    .where('identities.user_id', '=', param('userId'))
    .where('providers.kind', '=', 'htpasswd')
    .where('providers.is_enabled', '=', 1),
)

/** Whether such a provider that is switched on vouches for the account. */
export async function hasEverythingByFile(reader: Reader, userId: number): Promise<boolean> {
  const rows = await settingsOfUser(reader, { userId })
  return rows.some(({ settings }) => (JSON.parse(settings) as { readonly givesEverything?: unknown }).givesEverything === true)
}
