import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core'
import { basicAuthorization, sendRequest } from '../support/http-client.ts'
import { startOidcProvider, type OidcServer } from '../support/oidc-provider.ts'
import { pushImage, registryClient } from '../support/registry-client.ts'
import { startBerth, type RunningBerth } from '../support/start-berth.ts'
import { until } from '../support/until.ts'
import { administratorPassword } from './directories.ts'
import { startDockerEngine } from './docker-engine.ts'
import { openWorkplace, type Workplace } from './workplace.ts'

let berth: RunningBerth
let provider: OidcServer
let asking: OidcServer
let browser: Browser
let context: BrowserContext
let work: Workplace
let token = ''

before(async () => {
  berth = await startBerth({ config: { auth: { accounts: { realm: 'berth-test' } }, outgoing: { allowednetworks: ['loopback'] } } })
  const password = await administratorPassword(berth)
  const redirectTo = (name: string) => [`${berth.url}/api/v1/session/oidc/${name}/callback`]
  provider = await startOidcProvider(redirectTo('corp'))
  asking = await startOidcProvider(redirectTo('ask'), { people: provider.people })
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
  const settings = { issuer: asking.issuer, clientId, clientSecret, onNewName: 'ask' }
  await api('/providers', { name: 'ask', kind: 'oidc', title: 'Ask first', settings })
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
  await asking?.[Symbol.asyncDispose]()
  await provider?.[Symbol.asyncDispose]()
  await berth?.[Symbol.asyncDispose]()
})

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

const launcher = fileURLToPath(new URL('../../bin/berth.mjs', import.meta.url))

/** A `berth` that runs, and what it has printed. `isTerminal`: as somebody at a terminal. */
function startCommand(args: readonly string[], { isTerminal = false } = {}) {
  const words = [process.execPath, launcher, ...args]
  const [command = '', ...rest] = isTerminal ? ['script', '-q', '-e', '-c', words.map((word) => `'${word}'`).join(' '), '/dev/null'] : words
  const env = { PATH: process.env['PATH'] ?? '', HOME: work.file('home'), XDG_CONFIG_HOME: work.file('home') }
  const child = spawn(command, rest, { env, stdio: ['pipe', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => void (output += chunk.toString()))
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  return {
    ended,
    output: () => output,
    type: (line: string) => void child.stdin.write(line),
    async link(): Promise<string> {
      const find = () => /http\S+\/sign-in\/terminal\?\S+/u.exec(output)?.[0]
      await until(`the address is shown: ${output}`, () => find() !== undefined)
      return find() ?? ''
    },
    [Symbol.dispose]: () => void child.kill(),
  }
}

/** The forms of the provider, which asks for the name and then for consent. */
async function signInAtProvider(page: Page, login: string): Promise<void> {
  await page.fill('input[name=login]', login)
  await page.fill('input[name=password]', 'x')
  await page.click('button[type=submit]')
  await page.click('button[type=submit]')
}

describe('a person who logs the command line in', () => {
  test('signs in at the provider, says yes, and the command has a token', async () => {
    await using own = await browser.newContext()
    using command = startCommand(['login', berth.url, '--provider', 'corp', '--no-open'])
    const page = await own.newPage()
    await page.goto(await command.link())
    assert.ok(page.url().startsWith(provider.issuer))
    await signInAtProvider(page, 'mia')
    await page.waitForURL(/\/sign-in\/terminal\?/u)
    assert.match((await page.textContent('main')) ?? '', /act as mia\?/u)
    assert.notEqual(
      await page.evaluate("getComputedStyle(document.querySelector('main')).maxWidth"),
      'none',
      'the policy lets the style in',
    )
    await page.click('button[value=allow]')
    await page.waitForURL(/^http:\/\/127\.0\.0\.1:\d+\/\?code=/u)
    assert.match((await page.textContent('body')) ?? '', /You are logged in/u)
    assert.equal(await command.ended, 0, command.output())
    assert.match(command.output(), /logged in to \S+ as mia/u)
    using whoami = startCommand(['whoami', '--json'])
    assert.equal(await whoami.ended, 0, whoami.output())
    assert.deepEqual((JSON.parse(whoami.output()) as { credential: string }).credential, 'personal')
  })

  test('pastes the address where the browser ends when that is on another machine', async () => {
    await using own = await browser.newContext({ locale: 'zh-CN' })
    using command = startCommand(['login', berth.url, '--no-open'], { isTerminal: true })
    await until('the browser is offered', () => command.output().includes('Log in with the browser (Corporate, Ask first)? [Y/n]'))
    command.type('\r')
    const page = await own.newPage()
    await page.goto(await command.link())
    await page.click('text=Corporate')
    await signInAtProvider(page, 'mia')
    await page.waitForURL(/\/sign-in\/terminal\?/u)
    assert.match((await page.textContent('h1')) ?? '', /命令行登录/u)
    const lost = page.waitForRequest(/^http:\/\/127\.0\.0\.1:\d+\/\?code=/u)
    await own.route(/^http:\/\/127\.0\.0\.1:\d+\/\?code=/u, (route) => route.abort('connectionrefused'))
    await page.click('button[value=allow]').catch(() => undefined)
    command.type(`${(await lost).url()}\r`)
    assert.equal(await command.ended, 0, command.output())
    assert.match(command.output(), /logged in to \S+ as mia/u)
  })

  test('says no, and the command ends without a token', async () => {
    await using own = await browser.newContext()
    using command = startCommand(['login', berth.url, '--provider', 'corp', '--no-open'])
    const page = await own.newPage()
    await page.goto(await command.link())
    await signInAtProvider(page, 'mia')
    await page.click('button[value=refuse]')
    await page.waitForURL(/^http:\/\/127\.0\.0\.1:\d+\/\?error=access_denied/u)
    assert.equal(await command.ended, 3)
    assert.match(command.output(), /refused in the browser/u)
  })

  test('chooses a name on the way when the account is new', async () => {
    provider.people.set('zoe', { name: 'Zoe' })
    await using own = await browser.newContext()
    using command = startCommand(['login', berth.url, '--provider', 'ask', '--no-open'])
    const page = await own.newPage()
    await page.goto(await command.link())
    await signInAtProvider(page, 'zoe')
    await page.waitForURL(/\/sign-in\?returnTo=/u)
    await page.fill('input[name=name]', 'admin')
    await page.click('button.main')
    assert.match((await page.textContent('[role=alert]')) ?? '', /belongs to another account/u)
    await page.fill('input[name=name]', 'zoe')
    await page.click('button.main')
    await page.click('button[value=allow]')
    assert.equal(await command.ended, 0, command.output())
    assert.match(command.output(), /logged in to \S+ as zoe/u)
  })

  test('ends on a page that says who is signed in, and signs out there', async () => {
    await using own = await browser.newContext()
    const page = await own.newPage()
    await page.goto(`${berth.url}/sign-in`)
    await page.click('text=Corporate')
    await signInAtProvider(page, 'mia')
    await page.waitForURL(`${berth.url}/sign-in`)
    assert.equal(await page.textContent('h1'), 'Signed in as mia')
    await page.click('button')
    assert.match((await page.textContent('main')) ?? '', /You are signed out/u)
  })
})
