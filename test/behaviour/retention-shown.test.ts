/** What a dry run showed holds only while what else kept tags keeps them. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createPolicy, deletePolicy, updatePolicy, type PolicyDecision } from '#features/retention-policies.ts'
import { readRun, startRun } from '#features/retention-runs.ts'
import { findPolicyByName } from '#metadata/retention-policies.ts'
import { createImmutableRule, deleteImmutableRule, updateImmutableRule, type ImmutableRuleChange } from '#projects/immutable-rules.ts'
import { createProject } from '#projects/create-project.ts'
import { deleteProject } from '#projects/delete-project.ts'
import { renameProject } from '#projects/rename-project.ts'
import { restoreProject } from '#projects/restore-project.ts'
import type { RepositoryName, Tag } from '#oci/reference.ts'
import { moveRepository } from '#registry/move-repository.ts'
import { deleteRepository } from '#registry/delete-repository.ts'
import { restoreTag } from '#registry/restore-tag.ts'
import { readTrash, restoreTrash } from '#registry/restore-trash.ts'
import { endJob, latest, pushTags, shownPolicy, stage, startReal, tagsOf, who, work, type Stage } from '../support/retention-stage.ts'
import { pushImage } from '../support/registry-client.ts'

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

  const renamed = (of: Stage, projectId: number, name: string) =>
    renameProject(of.rooms.accounts, { projectId, name, expectedVersion: undefined }, who)

  test('when its project is renamed out from under one whose policies and rules kept tags', async () => {
    const { of } = await staged('team')
    await using _ = of
    const { id: webId } = await createProject(of.rooms.accounts, { name: 'team/web' }, who)
    await pushTags(of, 'team/web/app', ['a', 'b', 'c', 'd', 'e'])
    const policy = await shownPolicy({ ...of, projectId: webId }, latest)
    await renamed(of, webId, 'web')
    await assert.rejects(startReal(of, policy), { code: 'CONFLICT', message: /run it dry first/ })
    assert.deepEqual(await tagsOf(of, 'web/app'), ['a', 'b', 'c', 'd', 'e'])
  })

  test('when its project is renamed and a keeper’s glob does not follow, but not when all of them do', async () => {
    const each = await staged('team')
    await using of = each.of
    await renamed(of, of.projectId, 'crew')
    assert.ok(await isShown(of))
    await createPolicy(of.rooms.accounts, { ...each.kept, name: 'loose', decision: { rules: latest, repositories: 'cr*w/app' } }, who)
    await renamed(of, of.projectId, 'gang')
    assert.ok(!(await isShown(of)))
  })

  const moved = (of: Stage, from: string, to: string, projectId: number) =>
    moveRepository(of.rooms.registry, { from: from as RepositoryName, to: to as RepositoryName, projectId, leavesRedirect: false }, who)

  test('when a repository comes from another project, or to a name that it is about', async () => {
    const each = await staged('team')
    await using of = each.of
    const { id: otherId } = await createProject(of.rooms.accounts, { name: 'other' }, who)
    await pushTags(of, 'other/app', ['a'])
    await updatePolicy(of.rooms.accounts, { ...each.policy, expectedVersion, decision: { repositories: 'team/app*' } }, who)
    const shown = async () => {
      await startRun(of.rooms.registry, { ...each.policy, isDry: true }, who).then(({ id }) => work(of, id))
      await endJob(of)
      assert.ok(await isShown(of))
    }
    await shown()
    await moved(of, 'team/app', 'other/app-of-team', otherId)
    assert.ok(await isShown(of), 'fewer repositories')
    await moved(of, 'other/app', 'team/elsewhere', of.projectId)
    assert.ok(await isShown(of), 'one that it is not about')
    await moved(of, 'team/elsewhere', 'team/app-of-other', of.projectId)
    assert.ok(!(await isShown(of)))
    await shown()
    await moved(of, 'other/app-of-team', 'team/app', of.projectId)
    await assert.rejects(startReal(of, each.policy), { code: 'CONFLICT', message: /run it dry first/ })
  })

  for (const trashUntil of [Number.MAX_SAFE_INTEGER, undefined]) {
    test(`when a project below that kept tags is deleted ${trashUntil === undefined ? 'for good' : 'into the trash'}, but not when it kept none`, async () => {
      await using of = await stage()
      const [keeps, none] = [
        (await createProject(of.rooms.accounts, { name: 'team/keeps' }, who)).id,
        (await createProject(of.rooms.accounts, { name: 'team/none' }, who)).id,
      ]
      await createPolicy(of.rooms.accounts, { ...keeper, projectId: keeps }, who)
      await shownPolicy(of, latest)
      const deleted = (projectId: number) => deleteProject(of.rooms.accounts, { projectId, expectedVersion: undefined, trashUntil }, who)
      await deleted(none)
      assert.ok(await isShown(of))
      await deleted(keeps)
      assert.ok(!(await isShown(of)))
    })
  }

  test('when a project with its policies comes back from the trash', async () => {
    await using of = await stage()
    const { id: webId } = await createProject(of.rooms.accounts, { name: 'web' }, who)
    await pushTags(of, 'web/app', ['a', 'b', 'c'])
    const policy = await shownPolicy({ ...of, projectId: webId }, latest)
    const trashing = { projectId: webId, expectedVersion: undefined, trashUntil: Number.MAX_SAFE_INTEGER, withContent: true }
    await deleteProject(of.rooms.accounts, trashing, who)
    const [row] = await of.rooms.registry.metadata.reader.selectFrom('trash').select('id').where('kind', '=', 'project').execute()
    await restoreProject(of.rooms.accounts, { trashId: row?.id ?? 0 }, who)
    await assert.rejects(startReal(of, policy), { code: 'CONFLICT', message: /run it dry first/ })
  })

  const trashed = async ({ rooms }: Stage, kind: 'tag' | 'manifest' | 'repository') => {
    const { reader } = rooms.registry.metadata
    const [row] = await reader.selectFrom('trash').select('id').where('kind', '=', kind).execute()
    const found = await readTrash(rooms.registry, row?.id ?? 0)
    assert.ok(found)
    return found
  }
  const deleted = async ({ client }: Stage, path: string) => {
    assert.equal((await client.send(path, { method: 'DELETE' })).status, 202)
  }
  const app = 'team/app' as RepositoryName
  const tagRestore = { repository: app, tag: 'a' as Tag, mayMove: true, mayTakeFromTrash: true }

  for (const [what, restored] of [
    ['by the history of the tag', async (of) => void (await restoreTag(of.rooms.registry, tagRestore, who))],
    ['from the trash', async (of) => void (await restoreTrash(of.rooms.registry, { row: await trashed(of, 'tag') }, who))],
  ] as readonly (readonly [string, (of: Stage) => Promise<void>])[])
    test(`when a deleted tag comes back ${what}, but not when it is about other repositories`, async () => {
      await using of = await stage()
      await pushTags(of, app, ['a', 'b', 'c'])
      await deleted(of, `/v2/${app}/manifests/a`)
      const policy = await shownPolicy(of, latest)
      const other = { repositories: 'team/other*', rules: latest }
      await createPolicy(of.rooms.accounts, { name: 'other', projectId: of.projectId, decision: other }, who)
      const revisionOfOther = async () => (await findPolicyByName(of.rooms.registry.metadata.reader, of.projectId, 'other'))?.revision
      const before = await revisionOfOther()
      await restored(of)
      await assert.rejects(startReal(of, policy), { code: 'CONFLICT', message: /run it dry first/ })
      assert.deepEqual(await tagsOf(of, app), ['a', 'b', 'c'])
      assert.equal(await revisionOfOther(), before)
    })

  test('when a manifest comes back from the trash with its tags', async () => {
    await using of = await stage()
    await pushTags(of, app, ['b', 'c'])
    const { digest } = (await pushImage(of.client, app, 'a')).descriptor
    await deleted(of, `/v2/${app}/manifests/${digest}`)
    await shownPolicy(of, latest)
    await restoreTrash(of.rooms.registry, { row: await trashed(of, 'manifest') }, who)
    assert.ok((await tagsOf(of, app)).includes('a'))
    assert.ok(!(await isShown(of)))
  })

  for (const to of [app, 'team/app-again' as RepositoryName])
    test(`when a repository comes back from the trash as ${to}`, async () => {
      await using of = await stage()
      await pushTags(of, app, ['a', 'b', 'c'])
      await deleteRepository(of.rooms.registry, app, { name: who.actor, requestId: who.requestId })
      await shownPolicy(of, latest)
      const row = await trashed(of, 'repository')
      await restoreTrash(of.rooms.registry, { row, name: to, place: { to, projectId: of.projectId } }, who)
      assert.equal((await tagsOf(of, to)).length, 3)
      assert.ok(!(await isShown(of)))
    })
})
