import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { after, before, suite, test } from 'node:test'
import { sendRequest } from '../support/http-client.ts'
import { movingClock } from '../support/moving-clock.ts'
import { Browser, type BrowserReply } from '../api/browser.ts'
import { openPeople, password, type People } from '../api/people.ts'

interface Login {
  readonly verifier: string
  readonly state: string
  readonly fields: Readonly<Record<string, string>>
}

function newLogin(change: Readonly<Record<string, string>> = {}): Login {
  const [verifier, state] = [randomBytes(32).toString('base64url'), randomBytes(32).toString('base64url')]
  const challenge = createHash('sha256').update(verifier).digest('base64url')
  const fields = { redirect_uri: 'http://127.0.0.1:4567/', code_challenge: challenge, state, device: 'berth-cli@laptop', ...change }
  return { verifier, state, fields }
}

const form = { 'content-type': 'application/x-www-form-urlencoded' }
const text = (reply: BrowserReply) => String(reply.body['text'])

suite('a login of the command line that is made in the browser', () => {
  const clock = movingClock()
  let people: People
  let page: string
  const names = new Map<Browser, number>()
  before(async () => {
    people = await openPeople({}, { ports: clock.ports })
    page = `${people.rooms.url}sign-in/terminal`
  })
  after(() => people?.[Symbol.asyncDispose]())

  async function signedIn(name: string): Promise<Browser> {
    const { id } = await people.add(name)
    const browser = new Browser(people.rooms.url)
    names.set(browser, id)
    assert.equal((await browser.call('POST', '/session', { name, password })).status, 200)
    return browser
  }
  const look = (browser: Browser, { fields }: Login) => browser.visit(`${page}?${new URLSearchParams(fields).toString()}`)
  function decide(
    browser: Browser,
    login: Login,
    change: Readonly<Record<string, string>> = {},
    headers: Readonly<Record<string, string>> = { 'sec-fetch-site': 'same-origin' },
  ) {
    const fields = { ...login.fields, account: String(names.get(browser) ?? 0), decision: 'allow', ...change }
    return browser.visit(page, { method: 'POST', headers: { ...form, ...headers }, body: new URLSearchParams(fields).toString() })
  }
  async function allow(browser: Browser, login: Login): Promise<string> {
    const reply = await decide(browser, login)
    assert.equal(reply.status, 303, text(reply))
    return new URL(reply.location ?? '').searchParams.get('code') ?? ''
  }
  async function exchange(body: Readonly<Record<string, unknown>>) {
    const headers = { 'content-type': 'application/json' }
    const answer = await sendRequest(`${people.rooms.url}api/v1/session/terminal`, { method: 'POST', headers, body: JSON.stringify(body) })
    return { status: answer.status, body: JSON.parse(answer.body.toString()) as Readonly<Record<string, unknown>> }
  }
  async function refused(body: Readonly<Record<string, unknown>>, why: string): Promise<void> {
    const { status, body: problem } = await exchange(body)
    assert.equal(status, 401, why)
    assert.equal(problem['detail'], 'this login was not allowed in the browser, took too long, or was tried already: start it again', why)
  }
  async function tokenNames(browser: Browser): Promise<readonly string[]> {
    const { body } = await browser.call('GET', '/tokens')
    return (body['items'] as { name: string }[]).map(({ name }) => name)
  }

  test('gives the command a token of the person, called after the machine, after they said yes', async () => {
    const browser = await signedIn('alice')
    const login = newLogin()
    const asked = await look(browser, login)
    assert.equal(asked.status, 200)
    assert.match(text(asked), /act as <strong>alice<\/strong>/)
    assert.match(text(asked), /<strong>berth-cli@laptop<\/strong>/)
    assert.deepEqual(await tokenNames(browser), [])
    const reply = await decide(browser, login)
    const back = new URL(reply.location ?? '')
    assert.deepEqual(
      [reply.status, back.origin, back.pathname, back.searchParams.get('state')],
      [303, 'http://127.0.0.1:4567', '/', login.state],
    )
    assert.deepEqual(await tokenNames(browser), [], 'the code is no token yet')
    const made = await exchange({ code: back.searchParams.get('code'), verifier: login.verifier, state: login.state })
    assert.deepEqual([made.status, made.body['user']], [201, 'alice'])
    assert.match(String(made.body['secret']), /^berth_pat_/)
    assert.deepEqual(await tokenNames(browser), ['berth-cli@laptop'])
    const authorization = `Bearer ${String(made.body['secret'])}`
    const seen = await sendRequest(`${people.rooms.url}api/v1/session`, { headers: { authorization } })
    assert.match(seen.body.toString(), /"name":"alice"/)
    const { body } = await people.root.call('GET', '/audit?action=token.created')
    const line = body.items?.find(({ actor }) => JSON.stringify(actor).includes('alice'))
    assert.match(JSON.stringify(line), /session/)
  })

  test('goes to no other machine, and to no page of this one: nothing is asked, nothing is given', async () => {
    const browser = await signedIn('bella')
    for (const uri of [
      'https://evil.example/',
      'http://evil.example:80/',
      'https://127.0.0.1:4567/',
      'http://127.0.0.1/',
      'http://127.0.0.1:0/',
      'http://127.0.0.1:65536/',
      'http://127.0.0.1:04567/',
      'http://127.0.0.1:4567',
      'http://127.0.0.1:4567/x',
      'http://127.0.0.1:4567/?x=1',
      'http://127.0.0.1:4567/#x',
      'http://127.0.0.1:4567@evil.example/',
      'http://127.0.0.1.evil.example:4567/',
      'http://user@127.0.0.1:4567/',
      'http://127.1:4567/',
      'http://2130706433:4567/',
      'http://localhost:4567/',
      'http://[::ffff:127.0.0.1]:4567/',
      'http://[::1]:4567\\@evil.example/',
      'HTTP://127.0.0.1:4567/',
      ' http://127.0.0.1:4567/',
      'http://127.0.0.1:4567/\n',
      'javascript:alert(1)//http://127.0.0.1:4567/',
      '//evil.example/',
      '/',
      '',
    ]) {
      const login = newLogin({ redirect_uri: uri })
      for (const reply of [
        await look(browser, login),
        await decide(browser, login),
        await decide(browser, login, { decision: 'refuse' }),
      ]) {
        assert.deepEqual([reply.status, reply.location], [400, undefined], uri)
      }
    }
    for (const uri of ['http://127.0.0.1:1/', 'http://[::1]:65535/'])
      assert.equal((await look(browser, newLogin({ redirect_uri: uri }))).status, 200, uri)
  })

  test('asks nothing for a link that is not whole', async () => {
    const browser = await signedIn('cora')
    for (const change of [
      { code_challenge: 'plain' },
      { code_challenge: '' },
      { code_challenge: `${'a'.repeat(42)}=` },
      { state: 'short' },
      { state: `${'a'.repeat(43)}\r\nset-cookie: x=y` },
      { device: '' },
      { device: 'x'.repeat(101) },
      { device: 'laptop\u202Egnp.exe' },
      { device: 'two\nlines' },
    ]) {
      const reply = await look(browser, newLogin(change))
      assert.equal(reply.status, 400, JSON.stringify(change))
      assert.equal((await decide(browser, newLogin(change))).status, 400, JSON.stringify(change))
    }
    const twice = await browser.visit(`${page}?${new URLSearchParams(newLogin().fields).toString()}&redirect_uri=http://127.0.0.1:1/`)
    assert.equal(twice.status, 400)
  })

  test('shows what the link calls the machine as text', async () => {
    const browser = await signedIn('dora')
    const reply = await look(browser, newLogin({ device: `"><script>alert('1')</script>&` }))
    assert.equal(reply.status, 200)
    assert.ok(!text(reply).includes('<script'))
    assert.ok(text(reply).includes('&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;'))
  })

  test('is allowed by the page of the registry alone', async () => {
    const browser = await signedIn('erna')
    const own = people.rooms.url.replace(/\/$/, '')
    for (const headers of [
      {},
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { 'sec-fetch-site': 'none' },
      { 'sec-fetch-site': 'cross-site', origin: own },
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { origin: own.replace('127.0.0.1', 'localhost') },
      // A browser adds by itself what it remembers of Basic.
      { 'sec-fetch-site': 'cross-site', authorization: `Basic ${Buffer.from(`erna:${password}`).toString('base64')}` },
    ] as Readonly<Record<string, string>>[]) {
      const reply = await decide(browser, newLogin(), {}, headers)
      assert.deepEqual([reply.status, reply.location], [403, undefined], JSON.stringify(headers))
    }
    assert.equal((await decide(browser, newLogin(), {}, { origin: own })).status, 303)
    const json = await browser.visit(page, {
      method: 'POST',
      headers: { 'sec-fetch-site': 'same-origin', 'content-type': 'application/json' },
      body: '{}',
    })
    assert.equal(json.status, 400)
  })

  test('is nobody’s without a session: a password in Authorization opens no page', async () => {
    const login = newLogin()
    const stranger = new Browser(people.rooms.url)
    const sent = await look(stranger, login)
    assert.equal(sent.status, 303)
    assert.match(sent.location ?? '', /^\/sign-in\?returnTo=%2Fsign-in%2Fterminal%3Fredirect_uri/)
    const named = await look(stranger, { ...login, fields: { ...login.fields, provider: 'co/rp' } })
    assert.match(named.location ?? '', /^\/api\/v1\/session\/oidc\/co%2Frp\?returnTo=%2Fsign-in%2Fterminal%3F/)
    await people.add('fred')
    const authorization = `Basic ${Buffer.from(`fred:${password}`).toString('base64')}`
    const reply = await decide(stranger, login, {}, { 'sec-fetch-site': 'same-origin', authorization })
    assert.match(reply.location ?? '', /^\/sign-in\/terminal\?/)
  })

  test('is allowed for the account that the page named, and for no other that is signed in by then', async () => {
    const browser = await signedIn('gerd')
    const reply = await decide(browser, newLogin(), { account: '1' })
    assert.equal(reply.status, 303)
    assert.match(reply.location ?? '', /^\/sign-in\/terminal\?/)
  })

  test('that was refused tells the command so, and gives no code', async () => {
    const login = newLogin()
    const reply = await decide(await signedIn('hans'), login, { decision: 'refuse' })
    assert.equal(reply.location, `http://127.0.0.1:4567/?error=access_denied&state=${login.state}`)
  })

  test('has a code that is good once', async () => {
    const browser = await signedIn('ida')
    const login = newLogin()
    const body = { code: await allow(browser, login), verifier: login.verifier, state: login.state }
    assert.equal((await exchange(body)).status, 201)
    await refused(body, 'replayed')
    const other = newLogin()
    const twice = { code: await allow(browser, other), verifier: other.verifier, state: other.state }
    const statuses = (await Promise.all([exchange(twice), exchange(twice), exchange(twice)])).map(({ status }) => status)
    assert.deepEqual(
      statuses.toSorted((one, other) => one - other),
      [201, 401, 401],
    )
    assert.equal((await tokenNames(browser)).length, 2)
  })

  test('has a code that a wrong verifier or state uses up', async () => {
    const browser = await signedIn('jana')
    for (const wrong of [
      { verifier: randomBytes(32).toString('base64url') },
      { verifier: 'short' },
      { state: randomBytes(32).toString('base64url') },
    ]) {
      const login = newLogin()
      const right = { code: await allow(browser, login), verifier: login.verifier, state: login.state }
      await refused({ ...right, ...wrong }, JSON.stringify(wrong))
      await refused(right, 'after a wrong one')
    }
    const login = newLogin()
    const challenge = login.fields['code_challenge'] ?? ''
    await refused({ code: await allow(browser, login), verifier: challenge, state: login.state }, 'the challenge is no verifier')
    assert.deepEqual(await tokenNames(browser), [])
  })

  test('has a code that is of no use to another login', async () => {
    const browser = await signedIn('karl')
    const [mine, theirs] = [newLogin(), newLogin()]
    const code = await allow(browser, mine)
    await allow(await signedIn('kurt'), theirs)
    await refused({ code, verifier: theirs.verifier, state: theirs.state }, 'of another login')
  })

  test('has a code that nobody made up, and that is no cookie', async () => {
    await refused({ code: 'x', verifier: 'y', state: 'z' }, 'short')
    await refused({ code: randomBytes(32).toString('base64url'), verifier: newLogin().verifier, state: newLogin().state }, 'random')
    const browser = await signedIn('lena')
    const cookie = browser.cookies.get('berth-session') ?? ''
    const login = newLogin()
    await refused({ code: cookie, verifier: login.verifier, state: login.state }, 'a session is no code')
    assert.equal((await browser.call('GET', '/session')).body['state'], 'active', 'and it goes on')
    const code = await allow(browser, newLogin())
    const thief = new Browser(people.rooms.url)
    thief.cookies.set('berth-session', code)
    assert.deepEqual([(await thief.call('GET', '/session')).body['state'], (await thief.call('GET', '/tokens')).status], ['anonymous', 401])
  })

  test('has a code that ends after two minutes', async () => {
    const browser = await signedIn('mona')
    const [early, late] = [newLogin(), newLogin()]
    const codes = [await allow(browser, early), await allow(browser, late)]
    clock.advance(110_000)
    assert.equal((await exchange({ code: codes[0], verifier: early.verifier, state: early.state })).status, 201)
    clock.advance(11_000)
    await refused({ code: codes[1], verifier: late.verifier, state: late.state }, 'late')
  })

  test('has a code that ends with the session, the account or the password of who allowed it', async () => {
    const ends: Readonly<Record<string, (browser: Browser, id: number) => Promise<number>>> = {
      nora: async (browser) => (await browser.call('DELETE', '/session')).status,
      olaf: async (_browser, id) => (await people.root.call('PATCH', `/users/${id}`, { isDisabled: true })).status,
      paul: async (_browser, id) =>
        (await people.root.call('PUT', `/users/${id}/password`, { password: 'another long passphrase' })).status,
      rosa: async (browser) => (await browser.call('DELETE', '/sessions?keepCurrent=true')).status,
    }
    for (const [name, end] of Object.entries(ends)) {
      const browser = await signedIn(name)
      const login = newLogin()
      const code = await allow(browser, login)
      assert.ok((await end(browser, names.get(browser) ?? 0)) < 300, name)
      await refused({ code, verifier: login.verifier, state: login.state }, name)
    }
  })

  test('asks a session that was left open again who sits there', async () => {
    const browser = await signedIn('sven')
    clock.advance(11 * 60_000)
    const login = newLogin()
    const asked = await look(browser, login)
    assert.match(text(asked), /type="password"/)
    assert.ok(!text(asked).includes('name="decision"'))
    const forced = await decide(browser, login)
    assert.deepEqual([forced.status, forced.location], [200, undefined])
    const returnTo = /name="returnTo" value="([^"]+)"/.exec(text(asked))?.[1]?.replaceAll('&amp;', '&') ?? ''
    const prove = (typed: string) =>
      browser.visit(`${people.rooms.url}sign-in/elevation`, {
        method: 'POST',
        headers: { ...form, 'sec-fetch-site': 'same-origin' },
        body: new URLSearchParams({ password: typed, returnTo }).toString(),
      })
    const wrong = await prove('wrong')
    assert.deepEqual([wrong.status, /name or password is wrong/.test(text(wrong))], [401, true])
    const right = await prove(password)
    assert.equal(right.location, `/sign-in?${new URLSearchParams({ returnTo }).toString()}`)
    assert.equal((await browser.visit(new URL(right.location ?? '', people.rooms.url).href)).location, returnTo)
    assert.match(text(await look(browser, login)), /name="decision"/)
    await allow(browser, login)
  })

  test('makes nothing while the registry is read-only', async () => {
    const browser = await signedIn('tina')
    const login = newLogin()
    const code = await allow(browser, login)
    const { etag } = await people.root.call('GET', '/system/settings')
    const set = await people.root.call('PATCH', '/system/settings', { isReadOnly: true }, { 'if-match': etag ?? '*' })
    assert.equal(set.status, 200, JSON.stringify(set.body))
    try {
      assert.equal((await decide(browser, newLogin())).status, 405)
      assert.equal((await exchange({ code, verifier: login.verifier, state: login.state })).status, 405)
    } finally {
      const now = await people.root.call('GET', '/system/settings')
      await people.root.call('PATCH', '/system/settings', { isReadOnly: false }, { 'if-match': now.etag ?? '*' })
    }
    assert.equal((await exchange({ code, verifier: login.verifier, state: login.state })).status, 201, 'and the code is as good as before')
  })
})
