/** The sealed secrets of a provider's row. Of its own, because every start reads it and only the management API needs the schemas of settings. */
import type { ProviderRecord } from '#metadata/providers.ts'
import type { Directory } from './directory.ts'
import type { ProviderSecrets } from './provider-settings.ts'

/** The secrets of a provider. Those that cannot be opened (another key sealed them) count as not set, with a warning. */
export function openSecrets(
  { secrets, log }: Directory,
  { id, name, ...row }: Pick<ProviderRecord, 'id' | 'name' | 'secrets'>,
): ProviderSecrets {
  if (row.secrets === null) return {}
  try {
    return JSON.parse(secrets.open(row.secrets, contextOf(id))) as ProviderSecrets
  } catch (error) {
    log.error({ err: error, provider: name }, 'the secret of an identity provider cannot be opened: set it again')
    return {}
  }
}

/** What the secret of the row is sealed for (secret-box.ts). */
export function contextOf(id: number): string {
  return `provider/${id}`
}
