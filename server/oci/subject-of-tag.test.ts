import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf } from './digest.ts'
import { subjectOfTag, tagPrefixOf } from './subject-of-tag.ts'

const digest = digestOf(Buffer.from('x'))
const long = digestOf(Buffer.from('x'), 'sha512')

test('a tag made of a digest tells what it is about', () => {
  for (const each of [digest, long])
    for (const suffix of ['', '.sig', '.att', '.sbom']) assert.equal(subjectOfTag(`${tagPrefixOf(each)}${suffix}`), each)
})

test('any other tag is about nothing', () => {
  const prefix = tagPrefixOf(digest)
  for (const tag of [
    'v1',
    'sha256-abc',
    prefix.slice(0, -1),
    `${prefix}0`,
    `${prefix}-sig`,
    `${prefix}.`,
    `${prefix}.a.b`,
    `x${prefix}`,
    prefix.toUpperCase(),
  ])
    assert.equal(subjectOfTag(tag), undefined, tag)
})
