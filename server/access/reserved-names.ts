/** Names that stand in htpasswd files and have no account yet: nobody of another provider gets them. */
import type { HtpasswdSettings } from '#api/provider-settings.ts'
import { listProviderRecords } from '#metadata/providers.ts'
import { RegistryError } from '#oci/errors.ts'
import type { Directory } from './directory.ts'
import { readLinesOf } from './htpasswd-place.ts'

/**
 * Whether a file of a provider that is switched on has the name, in upper or lower case. Between files their order decides, so nothing is kept from one. Reads
 * the files: it is for a sign-in that makes an account. One that cannot be read reserves nothing, as it keeps nobody else out.
 */
export async function isReservedByFile(directory: Directory, name: string, providerId: number): Promise<boolean> {
  const files = (await listProviderRecords(directory.metadata.reader)).filter(({ kind }) => kind === 'htpasswd')
  if (files.some(({ id }) => id === providerId)) return false
  for (const { isEnabled, settings } of files) {
    if (!isEnabled) continue
    const names = await namesIn(directory, settings as HtpasswdSettings)
    if (names.some((each) => each.toLowerCase() === name.toLowerCase())) return true
  }
  return false
}

async function namesIn(directory: Directory, settings: HtpasswdSettings): Promise<readonly string[]> {
  try {
    return [...(await readLinesOf(directory, settings)).hashes.keys()]
  } catch (error) {
    if (error instanceof RegistryError) return []
    throw error
  }
}
