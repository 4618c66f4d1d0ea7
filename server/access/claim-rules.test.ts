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
  // What jobs choose themselves, or what is in every token.
  { build_branch: 'main' },
  { pipeline_slug: 'web' },
  { build_source: 'ui' },
  { email_verified: 'true' },
  { terraform_run_phase: 'apply' },
  { branchName: 'main' },
  { scope: 'openid' },
  { typ: 'x' },
  { sub: 's**' },
  { REF: 'main' },
  { foo: 'bar' },
  { foo: 'bar', REF: 'main', sub: '**' },
  { sub: 'build_branch:main' },
  { sub: 'anything:**' },
  { sub: 'org/**' },
  { sub: 'spiffe://*.example.org/ci' },
  { sub: 'system:serviceaccount:b*:builder' },
  { __proto__: 'x', toString: 'x' },
]

const other = 'https://ci.example'
const ofGithub = 'https://token.actions.githubusercontent.com'
const ofBuildkite = 'https://agent.buildkite.com'
const ofTerraform = 'https://app.terraform.io'
const ofGoogle = 'https://accounts.google.com'
const ofKubernetes = 'https://kubernetes.default.svc.cluster.local'
const known = [
  ofGithub,
  'https://gitlab.com',
  ofBuildkite,
  ofTerraform,
  ofGoogle,
  ofKubernetes,
  'https://oidc.circleci.com/org/1',
  'https://ghe.example/_services/token',
]

test('rules that would trust everybody are refused, and say what to add', () => {
  for (const rules of [{}, { sub: '' }, { '': 'x' }, { sub: 'x'.repeat(600) }])
    assert.throws(() => requireClaimRules(rules, { issuer: other }), { code: 'REQUEST_INVALID' }, JSON.stringify(rules))
  for (const rules of wholeWorld) {
    for (const issuer of [other, ...known]) {
      assert.throws(
        () => requireClaimRules(rules, { issuer }),
        { code: 'REQUEST_INVALID', message: /add a claim such as repository=/ },
        `${issuer} ${JSON.stringify(rules)}`,
      )
      assert.ok(!nameSomebody(rules, { issuer }), `${issuer} ${JSON.stringify(rules)}`)
    }
  }
})

test('an issuer that signs for jobs of one’s own only needs no such rule, but a rule', () => {
  const ours = { issuer: other, issuerIsOurs: true }
  for (const rules of wholeWorld.filter((each) => Object.values(each).every((pattern) => pattern !== ''))) requireClaimRules(rules, ours)
  for (const rules of [{}, { sub: '' }]) assert.throws(() => requireClaimRules(rules, ours), { code: 'REQUEST_INVALID' })
})

test('of each issuer that is known its own claims count, and no others', () => {
  for (const [issuer, rules] of [
    [ofBuildkite, { organization_slug: 'acme', build_branch: 'main' }],
    [ofBuildkite, { sub: 'organization:acme:pipeline:web:**' }],
    [ofBuildkite, { pipeline_id: '0184990a-477b-4fa8-9968-496074483cee' }],
    [ofTerraform, { terraform_organization_name: 'acme', terraform_run_phase: 'apply' }],
    [ofTerraform, { sub: 'organization:acme:project:**' }],
    [ofGoogle, { email: 'ci@project.iam.gserviceaccount.com' }],
    [ofGoogle, { sub: '117312345678901234567' }],
    [ofKubernetes, { sub: 'system:serviceaccount:builds:*' }],
    ['https://oidc.circleci.com/org/1', { sub: 'org/1/project/2/user/**' }],
    ['https://api.bitbucket.org/2.0/workspaces/acme/pipelines-config/identity/oidc', { repositoryUuid: '{1}' }],
    ['https://ghe.example/_services/token', { repository: 'team/web' }],
  ] as const) {
    requireClaimRules(rules, { issuer })
  }
  for (const [issuer, rules] of [
    [ofGithub, { project_path: 'group/web' }],
    [ofGithub, { sub: 'team' }],
    [ofGithub, { email: 'ci@project.iam.gserviceaccount.com' }],
    [ofBuildkite, { organization_slug: 'ac*' }],
    [ofBuildkite, { sub: 'organization:ac*:pipeline:web' }],
    [ofBuildkite, { repository: 'team/web' }],
    [ofTerraform, { sub: 'organization:*' }],
    [ofGoogle, { email: '*@project.iam.gserviceaccount.com' }],
    [other, { email: 'ci@project.iam.gserviceaccount.com' }],
    [other, { organization_slug: 'acme' }],
    [other, { pipeline_id: '7' }],
    [ofKubernetes, { repository: 'team/web' }],
  ] as const) {
    assert.ok(!nameSomebody(rules, { issuer }), `${issuer} ${JSON.stringify(rules)}`)
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
  ]) {
    requireClaimRules(rules, { issuer: other })
  }
})
