import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core'
import { basicAuthorization, sendRequest } from '../support/http-client.ts'
import { startOidcProvider, type OidcServer } from '../support/oidc-provider.ts'
import { pushImage, registryClient } from '../support/registry-client.ts'
import { startBerth, type RunningBerth } from '../support/start-berth.ts'
import { startDockerEngine } from './docker-engine.ts'
import { openWorkplace, type Workplace } from './workplace.ts'

let berth: RunningBerth
let provider: OidcServer
let browser: Browser
let context: BrowserContext
let work: Workplace
let token = ''

before(async () => {
  berth = await startBerth({ config: { auth: { accounts: { realm: 'berth-test' } }, outgoing: { allowednetworks: ['loopback'] } } })
  const password = await administratorPassword()
  provider = await startOidcProvider([`${berth.url}/api/v1/session/oidc/corp/callback`])
  provider.people.set('mia', { name: 'Mia', email: 'mia@example.org', groups: ['devs'] })
  const root = basicAuthorization('admin', password)
  const api = async (path: string, body: unknown) => {
    const headers = { authorization: root, 'content-type': 'application/json' }
    const answer = await sendRequest(`${berth.url}/api/v1${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
    assert.ok(answer.status < 300, `${path}: ${answer.status} ${answer.body.toString()}`)
    return JSON.parse(answer.body.toString()) as { readonly id: number }
  }
  const { issuer, clientId, clientSecret } = provider
  await api('/providers', { name: 'corp', kind: 'oidc', title: 'Corporate', settings: { issuer, clientId, clientSecret } })
  await pushImage(registryClient(berth.url, { authorization: root }), 'team/app', '1')
  browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
  })
  context = await browser.newContext()
  work = await openWorkplace('oidc', (file) => ({ REGISTRY_AUTH_FILE: file('auth.json') }))
})
after(async () => {
  await work?.[Symbol.asyncDispose]()
  await browser?.close()
  await provider?.[Symbol.asyncDispose]()
  await berth?.[Symbol.asyncDispose]()
})

/** As the first start tells it, just after it answers. */
async function administratorPassword(): Promise<string> {
  for (let tries = 0; tries < 200; tries++) {
    const told = /password {2}(\S+)/.exec(berth.logs())?.[1]
    if (told !== undefined) return told
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`no password is told: ${berth.logs()}`)
}

/** Runs in the page: what the portal would do. */
async function inPage(
  page: Page,
  method: string,
  path: string,
  body?: unknown,
): Promise<{ readonly status: number; readonly text: string }> {
  return await page.evaluate(
    async (call) => {
      const headers = call.body === undefined ? {} : { 'content-type': 'application/json' }
      const init = { method: call.method, headers, ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }) }
      const answer = await fetch(`/api/v1${call.path}`, init)
      return { status: answer.status, text: await answer.text() }
    },
    { method, path, body },
  )
}

describe('a person with a browser', () => {
  test('signs in at the identity provider and lands where they were going, signed in', async () => {
    const page = await context.newPage()
    await page.goto(`${berth.url}/api/v1/session/oidc/corp?returnTo=${encodeURIComponent('/api/v1/session')}`)
    assert.ok(page.url().startsWith(provider.issuer))
    await page.fill('input[name=login]', 'mia')
    await page.fill('input[name=password]', 'x')
    await page.click('button[type=submit]')
    await page.click('button[type=submit]')
    await page.waitForURL(`${berth.url}/api/v1/session`)
    const seen = JSON.parse((await page.textContent('body')) ?? '') as { readonly state: string; readonly user: { readonly name: string } }
    assert.deepEqual([seen.state, seen.user.name], ['active', 'mia'])
    const cookies = await page.context().cookies(berth.url)
    const cookie = cookies.find(({ name }) => name === 'berth-session')
    assert.deepEqual([cookie?.httpOnly, cookie?.sameSite], [true, 'Lax'])
    assert.equal(await page.evaluate('document.cookie'), '')

    const made = await inPage(page, 'POST', '/tokens', { name: 'laptop' })
    assert.equal(made.status, 201, made.text)
    token = (JSON.parse(made.text) as { readonly secret: string }).secret
    assert.match(token, /^berth_pat_/)
  })

  test('gets something done by a page of the registry, and nothing by one of another origin on the same host', async () => {
    const page = await context.newPage()
    const path = '/api/v1/session/factors/totp'
    const statusFrom = async (origin: string) => {
      await page.goto(origin)
      const answered = page.waitForResponse((response) => response.url() === berth.url + path)
      await page.evaluate(
        (url) => fetch(url, { method: 'POST', mode: 'no-cors', credentials: 'include' }).then(() => undefined),
        berth.url + path,
      )
      return (await answered).status()
    }
    assert.equal(await statusFrom(`${berth.url}/api/v1/session`), 200)
    assert.equal(await statusFrom(`${provider.issuer}/.well-known/openid-configuration`), 403)
  })

  test('gives skopeo and docker the token that they made, under any or their own name', async () => {
    const login = (password: string) => [
      'skopeo',
      'login',
      '--tls-verify=false',
      '-u',
      'mia',
      '--password-stdin',
      berth.host,
      '--authfile',
      work.file(`${password.length}.json`),
    ]
    assert.match((await work.run(login(token), { input: token })).output, /Login Succeeded/u)
    assert.match((await work.runRefused(login('x'), { input: 'x' })).output, /invalid username\/password|unauthorized/iu)
    await using engine = await startDockerEngine([])
    const docker = (...args: string[]) => ['/usr/bin/docker', ...args]
    const said = await engine.work.run(docker('login', '-u', 'mia', '--password-stdin', berth.host), { input: token })
    assert.match(said.output, /Login Succeeded/u)
    const refused = await engine.work.runRefused(docker('pull', `${berth.host}/team/app:1`))
    assert.match(refused.output, /denied|not found|unauthorized|access/iu)
  })
})
