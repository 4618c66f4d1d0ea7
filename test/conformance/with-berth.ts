import { after, before } from 'node:test'
import { registryClient } from '../support/registry-client.ts'
import type { RegistryClient } from '../support/registry-client.ts'
import { startBerth } from '../support/start-berth.ts'
import type { BerthOptions, RunningBerth } from '../support/start-berth.ts'

/** Starts one Berth for the tests of a file; the returned function gives a client for it while they run. */
export function withBerth(options: BerthOptions = {}): () => RegistryClient {
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
