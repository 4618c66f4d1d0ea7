/**
 * Globs over repository names: `*` stands for any characters but `/` (none too), `**` for any characters at all. `team/**` is everything
 * below `team/`, not `team` itself. All else stands for itself; a character that no name can have makes a glob that matches nothing.
 *
 * One glob, three forms of the same meaning: {@link matchesGlob} for decisions in memory, LIKE and a regular expression for queries.
 */
import { repositoryNameMaxLength } from '#oci/reference.ts'

const withinPart = '*'
const acrossParts = '**'

const known = /^[a-z0-9._/*-]*$/

/** A glob taken apart: single characters, {@link withinPart} and {@link acrossParts}. */
export interface RepositoryGlob {
  readonly elements: readonly string[]
  readonly hasWithinPart: boolean
  readonly hasAcrossParts: boolean
  /** What every match starts with. */
  readonly prefix: string
}

/** Undefined for a glob that can match no repository name. */
export function parseGlob(text: string): RepositoryGlob | undefined {
  if (!known.test(text)) return undefined
  const elements = text.match(/\*+|[^*]/g)?.map((element) => (element.length > 1 ? acrossParts : element)) ?? []
  const firstWildcard = elements.findIndex((element) => element.startsWith('*'))
  const literals = elements.filter((element) => !element.startsWith('*')).length
  if (elements.length === 0 || literals > repositoryNameMaxLength) return undefined
  return {
    elements,
    hasWithinPart: elements.includes(withinPart),
    hasAcrossParts: elements.includes(acrossParts),
    prefix: elements.slice(0, firstWildcard === -1 ? elements.length : firstWildcard).join(''),
  }
}

/** Time is the product of the two lengths at most, whatever the glob: no backtracking. */
export function matchesGlob(glob: RepositoryGlob, name: string): boolean {
  return reachedBy(glob, name).has(glob.elements.length)
}

/** Whether the glob matches some name that begins so and goes on. */
export function canMatchBelow(glob: RepositoryGlob, begin: string): boolean {
  for (const index of reachedBy(glob, begin)) if (index < glob.elements.length) return true
  return false
}

/** How much of the glob may stand for the text: none of it for a text that no match begins with. */
function reachedBy({ elements }: RepositoryGlob, text: string): ReadonlySet<number> {
  // reached[i]: the elements before i match what was read of the name.
  let reached = skipWildcards(elements, new Set([0]))
  for (const character of text) {
    const next = new Set<number>()
    for (const index of reached) {
      const element = elements[index]
      if (element === character) next.add(index + 1)
      else if (element === acrossParts || (element === withinPart && character !== '/')) next.add(index)
    }
    if (next.size === 0) return next
    reached = skipWildcards(elements, next)
  }
  return reached
}

/** A wildcard may stand for nothing: what is reached before it is reached behind it. */
function skipWildcards(elements: readonly string[], reached: Set<number>): Set<number> {
  for (const index of reached) if (elements[index]?.startsWith('*')) reached.add(index + 1)
  return reached
}

/** A LIKE pattern (escape character `\`) that matches what the glob does, and more where a `*` could cross a `/`. */
export function globToLike(glob: RepositoryGlob): string {
  return glob.elements.map((element) => (element.startsWith('*') ? '%' : element === '_' ? '\\_' : element)).join('')
}

/** The exact regular expression, in the syntax that PostgreSQL and JavaScript share. */
export function globToRegex(glob: RepositoryGlob): string {
  const body = glob.elements.map((element) => {
    if (element === acrossParts) return '.*'
    if (element === withinPart) return '[^/]*'
    return element === '.' ? '\\.' : element
  })
  return `^${body.join('')}$`
}
