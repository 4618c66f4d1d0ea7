import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { runVerb } from '../../cli/test-verb.ts'
import { openPeople, password, type People } from '../api/people.ts'
import { pushImage } from '../support/registry-client.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

suite('undo in bulk', () => {
  let people: People
  before(async () => {
    people = await openPeople({ storage: { deleteEnabled: true } })
    for (const name of ['team', 'other']) assert.equal((await people.root.call('POST', '/projects', { name })).status, 201)
  })
  after(() => people[Symbol.asyncDispose]())

  const run = (...args: string[]) => runVerb(args, { BERTH_SERVER: people.rooms.url, BERTH_USER: 'root', BERTH_TOKEN: password })

  async function deleted(repository: string, ...tags: readonly string[]): Promise<number[]> {
    const ids: number[] = []
    for (const tag of tags) {
      const { descriptor } = await pushImage(people.root.registry, repository, tag, { files: { repository, tag } })
      await people.root.registry.send(`/v2/${repository}/manifests/${descriptor.digest}`, { method: 'DELETE' })
      const { body } = await people.root.call('GET', '/trash?limit=1')
      ids.push(Number(body.items?.[0]?.['id']))
    }
    return ids
  }

  const isThere = async (tagged: string) => {
    const [repository, tag] = tagged.split(':')
    return (await people.root.registry.send(`/v2/${repository}/manifests/${tag}`)).status === 200
  }

  test('one request restores several, and says of each what became of it', async () => {
    const [first = 0, second = 0] = await deleted('team/app', 'v1', 'v2')
    const answer = await people.root.call('POST', '/trash/restore', { items: [first, 987_654, second] })
    assert.equal(answer.status, 200)
    assert.deepEqual(answer.body['results'], [
      { trash: first, outcome: 'restored' },
      { trash: 987_654, outcome: 'gone' },
      { trash: second, outcome: 'restored' },
    ])
    assert.ok((await isThere('team/app:v1')) && (await isThere('team/app:v2')))
    const audit = await people.root.call('GET', '/audit?action=trash.restored')
    assert.equal(audit.body.items?.length, 2)
  })

  test('what one must not restore is told like what is not there, and the limits of a batch hold', async () => {
    const ids = await deleted('team/app', 'v3')
    const answer = await people.stranger.call('POST', '/trash/restore', { items: ids })
    assert.equal(answer.status, 401)
    for (const items of [[], [0], ['1'], Array.from({ length: 101 }, (_, at) => at + 1)])
      assert.equal((await people.root.call('POST', '/trash/restore', { items })).status, 400)
    assert.equal((await people.root.call('POST', '/trash/delete', { items: ids })).status, 200)
    assert.equal((await people.root.call('POST', '/trash/restore', { items: ids })).body['results'] instanceof Array, true)
    assert.ok(!(await isThere('team/app:v3')))
  })

  test('filters choose what is restored or deleted', async () => {
    await deleted('team/bulk', 'x', 'y')
    await deleted('other/bulk', 'z')
    await assert.rejects(run('trash', 'restore'), /name what is meant/)
    await assert.rejects(run('trash', 'restore', '1', '2', '--project', 'team'), /numbers or filters/)
    assert.match((await run('trash', 'restore', '--repository', 'team/bulk')).lines.join('\n'), /restored 2 items/)
    assert.ok((await isThere('team/bulk:x')) && (await isThere('team/bulk:y')) && !(await isThere('other/bulk:z')))
    await assert.rejects(run('trash', 'delete', '--project', 'other'), /Delete the manifest other\/bulk@\S+ of the trash/)
    assert.match((await run('trash', 'delete', '--project', 'other', '--yes')).lines.join('\n'), /deleted 1 item for good/)
    await assert.rejects(run('trash', 'restore', '--project', 'other', '--reason', 'request'), /nothing of that is in the trash/)
  })

  /** What came back is as old as it was: the policy keeps what it kept before, not what was restored last. */
  async function keepsAsBefore(tag: string): Promise<void> {
    await run('retention', 'run', 'team', 'life', '--dry-run', '--wait')
    const again = await people.root.call('GET', '/projects/team/retention-policies/life/runs?limit=1')
    const kept = await run('retention', 'decisions', 'team', String(again.body.items?.[0]?.['id']), '--action', 'keep')
    assert.equal(kept.lines.length, 2, kept.lines.join('\n'))
    assert.match(kept.lines.join('\n'), new RegExp(`\\b${tag}\\b`, 'u'))
  }

  test('what one run of a policy removed comes back, what it cannot bring back is named, and its decisions are found', async () => {
    await using directory = await temporaryDirectory('undo')
    await using _working = people.rooms.jobs.start()
    for (const tag of ['a', 'b', 'c', 'd']) await pushImage(people.root.registry, 'team/kept', tag, { files: { tag } })
    const file = join(directory.path, 'p.yml')
    await writeFile(file, 'name: life\nrepositories: team/kept\nrules:\n  - keep: { latestPushed: 1 }\n')
    await run('retention', 'policy', 'create', 'team', 'life', '--file', file)
    await run('retention', 'run', 'team', 'life', '--dry-run', '--wait')
    const dry = await people.root.call('GET', '/projects/team/retention-policies/life/runs?limit=1')
    await assert.rejects(run('retention', 'undo', 'team', String(dry.body.items?.[0]?.['id']), '--yes'), /the run removed nothing/)
    await run('retention', 'run', 'team', 'life', '--wait', '--yes')
    const runs = await people.root.call('GET', '/projects/team/retention-policies/life/runs?limit=1')
    const id = String(runs.body.items?.[0]?.['id'])
    for (const tag of ['a', 'b', 'c']) assert.ok(!(await isThere(`team/kept:${tag}`)))
    assert.equal(
      (await run('retention', 'decisions', 'team', id, '--action', 'remove')).lines.length,
      4,
      'a line of titles and three removed',
    )
    const found = await people.root.call('GET', `/trash?run=${id}`)
    assert.equal(found.body.items?.length, 3)
    const lost = found.body.items?.find(({ tags }) => String(tags) === 'b')
    await run('trash', 'delete', String(lost?.['id']), '--yes')
    await pushImage(people.root.registry, 'team/kept', 'c', { files: { tag: 'c moved' } })
    const undone = await run('retention', 'undo', 'team', id, '--yes')
    assert.match(undone.lines.join('\n'), /restored 1 deletion$/m)
    assert.match(undone.errors.join('\n'), /team\/kept:c \(\d+\): the tag points elsewhere/)
    assert.doesNotMatch([...undone.lines, ...undone.errors].join('\n'), /team\/kept:b/, 'what is deleted for good is named nowhere')
    assert.equal(process.exitCode, 1)
    process.exitCode = 0
    assert.ok((await isThere('team/kept:a')) && (await isThere('team/kept:c')))
    await keepsAsBefore('c')
  })

  test('what a refusal keeps from coming back is told once, with its reason', async () => {
    await using directory = await temporaryDirectory('undo')
    await using _working = people.rooms.jobs.start()
    for (const tag of ['a', 'b']) await pushImage(people.root.registry, 'other/kept', tag, { files: { tag } })
    const file = join(directory.path, 'p.yml')
    await writeFile(file, 'name: life\nrepositories: other/kept\nrules:\n  - keep: { latestPushed: 1 }\n')
    await run('retention', 'policy', 'create', 'other', 'life', '--file', file)
    await run('retention', 'run', 'other', 'life', '--dry-run', '--wait')
    await run('retention', 'run', 'other', 'life', '--wait', '--yes')
    const runs = await people.root.call('GET', '/projects/other/retention-policies/life/runs?limit=1')
    assert.equal((await people.root.call('PUT', '/projects/other/quota', { tagsMax: 1 })).status, 200)
    const { lines, errors } = await run('retention', 'undo', 'other', String(runs.body.items?.[0]?.['id']), '--yes')
    assert.equal(process.exitCode, 1)
    process.exitCode = 0
    assert.deepEqual(lines, ['restored 0 deletions'])
    const told = errors.filter((line) => line.includes('other/kept:a'))
    assert.equal(told.length, 1, errors.join('\n'))
    assert.match(told[0] ?? '', /quota of project other exceeded/)
  })
})
