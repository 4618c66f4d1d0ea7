import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { runVerb } from '../../cli/test-verb.ts'
import { openPeople, password, type People } from '../api/people.ts'
import { pushImage } from '../support/registry-client.ts'

suite('berth immutable and berth tag expire', () => {
  let people: People
  before(async () => {
    people = await openPeople()
    assert.equal((await people.root.call('POST', '/projects', { name: 'team' })).status, 201)
    await pushImage(people.root.registry, 'team/app', 'v1.0.0')
  })
  after(() => people[Symbol.asyncDispose]())

  const run = (...args: string[]) => runVerb(args, { BERTH_SERVER: people.rooms.url, BERTH_USER: 'root', BERTH_TOKEN: password })

  test('a rule is added, listed, changed and removed', async () => {
    const added = await run(
      'immutable',
      'add',
      'team',
      '>=1.0.0',
      '--syntax',
      'semver',
      '--repositories',
      'team/**',
      '--description',
      'releases',
    )
    const rule = /Rule:? +(\d+)/.exec(added.lines.join('\n'))?.[1] ?? ''
    assert.notEqual(rule, '')
    const { lines } = await run('immutable', 'list', 'team')
    assert.match(lines[1] ?? '', /team\/\*\* +>=1\.0\.0 +semver +yes +releases/)
    await assert.rejects(run('tag', 'delete', 'team/app:v1.0.0', '--yes'), /the tag v1\.0\.0 of team\/app is immutable: rule/)
    assert.match((await run('tag', 'show', 'team/app:v1.0.0')).lines.join('\n'), /Immutable:? +yes/)
    assert.match((await run('immutable', 'change', 'team', rule, '--disable')).lines.join('\n'), /Enabled:? +no/)
    const nowhere = await run('immutable', 'change', 'team', rule, '--repositories', 'no/**')
    assert.match(nowhere.errors.join('\n'), /^warning: .*no\/\*\*/u)
    await assert.rejects(run('immutable', 'change', 'team', rule), /nothing is to change/)
    await assert.rejects(run('immutable', 'change', 'team', rule, '--enable', '--disable'), /either/)
    await assert.rejects(run('immutable', 'add', 'team', '(', '--syntax', 'regex'), /no regular expression/)
    await assert.rejects(run('immutable', 'remove', 'team', rule), /add --yes/)
    assert.deepEqual((await run('immutable', 'remove', 'team', rule, '--yes')).errors, [`deleted rule ${rule} of team`])
    assert.equal((await run('immutable', 'list', 'team')).lines.length, 1)
  })

  test('a tag is told when it expires, by a lifetime, an instant or never', async () => {
    const told = (await run('tag', 'expire', 'team/app:v1.0.0', '2w')).lines[0] ?? ''
    const at = Date.parse(/expires at (\S+)/.exec(told)?.[1] ?? '')
    assert.ok(Math.abs(at - Date.now() - 14 * 86_400_000) < 60_000, told)
    assert.deepEqual((await run('tag', 'expire', 'team/app:v1.0.0', '2099-01-01T00:00:00Z')).lines, [
      'team/app:v1.0.0 expires at 2099-01-01T00:00:00.000Z',
    ])
    assert.match((await run('tag', 'show', 'team/app:v1.0.0')).lines.join('\n'), /Expires:? +2099-01-01/)
    assert.deepEqual((await run('tag', 'expire', 'team/app:v1.0.0', 'never')).lines, ['team/app:v1.0.0 does not expire'])
    for (const when of ['soon', '0d', '1.5h', '5', ''])
      await assert.rejects(run('tag', 'expire', 'team/app:v1.0.0', when), /is no time/, when)
    await assert.rejects(run('tag', 'expire', 'team/app:v1.0.0', '2020-01-01'), /passed already/)
  })

  test('a new name that leaves a rule behind says so, and one that does not is silent', async () => {
    for (const name of ['shelf', 'shelf/a', 'free']) assert.equal((await people.root.call('POST', '/projects', { name })).status, 201)
    await run('immutable', 'add', 'shelf', 'v*')
    for (const repository of ['shelf/a/one', 'shelf/a/two', 'shelf/three']) await pushImage(people.root.registry, repository, 'v1')
    assert.deepEqual((await run('project', 'rename', 'shelf/a', 'shelf/b')).errors, [])
    const left = await run('project', 'rename', 'shelf/b', 'elsewhere')
    assert.match(
      left.errors.join('\n'),
      /^warning: 2 repositories are no longer under immutable tag rule \d+ of project shelf \(v\*\): .*make a rule where they are$/,
    )
    assert.deepEqual((await run('repository', 'move', 'shelf/three', 'shelf/four')).errors, [])
    const moved = await run('repository', 'move', 'shelf/four', 'free/four')
    assert.match(moved.errors.join('\n'), /^warning: 1 repository is no longer under immutable tag rule/)
    assert.deepEqual((await run('project', 'rename', 'elsewhere', 'anywhere')).errors, [], 'nothing is lost twice')
  })
})
