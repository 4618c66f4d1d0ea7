import assert from 'node:assert/strict'
import { test } from 'node:test'
import { claimsFit, requireClaimRules } from './claim-rules.ts'

const github = {
  repository: 'team/web',
  ref: 'refs/heads/main',
  sub: 'repo:team/web:ref:refs/heads/main',
  run_attempt: '1',
  admin: false,
  groups: ['a', 'b'],
}

test('every rule must fit the whole value', () => {
  assert.ok(claimsFit({ repository: 'team/web' }, github))
  assert.ok(claimsFit({ repository: 'team/*', ref: 'refs/heads/*' }, github))
  assert.ok(claimsFit({ sub: 'repo:team/web:**' }, github))
  assert.ok(claimsFit({ admin: 'false', groups: 'b' }, github))
  assert.ok(!claimsFit({ repository: 'team/*', ref: 'refs/tags/*' }, github))
  for (const pattern of ['team', 'team/we', 'eam/web', '*', 'Team/web', 'team/web*/x', 'team/web\n'])
    assert.ok(!claimsFit({ repository: pattern }, github), pattern)
  assert.ok(!claimsFit({ sub: 'repo:team/web:*' }, github), '* crosses no slash')
})

test('what is absent, an object or inherited fits nothing', () => {
  assert.ok(!claimsFit({ environment: '**' }, github))
  assert.ok(!claimsFit({ nested: '**' }, { nested: { a: 1 } }))
  assert.ok(!claimsFit({ nested: '**' }, { nested: [['x']] }))
  assert.ok(!claimsFit({ toString: '**' }, {}))
  assert.ok(!claimsFit({}, github))
  assert.ok(!claimsFit({ sub: '**' }, { sub: 'x'.repeat(3000) }))
})

test('rules with regular expressions in them match them as text, in time that is bounded', () => {
  assert.ok(!claimsFit({ sub: '.*' }, { sub: 'anything' }))
  const started = performance.now()
  claimsFit({ sub: `${'*a'.repeat(200)}b` }, { sub: 'a'.repeat(2000) })
  assert.ok(performance.now() - started < 2000)
})

test('rules that would trust everybody are refused', () => {
  const refused = { code: 'REQUEST_INVALID' }
  for (const rules of [{}, { sub: '*' }, { sub: '**', repository: '*/*' }, { sub: '' }, { '': 'x' }, { sub: 'x'.repeat(600) }]) {
    assert.throws(() => requireClaimRules(rules), refused, JSON.stringify(rules))
  }
  requireClaimRules({ repository: 'team/*', sub: '**' })
})
