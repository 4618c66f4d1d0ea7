import { join } from 'node:path'
import { loadConfig } from '#config/load.ts'
import { createLogger } from '#lib/logging.ts'
import { createMetrics } from '#lib/metrics.ts'
import { systemPorts } from '#lib/ports.ts'
import { openTestDatabase } from '#metadata/test-database.ts'
import { openStores } from '../../server/open-stores.ts'
import { checkInvariants, type InvariantsInput } from '../invariants.ts'
import type { RunningBerth } from './start-berth.ts'

/**
 * What is wrong with the data of a Berth that runs or is stopped, as sentences. Opens database and directory beside it, and writes to neither.
 * To be asked while nobody pushes.
 */
export async function violationsOf(
  berth: RunningBerth,
  leniency: Pick<InvariantsInput, 'quarantineIsFine' | 'orphanUploadsAreFine'> = {},
): Promise<string[]> {
  const { config } = await loadConfig({ file: berth.configFile, environment: {}, cwd: '/' })
  const { storage, database } = config
  const log = createLogger({ ...config.log, level: 'error' })
  await using metadata = await openTestDatabase(database.driver === 'sqlite' ? database.file : join(berth.dataDir, 'berth.db'), { log })
  using metrics = createMetrics()
  await using stores = await openStores(config, { ports: systemPorts, metrics, log, mark: undefined, cacheParts: undefined })
  const store = stores.primary
  const rootDirectory = storage.rootDirectory
  return await checkInvariants({ metadata, store, stores, ...(rootDirectory !== undefined && { rootDirectory }), ...leniency })
}
