/** Repository names and tags, by the grammar of distribution-spec "Pulling manifests". All checks are linear in the length of the text. */

/** A `<name>`: path components of `[a-z0-9]+` joined by `.`, `_`, `__` or dashes, separated by slashes, 255 characters at most. */
export type RepositoryName = string & { readonly __brand: 'RepositoryName' }

/** A `<tag>`: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`. */
export type Tag = string & { readonly __brand: 'Tag' }

/** Characters of a name, slashes included: many clients limit it, host name included, to 255 (distribution-spec "Pulling manifests"). */
export const repositoryNameMaxLength = 255

// Each separator is disjoint from the letters around it and from the others, so matching never backtracks over more than one character.
const component = /^[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*$/
const tagPattern = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/

/** Undefined for what is no `<name>` or is longer than {@link repositoryNameMaxLength}. */
export function parseRepositoryName(text: string): RepositoryName | undefined {
  if (text.length === 0 || text.length > repositoryNameMaxLength) return undefined
  return text.split('/').every((part) => component.test(part)) ? (text as RepositoryName) : undefined
}

/** Undefined for what is no `<tag>`. */
export function parseTag(text: string): Tag | undefined {
  return tagPattern.test(text) ? (text as Tag) : undefined
}
