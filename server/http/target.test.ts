import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RegistryError } from '#oci/errors.ts'
import { parseLast, parsePageSize, parseTarget } from './target.ts'

test('the path is kept as it came, the query is taken off', () => {
  const { path, query } = parseTarget('/v2/a%2F../b?n=1&last=x%2Fy')
  assert.equal(path, '/v2/a%2F../b')
  assert.equal(query.get('last'), 'x/y')
  assert.equal(parseTarget('/v2/').query.size, 0)
})

test('only the origin form is a target', () => {
  for (const raw of ['http://evil.example/v2/', '*', '', 'v2/', '?x'])
    assert.throws(() => parseTarget(raw), { code: 'REQUEST_INVALID' }, raw)
})

test('a page size is a whole number of up to nine digits', () => {
  const sizeOf = (text: string) => parsePageSize(new URLSearchParams(text))
  assert.equal(sizeOf(''), undefined)
  assert.equal(sizeOf('n=0'), 0)
  assert.equal(sizeOf('n=999999999'), 999_999_999)
  for (const text of [
    'n=',
    'n=-1',
    'n=x',
    'n=1e9',
    'n=1.5',
    'n=%2B1',
    'n= 1',
    'n=0x10',
    'n=1000000000000000000',
    `n=${'9'.repeat(1000)}`,
    'n=Infinity',
    'n=NaN',
  ])
    assert.throws(
      () => sizeOf(text),
      (error) => error instanceof RegistryError && error.code === 'PAGINATION_NUMBER_INVALID',
      text,
    )
})

test('the last entry of a page is any text but a NUL', () => {
  const lastOf = (text: string) => parseLast(new URLSearchParams(text))
  assert.equal(lastOf(''), undefined)
  assert.equal(lastOf('last='), undefined)
  assert.equal(lastOf('last=a%2Fb'), 'a/b')
  assert.equal(lastOf(`last=${encodeURIComponent(`' OR 1=1 --`)}`), `' OR 1=1 --`)
  assert.throws(() => lastOf('last=%00'), { code: 'REQUEST_INVALID' })
  assert.throws(() => lastOf(`last=${'a'.repeat(2000)}`), { code: 'REQUEST_INVALID' })
})
