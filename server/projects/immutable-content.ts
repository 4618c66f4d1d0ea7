/**
 * Whether a repository or a project may be deleted with everything in it: not while a tag in it is immutable.
 *
 * There may be millions of tags, and comparing them with patterns must not hold the writer. So they are looked through before the transaction, page by
 * page, and in it only that no rule changed meanwhile, and the tags that came since.
 */
import { immutableRulesAround, immutableRulesOver, type ImmutableRule } from '#metadata/immutable-rules.ts'
import type { Reader, Transactor } from '#metadata/metadata.ts'
import { isBelow } from '#metadata/name-prefixes.ts'
import { newestTagId, repositoriesAt, tagsAtSince, type PlacedRepository } from '#metadata/tagged-places.ts'
import { tagNames } from '#metadata/tags.ts'
import { RegistryError } from '#oci/errors.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { guardOf, requireOf } from './immutable-tags.ts'

/** What is to go: a repository, or a project with all that lies below its name. */
export type DeletionPlace =
  | { readonly kind: 'repository'; readonly name: RepositoryName }
  | { readonly kind: 'project'; readonly name: string; readonly id: number }

/** That everything was looked through, and what could change it. */
export interface ContentScan {
  /** Which rules there were, in which versions. */
  readonly rules: string
  /** Tags with larger ids came later. */
  readonly newestTagId: number
}

const pageTags = 500

/** Throws TAG_IMMUTABLE that names the first immutable tag; else gives what {@link requireUnchanged} needs. Two reads where no rule is about the place. */
export async function scanForImmutable(reader: Reader, place: DeletionPlace): Promise<ContentScan> {
  const scan = { newestTagId: await newestTagId(reader), rules: '' }
  const rules = await rulesAt(reader, place)
  if (rules.length === 0) return scan
  for (const repository of await repositoriesAt(reader, place)) await scanRepository(reader, repository, rules)
  return { ...scan, rules: stampOf(rules) }
}

async function scanRepository(reader: Reader, repository: PlacedRepository, rules: readonly ImmutableRule[]): Promise<void> {
  const { id, name } = repository
  const guard = guardOf(applicable(rules, repository), name)
  for (let last: string | undefined = guard.isEmpty ? undefined : ''; last !== undefined;) {
    const tags = await tagNames(reader, id, { last, n: pageTags })
    requireOf(guard, { repository: name, tags, act: 'delete' })
    last = tags.length < pageTags ? undefined : tags.at(-1)
    // Other requests get their turn between two pages.
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** In the transaction that deletes: throws TAG_IMMUTABLE for a tag that came since the scan, CONFLICT when rules changed since. */
export async function requireUnchanged(tx: Transactor, place: DeletionPlace, scan: ContentScan): Promise<void> {
  const rules = await rulesAt(tx, place)
  if (stampOf(rules) !== scan.rules) {
    throw new RegistryError('CONFLICT', undefined, { message: 'immutable tag rules were changed in between: try again' })
  }
  if (rules.length === 0) return
  for (const { tag, ...repository } of await tagsAtSince(tx, place, scan.newestTagId)) {
    requireOf(guardOf(applicable(rules, repository), repository.name), { repository: repository.name, tags: [tag], act: 'delete' })
  }
}

function rulesAt(reader: Reader | Transactor, place: DeletionPlace): Promise<ImmutableRule[]> {
  return place.kind === 'repository' ? immutableRulesOver(reader, place) : immutableRulesAround(reader, place)
}

/** A rule of a project is about that project and those below it. */
function applicable(rules: readonly ImmutableRule[], repository: PlacedRepository): readonly ImmutableRule[] {
  return rules.filter((rule) => rule.projectId === repository.projectId || isBelow(repository.name, rule.project))
}

function stampOf(rules: readonly ImmutableRule[]): string {
  return rules.map(({ id, version }) => `${id}:${version}`).join(',')
}
