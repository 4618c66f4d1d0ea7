import { readFileSync } from 'node:fs'
import { after, before } from 'node:test'
import { registryClient } from '../support/registry-client.ts'
import type { RegistryClient } from '../support/registry-client.ts'
import { startBerth } from '../support/start-berth.ts'
import type { BerthOptions, RunningBerth } from '../support/start-berth.ts'

/** A registry that runs already, in place of one of each file's own: several nodes behind a balancer. */
export interface GivenRegistry {
  readonly url: string
  readonly authorityFile?: string
  readonly authorization?: string
  readonly userAgent: string
}

/** The variable that names it, as JSON. */
export const givenVariable = 'BERTH_TEST_CONFORMANCE_AT'

/** Starts one Berth for the tests of a file; the returned function gives a client for it while they run. */
export function withBerth(options: BerthOptions = {}): () => RegistryClient {
  const given = process.env[givenVariable]
  if (given !== undefined) {
    const client = clientOf(JSON.parse(given) as GivenRegistry)
    return () => client
  }
  let berth: RunningBerth | undefined
  before(async () => {
    berth = await startBerth(options)
  })
  after(() => berth?.[Symbol.asyncDispose]())
  return () => {
    if (berth === undefined) throw new Error('Berth is not running outside of tests')
    return registryClient(berth.url)
  }
}

function clientOf({ url, authorityFile, authorization, userAgent }: GivenRegistry): RegistryClient {
  return registryClient(url, {
    userAgent,
    ...(authorityFile !== undefined && { ca: readFileSync(authorityFile, 'utf8') }),
    ...(authorization !== undefined && { authorization }),
  })
}
