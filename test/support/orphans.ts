import { systemPorts } from '#lib/ports.ts'
import { open, scrub } from '#main.ts'
import { loadConfig } from '#config/load.ts'

const aheadMs = 2 * 24 * 60 * 60 * 1000

/** Digests whose bytes lie in the store of this configuration and that no row names: what scrub says two days from now, when nobody can still be pushing them. */
export async function orphansOf(configFile: string): Promise<string[]> {
  const { config } = await loadConfig({ file: configFile, environment: {}, cwd: '/' })
  const { clock } = systemPorts
  const ports = { ...systemPorts, clock: { now: () => clock.now() + aheadMs, monotonic: () => clock.monotonic() } }
  await using berth = await open({ ...config, log: { ...config.log, level: 'error' } }, ports)
  const found: string[] = []
  await scrub(berth, {
    signal: new AbortController().signal,
    onFinding: ({ kind, digest }) => void (kind === 'orphan' && found.push(digest ?? '')),
  })
  return found.toSorted((one, other) => (one < other ? -1 : 1))
}
