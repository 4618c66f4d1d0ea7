import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { exitStatusOf } from '../../cli/exit-status.ts'
import { runVerb } from '../../cli/test-verb.ts'
import { describeRestored } from '../../cli/trash-words.ts'
import { openTrashDesk } from '../../server/data-trash.ts'
import { openPeople, password, type People } from '../api/people.ts'
import { pushImage, pushIndex } from '../support/registry-client.ts'

suite('berth trash, berth tag restore', () => {
  let people: People
  before(async () => {
    people = await openPeople({ storage: { deleteEnabled: true } })
    for (const [name, isPublic] of Object.entries({ q1: false, open: true }))
      assert.equal((await people.root.call('POST', '/projects', { name, isPublic })).status, 201)
  })
  after(() => people[Symbol.asyncDispose]())

  const run = (...args: string[]) => runVerb(args, { BERTH_SERVER: people.rooms.url, BERTH_USER: 'root', BERTH_TOKEN: password })

  async function newest(kind: string): Promise<string> {
    const { body } = await people.root.call('GET', `/trash?kind=${kind}&limit=1`)
    return String(body.items?.[0]?.['id'])
  }

  test('an index that lost a child for good comes back by --force alone, and the delete said so before', async () => {
    const child = await pushImage(people.root.registry, 'q1/multi', undefined)
    const index = await pushIndex(people.root.registry, 'q1/multi', 'v1', [child.descriptor])
    await run('manifest', 'delete', `q1/multi@${index.descriptor.digest}`, '--yes')
    const indexId = await newest('manifest')
    await run('manifest', 'delete', `q1/multi@${child.descriptor.digest}`, '--yes')
    const childId = await newest('manifest')
    const told = new RegExp(`${index.descriptor.digest} needs it and is broken without it`)
    await assert.rejects(run('trash', 'delete', childId), told)
    assert.match((await run('trash', 'delete', childId, '--yes')).errors.join('\n'), told)
    const { digest } = child.descriptor
    await assert.rejects(run('trash', 'restore', indexId), new RegExp(`it needs ${digest}.*--force`))
    await assert.rejects(run('tag', 'restore', 'q1/multi:v1'), new RegExp(`it needs ${digest}.*--force`))
    assert.match((await run('trash', 'restore', indexId, '--force')).lines.join('\n'), new RegExp(`without ${digest}`))
  })

  test('a repository under another name says where it is, and becomes public by --force alone', async () => {
    await pushImage(people.root.registry, 'q1/app', 'v1')
    await run('repository', 'delete', 'q1/app', '--yes')
    const id = await newest('repository')
    await assert.rejects(run('trash', 'restore', id, 'open/app'), /the project open, which everyone can read.*--force/)
    const forced = await run('trash', 'restore', id, 'open/app', '--force')
    assert.deepEqual(forced.lines, ['restored repository open/app; it is in the project open, which everyone can read'])
    await run('repository', 'delete', 'open/app', '--yes')
    const { lines } = await run('trash', 'restore', await newest('repository'), 'elsewhere/app')
    assert.deepEqual(lines, ['restored repository elsewhere/app; it is in the project library, which only its members can read'])
  })

  test('on data the same is said as by a server, and where nobody has an account that everyone can read it', async () => {
    const { registry } = people.rooms
    const restored = async (repository: string, kind: 'accounts' | 'open') => {
      await pushImage(people.root.registry, repository, 'v1')
      await run('repository', 'delete', repository, '--yes')
      const desk = openTrashDesk({ registry, config: { auth: { kind } } })
      return describeRestored(await desk.restore(Number(await newest('repository')), { isForced: false }))
    }
    assert.equal(
      await restored('q1/data', 'accounts'),
      'restored repository q1/data; it is in the project q1, which only its members can read',
    )
    assert.equal(
      await restored('data', 'accounts'),
      'restored repository data; it is in the project library, which only its members can read',
    )
    assert.equal(await restored('data', 'open'), 'restored repository data; it is in the project library, which everyone can read')
  })

  test('the list says how many tags a repository has', async () => {
    for (const tag of ['v1', 'v2']) await pushImage(people.root.registry, 'q1/counted', tag)
    await run('repository', 'delete', 'q1/counted', '--yes')
    const { lines } = await run('trash', 'list', '--kind', 'repository')
    assert.match(lines.find((line) => line.includes('q1/counted')) ?? '', /q1\/counted +2 tags /)
    const [item] = (await people.root.call('GET', '/trash?repository=q1%2Fcounted')).body.items ?? []
    assert.equal(item?.['tagCount'], 2)
  })

  test('a tag that is put back says that it does not expire, and is found in the audit log', async () => {
    await pushImage(people.root.registry, 'q1/tags', 'v1')
    await run('tag', 'delete', 'q1/tags:v1', '--yes')
    assert.match((await run('tag', 'restore', 'q1/tags:v1')).lines[0] ?? '', /^q1\/tags:v1 is sha256:\S+; it does not expire/)
    assert.match((await run('audit', 'list', '--action', 'tag.restored')).lines.join('\n'), /tag\.restored .*tag:q1\/tags:v1$/mu)
    await run('tag', 'delete', 'q1/tags:v1', '--yes')
    await run('trash', 'restore', await newest('tag'))
    assert.match((await run('audit', 'list', '--action', 'trash.restored')).lines.join('\n'), /tag:q1\/tags:v1$/mu)
  })

  test('restores take no body over HTTP, too', async () => {
    await pushImage(people.root.registry, 'q1/bare', 'v1')
    await run('tag', 'delete', 'q1/bare:v1', '--yes')
    assert.equal((await people.root.call('POST', `/trash/${await newest('tag')}/restore`)).status, 200)
    await run('tag', 'delete', 'q1/bare:v1', '--yes')
    assert.equal((await people.root.call('POST', '/repositories/q1%2Fbare/tags/v1/restore')).status, 200)
    for (const bad of [null, [], 'x', { x: 1 }, { force: 'yes' }])
      assert.equal((await people.root.call('POST', '/trash/1/restore', bad)).status, 400, JSON.stringify(bad))
  })

  test('what is not there is named', async () => {
    await pushImage(people.root.registry, 'q1/a', 'v1')
    for (const args of [
      ['delete', 'q1/a:nosuch', '--yes'],
      ['expire', 'q1/a:nosuch', '2w'],
      ['show', 'q1/a:nosuch'],
    ])
      await assert.rejects(run('tag', ...args), /there is no tag nosuch in q1\/a/, args[0])
    await assert.rejects(run('trash', 'list', '--project', 'nope'), /there is no project nope/)
    assert.equal((await run('trash', 'list', '--project', 'open', '--kind', 'manifest')).lines.length, 1)
    for (const args of [['99998', '99999'], ['99999'], ['--repository', 'q1/none']])
      await assert.rejects(run('trash', 'delete', ...args, '--yes'), (error) => exitStatusOf(error) === 4, args.join(' '))
    await assert.rejects(run('trash', 'delete', '0', '--yes'), (error) => exitStatusOf(error) === 2)
  })

  test('several at once: what needs one of them is named before it goes, and a refusal names the option', async () => {
    const child = await pushImage(people.root.registry, 'q1/many', undefined)
    const index = await pushIndex(people.root.registry, 'q1/many', 'v1', [child.descriptor])
    const other = await pushImage(people.root.registry, 'q1/many', 'v2', { files: { other: 'other' } })
    const ids: string[] = []
    for (const { digest } of [index.descriptor, child.descriptor, other.descriptor]) {
      await run('manifest', 'delete', `q1/many@${digest}`, '--yes')
      ids.push(await newest('manifest'))
    }
    const [indexId = '', childId = '', otherId = ''] = ids
    const told = `q1/many@${child.descriptor.digest}: ${index.descriptor.digest} needs it and is broken without it.`
    await assert.rejects(run('trash', 'delete', childId, otherId), (error: Error) => error.message.includes(told))
    await assert.rejects(run('trash', 'delete', '--repository', 'q1/many'), (error: Error) => !error.message.includes('needs it'))
    assert.deepEqual((await run('trash', 'delete', childId, otherId, '--yes')).errors, [told])
    const { errors } = await run('trash', 'restore', indexId, '999999')
    process.exitCode = 0
    assert.match(errors.join('\n'), /restore without it with --force \(CONFLICT\)/u)
  })

  test('the end of an immutable tag is set with a warning', async () => {
    await pushImage(people.root.registry, 'q1/fixed', 'v1')
    await run('immutable', 'add', 'q1', 'v1', '--repositories', 'q1/fixed')
    assert.deepEqual((await run('tag', 'expire', 'q1/fixed:v1', '2w')).errors, [
      'q1/fixed:v1 is immutable: it stays for as long as a rule keeps it',
    ])
    assert.deepEqual((await run('tag', 'expire', 'q1/fixed:v1', 'never')).errors, [])
  })
})
