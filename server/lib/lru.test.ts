import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { ByteLru } from './lru.ts'

const cacheOf = (maximumBytes: number, maximumEntries?: number) =>
  new ByteLru<string>({ maximumBytes, sizeOf: (value) => value.length, ...(maximumEntries !== undefined && { maximumEntries }) })

suite('ByteLru', () => {
  test('a value is found under its key, and no other', () => {
    const cache = cacheOf(10)
    cache.set('a', 'xyz')
    assert.equal(cache.get('a'), 'xyz')
    assert.equal(cache.get('b'), undefined)
    assert.equal(cache.get('__proto__'), undefined)
    assert.equal(cache.sizeBytes, 3)
  })

  test('what was used longest ago goes first, and a get is a use', () => {
    const cache = cacheOf(9)
    for (const key of ['a', 'b', 'c']) cache.set(key, '123')
    cache.get('a')
    cache.set('d', '123')
    assert.equal(cache.get('b'), undefined)
    assert.deepEqual(
      ['a', 'c', 'd'].map((key) => cache.get(key)),
      ['123', '123', '123'],
    )
  })

  test('as many go as the arriving one needs room', () => {
    const cache = cacheOf(9)
    for (const key of ['a', 'b', 'c']) cache.set(key, '123')
    cache.set('d', '1234')
    assert.deepEqual([cache.count, cache.sizeBytes], [2, 7])
    assert.equal(cache.get('c'), '123')
  })

  test('a value that fills the bound is kept, one byte more is not, and leaves the others alone', () => {
    const cache = cacheOf(4)
    cache.set('small', '12')
    cache.set('large', '12345')
    assert.equal(cache.get('large'), undefined)
    assert.equal(cache.get('small'), '12')
    cache.set('full', '1234')
    assert.equal(cache.get('full'), '1234')
    assert.equal(cache.get('small'), undefined)
  })

  test('replacing a value counts its size once', () => {
    const cache = cacheOf(10)
    cache.set('a', '12345678')
    cache.set('a', '12')
    assert.equal(cache.get('a'), '12')
    assert.equal(cache.sizeBytes, 2)
  })

  test('a replacement that is too large removes the stale value', () => {
    const cache = cacheOf(4)
    cache.set('a', '12')
    cache.set('a', '12345')
    assert.equal(cache.get('a'), undefined)
    assert.equal(cache.sizeBytes, 0)
  })

  test('delete says whether there was a value, and gives its bytes back', () => {
    const cache = cacheOf(4)
    cache.set('a', '1234')
    assert.equal(cache.delete('a'), true)
    assert.equal(cache.delete('a'), false)
    assert.equal(cache.sizeBytes, 0)
  })

  test('clear empties it', () => {
    const cache = cacheOf(4)
    cache.set('a', '1234')
    cache.clear()
    assert.deepEqual([cache.get('a'), cache.sizeBytes, cache.count], [undefined, 0, 0])
  })

  test('values without size are bounded by their number', () => {
    const cache = cacheOf(4, 2)
    for (const key of ['a', 'b', 'c']) cache.set(key, '')
    assert.equal(cache.count, 2)
    assert.equal(cache.get('a'), undefined)
  })

  test('a bound of zero bytes keeps nothing that has a size', () => {
    const cache = cacheOf(0)
    cache.set('a', '1')
    assert.equal(cache.get('a'), undefined)
  })

  test('a size that is no number of bytes is refused', () => {
    for (const bytes of [NaN, -1, 1.5, Infinity]) {
      const cache = new ByteLru<string>({ maximumBytes: 4, sizeOf: () => bytes })
      assert.throws(() => cache.set('a', '1'), /whole number of bytes/)
    }
  })

  test('it behaves like a list ordered by use, whatever is done to it', () => {
    const key = fc.constantFrom('a', 'b', 'c', 'd', 'e')
    const operation = fc.oneof(
      fc.record({ kind: fc.constant('get' as const), key, value: fc.constant('') }),
      fc.record({ kind: fc.constant('set' as const), key, value: fc.string({ maxLength: 12 }) }),
      fc.record({ kind: fc.constant('delete' as const), key, value: fc.constant('') }),
    )
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
        const cache = cacheOf(10, 3)
        let model: { key: string; value: string }[] = []
        for (const { kind, key: name, value } of operations) {
          const found = model.find((entry) => entry.key === name)
          if (kind === 'get') assert.equal(cache.get(name), found?.value)
          if (kind === 'set') cache.set(name, value)
          if (kind === 'delete') assert.equal(cache.delete(name), found !== undefined)
          model = model.filter((entry) => entry !== found)
          if (kind === 'get' && found) model.push(found)
          if (kind === 'set' && value.length <= 10) model.push({ key: name, value })
          while (model.length > 3 || model.reduce((sum, entry) => sum + entry.value.length, 0) > 10) model.shift()
          assert.equal(
            cache.sizeBytes,
            model.reduce((sum, entry) => sum + entry.value.length, 0),
          )
          assert.equal(cache.count, model.length)
        }
      }),
    )
  })
})
