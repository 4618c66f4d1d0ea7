import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { Secret, TOTP } from 'otpauth'
import { Browser } from '../api/browser.ts'
import { startAccountsServer } from './accounts-server.ts'
import type { AccountsServer } from './accounts-server.ts'
import { openClients } from './real-clients.ts'
import type { Account, ClientName, RealClient } from './real-clients.ts'

const clientsByName = Object.entries(openClients) as [ClientName, (typeof openClients)[ClientName]][]
const stack = new AsyncDisposableStack()
const passphrase = 'a passphrase long enough'
const developer: Account = { name: 'dora', secret: passphrase }
const guest: Account = { name: 'gus', secret: passphrase }
const stranger: Account = { name: 'sam', secret: passphrase }
const careful: Account = { name: 'tess', secret: passphrase }
let server: AccountsServer
let ended: Account
let disabled: Account

before(async () => {
  server = stack.use(await startAccountsServer('refusals'))
  await server.admin('project', 'create', 'team')
  await server.admin('project', 'create', 'open', '--public')
  for (const { name, secret } of [developer, guest, stranger, careful]) {
    await server.adminByPassword(secret, 'user', 'create', name, '--password-stdin')
  }
  for (const project of ['team', 'open']) await server.admin('grant', 'create', 'developer', '--user', 'dora', '--project', project)
  await server.admin('grant', 'create', 'guest', '--user', 'gus', '--project', 'team')
  const dora = await server.commandLine(developer)
  const expires = new Date(Date.now() + 2000)
  const token = await dora(
    'token',
    'create',
    'short',
    '--role',
    'developer',
    '--project',
    'team',
    '--expires',
    expires.toISOString(),
    '--json',
  )
  ended = { name: 'dora', secret: (JSON.parse(token.stdout) as { readonly secret: string }).secret }
  await addSecondFactor(careful)
  const made = await server.adminJson('robot', 'create', 'idle', '--project', 'team', '--grant', 'developer')
  const { id, login } = made['robot'] as { readonly id: number; readonly login: string }
  disabled = { name: login, secret: String(made['secret']) }
  await server.admin('robot', 'disable', String(id), '--project', 'team')
  await wait(Math.max(0, expires.getTime() - Date.now()))
})
after(() => stack.disposeAsync())

/** What each client makes of the registry's words: of a wrong credential, of a right that is lacking, and of a pull and a push without a login. */
const words = {
  docker: {
    login: /unauthorized: bad credentials: incorrect user name or password, or a token that has ended/u,
    bare: /unauthorized: this account has a second factor.*: use a personal access token as the password/u,
    push: /denied: requested access to the resource is denied/u,
    anonymous: /pull access denied for \S+, repository does not exist or may require 'docker login'/u,
    anonymousPush: /denied: requested access to the resource is denied/u,
    immutable: /the tag \S+ of team\/docker is immutable: rule \d+ of project team/u,
  },
  podman: {
    login: /invalid username\/password/u,
    bare: /invalid username\/password/u,
    push: /denied: requested access to the resource is denied/u,
    anonymous: /unauthorized: authentication required/u,
    anonymousPush: /unauthorized: authentication required/u,
    immutable: /the tag \S+ of team\/podman is immutable: rule \d+ of project team/u,
  },
  skopeo: {
    login: /invalid username\/password/u,
    bare: /invalid username\/password/u,
    push: /denied: requested access to the resource is denied/u,
    anonymous: /unauthorized: authentication required/u,
    anonymousPush: /unauthorized: authentication required/u,
    immutable: /the tag \S+ of team\/skopeo is immutable: rule \d+ of project team/u,
  },
  containerd: {
    login: /failed to fetch oauth token: unexpected status: 401 Unauthorized/u,
    bare: /failed to fetch oauth token: unexpected status: 401 Unauthorized/u,
    push: /403 Forbidden/u,
    anonymous: /pull access denied, repository does not exist or may require authorization/u,
    anonymousPush: /authorization failed/u,
    immutable: /409 Conflict/u,
  },
  Helm: {
    login: /401: unauthorized: bad credentials: incorrect user name or password, or a token that has ended/u,
    bare: /401: unauthorized: this account has a second factor.*: use a personal access token as the password/u,
    push: /403: denied: requested access to the resource is denied/u,
    anonymous: /401: unauthorized: authentication required/u,
    anonymousPush: /401: unauthorized: authentication required/u,
    immutable: /409: tag immutable: the tag \S+ of team\/helm is immutable/u,
  },
} as const satisfies Record<ClientName, Readonly<Record<string, RegExp>>>

for (const [name, open] of clientsByName) {
  const mine = (project: string) => `${project}/${name.toLowerCase()}`

  describe(`what ${name} says`, () => {
    let client: RealClient
    before(async () => {
      client = stack.use(await open(server))
      await client.login(developer)
      for (const project of ['team', 'open']) {
        const pushed = await client.push(mine(project))
        assert.ok(pushed.digest !== undefined, pushed.output)
      }
      await client.logout()
    })

    /** Of a login, or, where there is none, of a pull. */
    async function refusedLogin(account: Account): Promise<string> {
      const { status, output } = await client.login(account)
      if (client.hasLogin) {
        assert.notEqual(status, 0, output)
        return output
      }
      const pulled = await client.pull(mine('team'))
      await client.logout()
      assert.equal(pulled.digest, undefined, pulled.output)
      return pulled.output
    }

    test('of a wrong password and of one that nobody has', async () => {
      for (const account of [
        { ...developer, secret: 'wrong' },
        { name: 'nobody', secret: passphrase },
      ]) {
        assert.match(await refusedLogin(account), words[name].login)
      }
    })

    test('of a token that has ended', async () => {
      assert.match(await refusedLogin(ended), words[name].login)
    })

    test('of a disabled robot, and of a robot’s wrong secret', async () => {
      assert.match(await refusedLogin(disabled), words[name].login)
      assert.match(await refusedLogin({ ...disabled, secret: `${disabled.secret.slice(0, -1)}x` }), words[name].login)
    })

    test('of the right password of an account with a second factor', async () => {
      assert.match(await refusedLogin(careful), words[name].bare)
    })

    test('of a push by somebody who may only pull', async () => {
      assert.equal((await client.login(guest)).status, 0)
      const pushed = await client.push(mine('team'))
      const pulled = await client.pull(mine('team'))
      await client.logout()
      assert.equal(pushed.digest, undefined, pushed.output)
      assert.match(pushed.output, words[name].push)
      assert.ok(pulled.digest !== undefined, pulled.output)
    })

    test('of a tag that is immutable', async () => {
      await server.admin('immutable', 'add', 'team', '**', '--repositories', mine('team'))
      assert.equal((await client.login(developer)).status, 0)
      const pushed = await client.push(mine('team'))
      await client.logout()
      assert.equal(pushed.digest, undefined, pushed.output)
      assert.match(pushed.output, words[name].immutable)
    })

    test('of a private project without a login', async () => {
      const [pulled, pushed] = [await client.pull(mine('team')), await client.push(mine('team'))]
      assert.deepEqual([pulled.digest, pushed.digest], [undefined, undefined])
      assert.match(pulled.output, words[name].anonymous)
    })

    test('of a project that one may not see: the same as of one that is not there', async () => {
      for (const account of [undefined, stranger]) {
        if (account !== undefined) assert.equal((await client.login(account)).status, 0)
        for (const attempt of ['pull', 'push'] as const) {
          const [hidden, absent] = [await client[attempt](mine('team')), await client[attempt](mine('none'))]
          assert.deepEqual([hidden.digest, absent.digest], [undefined, undefined])
          assert.equal(withoutNames(hidden.output), withoutNames(absent.output))
        }
        await client.logout()
      }
    })

    test('of a public project nothing: the pull works without a login, and only the push does not', async () => {
      const pulled = await client.pull(mine('open'))
      assert.ok(pulled.digest !== undefined, pulled.output)
      const pushed = await client.push(mine('open'))
      assert.equal(pushed.digest, undefined)
      assert.match(pushed.output, words[name].anonymousPush)
    })
  })
}

test('who shows something that has ended is refused in a public project too, by either way in', async () => {
  const client = server.direct(ended)
  assert.equal((await client.send('/v2/open/docker/manifests/1')).status, 401)
  assert.equal((await client.send('/token?service=berth&scope=repository:open/docker:pull')).status, 401)
})

test('a personal token is refused under the name of somebody else', async () => {
  const dora = await server.commandLine(developer)
  const { secret } = JSON.parse(
    (await dora('token', 'create', 'whole', '--permission', 'repository:pull', '--project', 'team', '--json')).stdout,
  ) as { readonly secret: string }
  const statuses = ['dora', '', 'gus', 'nobody'].map(async (name) => (await server.direct({ name, secret }).send('/v2/')).status)
  assert.deepEqual(await Promise.all(statuses), [200, 200, 401, 401])
})

test('none of the secrets stands in the log', () => {
  for (const secret of [passphrase, ended.secret, disabled.secret]) assert.ok(!server.berth.logs().includes(secret))
})

/** Adds an authenticator app to an account, as the portal does. */
async function addSecondFactor({ name, secret }: Account) {
  const browser = new Browser(server.url)
  const call = async (path: string, body?: unknown) => {
    const reply = await browser.call('POST', `/session${path}`, body, { ca: server.authority })
    assert.equal(reply.status, 200, JSON.stringify(reply.body))
    return reply.body
  }
  await call('', { name, password: secret })
  const app = await call('/factors/totp')
  const code = new TOTP({ secret: Secret.fromBase32(String(app['secret'])) }).generate()
  await call('/factors/totp/confirmation', { code, name: 'phone' })
}

/** Without what differs from one attempt to the next: projects, digests, times, progress. */
function withoutNames(output: string): string {
  return output
    .replaceAll(/\b(?:team|none)\//gu, 'PROJECT/')
    .replaceAll(/\b[0-9a-f]{64}\b|\b[0-9a-f]{12}\b/gu, 'DIGEST')
    .replaceAll(/time="[^"]*"|elapsed:.*/gu, '')
}
