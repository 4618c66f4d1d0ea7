/** The part of `projects.settings` that says from which addresses a project may be used. */
import type { Reader } from './metadata.ts'
import type { NetworkLists } from './system-settings.ts'

/** A project with lists of its own. */
export interface ProjectNetworksRow {
  readonly id: number
  readonly networks: NetworkLists
}

/** All projects that have lists. Few do, and the text is looked for without parsing the settings of the others. */
export async function projectsWithNetworks(reader: Reader): Promise<readonly ProjectNetworksRow[]> {
  const rows = await reader.selectFrom('projects').select(['id', 'settings']).where('settings', 'like', '%"networks":%').execute()
  return rows
    .map(({ id, settings }) => ({ id, networks: networksIn(settings) }))
    .filter(({ networks: { allow, deny } }) => allow.length + deny.length > 0)
}

/** The ids of all projects; undefined when there are more. */
export async function allProjectIds(reader: Reader, max: number): Promise<readonly number[] | undefined> {
  const rows = await reader
    .selectFrom('projects')
    .select('id')
    .limit(max + 1)
    .execute()
  return rows.length > max ? undefined : rows.map(({ id }) => id)
}

/** The lists in a project's settings; both empty where there are none. */
export function networksIn(settings: string): NetworkLists {
  const { networks } = JSON.parse(settings) as { readonly networks?: Partial<NetworkLists> }
  return { allow: networks?.allow ?? [], deny: networks?.deny ?? [] }
}

/** The settings with other lists, everything else in them kept. */
export function withNetworks(settings: string, networks: NetworkLists): string {
  return JSON.stringify({ ...(JSON.parse(settings) as object), networks })
}
