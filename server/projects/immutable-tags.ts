/**
 * Immutable tags: a tag that a rule of its project, or of a project above, names is neither moved nor deleted.
 *
 * The problem: a release must stay what it was, and a push must not pay for it. The way: rules are read, in the transaction, when a tag would move or go;
 * a tag that is made, or pushed again as it is, asks nobody. What signs an immutable tag can still be added: the tags that cosign keeps signatures under
 * may move. To ask before another verb, call {@link requireMutable} in its transaction, or {@link tagGuardOf} for a list.
 */
import { compilePattern, type TagPattern } from '#lib/tag-pattern.ts'
import { immutableRulesOver, type ImmutableRule } from '#metadata/immutable-rules.ts'
import type { Reader, Transactor } from '#metadata/metadata.ts'
import { matchesGlob, parseGlob } from '#metadata/repository-glob.ts'
import { manifestsAbove, tagNamesOf } from '#metadata/tagged-manifests.ts'
import { RegistryError } from '#oci/errors.ts'
import type { RepositoryName, Tag } from '#oci/reference.ts'

/** A repository as rules see it. */
export interface GuardedRepository {
  readonly name: RepositoryName
  /** Looked up where it is not said. */
  readonly projectId?: number | undefined
}

/** The rules over one repository. */
export interface TagGuard {
  /** No rule is about this repository. */
  readonly isEmpty: boolean
  /** The first rule that keeps the tag from that; undefined: it may be done. */
  ruleOf(tag: string, act: 'move' | 'delete'): ImmutableRule | undefined
}

/** What is about to happen to which tags; those that are not there yet, or stay as they are, need not be named. */
export interface TagsToChange {
  readonly repository: RepositoryName
  /** Looked up where it is not said. */
  readonly projectId?: number | undefined
  readonly tags: readonly string[]
  readonly act: 'move' | 'delete'
}

/** Under which cosign keeps signatures, attestations and SBOMs: each new one rewrites its tag. */
const accessoryTag = /^sha256-[0-9a-f]{64}\.(?:sig|att|sbom)$/

/** Throws TAG_IMMUTABLE that names the first tag and its rule. One read; two where there are rules. */
export async function requireMutable(tx: Transactor, { repository, projectId, tags, act }: TagsToChange): Promise<void> {
  if (tags.length === 0) return
  requireOf(await tagGuardOf(tx, { name: repository, projectId }), { repository, tags, act })
}

/**
 * Before a manifest is deleted: throws TAG_IMMUTABLE when an immutable tag points at it, or at an index that it is part of. Its tags are read only
 * where there are rules.
 */
export async function requireMutableManifest(
  tx: Transactor,
  { repository, projectId, manifestId }: Omit<TagsToChange, 'tags' | 'act'> & { readonly manifestId: number },
): Promise<void> {
  const guard = await tagGuardOf(tx, { name: repository, projectId })
  if (guard.isEmpty) return
  const manifestIds = [manifestId, ...(await manifestsAbove(tx, manifestId))]
  requireOf(guard, { repository, tags: await tagNamesOf(tx, manifestIds), act: 'delete' })
}

/** The rules over the repository, to be asked for many tags. */
export async function tagGuardOf(reader: Reader | Transactor, repository: GuardedRepository): Promise<TagGuard> {
  return guardOf(await immutableRulesOver(reader, repository), repository.name)
}

/** The guard that some rules make for one repository; rules about others are passed over. */
export function guardOf(rules: readonly ImmutableRule[], repository: RepositoryName): TagGuard {
  const patterns = rules.flatMap((rule) => {
    const glob = parseGlob(rule.repositories)
    if (glob === undefined || !matchesGlob(glob, repository)) return []
    return [{ rule, pattern: patternOf(rule) }]
  })
  return {
    isEmpty: patterns.length === 0,
    ruleOf(tag, act) {
      if (act === 'move' && accessoryTag.test(tag)) return undefined
      return patterns.find(({ pattern }) => pattern.matches(tag))?.rule
    },
  }
}

/** Throws TAG_IMMUTABLE for the first tag that the guard keeps. */
export function requireOf(guard: TagGuard, change: Omit<TagsToChange, 'projectId'>): void {
  if (guard.isEmpty) return
  for (const tag of change.tags) {
    const rule = guard.ruleOf(tag, change.act)
    if (rule !== undefined) throw tagImmutable(change.repository, tag as Tag, rule)
  }
}

/** Says which rule keeps which tag, so that who may change rules knows where. */
export function tagImmutable(repository: RepositoryName, tag: Tag, rule: ImmutableRule): RegistryError {
  const facts = { repository, tag, project: rule.project, rule: rule.id, pattern: rule.tags }
  const message = `the tag ${tag} of ${repository} is immutable: rule ${rule.id} of project ${rule.project} (${rule.tagSyntax} ${rule.tags}) keeps it as it is`
  return new RegistryError('TAG_IMMUTABLE', facts, { message })
}

/** Compiled patterns, some microseconds to some milliseconds each. They are pure: who made them first does not matter. */
const compiled = new Map<string, TagPattern>()
const compiledMax = 500

function patternOf({ tagSyntax, tags }: ImmutableRule): TagPattern {
  const key = `${tagSyntax} ${tags}`
  const known = compiled.get(key)
  if (known !== undefined) return known
  const pattern = compilePattern(tagSyntax, tags)
  // A pattern of a release that compiled more: whoever wrote it meant to protect something.
  const usable = 'matches' in pattern ? pattern : everything
  const [oldest] = compiled.keys()
  if (compiled.size >= compiledMax && oldest !== undefined) compiled.delete(oldest)
  compiled.set(key, usable)
  return usable
}

const everything: TagPattern = { matches: () => true }
