import assert from 'node:assert/strict'
import { test } from 'node:test'
import { expiryOf } from './expiry.ts'

const pushedAt = Date.parse('2026-01-01T00:00:00Z')
const dayMs = 86_400_000

test('a lifetime begins with the push', () => {
  assert.equal(expiryOf({ 'quay.expires-after': '2d' }, pushedAt), pushedAt + 2 * dayMs)
  assert.equal(expiryOf({ 'org.opencontainers.image.expires-after': '1w' }, pushedAt), pushedAt + 7 * dayMs)
})

test('an instant is taken as it is, also one that has passed', () => {
  for (const text of ['2026-03-01T00:00:00Z', '2026-03-01T01:00:00+01:00', '2020-01-01T00:00:00.5Z']) {
    assert.equal(expiryOf({ 'org.opencontainers.image.expires-at': text }, pushedAt), Date.parse(text))
  }
})

test('the first name that can be read counts', () => {
  const labels = { 'org.opencontainers.image.expires-at': '2026-03-01T00:00:00Z', 'org.opencontainers.image.expires-after': '3d' }
  assert.equal(expiryOf({ ...labels, 'quay.expires-after': '1d' }, pushedAt), pushedAt + dayMs)
  assert.equal(expiryOf({ ...labels, 'quay.expires-after': 'soon' }, pushedAt), pushedAt + 3 * dayMs)
})

test('what cannot be read says nothing', () => {
  for (const labels of [
    {},
    { 'quay.expires-after': '' },
    { 'quay.expires-after': 'never' },
    { 'quay.expires-after': '0d' },
    { 'quay.expires-after': '-1d' },
    { 'org.opencontainers.image.expires-at': '2026' },
    { 'org.opencontainers.image.expires-at': '2026-13-41T00:00:00Z' },
    { 'org.opencontainers.image.expires-at': '2030-02-30T00:00:00Z' },
    { 'org.opencontainers.image.expires-at': '2029-02-29T00:00:00Z' },
    { 'org.opencontainers.image.expires-at': '2030-01-01T24:00:00Z' },
    { 'org.opencontainers.image.expires-at': 'tomorrow' },
    { toString: '1d' },
  ]) {
    assert.equal(expiryOf(labels, pushedAt), undefined, JSON.stringify(labels))
  }
})
