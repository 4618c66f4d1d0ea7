import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf } from '#oci/digest.ts'
import { matchesNone, matchesRange } from './conditions.ts'

const digest = digestOf(Buffer.from('content'))
const other = digestOf(Buffer.from('other'))

test('If-None-Match finds the digest in every form that clients use', () => {
  for (const header of [`"${digest}"`, digest, `W/"${digest}"`, `"${other}", "${digest}"`, `  ${digest} `, '*', `"x",*`])
    assert.ok(matchesNone(header, digest), header)
})

test('If-None-Match does not match what is different', () => {
  for (const header of [undefined, '', `"${other}"`, `"${digest}`, `"${digest}x"`, digest.toUpperCase(), '"*"', `w/"${digest}"`])
    assert.ok(!matchesNone(header, digest), String(header))
})

test('If-Range takes the strong tag alone', () => {
  assert.ok(matchesRange(undefined, digest))
  assert.ok(matchesRange(`"${digest}"`, digest))
  for (const header of [`W/"${digest}"`, `"${other}"`, 'Wed, 21 Oct 2015 07:28:00 GMT', '*', ''])
    assert.ok(!matchesRange(header, digest), header)
})
