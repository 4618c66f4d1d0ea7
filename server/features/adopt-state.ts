/** How far the adoption of this installation's directory came: one row of `settings`, written after each group of repositories. */
import type { Metadata } from '#metadata/metadata.ts'
import { findSetting } from '#metadata/settings.ts'
import { emptyTally, type AdoptionTally, type ProblemTotals } from './registry2-report.ts'
import { saveAdoption } from './adopt-rows.ts'

/** Whether only sizes of blobs are compared, or all their bytes are read. Manifests are always proved by digest. */
export type Verification = 'size' | 'digest'

/** What a run needs to go on where the last one stopped, and what both counted. Instants are milliseconds. */
export interface AdoptionState {
  readonly phase: 'repositories' | 'blobs' | 'finished'
  readonly verify: Verification
  /** The last repository that is done, in the order of the walk. */
  readonly afterRepository: string
  /** The last row of `blobs` that is verified. */
  readonly afterBlob: number
  readonly tally: AdoptionTally
  readonly problems: ProblemTotals
  readonly startedAt: number
  readonly finishedAt?: number
  /** When Berth first had all of the directory. From then on what is deleted in Berth stays deleted. */
  readonly firstFinishedAt?: number
}

const settingName = 'adoption'

/** The state of a run from the start; `earlier` is the one that finished before it. */
export function newAdoption(verify: Verification, now: number, earlier?: AdoptionState): AdoptionState {
  const known = earlier?.firstFinishedAt === undefined ? {} : { firstFinishedAt: earlier.firstFinishedAt }
  return { phase: 'repositories', verify, afterRepository: '', afterBlob: 0, tally: emptyTally, problems: {}, startedAt: now, ...known }
}

/** Undefined when none was ever begun. */
export async function readAdoption(metadata: Metadata): Promise<AdoptionState | undefined> {
  return (await findSetting(metadata.reader, settingName)) as AdoptionState | undefined
}

/** Replaces the row; durable when it resolves. Throws as {@link Metadata.write} does. */
export async function writeAdoption(metadata: Metadata, state: AdoptionState): Promise<void> {
  await metadata.write(saveAdoption, { name: settingName, value: state })
}
