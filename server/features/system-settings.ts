/** Changing what administrators decide while the registry runs: the settings of the system, and the networks of a project. */
import type { Who } from '#events/event.ts'
import { recordEvent } from '#events/record.ts'
import { createAddressRules, isAddressRange, withoutHostBits } from '#lib/address-rules.ts'
import type { Ports } from '#lib/ports.ts'
import { accessTransaction } from '#metadata/access-epoch.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { networksIn, withNetworks } from '#metadata/project-networks.ts'
import {
  readSystemSettings,
  writeSystemSettings,
  type NetworkLists,
  type SystemSettings,
  type VersionedSettings,
} from '#metadata/system-settings.ts'
import { RegistryError } from '#oci/errors.ts'

/** What the verbs of this file take first; a Directory fits. */
export interface SettingsParts {
  readonly metadata: Metadata
  readonly ports: Pick<Ports, 'clock'>
}

/** A change, by whom and from where. */
export interface SettingsChange {
  /** What is absent stays. */
  readonly changes: { readonly [Member in keyof SystemSettings]?: SystemSettings[Member] | undefined }
  readonly expectedVersion: number | undefined
  /** Of the caller: a change that would lock it out is refused, unless `force`. */
  readonly address: string
  readonly force: boolean
}

interface Update {
  readonly changes: SettingsChange['changes']
  readonly expectedVersion: number | undefined
  readonly who: Who
  readonly at: number
}

const update = accessTransaction(import.meta.url, 'system-settings/update', async (tx, input: Update): Promise<VersionedSettings> => {
  const before = await readSystemSettings(tx)
  requireVersion(before.version, input.expectedVersion)
  const given = Object.entries(input.changes).filter(([, value]) => value !== undefined)
  const settings = { ...before.settings, ...(Object.fromEntries(given) as Partial<SystemSettings>) }
  const changed = given.map(([name]) => name as keyof SystemSettings).filter((name) => !isSame(settings[name], before.settings[name]))
  if (changed.length === 0) return before
  const after = { settings, version: before.version + 1 }
  await writeSystemSettings(tx, after)
  const detail = { changed, ...Object.fromEntries(changed.map((name) => [name, settings[name]])) }
  await recordEvent(tx, { action: 'system.updated', target: 'system', detail, at: input.at, ...input.who })
  return after
})

function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}

function requireVersion(version: number, expected: number | undefined): void {
  if (expected !== undefined && expected !== version) throw new RegistryError('PRECONDITION_FAILED')
}

/** Throws PRECONDITION_FAILED, REQUEST_INVALID for a range that is none, CONFLICT for networks that would lock the caller out. */
export async function updateSystemSettings(
  { metadata, ports }: SettingsParts,
  { changes, expectedVersion, address, force }: SettingsChange,
  who: Who,
): Promise<VersionedSettings> {
  if (changes.networks !== undefined) checkLists(changes.networks, 'networks', { address, force })
  return await metadata.write(update, { changes, expectedVersion, who, at: ports.clock.now() })
}

function rangeFault(range: string): string | undefined {
  if (!isAddressRange(range)) return `${JSON.stringify(range)} is no address and no CIDR range`
  const meant = withoutHostBits(range)
  return meant === undefined ? undefined : `${range} has bits beyond its prefix: write ${meant}, or the address alone`
}

function checkLists(lists: NetworkLists, name: string, { address, force }: { readonly address: string; readonly force: boolean }): void {
  for (const [list, ranges] of Object.entries(lists) as [keyof NetworkLists, readonly string[]][]) {
    const message = ranges.map(rangeFault).find((fault) => fault !== undefined)
    if (message === undefined) continue
    const path = `body/${name}/${list}`
    throw new RegistryError('REQUEST_INVALID', [{ path, message }], { message: `${path}: ${message}` })
  }
  if (force || createAddressRules(lists).admits(address)) return
  throw new RegistryError(
    'CONFLICT',
    { address },
    {
      message: `these networks would lock out the address that you come from, ${address}: add it, or repeat the request with force=true`,
    },
  )
}

/** The networks of a project and the version of its row. */
export interface ProjectNetworks {
  readonly networks: NetworkLists
  readonly version: number
}

interface ProjectUpdate {
  readonly projectId: number
  readonly networks: NetworkLists
  readonly expectedVersion: number | undefined
  readonly who: Who
  readonly at: number
}

const updateProject = accessTransaction(
  import.meta.url,
  'system-settings/update-project',
  async (tx, input: ProjectUpdate): Promise<ProjectNetworks> => {
    const { projectId, networks, expectedVersion, who, at } = input
    const project = await tx.selectFrom('projects').select(['name', 'settings', 'version']).where('id', '=', projectId).executeTakeFirst()
    if (project === undefined) throw new RegistryError('RESOURCE_UNKNOWN')
    requireVersion(project.version, expectedVersion)
    if (isSame(networksIn(project.settings), networks)) return { networks, version: project.version }
    const version = project.version + 1
    await tx
      .updateTable('projects')
      .set({ settings: withNetworks(project.settings, networks), version, updated_at: at })
      .where('id', '=', projectId)
      .execute()
    const { name } = project
    const detail = { changed: ['networks'], networks }
    await recordEvent(tx, { action: 'project.updated', target: `project:${name}`, project: name, detail, at, ...who })
    return { networks, version }
  },
)

/** As it is. Throws RESOURCE_UNKNOWN. */
export async function readProjectNetworks({ metadata }: SettingsParts, projectId: number): Promise<ProjectNetworks> {
  const row = await metadata.reader.selectFrom('projects').select(['settings', 'version']).where('id', '=', projectId).executeTakeFirst()
  if (row === undefined) throw new RegistryError('RESOURCE_UNKNOWN')
  return { networks: networksIn(row.settings), version: row.version }
}

/** Throws as {@link updateSystemSettings} does, and RESOURCE_UNKNOWN. */
export async function updateProjectNetworks(
  { metadata, ports }: SettingsParts,
  change: { readonly projectId: number; readonly networks: NetworkLists } & Pick<SettingsChange, 'expectedVersion' | 'address' | 'force'>,
  who: Who,
): Promise<ProjectNetworks> {
  const { projectId, networks, expectedVersion } = change
  checkLists(networks, 'networks', change)
  return await metadata.write(updateProject, { projectId, networks, expectedVersion, who, at: ports.clock.now() })
}
