import assert from 'node:assert/strict'
import { test } from 'node:test'
import { json, withAnswers, type Answer } from './test-answers.ts'
import { runVerb } from './test-verb.ts'

const grant = {
  id: 7,
  subject: { kind: 'user', id: 3, name: 'alice' },
  role: 'developer',
  project: null,
  repositories: null,
  expiresAt: null,
  createdBy: 'root',
  createdAt: '2026-01-01T00:00:00.000Z',
  version: 1,
}

/** Runs the verb against a server that gives what is asked, and tells what was asked. */
async function asked(args: readonly string[], before: object = {}, verb = 'grant'): Promise<readonly string[]> {
  const requests: string[] = []
  const answer: Answer = ({ method = '', url = '' }, response) => {
    requests.push(`${method} ${url.replace('/api/v1', '')}`)
    if (method === 'GET' && !url.includes('/grants/')) json(response, { items: [grant] })
    else json(response, { ...grant, ...before })
  }
  await withAnswers(answer, async (url) => void (await runVerb([verb, ...args, '--server', url])))
  return requests
}

test('a role on everything is given only to who says that everything is meant', async () => {
  const create = ['create', 'developer', '--user', 'alice']
  await assert.rejects(asked(create), /developer for user alice on everything.*--project.*--everything/)
  await assert.rejects(asked([...create, '--repositories', 'all']), /--everything/)
  for (const glob of ['**', '***', '****']) {
    await assert.rejects(asked([...create, '--repositories', glob]), /on everything.*--everything/)
    assert.deepEqual(await asked([...create, '--repositories', glob, '--everything']), ['POST /grants'])
    assert.deepEqual(await asked([...create, '--repositories', glob, '--project', 'team']), ['POST /projects/team/grants'])
  }
  for (const flag of ['--everything', '-y', '--yes']) assert.deepEqual(await asked([...create, flag]), ['POST /grants'])
})

test('a list of grants marks those that have ended', async () => {
  const ended = { ...grant, expiresAt: '2026-02-01T00:00:00.000Z', isExpired: true }
  const answer: Answer = (_, response) => json(response, { items: [{ ...grant, isExpired: false }, ended] })
  await withAnswers(answer, async (url) => {
    const { lines } = await runVerb(['grant', 'list', '--server', url])
    assert.deepEqual(
      lines.map((line) => line.split(/ {2,}/).at(-1)),
      ['UNTIL', '-', '2026-02-01T00:00:00.000Z (ended)'],
    )
  })
})

test('a role in a project, or on some repositories, is given without a question', async () => {
  const create = ['create', 'developer', '--user', 'alice']
  assert.deepEqual(await asked([...create, '--project', 'team']), ['POST /projects/team/grants'])
  assert.deepEqual(await asked([...create, '--repositories', 'team/**']), ['POST /grants'])
  await assert.rejects(asked([...create, '--project', 'team', '--everything']), /neither --project nor/)
})

test('a grant on some repositories is not widened to everything without a question', async () => {
  const update = ['update', '7', '--repositories', 'all']
  await assert.rejects(asked(update, { repositories: 'team/**' }), /--everything/)
  await assert.rejects(asked(['update', '7', '--repositories', '***'], { repositories: 'team/**' }), /--everything/)
  assert.deepEqual(await asked([...update, '--everything'], { repositories: 'team/**' }), ['GET /grants/7', 'PATCH /grants/7'])
  assert.deepEqual(await asked(update, { project: 'team', repositories: 'team/**' }), ['GET /grants/7', 'PATCH /grants/7'])
})

test('a robot of the system gets no role on everything by a forgotten place', async () => {
  const create = ['create', 'ci', '--grant', 'guest@team', '--grant', 'developer']
  await assert.rejects(asked(create, {}, 'robot'), /developer for the robot ci on everything/)
  await assert.rejects(asked(['update', '7', '--grant', 'developer'], {}, 'robot'), /--everything/)
  await assert.rejects(asked(['create', 'ci', '--grant', 'developer:***'], {}, 'robot'), /--everything/)
  const made = { robot: { id: 7, login: 'robot-ci', grants: [], allowedAddresses: [] }, secret: null }
  assert.deepEqual(await asked([...create, '--everything'], made, 'robot'), ['POST /robots'])
  assert.deepEqual(await asked(['create', 'ci', '--grant', 'guest@team', '--grant', 'guest:base/**'], made, 'robot'), ['POST /robots'])
  assert.deepEqual(await asked(['create', 'ci', '--grant', 'guest', '--project', 'team'], made, 'robot'), ['POST /projects/team/robots'])
})

test('grants are listed by who holds them, by name or number', async () => {
  assert.deepEqual(await asked(['list', '--user', 'alice']), ['GET /grants?user=alice'])
  assert.deepEqual(await asked(['list', '--group', '9', '--project', 'team']), ['GET /projects/team/grants?group=9'])
  assert.deepEqual(await asked(['list', '--robot', 'robot-ci@team']), ['GET /grants?robot=robot-ci%40team'])
})

test('people and groups are found by the beginning of their name', async () => {
  assert.deepEqual(await asked(['candidates', 'al', '--project', 'team']), ['GET /projects/team/candidates?name=al'])
  assert.deepEqual(await asked(['candidates', 'al', '--project', 'team', '--limit', '5']), [
    'GET /projects/team/candidates?name=al&limit=5',
  ])
})

test('what somebody may do is shown with where and until when, for a person or a robot', async () => {
  const found = {
    user: { id: 3, name: 'al\u001b[2Jice', isAdministrator: false, isDisabled: true },
    permissions: ['repository:pull'],
    repositories: [{ repositories: 'team/web-*', permissions: ['repository:push'], expiresAt: '2030-01-01T00:00:00.000Z' }],
  }
  const requests: string[] = []
  const answer: Answer = ({ url = '' }, response) => {
    requests.push(url.replace('/api/v1', ''))
    json(response, found)
  }
  await withAnswers(answer, async (url) => {
    const ask = async (...args: string[]) => await runVerb(['grant', 'permissions', '--project', 'team', ...args, '--server', url])
    const { lines, errors } = await ask('--user', 'alice')
    assert.deepEqual(
      lines.map((line) => line.split(/ {2,}/)),
      [
        ['PERMISSION', 'ON', 'UNTIL'],
        ['repository:pull', 'project team', '-'],
        ['repository:push', 'team/web-*', '2030-01-01T00:00:00.000Z'],
      ],
    )
    assert.deepEqual(errors, ['alice is disabled, and can do nothing of it now'])
    assert.deepEqual(JSON.parse((await ask('--user', 'alice', '--json')).lines.join('')), found)
    await ask('--robot', 'robot-ci@team', '--repository', 'team/web')
    assert.equal(requests.at(-1), '/projects/team/permissions?robot=robot-ci%40team&repository=team%2Fweb')
    await assert.rejects(ask(), /--user or --robot/)
    await assert.rejects(ask('--user', 'a', '--robot', 'robot-b'), /--user or --robot/)
  })
})

test('grants that hold in a project are listed with those from elsewhere', async () => {
  assert.deepEqual(await asked(['list', '--project', 'team', '--inherited']), ['GET /projects/team/grants?inherited=true'])
  await assert.rejects(asked(['list', '--inherited']), /--project/)
})
