import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Permission } from '#api/permissions.ts'
import { firstNotHeld, type GrantedRange } from './coverage.ts'
import type { RightScope } from './decide.ts'
import { everything, holder, onGlob } from './test-acting.ts'

const pull: Permission = 'repository:pull'
const now = 1_000

function range(part: Partial<GrantedRange>): GrantedRange {
  return { lineage: undefined, repositories: null, expiresAt: null, ...part }
}

function holds(scope: RightScope, part: Partial<GrantedRange>, expiresAt?: number): boolean {
  return firstNotHeld(holder(pull, scope, expiresAt).rights, [pull], range(part), now) === undefined
}

test('a right on everything spans every place', () => {
  for (const place of [{}, { lineage: [3, 2] }, { repositories: 'a/**' }, { lineage: [3], repositories: 'a/*' }])
    assert.ok(holds(everything, place))
})

test('a right on a project spans it and what is below, with and without a glob, and nothing else', () => {
  const onTeam: RightScope = { kind: 'project', projectId: 2 }
  assert.ok(holds(onTeam, { lineage: [2] }))
  assert.ok(holds(onTeam, { lineage: [3, 2] }))
  assert.ok(holds(onTeam, { lineage: [2], repositories: 'team/**' }))
  assert.ok(!holds(onTeam, {}))
  assert.ok(!holds(onTeam, { lineage: [1] }))
  // The name alone says nothing: a project of that name may be made, moved or renamed.
  assert.ok(!holds(onTeam, { repositories: 'team/**' }))
})

test('a right on a glob spans globs that match no more', () => {
  assert.ok(holds(onGlob('team/**'), { repositories: 'team/**' }))
  assert.ok(holds(onGlob('team/**'), { repositories: 'team/web/*' }))
  assert.ok(holds(onGlob('team/*'), { repositories: 'team/*' }))
  assert.ok(!holds(onGlob('team/**'), { repositories: 'tea*/**' }))
  assert.ok(!holds(onGlob('team/*'), { repositories: 'team/**' }))
  assert.ok(!holds(onGlob('team/a*b**'), { repositories: 'team/a**' }))
  assert.ok(!holds(onGlob('team/**'), { repositories: 'team**' }))
  assert.ok(!holds(onGlob('team/**'), {}))
  assert.ok(!holds(onGlob('**'), { lineage: [2] }))
})

test('a right on a glob of a project spans nothing outside of that project', () => {
  assert.ok(holds(onGlob('team/**', 2), { repositories: 'team/**', lineage: [2] }))
  assert.ok(!holds(onGlob('team/**', 2), { repositories: 'team/**' }))
  assert.ok(!holds(onGlob('team/**', 2), { repositories: 'team/**', lineage: [7] }))
})

test('nobody gives for longer than they have', () => {
  assert.ok(holds(everything, { expiresAt: 1_500 }, 2_000))
  assert.ok(holds(everything, { expiresAt: 2_000 }, 2_000))
  assert.ok(!holds(everything, { expiresAt: 2_001 }, 2_000))
  assert.ok(!holds(everything, {}, 2_000))
  assert.ok(!holds(everything, { expiresAt: 900 }, 950))
})

test('what a credential does not allow is not held, by administrators too', () => {
  const limits = holder(pull, { kind: 'project', projectId: 2 }).rights.rights
  const scoped = { isAdministrator: true, rights: [], limits }
  assert.equal(firstNotHeld(scoped, [pull], range({ lineage: [2] }), now), undefined)
  assert.equal(firstNotHeld(scoped, [pull], range({}), now), pull)
  assert.equal(firstNotHeld(scoped, ['repository:push'], range({ lineage: [2] }), now), 'repository:push')
  assert.equal(firstNotHeld({ isAdministrator: true, rights: [] }, ['repository:push'], range({}), now), undefined)
})

test('the first permission that is missing is named', () => {
  assert.equal(
    firstNotHeld(holder('guest', everything).rights, ['repository:pull', 'repository:push', 'tag:delete'], range({}), now),
    'repository:push',
  )
})
