/**
 * Rules of retention: which tags a rule is about, and which of those it keeps. As people write them, and compiled for {@link judgeTags}
 * (retention-judge.ts). A rule never removes anything: it keeps, and says of what it is about.
 */
import { compilePattern, versionOfTag, type PatternSyntax, type TagPattern } from '#lib/tag-pattern.ts'
import type { SemVer } from 'semver'

/** What a rule keeps of the tags that it is about: exactly one of these. */
export interface RetentionKeep {
  /** So many that were pushed (moved) last. */
  readonly latestPushed?: number | undefined
  /** So many that were pulled last; a push counts as a pull. */
  readonly latestPulled?: number | undefined
  /** Those pushed (moved) within so many days. */
  readonly pushedWithinDays?: number | undefined
  /** Those pulled within so many days; a push counts as a pull. */
  readonly pulledWithinDays?: number | undefined
  /** The so many highest versions of each minor version. */
  readonly perMinor?: number | undefined
  /** The same of each major version. */
  readonly perMajor?: number | undefined
  /** All. */
  readonly always?: boolean | undefined
}

/** Which tags a rule is about: what one pattern matches, without what the other does. */
export interface RetentionTags {
  /** Of both patterns; `glob` unless said. */
  readonly syntax?: PatternSyntax | undefined
  /** Every tag unless said. */
  readonly matches?: string | undefined
  readonly excludes?: string | undefined
}

/** A rule as people write it. */
export interface RetentionRule {
  /** By which decisions name it; else `rule 1`, by its place. */
  readonly name?: string | undefined
  readonly tags?: RetentionTags | undefined
  readonly keep: RetentionKeep
}

/** Rules that one policy has at most. */
export const rulesMax = 20
export type KeepKind = keyof RetentionKeep

const kinds = [
  'latestPushed',
  'latestPulled',
  'pushedWithinDays',
  'pulledWithinDays',
  'perMinor',
  'perMajor',
  'always',
] as const satisfies readonly KeepKind[]

/** A rule that can be asked. */
export interface CompiledRule {
  /** What decisions call it. */
  readonly label: string
  readonly kind: KeepKind
  /** A count or days; 0 for `always`. */
  readonly amount: number
  /** Whether the rule is about the tag. */
  about(tag: string): boolean
}

/** Compiles the rules; `error` is a sentence for who wrote them, `index` says in which one the fault is. */
export function compileRules(
  rules: readonly RetentionRule[],
): readonly CompiledRule[] | { readonly error: string; readonly index: number } {
  const compiled: CompiledRule[] = []
  for (const [index, rule] of rules.entries()) {
    const result = compileRule(rule, index)
    if ('error' in result) return { error: result.error, index }
    compiled.push(result)
  }
  return compiled
}

/** What stands for every tag; of ranges, for every release. */
const everything: Readonly<Record<PatternSyntax, string>> = { glob: '**', regex: '.*', semver: '*' }

function compileRule(rule: RetentionRule, index: number): CompiledRule | { readonly error: string } {
  const chosen = kinds.filter((kind) => rule.keep[kind] !== undefined)
  const [kind] = chosen
  if (kind === undefined || chosen.length > 1) return { error: `keep says exactly one of ${kinds.join(', ')}` }
  const about = compileTags(rule.tags ?? {})
  if ('error' in about) return about
  const amount = rule.keep[kind]
  return {
    label: rule.name ?? `rule ${index + 1}`,
    kind,
    amount: typeof amount === 'number' ? amount : 0,
    about: isOfVersions(kind) ? (tag) => versionOfTag(tag) !== undefined && about.matches(tag) : (tag) => about.matches(tag),
  }
}

/** Whether a rule is about versions, and so about no tag that names none. */
export function isOfVersions(kind: KeepKind): boolean {
  return kind === 'perMinor' || kind === 'perMajor'
}

function compileTags({ syntax = 'glob', matches, excludes }: RetentionTags): TagPattern | { readonly error: string } {
  const included = compilePattern(syntax, matches ?? everything[syntax])
  if ('error' in included || excludes === undefined) return included
  const excluded = compilePattern(syntax, excludes)
  return 'error' in excluded ? excluded : { matches: (tag) => included.matches(tag) && !excluded.matches(tag) }
}

/** Whether the rules look at when something was pulled. */
export function asksForPulls(rules: readonly CompiledRule[]): boolean {
  return rules.some(({ kind }) => kind === 'latestPulled' || kind === 'pulledWithinDays')
}

/** What the versions of a rule by minor or major are gathered under: `1.4`, `1`. */
export function groupOf(kind: KeepKind, { major, minor }: SemVer): string {
  return kind === 'perMajor' ? String(major) : `${major}.${minor}`
}

const days = (count: number) => `${count} ${count === 1 ? 'day' : 'days'}`
const latest = (count: number, done: string) => (count === 1 ? `the one ${done} last` : `one of the ${count} ${done} last`)
const highest = (count: number, group: string) =>
  `${count === 1 ? 'the highest version' : `one of the ${count} highest versions`} of ${group}`

/** What is said of a tag that a rule keeps, and of one that it is about and does not keep. */
type Saying = (amount: number, group: string) => readonly [kept: string, notKept: string]

const sayings: Readonly<Record<KeepKind, Saying>> = {
  latestPushed: (count) => [latest(count, 'pushed'), `not ${latest(count, 'pushed')}`],
  latestPulled: (count) => [latest(count, 'pulled or pushed'), `not ${latest(count, 'pulled or pushed')}`],
  pushedWithinDays: (count) => [`pushed within ${days(count)}`, `not pushed for ${days(count)}`],
  pulledWithinDays: (count) => [`pulled or pushed within ${days(count)}`, `neither pulled nor pushed for ${days(count)}`],
  perMinor: (count, group) => [highest(count, group), `not ${highest(count, group)}`],
  perMajor: (count, group) => [highest(count, group), `not ${highest(count, group)}`],
  always: () => ['always kept', 'not kept'],
}

/** Why a rule keeps a tag, or does not, as the end of a sentence that begins with the tag. `group` as of {@link groupOf}. */
export function describeKeep({ kind, amount }: Pick<CompiledRule, 'kind' | 'amount'>, isKept: boolean, group = ''): string {
  return sayings[kind](amount, group)[isKept ? 0 : 1]
}
