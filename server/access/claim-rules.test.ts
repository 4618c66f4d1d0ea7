import assert from 'node:assert/strict'
import { test } from 'node:test'
import { claimsFit, nameSomebody, requireClaimRules } from './claim-rules.ts'

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

const wholeWorld: readonly Readonly<Record<string, string>>[] = [
  { sub: '*' },
  { sub: '**', repository: '*/*' },
  { iss: 'https://ci.example' },
  { aud: 'berth', sub: '*' },
  { ref: 'refs/heads/main' },
  { event_name: 'push', runner_environment: 'github-hosted' },
  { environment: 'production', workflow: 'release' },
  { actor: 'alice' },
  { ref_protected: 'true', repository: '*' },
  { job_workflow_ref: 'team/ci/.github/workflows/push.yml@refs/heads/main' },
  { repository: '*/web' },
  { repository: 'team*' },
  { repository: 'team*/web' },
  { repository: '-/*' },
  { repository_owner: 'te*' },
  { repository_owner_id: '1*' },
  { sub: 'repo:*' },
  { sub: 'repo:*/*:ref:refs/heads/main' },
  { sub: 'repo:**:environment:production' },
  { sub: 'repo:team*:ref:refs/heads/main' },
  { sub: 'project_path:*/web:**' },
  { sub: 'ref:refs/heads/main' },
  { sub: 'environment:production' },
  { sub: 'system:serviceaccount:*' },
  { sub: 'system:serviceaccount:*:builder' },
  { sub: '*:team/web' },
  { 'kubernetes.io': '*' },
]

test('rules that would trust everybody are refused, and say what to add', () => {
  for (const rules of [{}, { sub: '' }, { '': 'x' }, { sub: 'x'.repeat(600) }])
    assert.throws(() => requireClaimRules(rules), { code: 'REQUEST_INVALID' }, JSON.stringify(rules))
  for (const rules of wholeWorld) {
    assert.throws(
      () => requireClaimRules(rules),
      { code: 'REQUEST_INVALID', message: /add a claim such as repository=/ },
      JSON.stringify(rules),
    )
    assert.ok(!nameSomebody(rules), JSON.stringify(rules))
  }
})

test('one rule that names whose job it is is enough', () => {
  for (const rules of [
    { repository: 'team/*', sub: '**' },
    { repository: 'team/web', ref: 'refs/heads/**' },
    { repository_owner: 'team', environment: 'production' },
    { repository_owner_id: '123456' },
    { workflow_ref: 'team/web/.github/workflows/x.yml@**' },
    { sub: 'repo:team/web:ref:refs/heads/main' },
    { sub: 'repo:team/**' },
    { sub: 'repository_owner_id:123:ref:refs/heads/main' },
    { project_path: 'group/**' },
    { namespace_id: '7' },
    { sub: 'project_path:group/web:ref_type:branch:ref:main' },
    { sub: 'system:serviceaccount:builds:builder' },
    { sub: 'system:serviceaccount:builds:*' },
    { sub: 'spiffe://example.org/ci/**' },
    { sub: '5b1e3c' },
    { email: 'ci@project.iam.gserviceaccount.com' },
  ]) {
    requireClaimRules(rules)
  }
})
