/** What somebody who searches has typed or pasted, taken apart. */

/** How well a name fits: it is the text, or its last part is; it, or one of its parts, begins so; the text is somewhere in it. */
export type SearchMatch = 'exact' | 'beginning' | 'part'

/** The beginning of a digest with its algorithm, and how long it would be as a whole. */
export interface DigestBeginning {
  readonly text: string
  readonly length: number
}

/** What each kind of thing is looked for by; absent: nothing of that kind can be meant. */
export interface SearchWords {
  readonly text: string
  /** Part of a name of projects and repositories. */
  readonly name: string | undefined
  /** Beginning of a tag. */
  readonly tag: string | undefined
  readonly digests: readonly DigestBeginning[]
  /** Part of the names of repositories in which tag and digests are looked for. */
  readonly within: string | undefined
}

/** Fewer hexadecimal digits are words as often as digests. */
const digestDigitsMin = 6

const lengths = { sha256: 'sha256:'.length + 64, sha512: 'sha512:'.length + 128 } as const
const tagBeginning = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/
const namePart = /^[a-z0-9._/-]+$/

/** Never refuses: what can be the name of nothing finds nothing. */
export function parseSearch(given: string): SearchWords {
  const text = given.trim()
  const whole = nameIn(text)
  const none = { text, name: whole, tag: undefined, digests: [], within: undefined }
  const [before, digest] = splitAtLast(text, '@')
  if (digest !== undefined)
    return { ...none, digests: digestsIn(digest), within: nameIn(before), name: digest === '' ? nameIn(before) : undefined }
  const direct = digestsIn(text)
  if (text.includes(':') && direct.length > 0) return { ...none, name: undefined, digests: direct }
  const [repository, tag] = splitAtLast(text, ':')
  if (tag !== undefined) {
    const within = nameIn(repository)
    if (within === undefined) return { ...none, name: undefined }
    // Whoever has typed the colon alone sees the repository still, and all its tags.
    return { ...none, name: tag === '' ? within : undefined, tag: tag === '' || tagBeginning.test(tag) ? tag : undefined, within }
  }
  return { ...none, tag: tagBeginning.test(text) ? text : undefined, digests: direct }
}

function splitAtLast(text: string, mark: string): readonly [string, string | undefined] {
  const at = text.lastIndexOf(mark)
  return at === -1 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)]
}

/** Names are in small letters; slashes at the ends are of whoever is not done typing. */
function nameIn(text: string): string | undefined {
  const name = text.toLowerCase().replace(/^\/+/, '')
  return namePart.test(name) && name.length <= 255 ? name : undefined
}

function digestsIn(given: string): readonly DigestBeginning[] {
  const [, algorithm, digits = ''] = /^(?:(sha256|sha512):)?([0-9a-f]+)$/.exec(given.toLowerCase()) ?? []
  if (digits.length < digestDigitsMin) return []
  const meant = algorithm === undefined ? (['sha256', 'sha512'] as const) : ([algorithm as 'sha256' | 'sha512'] as const)
  return meant.map((each) => ({ text: `${each}:${digits}`, length: lengths[each] })).filter(({ text, length }) => text.length <= length)
}

/** How well the name fits. */
export function matchOf(name: string, wanted: string): SearchMatch {
  if (name === wanted || name.endsWith(`/${wanted}`)) return 'exact'
  return name.startsWith(wanted) || name.includes(`/${wanted}`) ? 'beginning' : 'part'
}
