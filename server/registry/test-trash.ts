/** What the tests of the trash share. */
import assert from 'node:assert/strict'
import { systemScope, usageIn, type Usage } from '#metadata/usage-counters.ts'
import type { Digest } from '#oci/digest.ts'
import type { RepositoryName, Tag } from '#oci/reference.ts'
import type { Taking } from '#projects/name-claim.ts'
import { collectGarbage } from './collect-garbage.ts'
import { listTags } from './list-tags.ts'
import { listTrash, type ListedTrash } from './list-trash.ts'
import { pullManifest } from './pull-manifest.ts'
import { purgeTrash, trashPurge } from './purge-trash.ts'
import type { Registry } from './registry.ts'
import { placeOfRestore, readTrash, restoreTrash } from './restore-trash.ts'
import { alice, hourMs, noSignal, openTestRegistry, type TestRegistry } from './test-registry.ts'
import type { RestoredTrash } from './trash-words.ts'

export const dayMs = 24 * hourMs
export const who = { actor: 'alice', requestId: 'r1' }
export const name = (text: string): RepositoryName => text as RepositoryName

/** With a trash of seven days. */
export const openWithTrash = (options: object = {}): Promise<TestRegistry> =>
  openTestRegistry({ options: { trashWindowMs: 7 * dayMs, ...options } })

/** Latest first. */
export async function trashOf(registry: Registry): Promise<readonly ListedTrash[]> {
  const page = { limit: 1000, column: 'deletedAt', isDescending: true } as const
  return (await listTrash(registry, { kind: 'everything' }, { filter: {}, page })).items
}

/** Restores the latest of that kind. */
export async function restore(registry: Registry, kind: string, as?: string): Promise<RestoredTrash> {
  const item = (await trashOf(registry)).find((each) => each.kind === kind)
  assert.ok(item, `no ${kind} in the trash`)
  return await restoreId(registry, item.id, as)
}

export async function restoreId(registry: Registry, id: number, as?: string, mayTake?: readonly Taking[]): Promise<RestoredTrash> {
  const row = await readTrash(registry, id)
  assert.ok(row)
  const found = row.kind === 'repository' ? await placeOfRestore(registry, row, as === undefined ? undefined : name(as)) : undefined
  const place = found && { to: found.repository, projectId: found.project.id }
  return await restoreTrash(registry, { row, place, name: as, mayTake }, who)
}

/** Deletes the latest of that kind for good. */
export async function purge(registry: Registry, kind: string): Promise<void> {
  const item = (await trashOf(registry)).find((each) => each.kind === kind)
  assert.ok(item, `no ${kind} in the trash`)
  await purgeTrash(registry, item, who)
}

/** Runs the job, without a row. */
export function runPurge(registry: Registry): Promise<{ readonly purged: number }> {
  const run = { job: { id: 0, fence: 0 }, signal: noSignal, cursor: undefined, save: () => Promise.resolve(), report() {}, log() {} }
  return trashPurge(registry).run(run, {})
}

/** All that may go goes, however young. */
export async function collect({ registry, clock }: TestRegistry): Promise<void> {
  for (let turn = 0; turn < 3; turn++) {
    clock.advance(1.5 * dayMs)
    await collectGarbage(registry, { signal: noSignal })
  }
}

export async function pull(registry: Registry, repository: RepositoryName, reference: string): Promise<Digest> {
  const isDigest = reference.includes(':')
  const by = isDigest ? ({ kind: 'digest', digest: reference as Digest } as const) : ({ kind: 'tag', tag: reference as Tag } as const)
  return (await pullManifest(registry, repository, by, alice)).digest
}

export const tagsOf = async (registry: Registry, repository: RepositoryName): Promise<readonly string[]> =>
  (await listTags(registry, repository, { n: 1000, last: undefined })).tags

/** Of everything. */
export const usedOf = async ({ metadata }: Registry): Promise<Usage> => await usageIn(metadata.reader, systemScope)
