import assert from 'node:assert/strict'
import { request } from 'node:http'
import { after, before, suite, test } from 'node:test'
import { Browser } from '../test/api/browser.ts'
import { addProvider, form, sections, visitProvider } from '../test/api/oidc-trip.ts'
import { openPeople, password, type People } from '../test/api/people.ts'
import { startOidcProvider, type OidcServer } from '../test/support/oidc-provider.ts'
import { sendRequest } from '../test/support/http-client.ts'
import { browserProviders, chosenProvider, logInByBrowser, type Screen } from './browser-login.ts'
import { openReception, verdictOfPasted } from './login-reception.ts'
import { browserOpener } from './open-browser.ts'
import { runVerb } from './test-verb.ts'

suite('a login by the browser', () => {
  let people: People
  let provider: OidcServer
  let server: string
  before(async () => {
    people = await openPeople(sections)
    server = people.rooms.url.replace(/\/$/, '')
    provider = await startOidcProvider([`${server}/api/v1/session/oidc/corp/callback`])
    const { issuer, clientId, clientSecret } = provider
    await addProvider(people, 'corp', { issuer, clientId, clientSecret })
  })
  after(async () => {
    await provider?.[Symbol.asyncDispose]()
    await people?.[Symbol.asyncDispose]()
  })

  /** What the person does in the browser, up to the address on the command's port where it ends. */
  async function decide(url: string, browser: Browser, decision: 'allow' | 'refuse'): Promise<string> {
    let page = await browser.visit(url)
    while (page.location !== undefined) {
      const target = new URL(page.location, url)
      const next = target.origin === provider.issuer ? await visitProvider(browser, target.href, 'mia') : target
      page = await browser.visit(next.href)
    }
    const html = String(page.body['text'])
    const hidden = html.matchAll(/type="hidden" name="(\w+)" value="([^"]*)"/g)
    const fields = [...hidden].map(([, name = '', value = '']): [string, string] => [name, value])
    const body = new URLSearchParams([...fields, ['decision', decision]]).toString()
    const answer = await browser.visit(`${server}/sign-in/terminal`, {
      method: 'POST',
      headers: { ...form, 'sec-fetch-site': 'same-origin' },
      body,
    })
    assert.equal(answer.status, 303, html)
    return answer.location ?? ''
  }
  const wanted = () => ({ server, ca: undefined, provider: 'corp' })
  /** A login whose browser does as it is told; what goes wrong there fails the test. */
  async function logIn(act: (url: string) => Promise<void>, paste?: Screen['paste']) {
    const lines: string[] = []
    const { promise: failed, reject } = Promise.withResolvers<never>()
    const open = (url: string) => {
      act(url).catch(reject)
      return Promise.resolve(true)
    }
    const screen: Screen = { show: (line) => void lines.push(line), open, paste }
    return { login: await Promise.race([logInByBrowser(wanted(), screen), failed]), lines }
  }

  test('ends with a token of whoever signed in at the provider and said yes, and the browser says so', async () => {
    const closing = Promise.withResolvers<string>()
    const { login, lines } = await logIn(async (url) => {
      const address = await decide(url, new Browser(server), 'allow')
      closing.resolve((await sendRequest(address)).body.toString())
    })
    assert.equal(login.name, 'mia')
    assert.match(login.token ?? '', /^berth_pat_/)
    assert.match(await closing.promise, /You are logged in\./)
    assert.match(lines.join('\n'), new RegExp(`${server}/sign-in/terminal\\?redirect_uri=http%3A%2F%2F127\\.0\\.0\\.1%3A`))
    const seen = await sendRequest(`${server}/api/v1/session`, { headers: { authorization: `Bearer ${login.token}` } })
    assert.match(seen.body.toString(), /"name":"mia"/)
  })

  test('ends with a sentence when the person says no, and the browser says so', async () => {
    const closing = Promise.withResolvers<string>()
    const refused = logIn(async (url) => {
      closing.resolve((await sendRequest(await decide(url, new Browser(server), 'refuse'))).body.toString())
    })
    await assert.rejects(refused, /refused in the browser/)
    assert.match(await closing.promise, /not logged in/)
  })

  test('takes what is pasted when the browser is on another machine, and asks again for what is something else', async () => {
    const address = Promise.withResolvers<string>()
    const pasted = ['', 'hello', 'http://127.0.0.1:1/?code=x&state=y']
    const { login, lines } = await logIn(
      async (url) => address.resolve(await decide(url, new Browser(server), 'allow')),
      async () => pasted.shift() ?? ` ${await address.promise}\n`,
    )
    assert.equal(login.name, 'mia')
    assert.equal(lines.filter((line) => line.startsWith('That is not where')).length, 2)
  })

  test('ends with the server’s sentence for a code that is none', async () => {
    const refused = logIn(
      () => Promise.resolve(),
      () => Promise.resolve('a'.repeat(43)),
    )
    await assert.rejects(refused, /this login was not allowed in the browser/)
  })

  test('stops asking at the terminal when the browser was faster', async () => {
    let isAborted = false
    const paste: Screen['paste'] = (_question, signal) =>
      new Promise((_, reject) => {
        signal.addEventListener('abort', () => {
          isAborted = true
          reject(signal.reason as Error)
        })
      })
    await logIn(async (url) => void (await sendRequest(await decide(url, new Browser(server), 'allow'))), paste)
    assert.equal(isAborted, true)
  })

  test('knows the providers of the server, and says so when there is none of that name', async () => {
    const offered = await browserProviders(server, undefined)
    assert.deepEqual(offered, [{ name: 'corp', title: 'corp', kind: 'oidc' }])
    assert.equal(chosenProvider(offered, undefined), 'corp')
    assert.equal(chosenProvider([...offered, { name: 'two', title: '' }], undefined), undefined)
    assert.throws(() => chosenProvider(offered, 'corpse'), /no identity provider corpse: it has corp/)
    assert.throws(() => chosenProvider([], undefined), /no identity provider to sign in at/)
  })

  test('is not mixed with names and passwords, which work as before', async () => {
    await assert.rejects(runVerb(['login', server, '--browser', '-u', 'alice']), /takes no name and no password/)
    await assert.rejects(runVerb(['login', server, '--provider', 'nope', '--no-open']), /no identity provider nope/)
    await people.add('alice')
    const { errors } = await runVerb(['login', server, '-u', 'alice', '--password-stdin'], {}, password)
    assert.deepEqual(errors, [`logged in to ${server} as alice`])
  })
})

suite('the port where a browser brings its code', () => {
  const state = 's'.repeat(43)
  const code = 'c'.repeat(43)

  /** Past what `fetch` forbids: any Host, any target. */
  function send(url: string, path: string, options: { readonly method?: string; readonly host?: string } = {}): Promise<number> {
    const { port, host, hostname } = new URL(url)
    return new Promise((resolve, reject) => {
      const sent = request(
        {
          port,
          hostname: hostname.replaceAll(/[[\]]/g, ''),
          path,
          method: options.method ?? 'GET',
          headers: { host: options.host ?? host },
          setHost: false,
        },
        (answer) => {
          answer.resume().once('end', () => resolve(answer.statusCode ?? 0))
        },
      )
      sent.once('error', reject).end()
    })
  }

  test('takes the answer to this login, and nothing else that any page of the machine can send', async () => {
    await using reception = await openReception(state)
    const { redirectUri } = reception
    assert.match(redirectUri, /^http:\/\/127\.0\.0\.1:\d+\/$/)
    for (const [path, options] of [
      [`/?code=${code}&state=${'x'.repeat(43)}`, {}],
      [`/?code=${code}`, {}],
      [`/?code=${code}&state=${state}&state=${state}`, {}],
      [`/?code=short&state=${state}`, {}],
      [`/x?code=${code}&state=${state}`, {}],
      [`/?code=${code}&state=${state}`, { method: 'POST' }],
      [`/?code=${code}&state=${state}`, { host: 'evil.example' }],
      ['/favicon.ico', {}],
    ] as const)
      assert.equal(await send(redirectUri, path, options), 404, path)
    const right = send(redirectUri, `/?code=${code}&state=${state}`)
    assert.deepEqual(await reception.arrived, { code })
    reception.tell(true)
    assert.equal(await right, 200)
  })

  test('closes though a browser holds a connection open', async () => {
    const reception = await openReception(state)
    const { port } = new URL(reception.redirectUri)
    const held = request({ port, host: '127.0.0.1', method: 'POST', headers: { 'transfer-encoding': 'chunked' } })
    held.on('error', () => undefined)
    held.flushHeaders()
    await new Promise((resolve) => held.once('socket', (socket) => socket.once('connect', resolve)))
    await reception[Symbol.asyncDispose]()
    await assert.rejects(send(reception.redirectUri, '/'))
  })

  test('takes a pasted address or code', () => {
    assert.deepEqual(verdictOfPasted(`  http://127.0.0.1:1/?code=${code}&state=${state} `, state), { code })
    assert.deepEqual(verdictOfPasted(code, state), { code })
    assert.deepEqual(verdictOfPasted(`http://127.0.0.1:1/?error=access_denied&state=${state}`, state), { refusal: 'access_denied' })
    for (const text of ['', 'x', 'http://', `http://127.0.0.1:1/?code=${code}&state=${code}`, `http://127.0.0.1:1/?state=${state}`])
      assert.equal(verdictOfPasted(text, state), undefined, text)
  })
})

test('a browser is opened where there is a screen, and never by a shell', () => {
  const url = 'https://registry.example/?a=b&c=d'
  const opener = (platform: NodeJS.Platform, environment: NodeJS.ProcessEnv) => browserOpener(url, platform, environment)?.command
  assert.equal(opener('linux', { DISPLAY: ':0' }), 'xdg-open')
  assert.equal(opener('linux', { WAYLAND_DISPLAY: 'wayland-0', SSH_CONNECTION: 'x' }), 'xdg-open')
  assert.equal(opener('linux', { WSL_DISTRO_NAME: 'Debian' }), 'wslview')
  assert.equal(opener('linux', {}), undefined)
  assert.equal(opener('darwin', {}), 'open')
  assert.equal(opener('darwin', { SSH_CONNECTION: 'x' }), undefined)
  assert.deepEqual(browserOpener(url, 'win32', {}), { command: 'rundll32', args: ['url.dll,FileProtocolHandler', url] })
})
