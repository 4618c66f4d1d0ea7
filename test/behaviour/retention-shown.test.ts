/** What a dry run showed holds only while what else kept tags keeps them. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createPolicy, deletePolicy, updatePolicy, type PolicyDecision } from '#features/retention-policies.ts'
import { readRun } from '#features/retention-runs.ts'
import { findPolicyByName } from '#metadata/retention-policies.ts'
import { createImmutableRule, deleteImmutableRule, updateImmutableRule, type ImmutableRuleChange } from '#projects/immutable-rules.ts'
import { createProject } from '#projects/create-project.ts'
import { latest, pushTags, shownPolicy, stage, startReal, tagsOf, who, work, type Stage } from '../support/retention-stage.ts'

suite('what a dry run showed while something else kept tags is out of date', () => {
  const keeper = { name: 'keeper', decision: { rules: [{ tags: { matches: 'a' }, keep: { always: true } }] as const } }
  const isShown = async ({ rooms, projectId }: Stage) => {
    const found = await findPolicyByName(rooms.registry.metadata.reader, projectId, 'life')
    return found?.revision === found?.shownRevision
  }
  const staged = async (owner: 'team' | 'team/web') => {
    const of = await stage()
    const keeperId = owner === 'team' ? of.projectId : (await createProject(of.rooms.accounts, { name: owner }, who)).id
    const kept = { projectId: keeperId, name: keeper.name }
    await createPolicy(of.rooms.accounts, { ...keeper, projectId: keeperId }, who)
    const rule = { repositories: '**', tagSyntax: 'glob', tags: 'b', description: '', isEnabled: true } as const
    const { id: ruleId } = await createImmutableRule(of.rooms.accounts, { projectId: keeperId, rule }, who)
    await pushTags(of, `${owner}/app`, ['a', 'b', 'c', 'd', 'e'])
    const policy = await shownPolicy(of, latest)
    return { of, policy, kept, rule: { projectId: keeperId, ruleId, expectedVersion: undefined } }
  }
  type Staged = Awaited<ReturnType<typeof staged>>
  const expectedVersion = undefined
  const changeKeeper = (decision: PolicyDecision) => async (each: Staged) =>
    void (await updatePolicy(each.of.rooms.accounts, { ...each.kept, expectedVersion, decision }, who))
  const changeRule = (change: ImmutableRuleChange) => async (each: Staged) =>
    void (await updateImmutableRule(each.of.rooms.accounts, { ...each.rule, change }, who))
  for (const [what, change] of [
    ['another policy is deleted', (each) => deletePolicy(each.of.rooms.accounts, { ...each.kept, expectedVersion }, who)],
    ['another policy is switched off', changeKeeper({ isEnabled: false })],
    ['another policy is about other repositories', changeKeeper({ repositories: 'team/other' })],
    ['another policy has another rule', changeKeeper({ rules: [{ tags: { matches: 'x' }, keep: { always: true } }] })],
    ['an immutable tag rule is deleted', (each) => deleteImmutableRule(each.of.rooms.accounts, each.rule, who)],
    ['an immutable tag rule is switched off', changeRule({ isEnabled: false })],
    ['an immutable tag rule is about other tags', changeRule({ tags: 'x' })],
  ] as readonly (readonly [string, (each: Staged) => Promise<void>])[]) {
    for (const owner of ['team', 'team/web'] as const) {
      test(`when ${what}, of ${owner}`, async () => {
        const each = await staged(owner)
        await using of = each.of
        assert.ok(await isShown(of))
        await change(each)
        assert.ok(!(await isShown(of)))
        await assert.rejects(startReal(of, each.policy), {
          code: 'CONFLICT',
          message: /what kept tags from it, was changed: run it dry first/,
        })
        assert.deepEqual(await tagsOf(of, `${owner}/app`), ['a', 'b', 'c', 'd', 'e'])
      })
    }
  }

  test('but not when it keeps as much or more', async () => {
    const each = await staged('team')
    await using of = each.of
    await changeKeeper({ description: 'told', rules: [...keeper.decision.rules, { tags: { matches: 'c' }, keep: { always: true } }] })(each)
    await changeRule({ description: 'told' })(each)
    assert.ok(await isShown(of))
  })

  test('also of a policy that is off meanwhile, and a run under way ends', async () => {
    const each = await staged('team')
    await using of = each.of
    const runId = await startReal(of, each.policy)
    await work(of, runId, {
      async after(name) {
        if (name === 'retention-job/end-deciding') await deleteImmutableRule(of.rooms.accounts, each.rule, who)
      },
    })
    assert.equal((await readRun(of.rooms.registry, { projectId: of.projectId, runId })).state, 'failed')
    assert.deepEqual(await tagsOf(of, 'team/app'), ['a', 'b', 'c', 'd', 'e'])
    await updatePolicy(of.rooms.accounts, { ...each.policy, expectedVersion, decision: { isEnabled: false } }, who)
    await changeKeeper({ isEnabled: false })(each)
    await updatePolicy(of.rooms.accounts, { ...each.policy, expectedVersion, decision: { isEnabled: true } }, who)
    assert.ok(!(await isShown(of)))
  })
})
