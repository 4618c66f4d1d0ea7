/**
 * Judges the tags of one repository: what stays, what goes, and why. Pure; it does no I/O and knows no clock but the instant that it is given.
 *
 * The problem: a repository may have a hundred thousand tags, rules may be slow on purpose, and everybody wants to know why. The way: each rule is asked
 * tag by tag, and what it keeps by count is gathered in a heap no larger than that count; after each step the generator yields, so that its caller can
 * let others run, or end it. What one rule keeps stays, so the order of rules decides only whose name the decision bears. To add a way to keep, add
 * it to retention-rules.ts and to {@link keeperOf}.
 */
import { versionOfTag } from '#lib/tag-pattern.ts'
import type { Digest } from '#oci/digest.ts'
import type { SemVer } from 'semver'
import { createLargest } from './retention-largest.ts'
import { describeKeep, groupOf, isOfVersions, type CompiledRule } from './retention-rules.ts'

/** A tag as rules see it. Instants are milliseconds. */
export interface JudgedTag {
  readonly id: number
  readonly name: string
  readonly digest: Digest
  /** When it was last moved. */
  readonly pushedAt: number
  /** When it, or what it points at, was last pulled. */
  readonly pulledAt: number | undefined
  readonly expiresAt: number | undefined
}

/** What becomes of a tag. */
export interface Verdict {
  readonly tag: JudgedTag
  readonly action: 'keep' | 'remove'
  /** The rule that won; empty where none did. */
  readonly rule: string
  /** A sentence without its subject, which is the tag. */
  readonly reason: string
}

/** By what a policy decides. */
export interface JudgedPolicy {
  readonly rules: readonly CompiledRule[]
  /** What happens to a tag that no rule is about. */
  readonly unmatched: 'keep' | 'remove'
  /** The last tag of the repository may go, too. */
  readonly mayEmpty: boolean
}

/** What else counts. */
export interface JudgedPlace {
  readonly now: number
  /** Which immutable tag rule holds the tag. */
  readonly immutableBy: (tag: string) => string | undefined
  /** Other policies that are in force there: what a rule of theirs keeps stays. */
  readonly others: readonly { readonly name: string; readonly rules: readonly CompiledRule[] }[]
}

const dayMs = 86_400_000

/** Tags that hold what belongs to a manifest: its signatures, attestations, SBOMs, its referrers (cosign, and the specification's fallback tag). */
const follower = /^(?:sha256-[0-9a-f]{64}|sha512-[0-9a-f]{128})(?:\.[a-z0-9._-]+)?$/

/** Whether the tag goes with the manifest that it names, and is never judged itself. */
export function isFollower(tag: string): boolean {
  return follower.test(tag)
}

/** A verdict for each tag, in the order given. Yields after each small step. */
export function* judgeTags(tags: readonly JudgedTag[], policy: JudgedPolicy, place: JudgedPlace): Generator<void, Verdict[], void> {
  const isJudged = (tag: JudgedTag) => !isFollower(tag.name) && !isExpired(tag, place.now)
  const own = yield* askRules(tags, policy.rules, { now: place.now, isJudged })
  const verdicts: Verdict[] = []
  for (const [index, tag] of tags.entries()) {
    verdicts.push(verdictOf(tag, { index, own, policy, place }))
    yield
  }
  if (verdicts.some(({ action }) => action === 'remove')) {
    for (const other of place.others) {
      const asked = yield* askRules(tags, other.rules, { now: place.now, isJudged })
      yield* protect(verdicts, other, asked)
    }
  }
  if (!policy.mayEmpty) keepLast(verdicts, isJudged)
  return verdicts
}

function isExpired({ expiresAt }: JudgedTag, now: number): boolean {
  return expiresAt !== undefined && expiresAt <= now
}

interface Judging {
  readonly index: number
  readonly own: Asked
  readonly policy: JudgedPolicy
  readonly place: JudgedPlace
}

function verdictOf(tag: JudgedTag, { index, own, policy, place }: Judging): Verdict {
  const keep = (rule: string, reason: string): Verdict => ({ tag, action: 'keep', rule, reason })
  if (isFollower(tag.name)) return keep('', 'goes with the manifest that it belongs to')
  const immutableBy = place.immutableBy(tag.name)
  if (immutableBy !== undefined) return keep('', `immutable by ${immutableBy}`)
  if (isExpired(tag, place.now)) return keep('', 'has expired, and goes by that')
  const winner = own.winnerOf(index)
  if (winner !== undefined) return keep(winner.label, winner.reason)
  const losers = own.losersOf(index)
  const [first] = losers
  if (first !== undefined) {
    return { tag, action: 'remove', rule: first.label, reason: losers.map(({ label, reason }) => `${reason} (${label})`).join('; ') }
  }
  if (policy.unmatched === 'keep') return keep('', 'no rule is about it')
  return { tag, action: 'remove', rule: '', reason: 'no rule is about it, and the policy removes such tags' }
}

function* protect(verdicts: Verdict[], other: { readonly name: string }, asked: Asked): Generator<void, void, void> {
  for (const [index, { tag, action }] of verdicts.entries()) {
    yield
    if (action !== 'remove') continue
    const winner = asked.winnerOf(index)
    if (winner === undefined) continue
    verdicts[index] = { tag, action: 'keep', rule: winner.label, reason: `${winner.reason}, says the policy ${other.name}` }
  }
}

/** Of a repository that would have no tag left, the one that was pushed last stays. */
function keepLast(verdicts: Verdict[], isJudged: (tag: JudgedTag) => boolean): void {
  let last = -1
  for (const [index, { tag, action }] of verdicts.entries()) {
    if (!isJudged(tag)) continue
    if (action === 'keep') return
    const best = verdicts[last]?.tag
    if (best === undefined || isLater(tag, best)) last = index
  }
  const verdict = verdicts[last]
  if (verdict === undefined) return
  verdicts[last] = { tag: verdict.tag, action: 'keep', rule: '', reason: 'the last tag of the repository, which this policy may not empty' }
}

function isLater(tag: JudgedTag, than: JudgedTag): boolean {
  return tag.pushedAt > than.pushedAt || (tag.pushedAt === than.pushedAt && tag.id > than.id)
}

interface Said {
  readonly label: string
  readonly reason: string
}

/** What rules said of tags, by index. */
interface Asked {
  /** The first rule that keeps it. */
  winnerOf(index: number): Said | undefined
  /** The first few rules that are about it. */
  losersOf(index: number): readonly Said[]
}

/** Rules that a reason names at most. */
const losersMax = 3

interface Asking {
  readonly now: number
  readonly isJudged: (tag: JudgedTag) => boolean
}

function* askRules(tags: readonly JudgedTag[], rules: readonly CompiledRule[], { now, isJudged }: Asking): Generator<void, Asked, void> {
  // One bit a rule: there are 20 at most.
  const about = new Uint32Array(tags.length)
  const winners = new Int8Array(tags.length).fill(-1)
  for (const [number, rule] of rules.entries()) {
    const keeper = keeperOf(rule, now)
    for (const [index, tag] of tags.entries()) {
      if (isJudged(tag) && rule.about(tag.name)) {
        about[index] = (about[index] ?? 0) | (1 << number)
        keeper.offer(index, tag)
      }
      yield
    }
    for (const index of keeper.kept()) {
      if (index !== undefined && winners[index] === -1) winners[index] = number
      yield
    }
  }
  const say = (number: number, index: number, isKept: boolean): Said | undefined => {
    const rule = rules[number]
    const tag = tags[index]
    if (rule === undefined || tag === undefined) return undefined
    return { label: rule.label, reason: describeKeep(rule, isKept, groupOfTag(rule, tag)) }
  }
  return {
    winnerOf: (index) => say(winners[index] ?? -1, index, true),
    losersOf: (index) =>
      rules.flatMap((_, number) => (((about[index] ?? 0) >>> number) & 1 ? (say(number, index, false) ?? []) : [])).slice(0, losersMax),
  }
}

function groupOfTag({ kind }: CompiledRule, { name }: JudgedTag): string {
  if (!isOfVersions(kind)) return ''
  const version = versionOfTag(name)
  return version === undefined ? '' : groupOf(kind, version)
}

/** Is offered what a rule is about, and then tells which of it the rule keeps. */
interface Keeper {
  offer(index: number, tag: JudgedTag): void
  /** Undefined: nothing yet, after a small step. */
  kept(): Iterable<number | undefined>
}

/** A push counts as a pull, so that what is fresh is not taken for unused. */
function usedAt({ pulledAt, pushedAt }: JudgedTag): number {
  return Math.max(pulledAt ?? 0, pushedAt)
}

function keeperOf(rule: CompiledRule, now: number): Keeper {
  const since = now - rule.amount * dayMs
  switch (rule.kind) {
    case 'latestPushed':
      return latestBy(({ pushedAt }) => pushedAt, rule.amount)
    case 'latestPulled':
      return latestBy(usedAt, rule.amount)
    case 'pushedWithinDays':
      return those(({ pushedAt }) => pushedAt >= since)
    case 'pulledWithinDays':
      return those((tag) => usedAt(tag) >= since)
    case 'always':
      return those(() => true)
    case 'perMinor':
    case 'perMajor':
      return highestVersions(rule)
  }
}

function those(isKept: (tag: JudgedTag) => boolean): Keeper {
  const kept: number[] = []
  return {
    offer(index, tag) {
      if (isKept(tag)) kept.push(index)
    },
    kept: () => kept,
  }
}

function latestBy(at: (tag: JudgedTag) => number, count: number): Keeper {
  const largest = createLargest<{ readonly index: number; readonly at: number; readonly id: number }>(
    count,
    (a, b) => a.at - b.at || a.id - b.id,
  )
  return {
    offer: (index, tag) => largest.offer({ index, at: at(tag), id: tag.id }),
    *kept() {
      for (const { index } of largest.items()) yield index
    },
  }
}

/** Tags that name the same version (`v1.2.3` and `1.2.3`, or with another build) count once, and stay or go together. */
function highestVersions({ kind, amount }: CompiledRule): Keeper {
  interface Named {
    readonly version: SemVer
    readonly indexes: number[]
  }
  const groups = new Map<string, Map<string, Named>>()
  return {
    offer(index, { name }) {
      const version = versionOfTag(name)
      if (version === undefined) return
      const group = groupOf(kind, version)
      let versions = groups.get(group)
      if (versions === undefined) groups.set(group, (versions = new Map()))
      // Without its build, which does not count in the order of versions.
      const named = versions.get(version.version)
      if (named === undefined) versions.set(version.version, { version, indexes: [index] })
      else named.indexes.push(index)
    },
    *kept() {
      for (const versions of groups.values()) {
        const largest = createLargest<Named>(amount, (a, b) => a.version.compare(b.version))
        for (const named of versions.values()) {
          largest.offer(named)
          yield undefined
        }
        for (const { indexes } of largest.items()) yield* indexes
      }
    },
  }
}
