import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { tagsOf } from './if-match.ts'

suite('If-Match', () => {
  test('is absent, or asks for nothing but that the thing is there', () => {
    assert.equal(tagsOf(undefined), undefined)
    assert.equal(tagsOf('*'), undefined)
    assert.equal(tagsOf(' * '), undefined)
  })

  test('names one version or several', () => {
    assert.deepEqual(tagsOf('"1"'), ['1'])
    assert.deepEqual(tagsOf('"1","2"'), ['1', '2'])
    assert.deepEqual(tagsOf(' "1" ,\t"2" '), ['1', '2'])
    assert.deepEqual(tagsOf('"sha256:00", "1"'), ['sha256:00', '1'])
    assert.deepEqual(tagsOf('"1", "1"'), ['1'])
  })

  test('names nothing by a weak tag (RFC 9110 §8.8.3.2)', () => {
    assert.deepEqual(tagsOf('"1", W/"3"'), ['1'])
    for (const header of ['W/"1"', 'W/"1", W/"2"']) assert.throws(() => tagsOf(header), { code: 'PRECONDITION_FAILED' }, header)
  })

  test('that is none is refused', () => {
    for (const header of [
      '',
      '1',
      '"1',
      '"1" "2"',
      '"1",',
      ',',
      '*, "1"',
      '"a"b"',
      `"${'x'.repeat(300)}"`,
      Array.from({ length: 20 }, (_, n) => `"${n}"`).join(),
    ])
      assert.throws(() => tagsOf(header), { code: 'PRECONDITION_FAILED' }, header.slice(0, 40))
  })
})
