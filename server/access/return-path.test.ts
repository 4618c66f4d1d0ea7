import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseReturnPath } from './return-path.ts'

test('paths of this site are taken as they are', () => {
  for (const path of ['/', '/projects', '/projects/a%2Fb?x=1&y=%20#top', '/a//b', '/?next=//evil.example'])
    assert.equal(parseReturnPath(path), path)
})

test('dots are resolved within this site, and never out of it', () => {
  assert.equal(parseReturnPath('/a/../b'), '/b')
  for (const path of ['/..//evil.example', '/.//evil.example', '/a/..//evil.example', '/%2e%2e//evil.example'])
    assert.equal(parseReturnPath(path), undefined, path)
})

test('what a browser might take for another site is refused', () => {
  const bad = [
    '',
    'a',
    '//evil',
    '///evil',
    '/\\evil',
    '\\/evil',
    'https:evil',
    'https://evil',
    'javascript:x',
    ' /a',
    '/a b',
    '/a\r\nb',
    '/\tevil',
    '/\u0000',
    '/ü',
    `/${'a'.repeat(2048)}`,
  ]
  for (const path of bad) assert.equal(parseReturnPath(path), undefined, JSON.stringify(path))
})

test('whatever is taken stays on the site for a browser', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('/', '\\', '.', 'a', ':', '@', '?', '#', '%', '2', 'e', ' ', '\t') }), (text) => {
      const path = parseReturnPath(text)
      if (path === undefined) return
      assert.equal(new URL(path, 'https://registry.example').origin, 'https://registry.example')
    }),
    { numRuns: 5_000 },
  )
})
