import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { runVerb } from '../../cli/test-verb.ts'
import { openPeople, password, type People } from '../api/people.ts'
import { berthCommands } from '../support/guide-commands.ts'
import { basicAuthorization } from '../support/http-client.ts'
import { registryClient } from '../support/registry-client.ts'

const guide = readFileSync(join(import.meta.dirname, '../../docs/guides/ci-without-secrets.md'), 'utf8')
const audience = 'https://registry.example.com'

type Claims = Readonly<Record<string, unknown>>

/** What the issuers of the guide put into a token, as their documentation tells. */
const tokens = {
  github: {
    iss: 'https://token.actions.githubusercontent.com',
    sub: 'repo:my-org/web:ref:refs/heads/main',
    repository: 'my-org/web',
    repository_id: '74',
    repository_owner: 'my-org',
    repository_owner_id: '123456',
    repository_visibility: 'private',
    ref: 'refs/heads/main',
    ref_type: 'branch',
    ref_protected: 'true',
    event_name: 'push',
    actor: 'octocat',
    workflow: 'push',
    job_workflow_ref: 'my-org/web/.github/workflows/push.yml@refs/heads/main',
    runner_environment: 'github-hosted',
  },
  gitlab: {
    iss: 'https://gitlab.example.com',
    sub: 'project_path:group/web:ref_type:branch:ref:main',
    namespace_id: '68413579',
    namespace_path: 'group',
    project_id: '46573356',
    project_path: 'group/web',
    user_login: 'user',
    pipeline_source: 'push',
    ref: 'main',
    ref_path: 'refs/heads/main',
    ref_type: 'branch',
    ref_protected: 'true',
    runner_id: 12_270_835,
    groups_direct: ['group'],
  },
  cluster: {
    iss: 'https://kubernetes.default.svc.cluster.local',
    aud: [audience],
    sub: 'system:serviceaccount:builds:builder',
    'kubernetes.io': { namespace: 'builds', serviceaccount: { name: 'builder', uid: '5' }, pod: { name: 'build', uid: '6' } },
  },
} as const satisfies Record<string, Claims>

suite('the guide to CI without secrets', () => {
  let people: People
  let sign: (claims: Claims, own?: boolean) => Promise<string>
  const berth = (...words: readonly string[]) =>
    runVerb(words, { BERTH_SERVER: people.rooms.url, BERTH_USER: 'root', BERTH_TOKEN: password })

  before(async () => {
    people = await openPeople()
    const [own, other] = await Promise.all([generateKeyPair('RS256'), generateKeyPair('RS256')])
    const jwks = JSON.stringify({ keys: [{ ...(await exportJWK(own.publicKey)), kid: 'k', alg: 'RS256', use: 'sig' }] })
    sign = (claims, isOwn = true) => {
      const now = Math.floor(Date.now() / 1000)
      const payload = { aud: audience, iat: now, nbf: now - 5, exp: now + 300, ...claims }
      const key = (isOwn ? own : other).privateKey
      return new SignJWT(payload).setProtectedHeader({ alg: 'RS256', typ: 'JWT', kid: 'k' }).sign(key)
    }
    await berth('project', 'create', 'team')
    for (const words of berthCommands(guide)) {
      // Nobody logs in here, and nothing is asked of the issuers themselves.
      if (words[0] === 'login') continue
      await berth(...words.filter((word) => word !== '--test').map((word) => word.replace('$(cat jwks.json)', jwks)))
    }
    for (const name of ['github', 'gitlab']) await berth('provider', 'update', name, '--set', `jwks=${jwks}`)
  })
  after(() => people[Symbol.asyncDispose]())

  /** The status of what a client of that name asks with the token. */
  const send = async (name: string, token: string, path: string, method = 'GET') => {
    const client = registryClient(people.rooms.url, { authorization: basicAuthorization(name, token) })
    return (await client.send(path, { method, ...(method === 'POST' ? { body: '' } : {}) })).status
  }
  const push = (name: string, token: string) => send(name, token, '/v2/team/web/blobs/uploads/', 'POST')

  test('its commands make robots that jobs push as, by their own tokens', async () => {
    assert.equal(await push('robot-ci@team', await sign(tokens.github)), 202)
    assert.equal(await push('robot$team+ci', await sign(tokens.github)), 202)
    assert.equal(await push('robot-ci@team', await sign(tokens.gitlab)), 202)
    assert.equal(await push('robot-builder@team', await sign(tokens.cluster)), 202)
    assert.equal(await push('whoever', await sign(tokens.gitlab)), 202)
  })

  test('nodes pull as the robot of the cluster, which does not push', async () => {
    const token = await sign({ ...tokens.cluster, sub: 'system:serviceaccount:shop:till' })
    assert.equal(await send('robot-cluster@team', token, '/v2/team/web/tags/list'), 200)
    assert.equal(await push('robot-cluster@team', token), 403)
    assert.equal(await push('robot-builder@team', token), 401)
  })

  const strangers: readonly (readonly [string, string, keyof typeof tokens, Claims])[] = [
    ['another repository', 'robot-ci@team', 'github', { repository: 'my-org/web-evil' }],
    ['another owner', 'robot-ci@team', 'github', { repository: 'evil/my-org/web' }],
    ['another branch', 'robot-ci@team', 'github', { ref: 'refs/heads/main2' }],
    ['a pull request', 'robot-ci@team', 'github', { ref: 'refs/pull/7/merge' }],
    ['a branch in other letters', 'robot-ci@team', 'github', { ref: 'refs/heads/Main' }],
    ['no repository', 'robot-ci@team', 'github', { repository: undefined }],
    ['another audience', 'robot-ci@team', 'github', { aud: 'https://registry.example.com/' }],
    ['GitHub’s own audience', 'robot-ci@team', 'github', { aud: 'https://github.com/my-org' }],
    ['another issuer', 'robot-ci@team', 'github', { iss: 'https://token.actions.githubusercontent.com/' }],
    [
      'a GitLab that says what GitHub says',
      'robot-ci@team',
      'gitlab',
      { ...tokens.github, iss: tokens.gitlab.iss, project_path: undefined },
    ],
    ['an unprotected branch', 'robot-ci@team', 'gitlab', { ref_protected: 'false' }],
    ['a project of a subgroup', 'robot-ci@team', 'gitlab', { project_path: 'group/web/web' }],
    ['another service account', 'robot-builder@team', 'cluster', { sub: 'system:serviceaccount:builds:builder2' }],
    ['another namespace', 'robot-cluster@team', 'cluster', { sub: 'system:serviceaccount:shop2:till' }],
    ['a robot that the token is not for', 'robot-builder@team', 'github', {}],
    ['a robot that there is not', 'robot-nobody@team', 'github', {}],
  ]
  for (const [what, name, issuer, change] of strangers) {
    test(`its rules refuse ${what}`, async () => {
      assert.equal(await push(name, await sign({ ...tokens[issuer], ...change })), 401)
    })
  }

  test('several robots that fit are told apart by the user name', async () => {
    await berth('robot', 'create', 'other', '--project', 'team', '--grant', 'developer', '--no-secret')
    const rules = ['--provider', 'github', '--audience', audience, '--claim', 'repository_owner_id=123456']
    const trust = JSON.parse((await berth('robot', 'trust', 'add', 'robot-other@team', ...rules, '--json')).lines.join('')) as {
      id: number
    }
    const token = await sign(tokens.github)
    assert.deepEqual(
      [await push('whoever', token), await push('robot-ci@team', token), await push('robot-other@team', token)],
      [401, 202, 202],
    )
    await berth('robot', 'trust', 'remove', 'robot-other@team', String(trust.id), '--yes')
    assert.deepEqual([await push('whoever', token), await push('robot-other@team', token)], [202, 401])
  })

  test('the log says what the client is not told, in the guide’s words', async () => {
    const now = Math.floor(Date.now() / 1000)
    const reasons = {
      ERR_JWT_EXPIRED: await sign({ ...tokens.github, exp: now - 60 }),
      ERR_JWT_CLAIM_VALIDATION_FAILED: await sign({ ...tokens.github, nbf: now + 600 }),
      ERR_JWS_SIGNATURE_VERIFICATION_FAILED: await sign(tokens.github, false),
    }
    for (const [reason, token] of Object.entries(reasons)) {
      const before = people.rooms.lines.length
      assert.equal(await push('robot-ci@team', token), 401)
      const said = people.rooms.lines.slice(before).join('')
      assert.match(said, new RegExp(`a workload token was refused" provider=github reason=${reason}`, 'u'))
      assert.ok(guide.includes(reason))
      assert.ok(!said.includes(token))
    }
    const tooOld = await sign({ ...tokens.github, iat: now - 3700, exp: now + 60 })
    assert.equal(await push('robot-ci@team', tooOld), 401)
    assert.match(people.rooms.lines.slice(-5).join(''), /ERR_JWT_EXPIRED/u)
  })

  test('a provider without keys that can be had answers 503, and the log says why', async () => {
    const issuer = 'https://127.0.0.1:9/none'
    await berth('provider', 'create', 'workload', 'away', '--set', `issuer=${issuer}`)
    assert.equal(await push('robot-ci@team', await sign({ ...tokens.github, iss: issuer })), 503)
    assert.match(people.rooms.lines.join(''), /keys of a workload issuer could not be fetched/u)
  })

  test('a disabled robot is refused, whatever the token', async () => {
    const token = await sign(tokens.cluster)
    assert.equal(await push('robot-builder@team', token), 202)
    await berth('robot', 'disable', 'robot-builder@team')
    assert.equal(await push('robot-builder@team', token), 401)
    await berth('robot', 'enable', 'robot-builder@team')
    assert.equal(await push('robot-builder@team', token), 202)
  })

  test('the command line takes a job’s token', async () => {
    const environment = { BERTH_SERVER: people.rooms.url, BERTH_USER: 'robot-ci@team', BERTH_TOKEN: await sign(tokens.github) }
    const { lines } = await runVerb(['whoami'], environment)
    assert.match(lines.join('\n'), /robot-ci@team/u)
  })
})

suite('robots by name', () => {
  let people: People
  const berth = (...words: readonly string[]) =>
    runVerb(words, { BERTH_SERVER: people.rooms.url, BERTH_USER: 'root', BERTH_TOKEN: password })
  before(async () => {
    people = await openPeople()
    await berth('project', 'create', 'team')
    await berth('project', 'create', 'team/tools')
    for (const name of ['ci', 'ci-2'])
      for (const project of ['team', 'team/tools']) await berth('robot', 'create', name, '--project', project)
    await berth('robot', 'create', 'ci')
  })
  after(() => people[Symbol.asyncDispose]())

  test('one is found by its login name, in its project or in the system, and by its number', async () => {
    const shown = async (...words: readonly string[]) => {
      const { lines } = await berth('robot', 'show', ...words, '--json')
      return JSON.parse(lines.join('\n')) as { readonly login: string; readonly id: number }
    }
    for (const login of ['robot-ci@team', 'robot-ci-2@team', 'robot-ci@team/tools', 'robot-ci']) {
      const robot = await shown(login)
      assert.equal(robot.login, login)
      assert.equal((await shown(String(robot.id))).login, login)
    }
    assert.equal((await shown('robot-ci', '--project', 'team')).login, 'robot-ci@team')
    assert.equal((await shown('robot-ci@team', '--project', 'team')).login, 'robot-ci@team')
  })

  test('the commands of the guide to robots work, in their order', async () => {
    const text = readFileSync(join(import.meta.dirname, '../../docs/guides/robots.md'), 'utf8')
    await berth('robot', 'delete', 'robot-ci@team', '--yes')
    const show = async () => {
      const { lines } = await berth('robot', 'secret', 'list', 'robot-ci@team', '--json')
      return (JSON.parse(lines.join('\n')) as { readonly items: readonly { readonly id: number }[] }).items.map(({ id }) => id)
    }
    const seen: (readonly number[])[] = []
    for (const words of berthCommands(text)) {
      const isRevocation = words.includes('revoke')
      if (isRevocation) seen.push(await show())
      const own = isRevocation
        ? [...words.slice(0, -1), String(seen[0]?.[0]), '--yes']
        : [...words, ...(words.includes('delete') ? ['--yes'] : [])]
      await berth(...own)
      if (isRevocation) seen.push(await show())
    }
    assert.deepEqual([seen[0]?.length, seen[1]], [2, seen[0]?.slice(1)])
    await assert.rejects(berth('robot', 'show', 'robot-ci@team'), /there is no robot/u)
  })

  test('one that there is not is said so', async () => {
    await assert.rejects(berth('robot', 'show', 'robot-c@team'), /there is no robot robot-c@team/u)
    await assert.rejects(berth('robot', 'show', 'robot-ci-2'), /there is no robot robot-ci-2 of the system/u)
    await assert.rejects(berth('robot', 'show', 'robot-ci-2@team', '--project', 'other'), /is no robot of the project other/u)
    await assert.rejects(berth('robot', 'show', 'robot-ci@nowhere'), /RESOURCE_UNKNOWN/u)
    for (const text of ['ci', 'robot-', 'robot-ci@', '-1', '']) await assert.rejects(berth('robot', 'show', '--', text), /is no robot/u)
  })
})
