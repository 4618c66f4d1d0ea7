/**
 * Patterns over tags, for rules that people write: globs, regular expressions, ranges of semantic versions.
 *
 * The problem: a rule is asked for every tag of a repository, and whoever administers a project writes it; `(a+)+$` must not hold a process. The way:
 * globs and expressions run on RE2, whose time is linear in the text, and whose program is bounded here; ranges are parsed once. Every pattern stands
 * for the whole tag.
 */
import { RE2JS, RE2JSException } from 're2js'
import { Range, parse, type SemVer } from 'semver'

/** In which of the languages a pattern is written. */
export type PatternSyntax = 'glob' | 'regex' | 'semver'

/** Twice the length of the longest tag. */
export const patternMaxLength = 256

/** Instructions of a compiled expression. A match takes so many steps for each character at the very most: 500 × 128, a millisecond or so. */
const programMax = 500

/** A pattern that can be asked. */
export interface TagPattern {
  matches(tag: string): boolean
}

/** Compiles it; `error` is a sentence for who wrote it. */
export function compilePattern(syntax: PatternSyntax, text: string): TagPattern | { readonly error: string } {
  if (text === '') return { error: 'the pattern is empty: write ** for every tag' }
  if (text.length > patternMaxLength) return { error: `the pattern is longer than ${patternMaxLength} characters` }
  if (syntax === 'semver') return compileRange(text)
  if (syntax === 'regex') return compileExpression(text)
  const expression = expressionOfGlob(text)
  return typeof expression === 'string' ? compileExpression(expression, 'glob') : expression
}

/**
 * The version that a tag names: `1.2.3`, `v1.2.3`, `1.2.3-rc.1`; undefined for all others, `1.2` and `latest` among them. A tag cannot have a `+`,
 * so a `_` stands for it, as Helm writes it.
 */
export function versionOfTag(tag: string): SemVer | undefined {
  return parse(tag.replace('_', '+')) ?? undefined
}

function compileRange(text: string): TagPattern | { readonly error: string } {
  let range: Range
  try {
    range = new Range(text)
  } catch {
    return { error: `${JSON.stringify(text)} is no range of versions: write it like ^1.2.0, >=2.0.0 <3.0.0 or 1.x` }
  }
  return {
    matches(tag) {
      const version = versionOfTag(tag)
      return version !== undefined && range.test(version)
    },
  }
}

function compileExpression(text: string, writtenAs = 'regular expression (RE2)'): TagPattern | { readonly error: string } {
  let expression: RE2JS
  try {
    expression = RE2JS.compile(text)
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error
    return { error: `the pattern is no ${writtenAs}: ${error.message.replace(/^error parsing regexp: /, '')}` }
  }
  if (expression.programSize() > programMax) return { error: 'the pattern is too large: use smaller or fewer repetitions' }
  return { matches: (tag) => expression.testExact(tag) }
}

/** Characters that mean something to RE2 outside of a class. */
const special = /[\\^$.|?*+()[\]{}]/

/**
 * The RE2 expression of a glob: `*` any characters but `/`, `**` any at all, `?` one, `[a-z]` and `[!a-z]` one of a class, `{a,b}` one of several, `\`
 * takes the meaning from what follows it. A tag has no `/`, so `*` and `**` are one to it.
 */
function expressionOfGlob(glob: string): string | { readonly error: string } {
  const out: string[] = []
  let depth = 0
  for (let at = 0; at < glob.length; at++) {
    const character = glob.charAt(at)
    if (character === '[') {
      const end = endOfClass(glob, at)
      if (end === undefined) return { error: 'the pattern has a [ without its ]: write \\[ for the character itself' }
      out.push(expressionOfClass(glob.slice(at + 1, end)))
      at = end
      continue
    }
    if (character === '\\' && at + 1 === glob.length) return { error: 'the pattern ends in a \\ that has nothing to stand before' }
    if (character === '}' && depth === 0) return { error: 'the pattern has a } without its {: write \\} for the character itself' }
    if (character === '{') depth++
    if (character === '}') depth--
    const [piece, length] = pieceAt(glob, at, depth)
    out.push(piece)
    at += length - 1
  }
  return depth === 0 ? out.join('') : { error: 'the pattern has a { without its }: write \\{ for the character itself' }
}

/** What stands in the expression for what begins there, and how many characters of the glob that is. */
function pieceAt(glob: string, at: number, depth: number): readonly [string, number] {
  const character = glob.charAt(at)
  if (character === '*') {
    const stars = /^\*+/.exec(glob.slice(at))?.[0].length ?? 1
    return [stars > 1 ? '.*' : '[^/]*', stars]
  }
  if (character === '?') return ['[^/]', 1]
  if (character === '{') return ['(?:', 1]
  if (character === '}') return [')', 1]
  if (character === ',' && depth > 0) return ['|', 1]
  if (character === '\\') return [quoted(glob.charAt(at + 1)), 2]
  return [quoted(character), 1]
}

function quoted(character: string): string {
  return special.test(character) ? `\\${character}` : character
}

/** Where its `]` is; one that comes first, or after a `\`, belongs to the class. */
function endOfClass(glob: string, begin: number): number | undefined {
  let at = begin + 1
  if (glob.charAt(at) === '!' || glob.charAt(at) === '^') at++
  for (let first = true; at < glob.length; at++, first = false) {
    if (glob.charAt(at) === '\\') at++
    else if (glob.charAt(at) === ']' && !first) return at
  }
  return undefined
}

function expressionOfClass(inside: string): string {
  const isNegated = inside.startsWith('!') || inside.startsWith('^')
  const members = isNegated ? inside.slice(1) : inside
  const body = members.replaceAll(/\\(.)|([[\]^&~|])/gs, (_whole, escaped: string | undefined, bare: string | undefined) => {
    const character = escaped ?? bare ?? ''
    return /[a-zA-Z0-9]/.test(character) ? character : `\\${character}`
  })
  return `[${isNegated ? '^/' : ''}${body}]`
}
