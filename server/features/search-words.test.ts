import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { matchOf, parseSearch } from './search-words.ts'

const hex = 'abcdef0123456789'.repeat(4)

test('a word is a part of a name, the beginning of a tag, and of a digest where it can be one', () => {
  assert.deepEqual(parseSearch(' Nginx '), { text: 'Nginx', name: 'nginx', tag: 'Nginx', digests: [], within: undefined })
  assert.deepEqual(parseSearch('team/app').tag, undefined, 'no tag has a slash')
  assert.deepEqual(parseSearch('/app').name, 'app')
  assert.deepEqual(
    parseSearch('0d2f8c').digests.map(({ text }) => text),
    ['sha256:0d2f8c', 'sha512:0d2f8c'],
  )
  assert.deepEqual(parseSearch('0d2f8').digests, [], 'five digits are a word')
  assert.equal(parseSearch('caffee').name, 'caffee', 'what may be a digest may be a name, too')
})

test('name:tag and name@digest look for the one in repositories of the other', () => {
  assert.deepEqual(parseSearch('team/app:1.2'), { text: 'team/app:1.2', name: undefined, tag: '1.2', digests: [], within: 'team/app' })
  const typing = parseSearch('app:')
  assert.deepEqual([typing.name, typing.tag, typing.within], ['app', '', 'app'])
  const pinned = parseSearch(`app@sha256:${hex}`)
  assert.deepEqual([pinned.name, pinned.tag, pinned.within], [undefined, undefined, 'app'])
  assert.deepEqual(
    pinned.digests.map(({ text }) => text),
    [`sha256:${hex}`],
  )
  assert.equal(parseSearch('app@').name, 'app')
})

test('a digest may be whole, begun or in capitals, and is none when it is too long', () => {
  assert.deepEqual(parseSearch(`sha256:${hex}`).digests, [{ text: `sha256:${hex}`, length: 71 }])
  assert.deepEqual(parseSearch('SHA512:ABCDEF').digests, [{ text: 'sha512:abcdef', length: 135 }])
  assert.deepEqual(
    parseSearch(`${hex}ab`).digests.map(({ text }) => text),
    [`sha512:${hex}ab`],
  )
  assert.deepEqual(parseSearch(`sha256:${hex}ab`).digests, [])
  assert.deepEqual(parseSearch('sha256:12').digests, [])
})

test('whatever is given is taken apart, and names of nothing are looked for nowhere', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('a', 'F', '0', ':', '@', '/', '%', '_', "'", 'ü', '\\', ' ', 'sha256:') }), (text) => {
      const { name, within, tag, digests } = parseSearch(text)
      for (const part of [name, within]) assert.match(part ?? 'a', /^[a-z0-9._/-]+$/)
      assert.match(tag || 'a', /^\w[\w.-]*$/)
      for (const digest of digests) assert.match(digest.text, /^sha(256|512):[0-9a-f]{6,}$/)
    }),
  )
})

test('a name fits best when it, or its last part, is the text', () => {
  const matches = ['nginx', 'team/nginx', 'nginx-proxy', 'team/nginx/x', 'team/my-nginx', 'mynginx/x'].map((name) => matchOf(name, 'nginx'))
  assert.deepEqual(matches, ['exact', 'exact', 'beginning', 'beginning', 'part', 'part'])
})
