/**
 * The settings of the system and the networks of projects, ready to be asked by every request.
 *
 * The problem: each request asks whether its address may come in and whether the registry is read-only, and may cost no read for it; a change must count at
 * once here and within a second on other processes. The way: all of it is read together and kept while the access epoch stands, which every change of it moves.
 *
 * What a project's networks keep from an address is kept from its lists too: {@link SystemRules.reach} gives what is left as {@link Visibility}, which queries
 * understand. That is looked up for the few addresses that some project refuses, and kept as long as the rest.
 */
import type { AccessEpoch } from '#metadata/watch-access.ts'
import { createAddressRules, type AddressRules } from '#lib/address-rules.ts'
import type { Logger } from '#lib/logger.ts'
import type { Reader } from '#metadata/metadata.ts'
import { projectsBelow } from '#metadata/project-facts.ts'
import { allProjectIds, projectsWithNetworks } from '#metadata/project-networks.ts'
import { readSystemSettings, type SystemSettings } from '#metadata/system-settings.ts'
import type { Visibility } from '#metadata/visibility.ts'

/** What holds now. */
export interface SystemState {
  readonly settings: SystemSettings
  readonly version: number
  readonly networks: AddressRules
  /** Of the projects that have lists, by id. */
  readonly projectNetworks: ReadonlyMap<number, AddressRules>
}

/** Asked by every request. */
export interface SystemRules {
  /** At most a second old. While the database is away: what was known last. */
  current(): Promise<SystemState>
  /** What may be used from the address; undefined: all. Of very many projects nothing is kept out: see docs/guides/networks.md. */
  reach(address: string): Promise<Visibility | undefined>
}

/** What the rules are read from. */
export interface SystemRulesParts {
  readonly reader: Reader
  readonly epoch: AccessEpoch
  readonly log: Logger
}

/** Reads at the first question. */
export function createSystemRules({ reader, epoch, log }: SystemRulesParts): SystemRules {
  let known: { readonly epoch: number; readonly state: SystemState } | undefined
  let reading: { readonly epoch: number; readonly state: Promise<SystemState> } | undefined
  const read = (of: number) => {
    if (reading?.epoch !== of) {
      const state = readState(reader).then((found) => {
        known = { epoch: of, state: found }
        return found
      })
      const begun = (reading = { epoch: of, state: state.finally(() => (reading = reading === begun ? undefined : reading)) })
    }
    return reading.state
  }
  const current = async () => {
    try {
      const now = await epoch.current()
      return known?.epoch === now ? known.state : await read(now)
    } catch (error) {
      if (known === undefined) throw error
      log.warn({ err: error }, 'the settings of the system cannot be read: those known last count')
      return known.state
    }
  }
  return { current, reach: async (address) => await reachOf(reader, await current(), address) }
}

/** More ids than a query takes as values. */
const projectsInReachMax = 20_000
/** Kinds of addresses that are told apart at a time. */
const reachesMax = 100
/** By the state, and by which projects refuse. */
const reaches = new WeakMap<SystemState, Map<string, Promise<Visibility | undefined>>>()

async function reachOf(reader: Reader, state: SystemState, address: string): Promise<Visibility | undefined> {
  if (state.projectNetworks.size === 0) return undefined
  const refusing = [...state.projectNetworks].flatMap(([id, rules]) => (rules.admits(address) ? [] : [id]))
  if (refusing.length === 0) return undefined
  const remembered = reaches.get(state) ?? new Map<string, Promise<Visibility | undefined>>()
  reaches.set(state, remembered)
  const key = refusing.join()
  const known = remembered.get(key)
  if (known !== undefined) return await known
  const found = allBut(reader, refusing)
  if (remembered.size < reachesMax) {
    remembered.set(key, found)
    found.catch(() => remembered.delete(key))
  }
  return await found
}

async function allBut(reader: Reader, refusing: readonly number[]): Promise<Visibility | undefined> {
  const all = await allProjectIds(reader, projectsInReachMax)
  if (all === undefined) return undefined
  const refused = new Set(await projectsBelow(reader, refusing))
  return { kind: 'some', projectIds: all.filter((id) => !refused.has(id)), repositoryGlobs: [], includesPublic: false }
}

async function readState(reader: Reader): Promise<SystemState> {
  const { settings, version } = await readSystemSettings(reader)
  const projects = await projectsWithNetworks(reader)
  return {
    settings,
    version,
    networks: createAddressRules(settings.networks),
    projectNetworks: new Map(projects.map(({ id, networks }) => [id, createAddressRules(networks)])),
  }
}
