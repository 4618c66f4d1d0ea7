import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { exitStatusOf } from '../../cli/exit-status.ts'
import { describeFailure } from '../../cli/failure.ts'
import { runVerb } from '../../cli/test-verb.ts'
import { pushImage, pushIndex, registryClient, type RegistryClient } from '../support/registry-client.ts'
import { startBerth, type RunningBerth } from '../support/start-berth.ts'

suite('the trash of data', () => {
  let berth: RunningBerth
  let client: RegistryClient
  before(async () => {
    berth = await startBerth()
    client = registryClient(berth.url)
  })
  after(() => berth[Symbol.asyncDispose]())

  const run = (...args: string[]) => runVerb([...args, '--data', berth.configFile])
  const remove = async (path: string) => assert.equal((await client.send(path, { method: 'DELETE' })).status, 202, path)
  const newest = async () => /^\d+/u.exec((await run('trash', 'list')).lines[1] ?? '')?.[0] ?? ''

  async function trashed(path: string): Promise<string> {
    await remove(path)
    return await newest()
  }

  /** Of a command that fails. */
  async function failure(...args: string[]): Promise<{ readonly status: number; readonly text: string }> {
    const error = await run(...args).then(
      () => assert.fail(args.join(' ')),
      (reason: unknown) => reason,
    )
    return { status: exitStatusOf(error), text: describeFailure(error) }
  }

  async function indexInTrash(repository: string) {
    const { descriptor } = await pushImage(client, repository, undefined, { files: { repository } })
    const child = descriptor.digest
    const index = (await pushIndex(client, repository, 'v1', [descriptor])).descriptor.digest
    const indexId = await trashed(`/v2/${repository}/manifests/${index}`)
    const childId = await trashed(`/v2/${repository}/manifests/${child}`)
    return { child, index, childId, indexId }
  }

  test('names what needs a thing before it goes for good, one or several, and what goes along needs nothing', async () => {
    const { child, index, childId, indexId } = await indexInTrash('team/multi')
    const other = await trashed(
      `/v2/team/multi/manifests/${(await pushImage(client, 'team/multi', 'x', { files: { x: 'x' } })).descriptor.digest}`,
    )
    const told = `team/multi@${child}: ${index} needs it and is broken without it.`
    const asked = await failure('trash', 'delete', childId)
    assert.equal(asked.status, 2)
    assert.ok(
      asked.text.includes(`Delete the manifest team/multi@${child} of the trash of ${berth.configFile} for good? ${told}`),
      asked.text,
    )
    const both = await failure('trash', 'delete', childId, other)
    assert.match(both.text, /Delete 2 items \(the manifest team\/multi@\S+, the manifest team\/multi@\S+\) of the trash/u)
    assert.ok(both.text.includes(told), both.text)
    assert.doesNotMatch((await failure('trash', 'delete', childId, indexId)).text, /needs it/u)
    assert.doesNotMatch((await failure('trash', 'delete', '--repository', 'team/multi')).text, /needs it/u)
    const { errors } = await run('trash', 'delete', childId, '--yes')
    assert.deepEqual(errors.slice(-2), [told, `deleted ${childId} for good`])
    const refused = await failure('trash', 'restore', indexId)
    assert.equal(refused.status, 5)
    assert.match(refused.text, new RegExp(`it needs ${child}.*without it with --force$`, 'u'))
    const several = await run('trash', 'restore', indexId, other)
    assert.match(several.errors.join('\n'), new RegExp(`^${indexId}: it needs ${child}.* with --force \\(CONFLICT\\)$`, 'mu'))
    process.exitCode = 0
    const forced = (await run('trash', 'restore', indexId, '--force')).lines.join('\n')
    const facts = `tagged v1; the tag does not expire: berth tag expire says otherwise; without ${child}, which it needs: push that again`
    assert.equal(forced, `restored manifest team/multi@${index}; ${facts}`)
  })

  test('an index that was pushed again still needs what it lists', async () => {
    const { child, index, indexId } = await indexInTrash('team/again')
    const { descriptor } = await pushImage(client, 'team/again', undefined, { files: { repository: 'team/again' } })
    await pushIndex(client, 'team/again', 'v2', [descriptor])
    const childId = await trashed(`/v2/team/again/manifests/${child}`)
    assert.match((await failure('trash', 'delete', indexId, childId)).text, new RegExp(`${index} needs it and is broken without it`, 'u'))
  })

  test('a restore says what came back, and what did not', async () => {
    const { digest } = (await pushImage(client, 'team/t', 'k0', { files: { a: 'a' } })).descriptor
    const tag = await trashed('/v2/team/t/manifests/k0')
    assert.deepEqual((await run('trash', 'restore', tag)).lines, [
      'restored tag team/t:k0; the tag does not expire: berth tag expire says otherwise',
    ])
    await remove('/v2/team/t/manifests/k0')
    assert.deepEqual((await runVerb(['tag', 'restore', 'team/t:k0', berth.configFile])).lines, [
      `team/t:k0 is ${digest}; it does not expire: berth tag expire says otherwise`,
    ])
    await pushImage(client, 'team/t', 'k1', { files: { a: 'a' } })
    const manifest = await trashed(`/v2/team/t/manifests/${digest}`)
    await pushImage(client, 'team/t', 'k1', { files: { a: 'b' } })
    const restored = await run('trash', 'restore', manifest, '--json')
    assert.deepEqual((JSON.parse(restored.lines.join('\n')) as { takenTags: unknown }).takenTags, ['k1'])
    const again = await trashed(`/v2/team/t/manifests/${digest}`)
    assert.deepEqual((await run('trash', 'restore', again)).lines, [
      `restored manifest team/t@${digest}; tagged k0; the tag does not expire: berth tag expire says otherwise`,
    ])
  })

  test('ends with the status that a server leads to', async () => {
    for (const args of [
      ['delete', '999999', '--yes'],
      ['restore', '999999'],
      ['delete', '999998', '999999', '--yes'],
      ['restore', '999998', '999999'],
      ['delete', '--repository', 'team/none', '--yes'],
      ['restore', '--repository', 'team/none'],
    ])
      assert.equal((await failure('trash', ...args)).status, 4, args.join(' '))
    assert.match((await failure('trash', 'delete', '999999', '--yes')).text, /there is nothing of this number in the trash/u)
    for (const args of [
      ['delete', '0', '--yes'],
      ['restore', '0'],
    ])
      assert.equal((await failure('trash', ...args)).status, 2, args.join(' '))
  })
})
