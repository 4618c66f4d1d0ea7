/**
 * The settings of the system and the networks of projects, ready to be asked by every request.
 *
 * The problem: each request asks whether its address may come in and whether the registry is read-only, and may cost no read for it; a change must count at
 * once here and within a second on other processes. The way: all of it is read together and kept while the access epoch stands, which every change of it moves.
 */
import type { AccessEpoch } from '#access/epoch.ts'
import { createAddressRules, type AddressRules } from '#lib/address-rules.ts'
import type { Logger } from '#lib/logger.ts'
import type { Reader } from '#metadata/metadata.ts'
import { projectsWithNetworks } from '#metadata/project-networks.ts'
import { readSystemSettings, type SystemSettings } from '#metadata/system-settings.ts'

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
  return {
    async current() {
      try {
        const now = await epoch.current()
        return known?.epoch === now ? known.state : await read(now)
      } catch (error) {
        if (known === undefined) throw error
        log.warn({ err: error }, 'the settings of the system cannot be read: those known last count')
        return known.state
      }
    },
  }
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
