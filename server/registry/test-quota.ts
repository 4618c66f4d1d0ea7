/** Projects with limits, for tests. */
import { eventsAfter } from '#metadata/events.ts'
import { digestOf } from '#oci/digest.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { createProject } from '#projects/create-project.ts'
import type { ProjectParts } from '#projects/projects.ts'
import { setQuota } from '#projects/quotas.ts'
import { readProjectUsage } from '#projects/read-usage.ts'
import { pushWholeBlob } from './push-blob.ts'
import type { Registry } from './registry.ts'
import { alice, bodyOf, noSignal, type TestRegistry } from './test-registry.ts'

/** Who sets limits. */
export const who = { actor: 'root', requestId: 'r9' }
/** All that there is. */
export const everything = { kind: 'everything' } as const
/** No limit at all. */
export const noLimits = { bytesMax: null, repositoriesMax: null, tagsMax: null, warnPercent: 80 }
/** What rules of projects work on. */
export const partsOf = ({ metadata, context }: Registry): ProjectParts => ({ metadata, ports: context.ports })

/** Limits a project. */
export async function limit(
  { registry }: TestRegistry,
  projectId: number,
  limits: Partial<typeof noLimits> | { readonly [Unit: string]: number },
): Promise<void> {
  await setQuota(partsOf(registry), { projectId, limits: { ...noLimits, ...limits }, expectedVersion: undefined }, who)
}

/** Makes the project `team` with limits; gives its id. */
export async function makeTeam(at: TestRegistry, limits: { readonly [Unit: string]: number } = {}): Promise<number> {
  const { id } = await createProject(partsOf(at.registry), { name: 'team' }, who)
  await limit(at, id, limits)
  return id
}

/** Bytes that a project uses. */
export const used = async (registry: Registry, projectId: number): Promise<number> => (await readProjectUsage(registry, projectId)).bytes

/** The events of that action. */
export async function eventsOf(registry: Registry, action: string): Promise<Awaited<ReturnType<typeof eventsAfter>>> {
  const events = await eventsAfter(registry.metadata.reader, 0, 10_000)
  return events.filter((event) => event.action === action)
}

/** Pushes a blob in one request that does not say how long it is. */
export const stream = (registry: Registry, repository: RepositoryName, bytes: Buffer): Promise<void> =>
  pushWholeBlob(registry, repository, alice, { digest: digestOf(bytes), body: bodyOf(bytes), signal: noSignal })
