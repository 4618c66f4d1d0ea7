import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { canMatchBelow, globToLike, globToRegex, matchesGlob, parseGlob } from './repository-glob.ts'

function matches(glob: string, name: string): boolean {
  const parsed = parseGlob(glob)
  return parsed !== undefined && matchesGlob(parsed, name)
}

const cases: readonly (readonly [glob: string, name: string, expected: boolean])[] = [
  ['busybox', 'busybox', true],
  ['busybox', 'busybox2', false],
  ['team/**', 'team/app', true],
  ['team/**', 'team/app/x', true],
  ['team/**', 'team', false],
  ['team/**', 'teams/app', false],
  ['team/*', 'team/app', true],
  ['team/*', 'team/app/x', false],
  ['*', 'busybox', true],
  ['*', 'team/app', false],
  ['**', 'team/app', true],
  ['**/app', 'a/b/app', true],
  ['**/app', 'app', false],
  ['a*c', 'ac', true],
  ['a*c', 'abbc', true],
  ['a*c', 'a/c', false],
  ['a**c', 'a/b/c', true],
  ['team/*/x/**', 'team/a/x/y', true],
  ['team/*/x/**', 'team/a/b/x/y', false],
  ['*/x/**', 'a/b/x/c', false],
  ['a.c', 'abc', false],
  ['a_c', 'abc', false],
  ['a***', 'a/b', true],
  ['', '', false],
  ['Team/*', 'team/app', false],
  ['team/%', 'team/app', false],
  ['[a-z]*', 'a', false],
]

for (const [glob, name, expected] of cases) {
  test(`'${glob}' ${expected ? 'matches' : 'does not match'} '${name}'`, () => assert.equal(matches(glob, name), expected))
}

const character = fc.constantFrom('a', 'b', '/', '_', '.', '-')
const name = fc.string({ unit: character, maxLength: 10 })
const glob = fc.string({ unit: fc.oneof(character, fc.constantFrom('*', '**')), minLength: 1, maxLength: 8 })

test('the three forms of a glob mean the same, and LIKE never less', () => {
  fc.assert(
    fc.property(glob, name, (text, candidate) => {
      const parsed = parseGlob(text)
      assert.ok(parsed)
      const matched = matchesGlob(parsed, candidate)
      assert.equal(new RegExp(globToRegex(parsed)).test(candidate), matched)
      if (matched) assert.ok(candidate.startsWith(parsed.prefix) && likeToRegex(globToLike(parsed)).test(candidate))
    }),
    { numRuns: 2000 },
  )
})

function likeToRegex(like: string): RegExp {
  return new RegExp(`^${like.replaceAll(/\\?./g, (token) => (token === '%' ? '.*' : `[${token.at(-1)}]`))}$`)
}

test('a glob made to be slow is not', () => {
  const parsed = parseGlob(`${'*a'.repeat(120)}b`)
  assert.ok(parsed)
  const started = performance.now()
  assert.equal(matchesGlob(parsed, 'a'.repeat(255)), false)
  assert.ok(performance.now() - started < 500)
})

test('a glob can match below a name exactly when some name below fits', () => {
  const below = (glob: string, begin: string) => {
    const parsed = parseGlob(glob)
    return parsed !== undefined && canMatchBelow(parsed, begin)
  }
  for (const glob of ['**', 'team/**', 'team/*', 'team/web', '**/web', '*/web', 't*/w*', '*m/x/y'])
    assert.equal(below(glob, 'team/'), true, glob)
  for (const glob of ['*', 'team', 'team/', 'teams/**', 'tea/**', '*', 'other/web', 'TEAM/x'])
    assert.equal(below(glob, 'team/'), false, glob)
  for (const glob of ['*', 'a', 'x/y', '**']) assert.equal(below(glob, ''), true, glob)
})
