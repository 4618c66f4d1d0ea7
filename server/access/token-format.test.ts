import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { systemPorts } from '#lib/ports.ts'
import { looksLikeToken, makeToken, parseToken } from './token-format.ts'

const { random } = systemPorts

test('a secret has a prefix, 43 characters of randomness and a checksum of 6', () => {
  assert.match(makeToken('personal', random).text, /^berth_pat_[0-9A-Za-z]{49}$/)
  assert.match(makeToken('robot', random).text, /^berth_rob_[0-9A-Za-z]{49}$/)
  assert.match(makeToken('refresh', random).text, /^berth_ref_[0-9A-Za-z]{49}$/)
  assert.notEqual(makeToken('robot', random).text, makeToken('robot', random).text)
})

test('the smallest and the largest randomness have the same length', () => {
  for (const byte of [0, 255]) assert.equal(makeToken('robot', { bytes: (count) => Buffer.alloc(count, byte) }).text.length, 59)
})

test('a secret is found again by the SHA-256 of its text', () => {
  const made = makeToken('personal', random)
  assert.deepEqual(made.hash, createHash('sha256').update(made.text).digest())
  assert.deepEqual(parseToken(made.text), { kind: 'personal', hash: made.hash })
  assert.ok(made.text.startsWith(made.hint))
  assert.equal(made.hint.length, 14)
})

test('a changed character anywhere is no secret of ours', () => {
  const { text } = makeToken('robot', random)
  for (let at = 0; at < text.length; at++) {
    const changed = text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1)
    assert.equal(parseToken(changed), undefined, `character ${at}`)
  }
})

test('text around a secret, another prefix and passwords are no secrets', () => {
  const { text } = makeToken('robot', random)
  for (const wrong of [
    '',
    ` ${text}`,
    `${text}\n`,
    text.slice(1),
    text.slice(0, -1),
    `${text}0`,
    text.replace('rob', 'pat'),
    'berth_pat_',
    'hunter2',
  ]) {
    assert.equal(parseToken(wrong), undefined)
  }
  assert.ok(looksLikeToken('berth_pat_mistyped'))
  assert.ok(!looksLikeToken('my berth_pat_'))
})
