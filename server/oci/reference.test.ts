import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { parseRepositoryName, parseTag, repositoryNameMaxLength } from './reference.ts'

/** A bound that quadratic work on 100 KB misses by far, and linear work on a busy machine does not. */
const linearMs = 250

function isFast(work: () => void): boolean {
  const startedAt = performance.now()
  work()
  return performance.now() - startedAt < linearMs
}

suite('parseRepositoryName', () => {
  const accepted = [
    'a',
    '0',
    'library/ubuntu',
    'a/b/c/d/e',
    'a.b',
    'a_b',
    'a__b',
    'a-b',
    'a--b',
    'a-----b',
    'a.b_c__d-e--f/0.1_2__3-4',
    'sha256',
    'con',
    Array.from({ length: 100 }, () => 'a').join('/'),
    'a'.repeat(repositoryNameMaxLength),
  ]
  for (const name of accepted)
    test(`takes ${name.slice(0, 40)} (${name.length} characters)`, () => assert.equal(parseRepositoryName(name), name))

  const refused = {
    'nothing at all': '',
    '256 characters': 'a'.repeat(repositoryNameMaxLength + 1),
    'two dots in a row': 'a..b',
    'three underscores': 'a___b',
    'four underscores': 'a____b',
    'a dot beside a dash': 'a.-b',
    'an underscore beside a dash': 'a_-b',
    'a dot beside an underscore': 'a._b',
    'a separator at the start': '-a',
    'a separator at the end': 'a-',
    'a dot at the start': '.a',
    'an underscore at the start of a later part': 'a/_b',
    'a dot at the end of a part': 'a./b',
    'the parent directory': '..',
    'a way up': 'a/../b',
    'this directory': 'a/./b',
    'a slash at the start': '/a',
    'a slash at the end': 'a/',
    'two slashes': 'a//b',
    'a slash alone': '/',
    'upper case': 'Ubuntu',
    'upper case in a later part': 'library/uBuntu',
    'an encoded slash': 'a%2fb',
    'an encoded slash in upper case': 'a%2Fb',
    'a backslash': 'a\\b',
    'a NUL': 'a\0b',
    'a line break at the end': 'a\n',
    'a carriage return': 'a\rb',
    'a space': 'a b',
    'a port': 'host:5000/a',
    'a tag': 'a:latest',
    'a digest': 'a@sha256',
    'a tilde': 'a~b',
    'a plus': 'a+b',
    'a letter with an accent': 'é',
    'the long s, which folds to s': 'u\u017fer',
    'a letter of another script': '\u0430',
    'an emoji': '🚢',
    'half a surrogate pair': '\ud800',
  }
  for (const [what, name] of Object.entries(refused)) test(`refuses ${what}`, () => assert.equal(parseRepositoryName(name), undefined))

  test('judges 100 KB of a- in linear time', () => {
    for (const unit of ['a-', 'a_', 'a.', '-', 'a', 'a/', '/', 'a--']) {
      const name = unit.repeat(100_000 / unit.length)
      assert.ok(
        isFast(() => assert.equal(parseRepositoryName(name), undefined)),
        unit,
      )
    }
  })

  test('judges the worst name below the limit in linear time', () => {
    for (const name of [`${'a-'.repeat(127)}!`, `${'-'.repeat(254)}!`, `a${'-'.repeat(253)}!`, `${'a'.repeat(254)}!`]) {
      assert.ok(
        isFast(() => Array.from({ length: 1000 }, () => assert.equal(parseRepositoryName(name), undefined))),
        name,
      )
    }
  })

  test('takes exactly what the grammar of the specification makes', () => {
    const word = fc.string({ unit: fc.constantFrom(...'abz019'.split('')), minLength: 1, maxLength: 4 })
    const part = fc
      .tuple(word, fc.array(fc.tuple(fc.constantFrom('.', '_', '__', '-', '---'), word), { maxLength: 3 }))
      .map((tree) => tree.flat(2).join(''))
    const name = fc.array(part, { minLength: 1, maxLength: 5 }).map((parts) => parts.join('/'))
    fc.assert(fc.property(name, (text) => assert.equal(parseRepositoryName(text), text)))

    const grammar = /^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$/
    const near = fc.string({ unit: fc.constantFrom(...'a0._-/A'.split('')), maxLength: 8 })
    fc.assert(
      fc.property(near, (text) => assert.equal(parseRepositoryName(text) !== undefined, grammar.test(text))),
      { numRuns: 500 },
    )
  })
})

suite('parseTag', () => {
  const accepted = [
    'a',
    '_',
    '0',
    'latest',
    'V1.0',
    'v1.0.0-rc.1',
    '_x',
    'a..b',
    'a--b',
    'a-',
    'a.',
    'A'.repeat(128),
    `sha256-${'0'.repeat(64)}.sig`,
    '__proto__',
  ]
  for (const tag of accepted) test(`takes ${tag.slice(0, 40)} (${tag.length} characters)`, () => assert.equal(parseTag(tag), tag))

  const refused = {
    'nothing at all': '',
    '129 characters': 'a'.repeat(129),
    'a megabyte': 'a'.repeat(1_000_000),
    'a dot at the start': '.a',
    'a dash at the start': '-a',
    'the parent directory': '..',
    'a slash': 'a/b',
    'an encoded slash': 'a%2Fb',
    'a way up': '../a',
    'a colon': 'a:b',
    'a digest': `sha256:${'0'.repeat(64)}`,
    'a plus, which Helm writes as _': '1.0+1',
    'a space': 'a b',
    'a space at the end': 'a ',
    'a line break at the end': 'a\n',
    'a NUL': 'a\0',
    'a letter with an accent': 'é',
    'the Kelvin sign': '\u212a',
    'an emoji': '🚢',
  }
  for (const [what, tag] of Object.entries(refused)) test(`refuses ${what}`, () => assert.equal(parseTag(tag), undefined))
})
