/** Rules about addresses hold as far as addresses can be believed: said once, at the start. */
import { countRobotsOfNetworks } from '#access/robots.ts'
import type { HttpParts } from './exchange.ts'

/** Warns when addresses decide who comes in while every neighbour may claim to be another. */
export async function warnOfClaimedAddresses({
  config,
  system,
  directory,
  log,
}: Pick<HttpParts, 'system' | 'directory' | 'log'> & {
  readonly config: { readonly http: Pick<HttpParts['config']['http'], 'isEveryNeighbourTrusted'> }
}): Promise<void> {
  if (!config.http.isEveryNeighbourTrusted) return
  const { settings, projectNetworks } = await system.current()
  const isRegistry = settings.networks.allow.length + settings.networks.deny.length > 0
  const robots = await countRobotsOfNetworks(directory)
  const rules = [
    ...(isRegistry ? ['the registry'] : []),
    ...(projectNetworks.size > 0 ? [counted(projectNetworks.size, 'project')] : []),
    ...(robots > 0 ? [counted(robots, 'robot')] : []),
  ]
  if (rules.length === 0) return
  const place = { registry: isRegistry, projects: projectNetworks.size, robots }
  log.warn(
    { networks: place },
    `${rules.join(', ')} may be used from some addresses only, and http.trustedproxies has all private addresses: X-Forwarded-For of each of them is believed, ` +
      'so that a client in such a network can claim any address. Name the addresses of your proxies in place of `private`',
  )
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
