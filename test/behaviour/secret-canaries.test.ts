import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { basicAuthorization } from '../support/http-client.ts'
import { freePort } from '../support/free-port.ts'
import { pushImage, registryClient } from '../support/registry-client.ts'
import { until } from '../support/until.ts'
import { startBerth, type RunningBerth } from '../support/start-berth.ts'

const password = 'canary-password-5fd1c0de'
const bindPassword = 'canary-bind-91aa77fe'
const clientSecret = 'canary-client-30bb55ce'

/** The secret in every form in which something could write it down. */
function formsOf(secret: string): readonly string[] {
  const within64 = ['', 'a', 'ab', 'abc'].map((lead) => insideOfBase64(lead, secret))
  return [secret, encodeURIComponent(secret), Buffer.from(secret).toString('hex'), ...within64]
}

/** What of a secret is the same in every base64 that has it behind so many bytes. */
function insideOfBase64(lead: string, secret: string): string {
  return Buffer.from(lead + secret)
    .toString('base64')
    .slice(4, -4)
}

interface Asked {
  readonly authorization?: string
  readonly cookie?: string
  readonly body?: unknown
}

/** A registry that is asked many things, and everything that it said. */
function conversation(berth: RunningBerth, origin = berth.url) {
  const answers: string[] = []
  return {
    answers,
    /** `isMeant`: the answer tells a secret on purpose, and is not looked at. */
    async ask(method: string, path: string, { body, ...headers }: Asked = {}, isMeant = false) {
      const sent = {
        origin,
        'sec-fetch-site': 'same-origin',
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      }
      const text = body === undefined ? {} : { body: JSON.stringify(body) }
      const answer = await registryClient(origin).send(path, { method, headers: sent, ...text })
      const said = answer.body.toString()
      if (!isMeant) answers.push(JSON.stringify(answer.headers) + said)
      const type = answer.headers['content-type'] ?? ''
      const value = said !== '' && /^application\/(?:problem\+)?json/.test(type) ? (JSON.parse(said) as Record<string, unknown>) : {}
      return { status: answer.status, headers: answer.headers, value }
    },
  }
}

type Conversation = ReturnType<typeof conversation>

async function made(asking: ReturnType<Conversation['ask']>, status = 201) {
  const answer = await asking
  assert.equal(answer.status, status, JSON.stringify(answer.value))
  return answer
}

async function filesBelow(directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}

/** Where the key lies that seals secrets, nothing of them lies beside it. */
async function assertNowhere(berth: RunningBerth, answers: readonly string[], secrets: Readonly<Record<string, string>>): Promise<void> {
  const places: [string, string][] = [
    ['the log', berth.logs()],
    ...answers.map((text, at): [string, string] => [`answer ${at}: ${text.slice(0, 200)}`, text]),
  ]
  for (const file of await filesBelow(berth.dataDir)) places.push([file, (await readFile(file)).toString('latin1')])
  for (const [name, secret] of Object.entries(secrets)) {
    assert.ok(secret.length >= 16, `${name} is a secret`)
    for (const [place, text] of places) for (const form of formsOf(secret)) assert.ok(!text.includes(form), `${place} tells ${name}`)
  }
}

/** In the greeting of the first start. */
const shown = /^ +password +(\S+)$/m

test('no secret of any kind is written down: not in logs, audit, answers, metrics or the database', { timeout: 120_000 }, async () => {
  const debug = `127.0.0.1:${await freePort('127.0.0.1')}`
  await using berth = await startBerth({
    config: {
      log: { level: 'debug', formatter: 'json' },
      auth: { accounts: {} },
      audit: { file: '-', pulls: 'log' },
      http: { debug: { addr: debug, prometheus: { enabled: true } } },
    },
  })
  await until('the password is shown', () => shown.test(berth.logs()))
  const administrator = basicAuthorization('admin', shown.exec(berth.logs())?.[1] ?? '')
  const { ask, answers } = conversation(berth)
  const api = '/api/v1'
  await made(ask('POST', `${api}/users`, { authorization: administrator, body: { name: 'carol', password, isAdministrator: true } }))
  const carol = basicAuthorization('carol', password)
  await pushImage(registryClient(berth.url, { authorization: carol }), 'library/app', 'v1')

  const token = await made(ask('POST', `${api}/tokens`, { authorization: carol, body: { name: 'ci' } }, true))
  const robot = await made(ask('POST', `${api}/robots`, { authorization: carol, body: { name: 'bot' } }, true))
  const bearers = await made(
    ask('GET', `/token?service=berth&offline_token=true&scope=repository:library/app:pull`, { authorization: carol }, true),
    200,
  )
  const ldap = { urls: ['ldap://127.0.0.1:1'], searchBase: 'dc=x', bindDn: 'cn=reader,dc=x', bindPassword }
  const oidc = { issuer: 'https://127.0.0.1:1/', clientId: 'berth', clientSecret }
  const cookieOf = ({ headers }: Awaited<ReturnType<typeof made>>) => String(headers['set-cookie']).split(';', 1).join('')
  const signedIn = cookieOf(await made(ask('POST', `${api}/session`, { body: { name: 'carol', password } }, true), 200))
  const elevation = { cookie: signedIn, body: { kind: 'password', password } }
  const cookie = cookieOf(await made(ask('POST', `${api}/session/elevation`, elevation, true), 200))
  await made(ask('POST', `${api}/providers`, { cookie, body: { name: 'corp', kind: 'ldap', title: 'Corp', settings: ldap } }))
  await made(ask('POST', `${api}/providers`, { cookie, body: { name: 'sso', kind: 'oidc', title: 'SSO', settings: oidc } }))
  const totp = await made(ask('POST', `${api}/session/factors/totp`, { cookie }, true), 200)

  const text = (value: unknown) => (typeof value === 'string' ? value : '')
  const secrets = {
    'a password': password,
    'a personal token': text(token.value['secret']),
    'a robot’s secret': text(robot.value['secret']),
    'a refresh token': text(bearers.value['refresh_token']),
    'a bearer token': text(bearers.value['token']),
    'the password of an LDAP bind': bindPassword,
    'the secret of an OIDC client': clientSecret,
    'the cookie of a session': decodeURIComponent(cookie.slice(cookie.indexOf('=') + 1)),
    'the seed of an authenticator': text(totp.value['secret']),
  }

  for (const secret of Object.values(secrets)) {
    for (const authorization of [
      `Bearer ${secret}`,
      `Basic ${secret}`,
      basicAuthorization('carol', secret),
      basicAuthorization('robot-bot', secret),
    ]) {
      await ask('GET', '/v2/', { authorization })
      await ask('GET', '/v2/library/app/manifests/v1', { authorization })
      await ask('DELETE', `${api}/users/99`, { authorization })
    }
    await ask('GET', `${api}/session`, { cookie: `berth-session=${secret}` })
    await ask('POST', `${api}/session`, { body: { name: secret.slice(0, 8), password: secret } })
    await ask('GET', `/token?service=berth&refresh_token=${encodeURIComponent(secret)}`)
    await ask('GET', `/token?service=berth&password=${encodeURIComponent(secret)}`)
    await ask('POST', `${api}/session/second-factor`, { cookie, body: { kind: 'totp', code: secret } })
  }
  for (const provider of ['corp', 'sso']) {
    await ask('POST', `${api}/providers/${provider}/test`, { cookie, body: { name: 'carol', password } })
    await ask('PATCH', `${api}/providers/${provider}`, { cookie, body: { title: 'Other' } })
    await ask('GET', `${api}/providers/${provider}`, { cookie })
  }
  const seen = [
    'users',
    'robots',
    'tokens',
    'providers',
    'sessions',
    'session',
    'session/factors',
    'audit',
    'audit/export',
    'audit/export?format=csv',
  ]
  for (const path of [...seen, 'system', 'system/information', 'system/settings', 'system/configuration', 'keys'])
    await ask('GET', `${api}/${path}`, { cookie })
  const listener = conversation(berth, `http://${debug}`)
  for (const path of ['/metrics', '/debug/health', '/debug/vars']) await listener.ask('GET', path)
  await berth.stop()
  await assertNowhere(berth, [...answers, ...listener.answers], secrets)
  assert.match(berth.logs(), /"action":"manifest.pulled".*"organization.id":"\d+","organization.name":"[a-z]+"/)
  assert.match(berth.logs(), /"action":"provider.created"/)
})
