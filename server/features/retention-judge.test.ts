import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import type { Digest } from '#oci/digest.ts'
import { isFollower, judgeTags, type JudgedPlace, type JudgedPolicy, type JudgedTag, type Verdict } from './retention-judge.ts'
import { compileRules, type CompiledRule, type RetentionKeep, type RetentionRule } from './retention-rules.ts'

const dayMs = 86_400_000
const now = 1_000 * dayMs
const hash = 'a'.repeat(64)

function compiled(rules: readonly RetentionRule[]): readonly CompiledRule[] {
  const result = compileRules(rules)
  assert.ok(!('error' in result), 'error' in result ? result.error : '')
  return result
}

type Given = Partial<Omit<JudgedTag, 'name' | 'pushedAt' | 'pulledAt'>> & {
  readonly name: string
  readonly pushedDaysAgo?: number
  readonly pulledDaysAgo?: number
}

let ids = 0
function tag({ pushedDaysAgo = 0, pulledDaysAgo, ...rest }: Given): JudgedTag {
  ids++
  return {
    id: ids,
    digest: `sha256:${hash}` as Digest,
    pushedAt: now - pushedDaysAgo * dayMs,
    pulledAt: pulledDaysAgo === undefined ? undefined : now - pulledDaysAgo * dayMs,
    expiresAt: undefined,
    ...rest,
  }
}

interface Judging {
  readonly unmatched?: JudgedPolicy['unmatched']
  readonly mayEmpty?: boolean
  readonly immutable?: readonly string[]
  readonly others?: JudgedPlace['others']
}

function judge(tags: readonly JudgedTag[], rules: readonly RetentionRule[], judging: Judging = {}): readonly Verdict[] {
  const { unmatched = 'keep', mayEmpty = true, immutable = [], others = [] } = judging
  const immutableBy = (name: string) => (immutable.includes(name) ? 'rule 7' : undefined)
  const work = judgeTags(tags, { rules: compiled(rules), unmatched, mayEmpty }, { now, immutableBy, others })
  for (;;) {
    const step = work.next()
    if (step.done === true) return step.value
  }
}

const removedOf = (verdicts: readonly Verdict[]) => verdicts.filter(({ action }) => action === 'remove').map((verdict) => verdict.tag.name)
const saying = (verdicts: readonly Verdict[]) =>
  Object.fromEntries(verdicts.map((verdict) => [verdict.tag.name, `${verdict.action} ${verdict.rule}: ${verdict.reason}`]))

const aged = (...names: readonly string[]) => names.map((name, index) => tag({ name, pushedDaysAgo: index }))

suite('a rule', () => {
  test('keeps so many that were pushed last', () => {
    const verdicts = judge(aged('d', 'c', 'b', 'a'), [{ name: 'fresh', keep: { latestPushed: 2 } }])
    assert.deepEqual(saying(verdicts), {
      d: 'keep fresh: one of the 2 pushed last',
      c: 'keep fresh: one of the 2 pushed last',
      b: 'remove fresh: not one of the 2 pushed last (fresh)',
      a: 'remove fresh: not one of the 2 pushed last (fresh)',
    })
  })

  test('of those pushed at one instant keeps the ones that came last, and no more than it says', () => {
    assert.deepEqual(removedOf(judge([tag({ name: 'a' }), tag({ name: 'b' }), tag({ name: 'c' })], [{ keep: { latestPushed: 2 } }])), ['a'])
  })

  test('keeps those pulled last, and what was never pulled counts from its push', () => {
    const tags = [
      tag({ name: 'old-but-used', pushedDaysAgo: 300, pulledDaysAgo: 1 }),
      tag({ name: 'fresh', pushedDaysAgo: 2 }),
      tag({ name: 'forgotten', pushedDaysAgo: 100, pulledDaysAgo: 90 }),
    ]
    assert.deepEqual(removedOf(judge(tags, [{ keep: { latestPulled: 2 } }])), ['forgotten'])
    assert.deepEqual(removedOf(judge(tags, [{ keep: { pulledWithinDays: 30 } }])), ['forgotten'])
  })

  test('a tag that was moved after its last pull counts from the move', () => {
    assert.deepEqual(removedOf(judge([tag({ name: 'a', pushedDaysAgo: 3, pulledDaysAgo: 80 })], [{ keep: { pulledWithinDays: 30 } }])), [])
  })

  test('keeps what was pushed within days, to the millisecond', () => {
    const tags = [tag({ name: 'just', pushedDaysAgo: 30 }), tag({ name: 'over', pushedDaysAgo: 30 + 1 / dayMs })]
    assert.deepEqual(saying(judge(tags, [{ keep: { pushedWithinDays: 30 } }])), {
      just: 'keep rule 1: pushed within 30 days',
      over: 'remove rule 1: not pushed for 30 days (rule 1)',
    })
  })

  test('keeps the highest versions of each minor version, whenever they were pushed', () => {
    const tags = aged('1.2.0', '1.2.10', '1.2.9', 'v1.3.0', '2.0.0-rc.1', '2.0.0', 'latest', '1.2', 'main-7')
    const verdicts = judge(tags, [{ name: 'releases', keep: { perMinor: 1 } }])
    assert.deepEqual(removedOf(verdicts), ['1.2.0', '1.2.9', '2.0.0-rc.1'])
    assert.equal(saying(verdicts)['1.2.9'], 'remove releases: not the highest version of 1.2 (releases)')
    assert.equal(saying(verdicts)['1.2.10'], 'keep releases: the highest version of 1.2')
    assert.equal(saying(verdicts)['latest'], 'keep : no rule is about it')
  })

  test('counts tags of one version once: with and without a v, and with other builds', () => {
    const tags = aged('1.0.2', 'v1.0.2', '1.0.2_debian', '1.0.1', '1.0.0')
    assert.deepEqual(removedOf(judge(tags, [{ keep: { perMinor: 2 } }])), ['1.0.0'])
  })

  test('keeps the highest versions of each major version', () => {
    const tags = aged('1.0.0', '1.1.0', '1.2.0', '2.0.0')
    assert.deepEqual(removedOf(judge(tags, [{ keep: { perMajor: 2 } }])), ['1.0.0'])
  })

  test('by a range is about versions in it, and prereleases as ranges have them', () => {
    const tags = aged('1.4.0', '2.0.0-rc.1', '2.0.0', '3.0.0', 'main')
    const rules: readonly RetentionRule[] = [{ tags: { syntax: 'semver', matches: '>=2.0.0' }, keep: { always: true } }]
    assert.deepEqual(removedOf(judge(tags, rules, { unmatched: 'remove' })), ['1.4.0', '2.0.0-rc.1', 'main'])
  })

  test('is not about what it excludes', () => {
    const tags = aged('main-3', 'main-release', 'main-2', 'main-1')
    const rules: readonly RetentionRule[] = [{ tags: { matches: 'main-*', excludes: '*-release' }, keep: { latestPushed: 1 } }]
    assert.deepEqual(removedOf(judge(tags, rules)), ['main-2', 'main-1'])
  })
})

suite('a policy', () => {
  test('keeps what no rule is about, unless it says otherwise', () => {
    const tags = aged('stable', 'pr-1', 'odd')
    const rules: readonly RetentionRule[] = [{ name: 'channels', tags: { matches: '{stable,canary}' }, keep: { always: true } }]
    assert.deepEqual(removedOf(judge(tags, rules)), [])
    const verdicts = judge(tags, rules, { unmatched: 'remove' })
    assert.deepEqual(removedOf(verdicts), ['pr-1', 'odd'])
    assert.equal(saying(verdicts)['odd'], 'remove : no rule is about it, and the policy removes such tags')
  })

  test('keeps what any of its rules keeps, and names the first of them', () => {
    const rules: readonly RetentionRule[] = [
      { name: 'few', keep: { latestPushed: 1 } },
      { name: 'channels', tags: { matches: 'stable' }, keep: { always: true } },
    ]
    const verdicts = judge(aged('pr-2', 'stable', 'pr-1'), rules)
    assert.deepEqual(removedOf(verdicts), ['pr-1'])
    assert.equal(saying(verdicts)['stable'], 'keep channels: always kept')
  })

  test('says of every rule that is about a tag why it does not keep it', () => {
    const rules: readonly RetentionRule[] = [{ keep: { latestPushed: 1 } }, { name: 'young', keep: { pushedWithinDays: 1 } }]
    const verdicts = judge(aged('a', 'b', 'c'), rules)
    assert.equal(saying(verdicts)['c'], 'remove rule 1: not the one pushed last (rule 1); not pushed for 1 day (young)')
  })

  test('leaves a repository its last tag, the one pushed last, unless it may empty it', () => {
    const tags = [tag({ name: 'b', pushedDaysAgo: 40 }), tag({ name: 'c', pushedDaysAgo: 35 }), tag({ name: 'a', pushedDaysAgo: 50 })]
    const rules: readonly RetentionRule[] = [{ keep: { pushedWithinDays: 30 } }]
    assert.deepEqual(removedOf(judge(tags, rules, { mayEmpty: true })), ['b', 'c', 'a'])
    const verdicts = judge(tags, rules, { mayEmpty: false })
    assert.deepEqual(removedOf(verdicts), ['b', 'a'])
    assert.equal(saying(verdicts)['c'], 'keep : the last tag of the repository, which this policy may not empty')
  })

  test('signatures alone do not make a repository less empty', () => {
    const tags = [tag({ name: `sha256-${hash}.sig` }), tag({ name: 'old', pushedDaysAgo: 40 })]
    assert.deepEqual(removedOf(judge(tags, [{ keep: { pushedWithinDays: 30 } }], { mayEmpty: false })), [])
  })

  test('never judges tags of signatures, attestations and referrers: they go with what they belong to', () => {
    const names = [`sha256-${hash}`, `sha256-${hash}.sig`, `sha256-${hash}.att`, `sha256-${hash}.sbom`, `sha512-${hash}${hash}`]
    assert.deepEqual(removedOf(judge(aged('a', ...names), [{ keep: { latestPushed: 1 } }], { unmatched: 'remove' })), [])
    for (const name of names) assert.ok(isFollower(name), name)
    for (const name of ['sha256', `sha256-${hash.slice(1)}`, `sha256-${hash}0.sig`, `x-sha256-${hash}`]) assert.ok(!isFollower(name), name)
  })

  test('leaves immutable tags, and says which rule keeps them', () => {
    const verdicts = judge(aged('b', 'a'), [{ keep: { latestPushed: 1 } }], { immutable: ['a'] })
    assert.equal(saying(verdicts)['a'], 'keep : immutable by rule 7')
  })

  test('leaves an immutable tag to its rule although it has expired', () => {
    const verdicts = judge([tag({ name: 'over', expiresAt: now }), ...aged('a')], [{ keep: { latestPushed: 1 } }], { immutable: ['over'] })
    assert.equal(saying(verdicts)['over'], 'keep : immutable by rule 7')
  })

  test('leaves what has expired to its expiry, and does not count it among the latest', () => {
    const tags = [tag({ name: 'over', expiresAt: now }), ...aged('b', 'a'), tag({ name: 'later', pushedDaysAgo: 9, expiresAt: now + 1 })]
    assert.deepEqual(removedOf(judge(tags, [{ keep: { latestPushed: 1 } }])), ['a', 'later'])
  })

  test('does not remove what a rule of another policy keeps there', () => {
    const others = [{ name: 'team/channels', rules: compiled([{ name: 'stable', tags: { matches: 'stable' }, keep: { always: true } }]) }]
    const verdicts = judge(aged('c', 'stable', 'a'), [{ keep: { latestPushed: 1 } }], { others })
    assert.deepEqual(removedOf(verdicts), ['a'])
    assert.equal(saying(verdicts)['stable'], 'keep stable: always kept, says the policy team/channels')
  })

  test('of a repository without tags has nothing to say', () => {
    assert.deepEqual(judge([], [{ keep: { latestPushed: 1 } }], { mayEmpty: false }), [])
  })
})

suite('rules that cannot be used are refused with a sentence', () => {
  const faulty: readonly (readonly [RetentionRule, RegExp])[] = [
    [{ keep: {} }, /exactly one of latestPushed/],
    [{ keep: { latestPushed: 1, always: true } }, /exactly one/],
    [{ tags: { syntax: 'regex', matches: '(' }, keep: { always: true } }, /no regular expression/],
    [{ tags: { syntax: 'regex', matches: '(?<=a)b' }, keep: { always: true } }, /no regular expression/],
    [{ tags: { syntax: 'regex', matches: '((a{1,100}){1,100}){1,100}' }, keep: { always: true } }, /regular expression|too large/],
    [{ tags: { matches: '[a' }, keep: { always: true } }, /\[ without/],
    [{ tags: { excludes: '{a' }, keep: { always: true } }, /\{ without/],
    [{ tags: { syntax: 'semver', matches: 'latest' }, keep: { always: true } }, /no range of versions/],
    [{ tags: { matches: 'x'.repeat(257) }, keep: { always: true } }, /longer than 256/],
  ]
  for (const [rule, sentence] of faulty) {
    test(JSON.stringify(rule).slice(0, 80), () => {
      const result = compileRules([{ keep: { always: true } }, rule])
      assert.ok('error' in result)
      assert.match(result.error, sentence)
      assert.equal(result.index, 1)
    })
  }
})

test('a pattern made to be slow holds the event loop for no longer than one step', () => {
  const rules: readonly RetentionRule[] = [{ tags: { syntax: 'regex', matches: '(a|aa|a*)*b' }, keep: { always: true } }]
  const tags = Array.from({ length: 20 }, () => tag({ name: 'a'.repeat(127) }))
  const work = judgeTags(
    tags,
    { rules: compiled(rules), unmatched: 'keep', mayEmpty: true },
    { now, immutableBy: () => undefined, others: [] },
  )
  let longest = 0
  for (let begun = performance.now(); work.next().done !== true; begun = performance.now())
    longest = Math.max(longest, performance.now() - begun)
  assert.ok(longest < 250, `a step took ${longest} ms`)
})

const names = fc.oneof(
  fc.constantFrom('latest', 'stable', 'canary', 'main-1', 'main-2', 'pr-1', 'pr-2', '1.2', `sha256-${hash}.sig`),
  fc.tuple(fc.nat(2), fc.nat(2), fc.nat(4)).map((parts) => parts.join('.')),
  fc.tuple(fc.nat(2), fc.nat(2)).map(([major, minor]) => `v${major}.${minor}.0-rc.1`),
)
const tagList = fc
  .uniqueArray(
    fc.record({
      name: names,
      pushedAt: fc.integer({ min: 0, max: 40 }).map((days) => now - days * dayMs),
      pulledAt: fc.option(
        fc.integer({ min: 0, max: 40 }).map((days) => now - days * dayMs),
        { nil: undefined },
      ),
      expiresAt: fc.constantFrom(undefined, undefined, undefined, now - 1, now + 1),
    }),
    { selector: ({ name }) => name, maxLength: 25 },
  )
  .map((tags) => tags.map((each, index): JudgedTag => ({ ...each, id: index + 1, digest: `sha256:${hash}` as Digest })))
const keeps: fc.Arbitrary<RetentionKeep> = fc.oneof(
  fc.record({ latestPushed: fc.integer({ min: 1, max: 5 }) }),
  fc.record({ latestPulled: fc.integer({ min: 1, max: 5 }) }),
  fc.record({ pushedWithinDays: fc.integer({ min: 1, max: 30 }) }),
  fc.record({ pulledWithinDays: fc.integer({ min: 1, max: 30 }) }),
  fc.record({ perMinor: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ perMajor: fc.integer({ min: 1, max: 3 }) }),
  fc.constant({ always: true }),
)
const patterns = fc.constantFrom(undefined, { matches: 'main-*' }, { matches: '**', excludes: 'pr-*' }, {
  syntax: 'semver',
  matches: '1.x',
} as const)
const ruleList = fc.array(
  fc.record({ tags: patterns, keep: keeps }).map((rule): RetentionRule => rule),
  { minLength: 1, maxLength: 4 },
)
const judgings = fc.record({
  unmatched: fc.constantFrom('keep', 'remove'),
  mayEmpty: fc.boolean(),
  immutable: fc.subarray(['stable', 'main-1', '1.0.0']),
})
const kept = (verdicts: readonly Verdict[]) =>
  new Set(verdicts.filter(({ action }) => action === 'keep').map((verdict) => verdict.tag.name))

suite('whatever the tags and rules', () => {
  test('a verdict is given for every tag, with a reason', () => {
    fc.assert(
      fc.property(tagList, ruleList, judgings, (tags, rules, judging) => {
        const verdicts = judge(tags, rules, judging)
        assert.deepEqual(
          verdicts.map((verdict) => verdict.tag),
          tags,
        )
        for (const { reason } of verdicts) assert.notEqual(reason, '')
      }),
    )
  })

  test('a further rule of whatever kind never removes what stayed, where what no rule is about goes', () => {
    fc.assert(
      fc.property(tagList, ruleList, ruleList, judgings, (tags, rules, more, judging) => {
        const of = { ...judging, unmatched: 'remove', mayEmpty: true } as const
        const before = kept(judge(tags, rules, of))
        const after = kept(judge(tags, [...rules, ...more], of))
        for (const name of before) assert.ok(after.has(name), name)
      }),
    )
  })

  test('a further rule never removes what a rule kept', () => {
    fc.assert(
      fc.property(tagList, ruleList, ruleList, judgings, (tags, rules, more, judging) => {
        const after = kept(judge(tags, [...rules, ...more], judging))
        for (const { tag: each, rule, action } of judge(tags, rules, judging))
          if (action === 'keep' && rule !== '') assert.ok(after.has(each.name))
      }),
    )
  })

  test('to keep more of the same never removes more', () => {
    fc.assert(
      fc.property(tagList, ruleList, judgings, fc.nat(10), (tags, rules, judging, more) => {
        const larger = rules.map(({ keep, ...rule }): RetentionRule => {
          const entries = Object.entries(keep).map(([name, value]) => [name, typeof value === 'number' ? value + more : value])
          return { ...rule, keep: Object.fromEntries(entries) as RetentionKeep }
        })
        const of = { ...judging, mayEmpty: true }
        const after = kept(judge(tags, larger, of))
        for (const name of kept(judge(tags, rules, of))) assert.ok(after.has(name), name)
      }),
    )
  })

  test('neither the order of rules nor that of tags decides what stays', () => {
    fc.assert(
      fc.property(tagList, ruleList, judgings, (tags, rules, judging) => {
        const straight = kept(judge(tags, rules, judging))
        assert.deepEqual(kept(judge(tags, rules.toReversed(), judging)), straight)
        assert.deepEqual(new Set([...kept(judge(tags.toReversed(), rules, judging))].sort()), new Set([...straight].sort()))
      }),
    )
  })

  test('immutable tags, tags of signatures, and by default what no rule is about stay; a repository keeps a tag unless it may be emptied', () => {
    fc.assert(
      fc.property(tagList, ruleList, judgings, (tags, rules, judging) => {
        const verdicts = judge(tags, rules, judging)
        for (const { tag: each, action } of verdicts) {
          if (judging.immutable.includes(each.name) || isFollower(each.name)) assert.equal(action, 'keep')
          const isAbout = compiled(rules).some((rule) => rule.about(each.name))
          if (judging.unmatched === 'keep' && !isAbout) assert.equal(action, 'keep')
        }
        const counted = verdicts.filter(({ tag: each }) => !isFollower(each.name) && (each.expiresAt ?? Infinity) > now)
        if (!judging.mayEmpty && counted.length > 0) assert.ok(counted.some(({ action }) => action === 'keep'))
      }),
    )
  })

  test('judging what stayed again removes nothing more', () => {
    fc.assert(
      fc.property(tagList, ruleList, judgings, (tags, rules, judging) => {
        const stayed = judge(tags, rules, judging).filter(({ action }) => action === 'keep')
        const again = judge(
          stayed.map((verdict) => verdict.tag),
          rules,
          judging,
        )
        assert.deepEqual(removedOf(again), [])
      }),
    )
  })
})
