/** A process of Berth: the real rooms over simulated ports. It may die at any event; then nothing of it goes on. */
import { makeDirectory } from '#blobs/directories.ts'
import { createFilesystemStore } from '#blobs/filesystem.ts'
import type { BlobStore } from '#blobs/blob-store.ts'
import { watchAccess } from '#metadata/watch-access.ts'
import { createJobs } from '#jobs/create-jobs.ts'
import type { Jobs } from '#jobs/jobs.ts'
import type { Ports } from '#lib/ports.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { openRegistry } from '#registry/open-registry.ts'
import type { Registry } from '#registry/registry.ts'
import { jobKindsOf } from '../../server/job-kinds.ts'
import { countingJob } from './counting-job.ts'
import { finished } from './finished.ts'
import { randomPort } from './random.ts'
import type { EventOwner } from './scheduler.ts'
import { filesPort, type Perform } from './sim-files.ts'
import { clockPort, timersPort } from './sim-timers.ts'
import { config, log, minuteMs, parser, rootDirectory, type World } from './world.ts'

export interface SimProcess extends EventOwner {
  readonly registry: Registry
  readonly metadata: Metadata
  readonly store: BlobStore
  readonly ports: Ports
  readonly jobs: Jobs
  isAlive: boolean
}

/** Of a hundred I/Os, so many are done some events before whoever waits for them hears of it. */
const lateAnswers = 25

function performOf(world: World, owner: EventOwner & { isAlive: boolean }): Perform {
  const { scheduler, faults, disk, damage } = world
  return (call, act, cutShort) => {
    const { promise, resolve, reject } = Promise.withResolvers<never>()
    const answer = (settle: () => void) => {
      if (scheduler.random.chance(lateAnswers)) scheduler.add({ label: `${call.name} answered`, owner, run: settle })
      else settle()
    }
    const run = () => {
      const fault = faults.ofFiles(call.name, call.path)
      if (fault !== undefined) {
        scheduler.note(`fault ${call.name}`)
        if (call.name === 'handle.sync' && call.node !== undefined) disk.failSync(call.node)
        return answer(() => reject(fault))
      }
      try {
        const result = act()
        answer(() => resolve(result as never))
      } catch (error) {
        answer(() => reject(error as Error))
      }
    }
    const onCrash = cutShort && (() => damage.chance(50) && cutShort())
    if (owner.isAlive) scheduler.add({ label: `${call.name} ${call.path.slice(-40)}`, owner, run, ...(onCrash && { onCrash }) })
    return promise
  }
}

function openMetadata(world: World, owner: EventOwner & { isAlive: boolean }): Metadata {
  const { scheduler, faults, database } = world
  return database.open(
    async (what) => {
      const { promise, resolve } = Promise.withResolvers<void>()
      if (owner.isAlive) scheduler.add({ label: what, owner, run: resolve })
      await promise
      const fault = what === 'commit' ? faults.ofDatabase() : undefined
      if (fault !== undefined) scheduler.note(`fault ${fault}`)
      return fault
    },
    log,
    clockPort(scheduler),
  )
}

/** Starts one on the disk and the database that are there. */
export async function startProcess(world: World, name: string): Promise<SimProcess> {
  const { scheduler, disk, secrets, profile } = world
  const owner = { name, isPaused: false, isAlive: true }
  const ports: Ports = {
    clock: clockPort(scheduler),
    random: randomPort(secrets),
    timers: timersPort(scheduler, owner),
    files: filesPort(disk, performOf(world, owner)),
  }
  // As main.ts does.
  const make = () => finished(world, makeDirectory(ports.files, rootDirectory))
  // Somebody starts it again when the disk does not let it.
  await make().catch(make)
  const watched = watchAccess(openMetadata(world, owner), ports.clock)
  const { metadata } = watched
  const store = createFilesystemStore({ rootDirectory, files: ports.files })
  const options: Registry['options'] = {
    deleteEnabled: true,
    readOnly: false,
    minimumFreeBytes: 0,
    garbageDelayMs: profile.garbageDelayMinutes * minuteMs,
    readersDelayMs: 60 * 60 * 1_000,
    trashWindowMs: profile.trashMinutes * minuteMs,
    manifestBytes: 4 * 1024 * 1024,
    uploadsPerActor: 100,
    indexPlatforms: 'all',
    referrersMayPrecedeBlobs: false,
  }
  const registry = openRegistry({
    ...watched,
    store,
    options,
    hooks: { admission: [], missingContent: [] },
    ports,
    log,
    cacheBytes: 1024 * 1024,
    parser,
  })
  const jobs = createJobs({
    metadata,
    ports,
    log,
    kinds: [...jobKindsOf(registry, config, { flushPulls: () => Promise.resolve() }), countingJob(metadata)],
  })
  return Object.assign(owner, { registry, metadata, store, ports, jobs })
}

/** It is gone, in the middle of whatever it did. */
export function kill(world: World, process: SimProcess): void {
  process.isAlive = false
  world.scheduler.drop(process)
}
