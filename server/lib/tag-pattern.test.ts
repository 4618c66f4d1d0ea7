import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compilePattern, patternMaxLength, versionOfTag, type PatternSyntax } from './tag-pattern.ts'

function matching(syntax: PatternSyntax, text: string, tags: readonly string[]): string[] {
  const pattern = compilePattern(syntax, text)
  assert.ok('matches' in pattern, 'error' in pattern ? pattern.error : '')
  return tags.filter((tag) => pattern.matches(tag))
}

function errorOf(syntax: PatternSyntax, text: string): string {
  const pattern = compilePattern(syntax, text)
  assert.ok('error' in pattern, `${text} compiles`)
  return pattern.error
}

const tags = ['latest', 'stable', 'v1.2.3', '1.2.3', '1.2', '2.0.0-rc.1', 'release-1', 'release-12', 'pr-7', 'a.b', 'aXb', 'V1']

const globs: readonly (readonly [string, readonly string[]])[] = [
  ['**', tags],
  ['*', tags],
  ['latest', ['latest']],
  ['{latest,stable}', ['latest', 'stable']],
  ['release-?', ['release-1']],
  ['release-*', ['release-1', 'release-12']],
  ['release-1{,2}', ['release-1', 'release-12']],
  ['{pr,{release,x}}-[0-9]', ['release-1', 'pr-7']],
  ['[!a-z]*', ['1.2.3', '1.2', '2.0.0-rc.1', 'V1']],
  ['[^a-z]*', ['1.2.3', '1.2', '2.0.0-rc.1', 'V1']],
  ['a.b', ['a.b']],
  ['v[0-9]*', ['v1.2.3']],
  ['lat', []],
  ['atest', []],
  ['LATEST', []],
]

for (const [glob, expected] of globs) {
  test(`the glob ${glob} stands for whole tags, and for these`, () => {
    assert.deepEqual(matching('glob', glob, tags), expected)
  })
}

test('what means something to an expression stands for itself in a glob', () => {
  const odd = ['a+b', 'a(b)', 'a|b', '^a$', 'a{1}', 'a]b', 'a,b', 'a*b', 'a\\b', 'aab']
  for (const text of ['a+b', 'a(b)', 'a|b', '^a$', 'a\\{1\\}', 'a]b', 'a,b', 'a\\*b', 'a\\\\b']) {
    assert.deepEqual(matching('glob', text, odd), [text.replaceAll(/\\(.)/g, '$1')], text)
  }
  assert.deepEqual(matching('glob', 'a[]+]b', odd), ['a+b', 'a]b'])
  assert.deepEqual(matching('glob', 'a[\\]]b', odd), ['a]b'])
  assert.deepEqual(matching('glob', '[[:alpha:]]', ['a', ':]', '[]']), [':]', '[]'])
})

test('a star does not cross a slash, two do', () => {
  assert.deepEqual(matching('glob', 'a*', ['ab', 'a/b']), ['ab'])
  assert.deepEqual(matching('glob', 'a**', ['ab', 'a/b']), ['ab', 'a/b'])
})

test('an expression stands for the whole tag', () => {
  assert.deepEqual(matching('regex', 'release-\\d+', tags), ['release-1', 'release-12'])
  assert.deepEqual(matching('regex', 'a|latest', tags), ['latest'])
  assert.deepEqual(matching('regex', '^latest$', tags), ['latest'])
  assert.deepEqual(matching('regex', '(?i)LATEST', tags), ['latest'])
  assert.deepEqual(matching('regex', 'elease', tags), [])
})

test('a range of versions stands for tags that are versions, with and without v', () => {
  assert.deepEqual(matching('semver', '^1.0.0', tags), ['v1.2.3', '1.2.3'])
  assert.deepEqual(matching('semver', '>=1.2.3 <2.0.0 || 7.x', [...tags, '7.1.0']), ['v1.2.3', '1.2.3', '7.1.0'])
  assert.deepEqual(matching('semver', '*', tags), ['v1.2.3', '1.2.3'])
})

test('a prerelease is in a range only where the range names one of its version', () => {
  assert.deepEqual(matching('semver', '>=1.0.0', tags), ['v1.2.3', '1.2.3'])
  assert.deepEqual(matching('semver', '>=2.0.0-alpha', [...tags, '2.0.1-rc.1']), ['2.0.0-rc.1'])
})

test('a version of a tag has its build after an underscore', () => {
  assert.equal(versionOfTag('1.2.3_build.5')?.version, '1.2.3')
  assert.equal(versionOfTag('v1.2.3-rc.1')?.version, '1.2.3-rc.1')
  for (const tag of ['latest', '1.2', '1', '', 'v', '01.2.3', '1.2.3.4', '_1.2.3', '9'.repeat(128)])
    assert.equal(versionOfTag(tag), undefined, tag)
})

const wrong: readonly (readonly [PatternSyntax, string, RegExp])[] = [
  ['glob', '', /empty/],
  ['regex', '', /empty/],
  ['semver', '', /empty/],
  ['glob', '[a', /without its \]/],
  ['glob', '[]', /without its \]/],
  ['glob', '{a,b', /without its \}/],
  ['glob', 'a}', /without its \{/],
  ['glob', 'a\\', /ends in a/],
  ['glob', '[z-a]', /invalid character class range/],
  ['regex', '(', /missing closing \)/],
  ['glob', '[z-a]', /^the pattern is no glob: invalid character class range/],
  ['regex', 'a)', /unexpected \)/],
  ['regex', '[a', /missing closing \]/],
  ['regex', '*', /missing argument/],
  ['regex', '(?=a)b', /Perl syntax/],
  ['regex', '(a)\\1', /invalid escape/],
  ['regex', 'a{1001}', /repeat count/],
  ['regex', '(?:a{100}){100}', /repeat count/],
  ['regex', 'a{1000}'.repeat(30), /too large/],
  ['semver', 'latest', /no range of versions/],
  ['semver', '1.2.3.4.5', /no range of versions/],
]

for (const [syntax, text, sentence] of wrong) {
  test(`${syntax} ${JSON.stringify(text.slice(0, 40))} is refused in a sentence`, () => {
    assert.match(errorOf(syntax, text), sentence)
  })
}

test('a pattern longer than the limit is refused, one as long is not', () => {
  assert.match(errorOf('glob', 'a'.repeat(patternMaxLength + 1)), /longer than 256/)
  assert.ok('matches' in compilePattern('glob', 'a'.repeat(patternMaxLength)))
})

const hostile: readonly (readonly [PatternSyntax, string])[] = [
  ['regex', '(a+)+$'],
  ['regex', '(a|a)*b'],
  ['regex', '(a|aa)+$'],
  ['regex', '(.*)*(.*)*(.*)*x'],
  ['regex', '(x+x+)+y'],
  ['regex', '(?:a?){100}a{100}'],
  ['regex', '.*'.repeat(127) + 'b'],
  ['regex', `${'('.repeat(120)}a*${')'.repeat(120)}*`],
  ['regex', '(?:.{0,12}){12}(?:.{0,12}){8}b'],
  ['regex', '(?:\\pL|\\pN){200}'],
  ['glob', 'a*'.repeat(120) + 'b'],
  ['glob', '**a'.repeat(80) + 'b'],
  ['glob', `${'{a,'.repeat(60)}a${'}'.repeat(60)}*b`],
  ['glob', '{a*,a*}'.repeat(30) + 'b'],
  ['glob', '?*'.repeat(100)],
  ['semver', '>=1.0.0 '.repeat(30)],
  ['semver', `1.0.0${' '.repeat(200)}- 2.0.0`],
  [
    'semver',
    Array.from({ length: 60 }, (_, index) => `${index}.x`)
      .join('||')
      .slice(0, 250),
  ],
]

for (const [syntax, text] of hostile) {
  test(`hostile ${syntax} ${text.slice(0, 30)} ends at once, whatever the tag`, () => {
    const begin = performance.now()
    const pattern = compilePattern(syntax, text)
    if ('matches' in pattern) {
      for (const tag of ['a'.repeat(128), `${'a'.repeat(127)}!`, 'x'.repeat(128), `1.0.0-${'0a.'.repeat(40)}`, 'aA1_'.repeat(32)])
        pattern.matches(tag)
    }
    // A backtracking engine takes years for the first of these; 2 s leave room for a loaded machine.
    assert.ok(performance.now() - begin < 2_000)
  })
}

test('time grows with the length of the tag, not with a power of it', () => {
  const pattern = compilePattern('regex', '(a+)+b')
  assert.ok('matches' in pattern)
  const begin = performance.now()
  assert.equal(pattern.matches('a'.repeat(200_000)), false)
  assert.ok(performance.now() - begin < 2_000)
})
