import assert from 'node:assert/strict'
import { test } from 'node:test'
import { challengesOf, type ChallengeContext } from './challenge.ts'

const context: ChallengeContext = { sent: 'none', origin: 'https://r.example:5000', tokenUrl: 'https://r.example:5000/token' }
const scope = 'repository:team/app:pull'

test('an open registry asks nobody, and one with htpasswd asks for a password only', () => {
  assert.deepEqual(challengesOf({ kind: 'open' }, '', context), [])
  for (const sent of ['none', 'basic', 'bearer', 'other'] as const)
    assert.deepEqual(challengesOf({ kind: 'htpasswd', realm: 'a "b"', path: '/x' }, '', { ...context, sent, scope }), [
      'Basic realm="a \\"b\\""',
    ])
})

test('a registry with accounts leads to its token server, and asks for the password again where that was wrong', () => {
  const accounts = { kind: 'accounts', realm: 'Berth' } as const
  const plain = 'Bearer realm="https://r.example:5000/token",service="r.example:5000"'
  assert.deepEqual(challengesOf(accounts, '', context), [plain])
  assert.deepEqual(challengesOf(accounts, '', { ...context, scope }), [`${plain},scope="${scope}"`])
  assert.deepEqual(challengesOf(accounts, '', { ...context, scope, sent: 'bearer', error: 'insufficient_scope' }), [
    `${plain},scope="${scope}",error="insufficient_scope"`,
  ])
  assert.deepEqual(challengesOf(accounts, 'berth', context), ['Bearer realm="https://r.example:5000/token",service="berth"'])
  assert.deepEqual(challengesOf(accounts, '', { ...context, sent: 'basic', scope }), ['Basic realm="Berth"'])
  assert.deepEqual(challengesOf(accounts, '', { ...context, origin: undefined, tokenUrl: undefined }), ['Basic realm="Berth"'])
})

test('an outside token server is named as the configuration has it', () => {
  const outside = {
    kind: 'token',
    realm: 'https://auth.example/token',
    autoRedirectPath: undefined,
    service: 'registry',
    issuer: 'i',
    rootCertBundle: undefined,
    jwks: '/x',
    signingAlgorithms: [],
  } as const
  assert.deepEqual(challengesOf(outside, 'other', { ...context, sent: 'basic', scope }), [
    `Bearer realm="https://auth.example/token",service="registry",scope="${scope}"`,
  ])
  assert.deepEqual(challengesOf({ ...outside, autoRedirectPath: '/auth/token' }, '', context), [
    'Bearer realm="https://r.example:5000/auth/token",service="registry"',
  ])
})
