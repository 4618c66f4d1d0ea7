/**
 * Retention: which tags of a project's repositories stay, by rules that say why.
 *
 * The problem: registries fill with tags that nobody needs, and rules that remove them remove, one day, what somebody does. The way: a rule only ever
 * keeps; what no rule is about stays unless the policy says otherwise; a repository is never emptied unless it says so; a policy that was made or
 * changed shows in a dry run what it would do before it does it; every run writes down, for every tag, what it decided and which rule won, before
 * it removes the first; what it removes goes into the trash. It works on tags: manifests that lose their last one, what they list, their signatures
 * and SBOMs are garbage collection's.
 *
 * A run is a job of two parts (retention-job.ts): it judges all repositories (retention-judge.ts, pure) and writes its decisions (retention-decide.ts), then
 * carries out those that remove (retention-carry-out.ts), each only if the tag is still what was judged. Either part goes on where a killed process left it.
 * To add a way to keep tags, see retention-rules.ts.
 */
import type { Clock, Timers } from '#lib/ports.ts'
import type { Metadata, Reader } from '#metadata/metadata.ts'
import { prefixesOf } from '#metadata/name-prefixes.ts'
import { projectsNamed } from '#metadata/projects.ts'
import { matchesGlob, parseGlob } from '#metadata/repository-glob.ts'
import { enabledPolicies, type RetentionPolicyRecord } from '#metadata/retention-policies.ts'
import { retentionTags, type RepositoryInReach, type RetentionTag } from '#metadata/retention-tags.ts'
import { tagGuardOf } from '#projects/immutable-tags.ts'
import { judgeTags, type JudgedPolicy, type Verdict } from './retention-judge.ts'
import { compileRules, type CompiledRule, type RetentionRule } from './retention-rules.ts'

/** What retention works with. A `Directory` fits. */
export interface RetentionParts {
  readonly metadata: Pick<Metadata, 'reader'>
  readonly ports: { readonly clock: Clock; readonly timers: Timers }
}

/** A policy as it judges. */
export interface UsablePolicy extends JudgedPolicy {
  /** The row's; 0 for one that is tried out. */
  readonly id: number
  readonly project: { readonly id: number; readonly name: string; readonly isDefault: boolean }
  readonly reaches: (repository: string) => boolean
}

/** The rules of a row as people wrote them. */
export function rulesOf({ rules }: Pick<RetentionPolicyRecord, 'rules'>): readonly RetentionRule[] {
  return JSON.parse(rules) as readonly RetentionRule[]
}

/** Compiles what a row says. Throws for rules that this program cannot read: a policy that is not understood removes nothing. */
export function usablePolicy(record: RetentionPolicyRecord): UsablePolicy {
  const rules = compileRules(rulesOf(record))
  if ('error' in rules) throw new Error(`rule ${rules.index + 1} of the policy ${record.name} cannot be used: ${rules.error}`)
  const { id, unmatched, mayEmpty } = record
  const project = { id: record.projectId, name: record.project, isDefault: record.isDefaultProject }
  return { id, rules, unmatched, mayEmpty, project, reaches: reachOf(record.repositories) }
}

/** Whether a glob of repository names is about a name; one that is none is about nothing. */
export function reachOf(repositories: string): (repository: string) => boolean {
  const glob = parseGlob(repositories)
  return (name) => glob !== undefined && matchesGlob(glob, name)
}

/** Policies of a project that are on, compiled once for a run. */
interface NeighbourPolicy {
  readonly id: number
  readonly name: string
  readonly rules: readonly CompiledRule[]
  readonly reaches: (repository: string) => boolean
}

/** Knows which other policies are in force where. Made for one run, and reads each project once. */
export interface Neighbours {
  of(repository: RepositoryInReach, except: number): Promise<readonly NeighbourPolicy[]>
}

/** Projects whose policies are kept at most; then all are read again. */
const neighboursMax = 10_000

/** Policies of the project that owns a repository and of those above it: what a rule of any of them keeps stays. */
export function createNeighbours(reader: Reader): Neighbours {
  const known = new Map<number, readonly NeighbourPolicy[]>()
  const read = async ({ name, projectId }: RepositoryInReach) => {
    const above = await projectsNamed(reader, prefixesOf(name))
    const records = await enabledPolicies(reader, [...new Set([projectId, ...above.map(({ id }) => id)])])
    return records.map((record) => {
      const { id, rules, reaches } = usablePolicy(record)
      return { id, name: `${record.project}/${record.name}`, rules, reaches }
    })
  }
  return {
    async of(repository, except) {
      let policies = known.get(repository.projectId)
      if (policies === undefined) {
        if (known.size >= neighboursMax) known.clear()
        policies = await read(repository)
        known.set(repository.projectId, policies)
      }
      return policies.filter(({ id, reaches }) => id !== except && reaches(repository.name))
    },
  }
}

/** Tags in one read: some milliseconds of SQLite. */
const pageSize = 500
/** How long others wait for the event loop while a repository is judged. */
const sliceMs = 5

/** Which repository is judged by what. */
export interface Judgement {
  readonly policy: UsablePolicy
  readonly repository: RepositoryInReach
  readonly neighbours: Neighbours
  /** The instant for which it is judged, in milliseconds. */
  readonly now: number
  readonly pause: Pause
  /** Undefined is given for a repository with more tags; 1,000,000 unless said, some hundreds of MiB. */
  readonly tagsMax?: number | undefined
}

const usualTagsMax = 1_000_000

/** A verdict for each tag of the repository, by name. Lets others run every few milliseconds; rejects when that is aborted. */
export async function judgeRepository(parts: RetentionParts, judgement: Judgement): Promise<readonly Verdict[] | undefined> {
  const { policy, repository, now, pause, neighbours, tagsMax = usualTagsMax } = judgement
  const { reader } = parts.metadata
  const tags: RetentionTag[] = []
  for (let after = ''; ;) {
    const page = await retentionTags(reader, { repositoryId: repository.id, after, limit: pageSize })
    for (const tag of page) tags.push(tag)
    if (tags.length > tagsMax) return undefined
    const last = page.at(-1)
    if (page.length < pageSize || last === undefined) break
    after = last.name
    if (pause.isDue()) await pause.take()
  }
  if (tags.length === 0) return []
  const guard = await tagGuardOf(reader, { name: repository.name, projectId: repository.projectId })
  const place = {
    now,
    others: await neighbours.of(repository, policy.id),
    immutableBy(tag: string) {
      const rule = guard.ruleOf(tag, 'delete')
      return rule && `rule ${rule.id} of project ${rule.project} (${rule.tagSyntax} ${rule.tags})`
    },
  }
  return await runInSlices(judgeTags(tags, policy, place), pause)
}

async function runInSlices<Result>(work: Generator<void, Result, void>, pause: Pause): Promise<Result> {
  for (;;) {
    const step = work.next()
    if (step.done === true) return step.value
    if (pause.isDue()) await pause.take()
  }
}

/** Lets others run from time to time: reads of SQLite and judging hold the event loop, and an await alone does not let go of it. */
export interface Pause {
  isDue(): boolean
  /** Rejects when the signal aborts. */
  take(): Promise<void>
}

/** A pause is due when some milliseconds have passed since the last one. */
export function createPauses({ ports }: Pick<RetentionParts, 'ports'>, signal: AbortSignal): Pause {
  let begun = ports.clock.monotonic()
  return {
    isDue: () => ports.clock.monotonic() - begun >= sliceMs,
    async take() {
      await ports.timers.sleep(0, signal)
      begun = ports.clock.monotonic()
    },
  }
}
