import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { chromium } from 'playwright-core'
import { startOidcProvider } from '../support/oidc-provider.ts'
import { digestOfBytes, registryClient } from '../support/registry-client.ts'
import { run } from '../support/run-command.ts'
import { closing, startUpload } from '../support/upload.ts'
import { startAccountsServer } from './accounts-server.ts'
import type { AccountsServer } from './accounts-server.ts'
import { startCiIssuer } from './ci-issuer.ts'
import type { CiIssuer } from './ci-issuer.ts'
import { startActiveDirectory, startSlapd } from './directories.ts'
import type { DirectoryServer } from './directories.ts'
import { openClients, tagOf } from './real-clients.ts'
import type { Account, RealClient } from './real-clients.ts'

const kinds = [
  'local password',
  'personal token',
  'robot secret',
  'robot secret by the name that Harbor gives',
  'LDAP password',
  'Active Directory password',
  'token made after an OpenID Connect sign-in',
  'token of a CI job by the name of its robot',
  'token of a CI job by any name',
] as const
type Kind = (typeof kinds)[number]

const stack = new AsyncDisposableStack()
let server: AccountsServer
let issuer: CiIssuer
/** Filled by the tests that make them, as an administrator and people would. */
const accounts = new Map<Kind, Account>()
let longPush: Promise<LongPush>

after(() => stack.disposeAsync())

before(async () => {
  server = stack.use(await startAccountsServer('credentials'))
  await server.admin('project', 'create', 'team', '--description', 'What the team ships')
  await server.adminByPassword('lana likes long passphrases', 'user', 'create', 'lana', '--password-stdin')
  await server.admin('grant', 'create', 'developer', '--user', 'lana', '--project', 'team')
  longPush = pushSlowly()
  longPush.catch(() => {}) // Awaited by its test.
})

/** Opens what the test will close with the rest. */
async function using<Resource extends AsyncDisposable>(opened: Promise<Resource>): Promise<Resource> {
  return stack.use(await opened)
}

describe('credentials of every kind are made with the command line', () => {
  test('a local account and its personal token', async () => {
    const lana = { name: 'lana', secret: 'lana likes long passphrases' }
    accounts.set('local password', lana)
    const berth = await server.commandLine(lana)
    const made = JSON.parse((await berth('token', 'create', 'laptop', '--role', 'developer', '--project', 'team', '--json')).stdout) as {
      readonly secret: string
    }
    assert.match(made.secret, /^berth_pat_/u)
    accounts.set('personal token', { name: 'lana', secret: made.secret })
  })

  test('a robot of a project', async () => {
    const made = await server.adminJson('robot', 'create', 'ci', '--project', 'team', '--grant', 'developer')
    const { login } = made['robot'] as { readonly login: string }
    const secret = String(made['secret'])
    assert.deepEqual([login, secret.slice(0, 10)], ['robot-ci@team', 'berth_rob_'])
    accounts.set('robot secret', { name: login, secret })
    accounts.set('robot secret by the name that Harbor gives', { name: 'robot$team+ci', secret })
  })

  test('but not providers, by the token of a login where nobody can be asked for the password', async () => {
    const refusal = /a token can do this only when its scopes name provider:create; .*BERTH_USER and BERTH_TOKEN/u
    await assert.rejects(server.admin('provider', 'create', 'workload', 'x', '--set', 'issuer=https://x.example'), refusal)
  })

  test('people of an LDAP directory, by a group of theirs', async () => {
    const slapd = await using(startSlapd())
    const settings = [`urls=${slapd.ldapsUrl}`, `bindDn=${slapd.bindDn}`, `searchBase=${slapd.searchBase}`]
    await createDirectoryProvider('corp', slapd, ['--authorities', slapd.certificates.authorityFile, ...sets(settings)])
    const carol = { name: 'carol', secret: 'carol-Passw0rd' }
    await (
      await server.commandLine(carol)
    )('whoami')
    await server.admin('grant', 'create', 'developer', '--group', 'many', '--project', 'team')
    accounts.set('LDAP password', carol)
  })

  test('people of an Active Directory, by a group of groups', async () => {
    const samba = await using(startActiveDirectory())
    const settings = [
      `urls=${samba.ldapsUrl}`,
      'verifyCertificate=false', // Samba's is for a name that the machine does not find.
      `bindDn=${samba.bindDn}`,
      `searchBase=${samba.searchBase}`,
      'userFilter=(&(objectCategory=person)(objectClass=user)(|(sAMAccountName={input})(userPrincipalName={input})))',
      'attributes.id=objectGUID',
      'attributes.name=sAMAccountName',
      'attributes.displayName=displayName',
      'groups.nested=true',
    ]
    await createDirectoryProvider('ad', samba, sets(settings))
    await server.adminAtTerminal('', 'provider', 'update', 'ad', '--position', '1')
    const alice = { name: 'alice', secret: 'alice-Passw0rd' }
    await (
      await server.commandLine(alice)
    )('whoami')
    await server.admin('grant', 'create', 'developer', '--group', 'company', '--project', 'team')
    accounts.set('Active Directory password', alice)
  })

  test('a person of an OpenID Connect provider, who signs in with a browser', async () => {
    const provider = await using(startOidcProvider([`${server.url}/api/v1/session/oidc/sso/callback`]))
    provider.people.set('olga', { name: 'Olga', groups: ['shippers'] })
    const settings = [`issuer=${provider.issuer}`, `clientId=${provider.clientId}`]
    await server.adminByPassword(provider.clientSecret, 'provider', 'create', 'oidc', 'sso', '--secret-stdin', ...sets(settings))
    const secret = await tokenBySignIn('olga')
    await server.admin('grant', 'create', 'developer', '--group', 'shippers', '--project', 'team')
    accounts.set('token made after an OpenID Connect sign-in', { name: 'olga', secret })
  })

  test('jobs of a CI system, which have no secret', async () => {
    issuer = await using(startCiIssuer())
    const creation = ['--authorities', issuer.authorityFile, ...sets([`issuer=${issuer.issuer}`])]
    await server.adminByPassword('', 'provider', 'create', 'workload', 'ci-system', '--test', ...creation)
    const made = await server.adminJson('robot', 'create', 'deploy', '--project', 'team', '--grant', 'developer', '--no-secret')
    assert.equal(made['secret'], null)
    const { id } = made['robot'] as { readonly id: number }
    const rules = ['repository=team/*', 'ref=refs/heads/main'].flatMap((rule) => ['--claim', rule])
    const place = ['--project', 'team', '--provider', 'ci-system', '--audience', server.url]
    await server.admin('robot', 'trust', 'add', String(id), ...place, ...rules)
    const secret = await issuer.jobToken({ aud: server.url })
    accounts.set('token of a CI job by the name of its robot', { name: 'robot-deploy@team', secret })
    accounts.set('token of a CI job by any name', { name: 'job', secret })
  })
})

for (const [name, open] of Object.entries(openClients)) {
  describe(`${name} logs in, pushes and pulls`, () => {
    let client: RealClient
    before(async () => {
      client = await using(open(server))
    })

    for (const [index, kind] of kinds.entries()) {
      test(`by ${kind}`, async () => {
        const account = accounts.get(kind)
        assert.ok(account !== undefined)
        const repository = `team/${name.toLowerCase()}-${index}`
        const { status, output } = await client.login(account)
        assert.equal(status, 0, output)
        if (client.hasLogin) assert.match(output, /Login Succeeded/u)
        const pushed = await client.push(repository)
        assert.ok(pushed.digest !== undefined, pushed.output)
        assert.equal(await server.root.digestOf(repository, tagOf(client)), pushed.digest)
        const pulled = await client.pull(repository)
        assert.equal(pulled.digest, pushed.digest, pulled.output)
        await client.logout()
      })
    }
  })
}

describe('without the token end point', () => {
  for (const kind of kinds) {
    test(`${kind}: as good in a Basic header`, async () => {
      const account = accounts.get(kind)
      assert.ok(account !== undefined)
      const direct = server.direct(account)
      const repository = `team/basic-${kinds.indexOf(kind)}`
      const { digest } = await direct.pushBlob(repository, Buffer.from(kind))
      assert.equal((await direct.pullBlob(repository, digest)).toString(), kind)
      assert.equal((await direct.send('/api/v1/session')).status, 200)
    })
  }
})

describe('a job exchanges its token by RFC 8693', () => {
  const curl = async (...args: readonly string[]) => {
    const command = ['curl', '-sS', '--cacert', server.authorityFile, '-w', '\n%{http_code}', ...args]
    const [text = '', status = ''] = (await run(command)).stdout.split(/\n(?=\d{3}$)/u)
    return { status: Number(status), body: JSON.parse(text === '' ? '{}' : text) as Record<string, unknown> }
  }
  const exchange = (token: string, ...more: readonly string[]) => {
    const parameters = {
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      subject_token: token,
    }
    const form = Object.entries(parameters).flatMap(([name, value]) => ['--data-urlencode', `${name}=${value}`])
    return curl(`${server.url}/token`, ...form, ...more)
  }

  test('and what it gets counts on /v2 and the API, for as long as it says', async () => {
    const { status, body } = await exchange(await issuer.jobToken({ aud: server.url }))
    assert.equal(status, 200, JSON.stringify(body))
    assert.deepEqual(
      [body['token_type'], body['issued_token_type'], body['expires_in']],
      ['Bearer', 'urn:ietf:params:oauth:token-type:access_token', 60],
    )
    const bearer = ['-H', `Authorization: Bearer ${String(body['access_token'])}`]
    const list = await curl(...bearer, `${server.url}/v2/team/docker-0/tags/list`)
    assert.deepEqual(list, { status: 200, body: { name: 'team/docker-0', tags: ['1'] } })
    const session = await curl(...bearer, `${server.url}/api/v1/session`)
    assert.equal((session.body['user'] as { readonly name: string }).name, 'robot-deploy@team')
  })

  test('and a scope narrows it', async () => {
    const token = await issuer.jobToken({ aud: server.url })
    const { body } = await exchange(token, '--data-urlencode', 'scope=repository:team/docker-0:pull')
    assert.equal(body['scope'], 'repository:team/docker-0:pull')
    const bearer = ['-H', `Authorization: Bearer ${String(body['access_token'])}`]
    assert.equal((await curl(...bearer, '-X', 'POST', `${server.url}/v2/team/docker-0/blobs/uploads/`)).status, 401)
  })

  test('and nothing else is taken for a token of a job', async () => {
    const now = Math.floor(Date.now() / 1000)
    const aud = server.url
    const tokens = {
      'of another branch': await issuer.jobToken({ aud, ref: 'refs/heads/other' }),
      'of a repository whose name only begins so': await issuer.jobToken({ aud, repository: 'team-evil/web' }),
      'for another audience': await issuer.jobToken({ aud: 'https://elsewhere.example' }),
      'that has ended': await issuer.jobToken({ aud, iat: now - 900, nbf: now - 900, exp: now - 600 }),
      'that does not count yet': await issuer.jobToken({ aud, nbf: now + 600 }),
      'without an end': await issuer.jobToken({ aud, exp: undefined }),
      'of an issuer that is not known': await issuer.jobToken({ aud, iss: 'https://elsewhere.example' }),
      'that somebody else signed': await issuer.forgedToken({ aud }),
    }
    for (const [what, token] of Object.entries(tokens)) assert.equal((await exchange(token)).status, 401, `a token ${what}`)
  })
})

test('a push that outlives its token comes to its end, and the token is good for nothing else', { timeout: 120_000 }, async () => {
  const { repository, bearer, digest, statuses } = await longPush
  assert.deepEqual(statuses, { patches: [202, 202, 202, 202], whenItHadEnded: [401, 401, 401], close: 201 })
  assert.equal(digestOfBytes(await server.root.pullBlob(repository, digest)), digest)
  assert.equal((await bearer.send(`/v2/${repository}/blobs/${digest}`)).status, 401)
})

test('none of the secrets stands in the log', () => {
  for (const { secret } of accounts.values()) assert.ok(!server.berth.logs().includes(secret))
})

function sets(settings: readonly string[]): readonly string[] {
  return settings.flatMap((setting) => ['--set', setting])
}

async function createDirectoryProvider(name: string, directory: DirectoryServer, settings: readonly string[]) {
  const command = ['provider', 'create', 'ldap', name, '--test', '--secret-stdin', ...settings]
  const { output } = await server.adminAtTerminal(directory.bindPassword, ...command)
  assert.match(output, /This needs the password of admin again: /u)
}

/** Signs in with Chromium and makes a personal token in the page, as a portal would; the token. */
async function tokenBySignIn(name: string): Promise<string> {
  await using cleanup = new AsyncDisposableStack()
  const options = ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage']
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: options })
  cleanup.defer(() => browser.close())
  const page = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage()
  await page.goto(`${server.url}/api/v1/session/oidc/sso?returnTo=${encodeURIComponent('/api/v1/session')}`)
  await page.fill('input[name=login]', name)
  await page.fill('input[name=password]', 'x')
  await page.click('button[type=submit]')
  await page.click('button[type=submit]')
  await page.waitForURL(`${server.url}/api/v1/session`)
  const made = await page.evaluate(async () => {
    const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"name":"laptop"}' }
    const answer = await fetch('/api/v1/tokens', init)
    return { status: answer.status, text: await answer.text() }
  })
  assert.equal(made.status, 201, made.text)
  return (JSON.parse(made.text) as { readonly secret: string }).secret
}

interface LongPush {
  readonly repository: string
  readonly bearer: ReturnType<typeof registryClient>
  readonly digest: string
  readonly statuses: { readonly patches: number[]; readonly whenItHadEnded: number[]; readonly close: number }
}

/** Four PATCHes over the life of a bearer token and beyond, then the closing PUT, all with that token. Runs beside the other tests. */
async function pushSlowly(): Promise<LongPush> {
  const repository = 'team/long'
  const lana = server.direct({ name: 'lana', secret: 'lana likes long passphrases' })
  const issued = await lana.send(`/token?service=berth&scope=repository:${repository}:pull,push`)
  const { token, expires_in: lifetimeSeconds } = JSON.parse(issued.body.toString()) as {
    readonly token: string
    readonly expires_in: number
  }
  const bearer = registryClient(server.url, { authorization: `Bearer ${token}`, ca: server.authority })
  const parts = Array.from({ length: 4 }, (_, index) => Buffer.alloc(100_000, `part ${index} `))
  let location = await startUpload(bearer, server.url, repository)
  const patches: number[] = []
  for (const [index, body] of parts.entries()) {
    if (index > 0) await wait(((lifetimeSeconds + 4) * 1000) / 3) // The last one comes when the token has ended.
    const first = index * 100_000
    const headers = { 'content-type': 'application/octet-stream', 'content-range': `${first}-${first + body.length - 1}` }
    const answer = await bearer.send(location, { method: 'PATCH', headers, body })
    patches.push(answer.status)
    location = new URL(answer.headers.location ?? location, server.url).href
  }
  const whenItHadEnded = [
    (await bearer.send(`/v2/${repository}/tags/list`)).status,
    (await bearer.send(`/v2/${repository}/blobs/uploads/`, { method: 'POST', body: '' })).status,
    (await bearer.send(`/v2/${repository}/manifests/1`, { method: 'PUT', body: '{}' })).status,
  ]
  const digest = digestOfBytes(Buffer.concat(parts))
  const close = (await bearer.send(closing(location, digest), { method: 'PUT', body: '' })).status
  return { repository, bearer, digest, statuses: { patches, whenItHadEnded, close } }
}
