/** Everything that a run shares: the order of events, the disk, the database, the processes and what is expected of them. */
import { pino } from 'pino'
import { loadConfig } from '#config/load.ts'
import type { Config } from '#config/config.ts'
import { createManifestParser } from '#oci/manifest-parser.ts'
import { Disk, systemError } from './disk.ts'
import type { SimDatabase } from './database.ts'
import { Faults } from './faults.ts'
import { Model } from './model.ts'
import type { Profile } from './operations.ts'
import { SeededRandom } from './random.ts'
import { Scheduler } from './scheduler.ts'

export const log = pino({ enabled: false })
export const parser = createManifestParser()
export const rootDirectory = '/simulated/data'
export const minuteMs = 60_000

/** The defaults of Berth: what jobs are told of their settings. */
export const config: Config = (await loadConfig({ environment: {}, cwd: '/tmp' })).config

/** A seed and what is made from it. */
export interface World {
  readonly seed: number
  readonly profile: Profile
  readonly scheduler: Scheduler
  readonly disk: Disk
  readonly database: SimDatabase
  readonly faults: Faults
  readonly model: Model
  /** For keys, ids and secrets of the code under test. */
  readonly secrets: SeededRandom
  /** For what a crash leaves. */
  readonly damage: SeededRandom
}

/** An empty machine. */
export function makeWorld(seed: number, profile: Profile, database: SimDatabase): World {
  const scheduler = new Scheduler(new SeededRandom(seed, 'order'))
  const disk = new Disk(() => scheduler.now)
  disk.mkdir('/simulated', true)
  disk.sync(disk.root)
  database.reset()
  const model = new Model({ scheduler, disk, database, rootDirectory })
  database.onCommit = () => model.committed()
  disk.onUnlink = (path) => model.unlinked(path)
  return {
    seed,
    profile,
    scheduler,
    disk,
    database,
    faults: new Faults(() => scheduler.steps, systemError),
    model,
    secrets: new SeededRandom(seed, 'secrets'),
    damage: new SeededRandom(seed, 'damage'),
  }
}
