import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { escapeText, jsonText, logrusValue, maskCredentials, maskUrl } from './log-text.ts'

// oxlint-disable-next-line no-control-regex -- control characters are what it looks for
const dangerous = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/

test('plain values stand bare, others are quoted and escaped', () => {
  assert.equal(logrusValue('GET'), 'GET')
  assert.equal(logrusValue(''), '""')
  assert.equal(logrusValue('a b'), '"a b"')
  assert.equal(logrusValue('a=b'), '"a=b"')
  assert.equal(logrusValue('x"\n\r\t\u001b[31m\\'), '"x\\"\\n\\r\\t\\x1b[31m\\\\"')
  assert.equal(escapeText('a\u2028b\u0085c\u202e'), 'a\\u2028b\\x85c\\u202e')
})

test('no text of any kind leaves a dangerous character or an open quote', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      assert.doesNotMatch(escapeText(text), dangerous)
      assert.doesNotMatch(jsonText(text), dangerous)
      assert.match(logrusValue(text), /^(?:[A-Za-z0-9._/@^+-]+|"(?:[^"\\]|\\.)*")$/)
      assert.equal(JSON.parse(jsonText(text)), text)
    }),
  )
})

test('query parameters that carry secrets are masked, however they are spelled', () => {
  assert.equal(maskUrl('/v2/?n=1&last=a'), '/v2/?n=1&last=a')
  for (const name of [
    'token',
    'access_token',
    'refresh_token',
    'X-Amz-Signature',
    'sig',
    'password',
    'client_secret',
    'TOKEN',
    't%6Fken',
    '%FFtoken',
    'key',
    'code',
  ])
    assert.equal(maskUrl(`/x?a=1&${name}=canary&b=2`), `/x?a=1&${name}=***&b=2`, name)
  assert.equal(maskUrl('http://user:canary@host/x'), 'http://***@host/x')
})

test('credentials in free text are masked', () => {
  assert.equal(maskCredentials('Authorization: Basic YWxpY2U6Y2FuYXJ5 and more'), 'Authorization: Basic *** and more')
  assert.equal(maskCredentials('bearer eyJhbGciOi.x.y'), 'bearer ***')
  assert.equal(maskCredentials('connect to https://u:canary@h/p failed'), 'connect to https://***@h/p failed')
})

test('masking is linear in the length of hostile text', () => {
  const startedAt = performance.now()
  for (const text of [
    '//'.repeat(50_000),
    '/?'.repeat(50_000),
    `/?${'&a'.repeat(50_000)}`,
    'Basic '.repeat(20_000),
    'http://'.repeat(15_000),
    '@'.repeat(100_000),
  ]) {
    maskUrl(text)
    maskCredentials(text)
    escapeText(text)
  }
  assert.ok(performance.now() - startedAt < 1000)
})
