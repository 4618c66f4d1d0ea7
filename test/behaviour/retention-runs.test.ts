/** Runs of retention policies while other things happen: pushes, deletes, changed policies, processes that die. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createPolicy, deletePolicy, updatePolicy } from '#features/retention-policies.ts'
import { retentionJob } from '#features/retention-job.ts'
import { listRuns, readRun, startRun } from '#features/retention-runs.ts'
import type { RetentionRule } from '#features/retention-rules.ts'
import { retentionScheduleJob, startDuePolicies } from '#features/retention-schedule.ts'
import { findPolicyByName } from '#metadata/retention-policies.ts'
import { createImmutableRule } from '#projects/immutable-rules.ts'
import type { RepositoryName, Tag } from '#oci/reference.ts'
import { deleteTag } from '#registry/delete-manifest.ts'
import { deleteProjectWithContent } from '#registry/delete-project.ts'
import { listTrash } from '#registry/list-trash.ts'
import { purgeTrash } from '#registry/purge-trash.ts'
import { pushImage } from '../support/registry-client.ts'
import {
  endJob,
  decided,
  latest,
  pushTags,
  shownPolicy,
  stage,
  startReal,
  tagsOf,
  who,
  work,
  type Stage,
} from '../support/retention-stage.ts'

test('a tag that is pushed, and one that is deleted, between the decision and its turn are left alone', async () => {
  await using of = await stage()
  await pushTags(of, 'team/app', ['a', 'b', 'c', 'd', 'm', 'e', 'f'])
  const runId = await startReal(of, await shownPolicy(of, latest))
  await work(of, runId, {
    async after(name) {
      if (name !== 'retention-job/end-deciding') return
      await pushImage(of.client, 'team/app', 'a', { files: { moved: 'yes' } })
      const tag = { name: 'b' as Tag }
      await deleteTag(of.rooms.registry, 'team/app' as RepositoryName, tag, { name: 'bob', requestId: '' })
      await deleteTag(of.rooms.registry, 'team/app' as RepositoryName, { name: 'c' as Tag }, { name: 'bob', requestId: '' })
      // The same digest once more: a push all the same.
      await pushTags(of, 'team/app', ['c'])
      // There and back.
      await pushImage(of.client, 'team/app', 'm', { files: { moved: 'yes' } })
      await pushTags(of, 'team/app', ['m'])
    },
  })
  assert.deepEqual(await tagsOf(of, 'team/app'), ['a', 'c', 'e', 'f', 'm'])
  const decisions = await decided(of, runId)
  assert.equal(decisions['team/app:a'], 'keep: was pushed while the policy ran')
  assert.equal(decisions['team/app:m'], 'keep: was pushed while the policy ran')
  assert.equal(decisions['team/app:b'], 'keep: was not there any more when its turn came')
  assert.equal(decisions['team/app:c'], 'keep: was not there any more when its turn came')
  assert.match(decisions['team/app:d'] ?? '', /^removed: not one of the 2 pushed last/)
  const { kept, removed, failed } = await readRun(of.rooms.registry, { projectId: of.projectId, runId })
  assert.deepEqual({ kept, removed, failed }, { kept: 6, removed: 1, failed: 0 })
})

test('a tag that becomes immutable while the policy runs stays', async () => {
  await using of = await stage()
  await pushTags(of, 'team/app', ['v1', 'b', 'c', 'd'])
  const runId = await startReal(of, await shownPolicy(of, latest))
  await work(of, runId, {
    async after(name) {
      if (name !== 'retention-job/end-deciding') return
      await createImmutableRule(
        of.rooms.accounts,
        { projectId: of.projectId, rule: { repositories: '**', tagSyntax: 'glob', tags: 'v*', description: '', isEnabled: true } } as never,
        who,
      )
    },
  })
  assert.deepEqual(await tagsOf(of, 'team/app'), ['c', 'd', 'v1'])
  assert.equal((await decided(of, runId))['team/app:v1'], 'keep: immutable by now')
})

test('a tag that is pulled while a policy runs that looks at pulls stays', async () => {
  await using of = await stage()
  for (const tag of ['a', 'b', 'c', 'd']) {
    await pushImage(of.client, 'team/app', tag)
    of.advance(1_000)
  }
  const runId = await startReal(of, await shownPolicy(of, [{ keep: { latestPulled: 2 } }]))
  await work(of, runId, {
    async after(name) {
      if (name !== 'retention-job/end-deciding') return
      of.advance(60_000)
      await of.client.pullManifest('team/app', 'a')
      await of.rooms.pullStatistics.flush()
    },
  })
  assert.deepEqual(await tagsOf(of, 'team/app'), ['a', 'c', 'd'])
})

test('a pull of the last moment, which is not written yet, counts when a policy runs at once', async () => {
  await using of = await stage()
  for (const tag of ['a', 'b', 'c', 'd']) {
    await pushImage(of.client, 'team/app', tag)
    of.advance(1_000)
  }
  const policy = await shownPolicy(of, [{ keep: { latestPulled: 2 } }])
  await of.client.pullManifest('team/app', 'a')
  of.advance(1)
  assert.ok(of.rooms.pullStatistics.pending > 0)
  const runId = await startReal(of, policy)
  await work(of, runId, {
    async after(name) {
      if (name !== 'retention-job/end-deciding') return
      of.advance(1)
      await of.client.pullManifest('team/app', 'b')
    },
  })
  assert.deepEqual(await tagsOf(of, 'team/app'), ['a', 'b', 'd'])
})

test('when somebody deletes all that the policy keeps, it leaves the last tag', async () => {
  await using of = await stage()
  await pushTags(of, 'team/app', ['a', 'b', 'c', 'd'])
  const runId = await startReal(of, await shownPolicy(of, latest))
  await work(of, runId, {
    async after(name) {
      if (name !== 'retention-job/end-deciding') return
      for (const tag of ['c', 'd'] as const)
        await deleteTag(of.rooms.registry, 'team/app' as RepositoryName, tag as Tag, { name: 'bob', requestId: '' })
    },
  })
  assert.deepEqual(await tagsOf(of, 'team/app'), ['b'])
})

for (const [what, change] of [
  [
    'changed',
    (of: Stage, policy: { projectId: number; name: string }) =>
      updatePolicy(of.rooms.accounts, { ...policy, decision: { unmatched: 'remove' }, expectedVersion: undefined }, who),
  ],
  [
    'switched off',
    (of: Stage, policy: { projectId: number; name: string }) =>
      updatePolicy(of.rooms.accounts, { ...policy, decision: { isEnabled: false }, expectedVersion: undefined }, who),
  ],
] as const) {
  test(`a policy that is ${what} while it runs removes nothing more, and its run says so`, async () => {
    await using of = await stage()
    await pushTags(of, 'team/app', ['a', 'b', 'c', 'd'])
    const policy = await shownPolicy(of, latest)
    const runId = await startReal(of, policy)
    await work(of, runId, { after: async (name) => (name === 'retention-job/end-deciding' ? void (await change(of, policy)) : undefined) })
    assert.deepEqual(await tagsOf(of, 'team/app'), ['a', 'b', 'c', 'd'])
    const { state, error } = await readRun(of.rooms.registry, { projectId: of.projectId, runId })
    assert.deepEqual(
      [state, error],
      ['failed', 'the policy, or what kept tags from it, was changed or switched off while it ran: what it had not removed by then stays'],
    )
  })
}

test('a policy that is deleted while it runs removes nothing more, and what it decided goes soon', async () => {
  await using of = await stage()
  await pushTags(of, 'team/app', ['a', 'b', 'c', 'd'])
  const policy = await shownPolicy(of, latest)
  const runId = await startReal(of, policy)
  await work(of, runId, {
    after: async (name) =>
      name === 'retention-job/end-deciding' ? deletePolicy(of.rooms.accounts, { ...policy, expectedVersion: undefined }, who) : undefined,
  })
  assert.deepEqual(await tagsOf(of, 'team/app'), ['a', 'b', 'c', 'd'])
  await using _working = of.rooms.jobs.start()
  await of.rooms.jobs.enqueue({ kind: 'retention-schedule', createdBy: 'test' })
  const { reader } = of.rooms.registry.metadata
  for (let tries = 0; tries < 400; tries++) {
    if ((await reader.selectFrom('retention_policies').select('id').execute()).length === 0) break
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  for (const table of ['retention_policies', 'retention_runs', 'retention_decisions'] as const)
    assert.deepEqual(await reader.selectFrom(table).select('id').execute(), [], table)
})

test('what was decided more than a day ago is not carried out', async () => {
  await using of = await stage()
  await pushTags(of, 'team/app', ['a', 'b', 'c', 'd'])
  const runId = await startReal(of, await shownPolicy(of, latest))
  await work(of, runId, { after: (name) => (name === 'retention-job/end-deciding' ? of.advance(25 * 3_600_000) : undefined) })
  assert.deepEqual(await tagsOf(of, 'team/app'), ['a', 'b', 'c', 'd'])
  assert.equal((await readRun(of.rooms.registry, { projectId: of.projectId, runId })).state, 'failed')
})

test('a run that is killed before or after any of its transactions ends as one that was not', async () => {
  const repositories = ['team/app', 'team/lib', 'team/web']
  const outcome = async (killAt: number, when: 'before' | 'after'): Promise<{ readonly result: object; readonly writes: number }> => {
    await using of = await stage()
    for (const repository of repositories) await pushTags(of, repository, ['a', 'b', 'c', 'd'])
    const runId = await startReal(of, await shownPolicy(of, latest))
    let writes = 0
    const kill = () => {
      writes++
      if (writes === killAt) throw new Error('killed')
    }
    const cursor = { value: undefined as unknown }
    await work(of, runId, { [when]: kill }, cursor).catch((error: unknown) => assert.match(String(error), /killed/))
    await work(of, runId, {}, cursor)
    const tags = await Promise.all(repositories.map((repository) => tagsOf(of, repository)))
    const { state, kept, removed, failed } = await readRun(of.rooms.registry, { projectId: of.projectId, runId })
    const { reader } = of.rooms.registry.metadata
    const trashed = (await reader.selectFrom('trash').select('id').execute()).length
    const told = (await reader.selectFrom('events').select('id').where('action', '=', 'retention.run').execute()).length
    return { result: { tags, state, kept, removed, failed, trashed, told, decisions: await decided(of, runId) }, writes }
  }
  const whole = await outcome(-1, 'before')
  assert.ok(whole.writes >= 8, `${whole.writes} transactions`)
  for (let killAt = 1; killAt <= whole.writes; killAt++) {
    for (const when of ['before', 'after'] as const)
      assert.deepEqual((await outcome(killAt, when)).result, whole.result, `${when} write ${killAt}`)
  }
})

test('a dry run by schedule comes first, the next one acts, and a time that was missed runs once', async () => {
  await using of = await stage()
  await pushTags(of, 'team/app', ['a', 'b', 'c'])
  const policy = { projectId: of.projectId, name: 'life' }
  await createPolicy(of.rooms.accounts, { ...policy, decision: { rules: latest, schedule: 'every 1d' } }, who)
  const { registry } = of.rooms
  const { signal } = new AbortController()
  const lastRun = async () => {
    const row = await registry.metadata.reader
      .selectFrom('retention_runs')
      .select(['id', 'is_dry', 'trigger'])
      .orderBy('id', 'desc')
      .executeTakeFirst()
    return row
  }
  assert.equal(await startDuePolicies(registry, signal), 0, 'not before its time')
  of.advance(10 * 86_400_000)
  assert.equal(await startDuePolicies(registry, signal), 1)
  assert.equal(await startDuePolicies(registry, signal), 0, 'ten days were one time')
  const first = await lastRun()
  assert.deepEqual([first?.is_dry, first?.trigger], [1, 'schedule'])
  of.advance(86_400_000)
  assert.equal(await startDuePolicies(registry, signal), 0, 'one waits already')
  await work(of, first?.id ?? 0)
  await endJob(of)
  assert.deepEqual(await tagsOf(of, 'team/app'), ['a', 'b', 'c'])
  of.advance(86_400_000)
  assert.equal(await startDuePolicies(registry, signal), 1)
  const second = await lastRun()
  assert.equal(second?.is_dry, 0)
  await work(of, second?.id ?? 0)
  assert.deepEqual(await tagsOf(of, 'team/app'), ['b', 'c'])
  const { updatedAt, nextAt } = (await findPolicyByName(registry.metadata.reader, of.projectId, 'life')) ?? { updatedAt: 0, nextAt: 0 }
  assert.ok((nextAt ?? 0) > updatedAt)
  const deleted = await registry.metadata.reader.selectFrom('events').select('actor').where('action', '=', 'tag.deleted').executeTakeFirst()
  assert.equal(deleted?.actor, 'retention:team/life')
})

test('a process whose job another one has taken decides nothing and removes nothing', async () => {
  await using of = await stage()
  await pushTags(of, 'team/app', ['a', 'b', 'c', 'd'])
  const policy = await shownPolicy(of, latest)
  const { id: runId, jobId } = await startRun(of.rooms.registry, { ...policy, isDry: false }, who)
  for (const cursor of [undefined, { phase: 'remove' }]) {
    // The row has the fence 0: nobody has claimed it.
    const run = { job: { id: jobId ?? -1, fence: 7 }, signal: new AbortController().signal, cursor, save: () => Promise.resolve() }
    const lost = retentionJob(of.rooms.registry, { flushPulls: () => Promise.resolve() }).run(
      { ...run, report: () => undefined, log: () => undefined },
      { runId },
    )
    await assert.rejects(lost, /no longer run by this worker/)
    // Now with something to remove.
    if (cursor === undefined)
      await work(of, runId, { before: (name) => assert.notEqual(name, 'retention-remove/carry-out') }).catch(() => undefined)
  }
  assert.deepEqual(await tagsOf(of, 'team/app'), ['a', 'b', 'c', 'd'])
})

test('old runs forget what they decided, and then are forgotten', async () => {
  await using of = await stage()
  await pushTags(of, 'team/app', ['a'])
  const policy = await shownPolicy(of, latest)
  for (let count = 0; count < 52; count++) {
    const { id } = await startRun(of.rooms.registry, { ...policy, isDry: true }, who)
    await work(of, id)
    await endJob(of)
  }
  const { reader } = of.rooms.registry.metadata
  const rows = async (table: 'retention_runs' | 'retention_decisions') => (await reader.selectFrom(table).select('id').execute()).length
  assert.deepEqual([await rows('retention_runs'), await rows('retention_decisions')], [50, 10])
})

test('a project that is deleted for good leaves what its policies decided to the job that forgets it in steps', async () => {
  await using of = await stage()
  const { registry } = of.rooms
  await pushTags(of, 'team/app', ['a', 'b'])
  const policy = await shownPolicy(of, latest)
  const { id: runId } = await startRun(registry, { ...policy, isDry: true }, who)
  await work(of, runId)
  await endJob(of)
  const rows = async (table: 'retention_policies' | 'retention_runs' | 'retention_decisions') =>
    (await registry.metadata.reader.selectFrom(table).select('id').execute()).length
  const before = await rows('retention_decisions')
  assert.ok(before > 0)
  await deleteProjectWithContent(registry, { id: of.projectId, name: 'team', isDefault: false, expectedVersion: undefined }, who)
  const page = { limit: 10, column: 'deletedAt', isDescending: true } as const
  for (const row of (await listTrash(registry, { kind: 'everything' }, { filter: {}, page })).items) await purgeTrash(registry, row, who)
  assert.equal(await rows('retention_decisions'), before, 'a million of them would hold every other write')
  assert.equal(await findPolicyByName(registry.metadata.reader, of.projectId, policy.name), undefined)
  const run = { job: { id: 0, fence: 0 }, signal: new AbortController().signal, cursor: undefined }
  await retentionScheduleJob(registry).run({ ...run, save: () => Promise.resolve(), report() {}, log() {} }, null)
  assert.deepEqual(await Promise.all([rows('retention_decisions'), rows('retention_runs'), rows('retention_policies')]), [0, 0, 0])
})

const sevenDays: readonly RetentionRule[] = [{ keep: { pushedWithinDays: 7 } }]

test('a run that is bound to a dry run removes what that showed and nothing that came since', async () => {
  await using of = await stage()
  const dayMs = 24 * 60 * 60_000
  await pushTags(of, 'team/app', ['old', 'moved', 'gone'])
  of.advance(8 * dayMs)
  await pushTags(of, 'team/app', ['young', 'last'])
  const policy = await shownPolicy(of, sevenDays)
  const { items } = await listRuns(of.rooms.registry, policy, { limit: 1, column: 'id', isDescending: true })
  const shownBy = items[0]?.id ?? 0
  await pushImage(of.client, 'team/app', 'moved', { files: { moved: 'yes' } })
  // By now the policy would remove them, too.
  of.advance(8 * dayMs)
  await pushTags(of, 'team/app', ['latest'])
  const { id: runId, jobId } = await startRun(of.rooms.registry, { ...policy, isDry: false, shownBy }, who)
  const { payload } = await of.rooms.registry.metadata.reader
    .selectFrom('jobs')
    .select('payload')
    .where('id', '=', jobId ?? 0)
    .executeTakeFirstOrThrow()
  assert.deepEqual(JSON.parse(payload), { runId, shownBy })
  await work(of, runId, { shownBy })
  assert.deepEqual(await tagsOf(of, 'team/app'), ['last', 'latest', 'moved', 'young'])
  const decisions = await decided(of, runId)
  for (const tag of ['young', 'moved']) assert.equal(decisions[`team/app:${tag}`], `keep: run ${shownBy} did not show that it goes`)
  assert.match(decisions['team/app:old'] ?? '', /^removed: not pushed for 7 days/)
  const event = await of.rooms.registry.metadata.reader
    .selectFrom('events')
    .select('detail')
    .where('action', '=', 'retention.run')
    .orderBy('id', 'desc')
    .executeTakeFirstOrThrow()
  assert.equal((JSON.parse(event.detail) as { shownBy?: number }).shownBy, shownBy)
  await endJob(of)
  // Without a dry run named, the policy decides as it is.
  await work(of, await startReal(of, policy))
  assert.deepEqual(await tagsOf(of, 'team/app'), ['latest'])
})

test('a run is bound to a dry run of its policy as it is, that ended and is remembered', async () => {
  await using of = await stage()
  await pushTags(of, 'team/app', ['a', 'b', 'c'])
  const policy = await shownPolicy(of, latest)
  const start = (shownBy: number, isDry = false) => startRun(of.rooms.registry, { ...policy, isDry, shownBy }, who)
  const runs = async () => (await listRuns(of.rooms.registry, policy, { limit: 50, column: 'id', isDescending: true })).items
  const [shown] = await runs()
  await assert.rejects(start(999), { code: 'CONFLICT', message: /no dry run 999/ })
  await assert.rejects(start(shown?.id ?? 0, true), { code: 'REQUEST_INVALID' })
  const real = await startReal(of, policy)
  await work(of, real)
  await endJob(of)
  await assert.rejects(start(real), { code: 'CONFLICT', message: /no dry run/ })
  const { id: stopped } = await startRun(of.rooms.registry, { ...policy, isDry: true }, who)
  await endJob(of)
  await assert.rejects(start(stopped), { code: 'CONFLICT', message: /has not done its work: it is stopped/ })
  for (let count = 0; count < 10; count++) {
    const { id } = await startRun(of.rooms.registry, { ...policy, isDry: true }, who)
    await work(of, id)
    await endJob(of)
  }
  await assert.rejects(start(shown?.id ?? 0), { code: 'CONFLICT', message: /is forgotten by now/ })
  const [last] = await runs()
  await updatePolicy(of.rooms.accounts, { ...policy, expectedVersion: undefined, decision: { unmatched: 'remove' } }, who)
  const { id: again } = await startRun(of.rooms.registry, { ...policy, isDry: true }, who)
  await work(of, again)
  await endJob(of)
  await assert.rejects(start(last?.id ?? 0), { code: 'CONFLICT', message: /was changed since run/ })
  assert.equal((await start(again)).state, 'waiting')
})
