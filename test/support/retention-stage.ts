/** A registry in which retention policies run here, so that a test can do something between the transactions of a run. */
import { createPolicy } from '#features/retention-policies.ts'
import { retentionJob } from '#features/retention-job.ts'
import { listDecisions, startRun } from '#features/retention-runs.ts'
import type { RetentionRule } from '#features/retention-rules.ts'
import type { JobRun } from '#jobs/jobs.ts'
import { createProject } from '#projects/create-project.ts'
import type { Registry } from '#registry/registry.ts'
import { movingClock } from './moving-clock.ts'
import { pushImage, registryClient, type RegistryClient } from './registry-client.ts'
import { serveRooms, type ServedRooms } from './serve-rooms.ts'

/** On whose account all is done. */
export const who = { actor: 'alice', requestId: 'r' }
const page = { limit: 1_000, column: 'id', isDescending: false } as const
/** Keeps two. */
export const latest: readonly RetentionRule[] = [{ keep: { latestPushed: 2 } }]

/** A registry with the project team, whose clock a test moves. */
export interface Stage extends AsyncDisposable {
  readonly rooms: ServedRooms
  readonly client: RegistryClient
  readonly projectId: number
  advance(ms: number): void
}

/** Opens one. */
export async function stage(): Promise<Stage> {
  const clock = movingClock()
  const rooms = await serveRooms({ storage: { deleteEnabled: true } }, { memory: true, ports: clock.ports })
  const { id: projectId } = await createProject(rooms.accounts, { name: 'team' }, who)
  const client = registryClient(rooms.url)
  return { rooms, client, projectId, advance: clock.advance, [Symbol.asyncDispose]: () => rooms[Symbol.asyncDispose]() }
}

/** Pushes one small manifest under each tag, oldest first, a second apart. */
export async function pushTags({ client, advance }: Stage, repository: string, tags: readonly string[]): Promise<void> {
  const { bytes } = await pushImage(client, repository, undefined)
  for (const tag of tags) {
    await client.pushManifest(repository, tag, bytes)
    advance(1_000)
  }
}

/** The tags that are there. */
export async function tagsOf({ client }: Stage, repository: string): Promise<readonly string[]> {
  const { body } = await client.send(`/v2/${repository}/tags/list`)
  return (JSON.parse(body.toString()) as { readonly tags: readonly string[] | null }).tags ?? []
}

interface Watching {
  /** Called after each transaction of the run; what it throws is the death of the process there. */
  readonly after?: (name: string) => Promise<void> | void
  readonly before?: (name: string) => void
  /** What the job says of the dry run that it is bound to. */
  readonly shownBy?: number
}

/** Runs the job of a run here, with what happens at its transactions; gives where it would go on. */
export async function work(
  { rooms }: Stage,
  runId: number,
  { after, before, shownBy }: Watching = {},
  cursor?: { value: unknown },
): Promise<void> {
  const { registry } = rooms
  const kept = cursor ?? { value: undefined }
  const metadata: Registry['metadata'] = {
    dialect: registry.metadata.dialect,
    reader: registry.metadata.reader,
    ping: () => registry.metadata.ping(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
    async write(definition, input) {
      before?.(definition.name)
      const output = await registry.metadata.write(definition, input)
      if (definition.name === 'retention-decide/write') kept.value = (input as { readonly cursor: unknown }).cursor
      if (definition.name === 'retention-job/end-deciding') kept.value = { phase: 'remove' }
      await after?.(definition.name)
      return output
    },
  }
  const run: JobRun = {
    job: { id: 0, fence: 0 },
    signal: new AbortController().signal,
    cursor: kept.value,
    save: () => Promise.resolve(),
    report: () => undefined,
    log: () => undefined,
  }
  const flushPulls = () => rooms.pullStatistics.flush()
  await retentionJob({ ...registry, metadata }, { pages: { repositories: 2, decisions: 3 }, flushPulls }).run(run, { runId, shownBy })
}

/** A policy whose effect a dry run has shown. */
export async function shownPolicy(
  of: Stage,
  rules: readonly RetentionRule[],
  more: object = {},
): Promise<{ projectId: number; name: string }> {
  const policy = { projectId: of.projectId, name: 'life' }
  await createPolicy(of.rooms.accounts, { ...policy, decision: { rules, ...more } }, who)
  const { id } = await startRun(of.rooms.registry, { ...policy, isDry: true }, who)
  await work(of, id)
  await endJob(of)
  return policy
}

/** The row of the job says that it is under way: it was run beside it. */
export async function endJob({ rooms }: Stage): Promise<void> {
  const { reader } = rooms.registry.metadata
  for (const { id } of await reader
    .selectFrom('jobs')
    .select('id')
    .where('kind', '=', 'retention')
    .where('state', '=', 'waiting')
    .execute())
    await rooms.jobs.stop(id, who)
}

/** What a run decided of each tag. */
export async function decided({ rooms, projectId }: Stage, runId: number): Promise<Readonly<Record<string, string>>> {
  const { items } = await listDecisions(rooms.registry, { projectId, runId, filter: {}, page })
  return Object.fromEntries(items.map(({ repository, tag, action, reason }) => [`${repository}:${tag}`, `${action}: ${reason}`]))
}

/** Starts a run that removes; gives its id. */
export const startReal = async (of: Stage, policy: { projectId: number; name: string }) =>
  (await startRun(of.rooms.registry, { ...policy, isDry: false }, who)).id
