import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openPeople, password } from '../test/api/people.ts'
import { exitStatusOf } from './exit-status.ts'
import { runVerb } from './test-verb.ts'

test('a token takes what a role of one’s own may, and an account is disabled by who says yes only', async () => {
  await using people = await openPeople()
  const environment = { BERTH_SERVER: people.rooms.url.replace(/\/$/, ''), BERTH_USER: 'root', BERTH_TOKEN: password }
  const permissions = ['repository:pull', 'tag:create']
  assert.equal((await people.root.call('POST', '/roles', { name: 'promoter', permissions })).status, 201)
  const { lines } = await runVerb(['token', 'create', 'ci', '--role', 'promoter', '--json'], environment)
  const { token } = JSON.parse(lines.join('')) as { token: { scopes: readonly { permissions: readonly string[] }[] } }
  assert.deepEqual(token.scopes[0]?.permissions, permissions)
  await assert.rejects(runVerb(['token', 'create', 'ci', '--role', 'nobody'], environment), /there is no role nobody: one of .*promoter/)

  await people.add('alice')
  await assert.rejects(runVerb(['user', 'disable', 'alice'], environment), /Disable the account alice\?.*--yes/)
  await runVerb(['user', 'disable', 'alice', '--yes'], environment)
  assert.equal((await people.root.call('GET', '/users?name=alice')).body.items?.[0]?.['isDisabled'], true)
})

test('what a token or a robot may is shown with its project and its glob, and a glob that fits nothing there is refused', async () => {
  await using people = await openPeople()
  const environment = { BERTH_SERVER: people.rooms.url.replace(/\/$/, ''), BERTH_USER: 'root', BERTH_TOKEN: password }
  const berth = (...args: string[]) => runVerb(args, environment)
  for (const name of ['team', 'other']) assert.equal((await people.root.call('POST', '/projects', { name })).status, 201)
  const pull = ['--permission', 'repository:pull'] as const
  const made = await berth('token', 'create', 'both', ...pull, '--project', 'team', '--repositories', 'team/web/**')
  const told = /repository:pull on project team, repositories team\/web\/\*\*/
  assert.match(made.lines.join('\n'), told)
  await berth('token', 'create', 'all', ...pull)
  await berth('token', 'create', 'glob', ...pull, '--repositories', 'other/**')
  const list = (await berth('token', 'list')).lines.join('\n')
  for (const each of [told, /repository:pull on everything/, /repository:pull on repositories other\/\*\*/]) assert.match(list, each)

  await berth('robot', 'create', 'ci', '--project', 'team', '--grant', 'guest@team:team/web/**', '--grant', 'developer@team', '--no-secret')
  const shown = (await berth('robot', 'show', 'robot-ci@team')).lines.join('\n')
  assert.match(shown, /guest on project team, repositories team\/web\/\*\*; developer on project team\n/)

  const begins = (error: unknown) => {
    assert.match(String(error), /those of this project begin with team\//)
    return exitStatusOf(error) === 2
  }
  for (const glob of ['other/**', 'team', 'teams/**', 'other*/**'])
    for (const words of [
      ['robot', 'create', 'x', '--project', 'team', '--grant', `guest@team:${glob}`],
      ['robot', 'create', 'y', '--yes', '--grant', `guest@team:${glob}`],
      ['robot', 'update', 'robot-ci@team', '--grant', `guest@team:${glob}`],
      ['token', 'create', 'x', ...pull, '--project', 'team', '--repositories', glob],
    ])
      await assert.rejects(berth(...words), begins, words.join(' '))
  for (const glob of ['**', 't*/**', 'team/**']) await berth('token', 'create', 'x', ...pull, '--project', 'team', '--repositories', glob)
  // Names without a project's are the default one's.
  await berth('token', 'create', 'x', ...pull, '--project', 'library', '--repositories', 'tool')
})
