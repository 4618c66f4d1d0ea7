/**
 * The provider of `auth.htpasswd`: a row that the start makes from the configuration and keeps as it says.
 *
 * Its users may do everything on /v2, as with registry:2 (preset-rights.ts). When the configuration no longer has the file, or names another, the accounts are
 * disabled in the same transaction; those that are in the file that is there come back at the next look (htpasswd-provider.ts). So the row stays: a file that
 * is configured again finds its people.
 */
import type { HtpasswdSettings } from '#api/provider-settings.ts'
import type { AuthConfig } from '#config/config.ts'
import type { Who } from '#events/event.ts'
import { recordEvent } from '#events/record.ts'
import { accessTransaction } from '#metadata/access-epoch.ts'
import { isKnownOtherwise, presencesOfProvider } from '#metadata/identity-presence.ts'
import type { Transactor } from '#metadata/metadata.ts'
import { endSessionsOfProvider, insertProvider, listProviderRecords, updateProviderRow, type ProviderRecord } from '#metadata/providers.ts'
import { RegistryError } from '#oci/errors.ts'
import { openBcrypt } from './bcrypt.ts'
import type { Directory } from './directory.ts'
import { HtpasswdFile } from './htpasswd-file.ts'
import { notePresence } from './htpasswd-provider.ts'

const configuration: Who = { actor: 'configuration', requestId: '' }
const title = 'htpasswd file'
const pageOf = 500

/** Whether the row is the configuration's, which the API does not change. */
export function isFromConfiguration({ kind, settings }: Pick<ProviderRecord, 'kind' | 'settings'>): boolean {
  return kind === 'htpasswd' && settings['isFromConfiguration'] === true
}

/** Throws CONFLICT for what the configuration made: a change would be undone by the next start. */
export function requireOwn(record: Pick<ProviderRecord, 'kind' | 'settings'>): void {
  if (!isFromConfiguration(record)) return
  const message = 'this provider comes from auth.htpasswd of the configuration: change it there, and start the registry again'
  throw new RegistryError('CONFLICT', undefined, { message })
}

function settingsFor(path: string): HtpasswdSettings {
  return { path, givesEverything: true, isFromConfiguration: true }
}

function fits({ isEnabled, settings }: ProviderRecord, path: string | undefined): boolean {
  if (path === undefined) return !isEnabled
  return isEnabled && JSON.stringify(settings) === JSON.stringify(settingsFor(path))
}

interface Wanted {
  readonly path: string | undefined
  readonly at: number
}

async function apply(tx: Transactor, { path, at }: Wanted): Promise<void> {
  const records = await listProviderRecords(tx)
  const row = records.find(isFromConfiguration)
  if (row === undefined) {
    if (path !== undefined) await make(tx, { path, at }, records)
    return
  }
  if (fits(row, path)) return
  const isEnabled = path !== undefined
  await updateProviderRow(tx, { id: row.id, set: { isEnabled, ...(isEnabled ? { settings: settingsFor(path) } : {}) }, at })
  if (!isEnabled) await endSessionsOfProvider(tx, row.id)
  if (!isEnabled || row.settings['path'] !== path) await sendAway(tx, row, at)
  const detail = { changed: ['isEnabled', 'settings.path'], isEnabled, by: 'configuration' }
  await recordEvent(tx, { action: 'provider.updated', target: `provider:${row.name}`, detail, at, ...configuration })
}

/** Nobody but the configuration has a claim to a name that somebody took first. */
async function make(tx: Transactor, { path, at }: Wanted & { readonly path: string }, records: readonly ProviderRecord[]): Promise<void> {
  const taken = new Set(records.map(({ name }) => name))
  let name = 'htpasswd'
  for (let number = 2; taken.has(name); number++) name = `htpasswd-${number}`
  await insertProvider(tx, { name, kind: 'htpasswd', title, isEnabled: true, settings: settingsFor(path), at })
  const detail = { kind: 'htpasswd', isEnabled: true, by: 'configuration' }
  await recordEvent(tx, { action: 'provider.created', target: `provider:${name}`, detail, at, ...configuration })
}

async function sendAway(tx: Transactor, { id: providerId, name: provider }: ProviderRecord, at: number): Promise<void> {
  let afterId = 0
  for (;;) {
    const page = await presencesOfProvider(tx, { providerId, afterId, limit: pageOf })
    for (const { id: identityId, userId } of page) {
      // Who was given a password here has become an account of its own.
      if (await isKnownOtherwise(tx, { userId, providerId })) continue
      await notePresence(tx, { identityId, isGone: true, provider, at })
    }
    const last = page.at(-1)
    if (last === undefined || page.length < pageOf) return
    afterId = last.id
  }
}

const applyConfiguration = accessTransaction(import.meta.url, 'htpasswd-configured/apply', apply)

/**
 * The file that the configuration names, with its row; undefined when it names none. A missing file is made. Rejects for one that cannot be read. Writes
 * only what differs.
 */
export async function openConfiguredFile(directory: Directory, auth: AuthConfig): Promise<HtpasswdFile | undefined> {
  const { metadata, ports } = directory
  const path = auth.kind === 'htpasswd' ? auth.path : undefined
  const file = path === undefined ? undefined : await openFile(directory, path)
  const row = (await listProviderRecords(metadata.reader)).find(isFromConfiguration)
  const isRight = row === undefined ? path === undefined : fits(row, path)
  if (!isRight) await metadata.write(applyConfiguration, { path, at: ports.clock.now() })
  return file
}

async function openFile({ ports, log }: Directory, path: string): Promise<HtpasswdFile> {
  const file = new HtpasswdFile(path, { ports, log })
  await file.createIfMissing(openBcrypt())
  try {
    await file.users()
  } catch (cause) {
    throw new Error(`auth.htpasswd.path: ${path} cannot be read`, { cause })
  }
  return file
}
