import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { Secret, TOTP } from 'otpauth'
import { systemPorts, type Ports } from '#lib/ports.ts'
import { basicAuthorization, sendRequest } from '../support/http-client.ts'
import { Browser, type BrowserReply } from './browser.ts'
import { openPeople, password, type People } from './people.ts'

const cookieName = 'berth-session'
const codeOf = (secret: string, stepsAway = 0) =>
  new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp: Date.now() + stepsAway * 30_000 })

suite('sessions of browsers', () => {
  let people: People
  before(async () => {
    people = await openPeople()
    await people.add('alice')
    await people.add('bob')
  })
  after(() => people?.[Symbol.asyncDispose]())

  const browser = () => new Browser(people.rooms.url)
  async function signedIn(name: string): Promise<Browser> {
    const opened = browser()
    const reply = await opened.call('POST', '/session', { name, password })
    assert.equal(reply.status, 200, JSON.stringify(reply.body))
    return opened
  }
  const stateOf = async (who: Browser) => (await who.call('GET', '/session')).body['state']

  test('nobody is anonymous, and may what anyone may', async () => {
    const { status, body } = await browser().call('GET', '/session')
    assert.deepEqual(
      [status, body['state'], body['credential'], body['permissions'], body['providers']],
      [200, 'anonymous', 'none', [], []],
    )
  })

  test('a password opens a session, whose cookie scripts cannot read and other sites do not send', async () => {
    const opened = browser()
    const reply = await opened.call('POST', '/session', { name: 'alice', password })
    assert.deepEqual([reply.status, reply.body['state'], reply.body['credential']], [200, 'active', 'session'])
    const [line = ''] = reply.setCookies
    assert.match(line, /^berth-session=[A-Za-z0-9_-]{43}; Path=\/; HttpOnly; SameSite=Lax$/)
    const seen = await opened.call('GET', '/session')
    assert.equal((seen.body['user'] as { name: string }).name, 'alice')
    assert.ok(!JSON.stringify(seen.body).includes(opened.cookies.get(cookieName) ?? '-'))
  })

  test('an administrator sees everything that may be done', async () => {
    const { body } = await (await signedIn('root')).call('GET', '/session')
    assert.ok((body['permissions'] as string[]).includes('user:delete'))
    assert.deepEqual((await (await signedIn('alice')).call('GET', '/session')).body['permissions'], [])
  })

  test('an unknown name and a wrong password answer the same', async () => {
    const answers = []
    for (const name of ['alice', 'nobody-of-that-name']) {
      const { status, body, setCookies } = await browser().call('POST', '/session', { name, password: 'wrong wrong wrong' })
      const { requestId: _, ...rest } = body
      assert.deepEqual([body['title'], body['detail']], ['authentication required', 'name or password is wrong'])
      answers.push({ status, rest, setCookies })
    }
    assert.deepEqual(answers[0], answers[1])
    assert.equal(answers[0]?.status, 401)
  })

  test('tokens and names of robots sign nobody in', async () => {
    for (const name of ['robot-ci', 'robot$ci', '', 'a:b']) {
      const { status } = await browser().call('POST', '/session', { name, password })
      assert.ok(status === 401 || status === 400, `${name}: ${status}`)
    }
  })

  test('a cookie that was planted before the sign-in is not the session afterwards', async () => {
    const victim = browser()
    const planted = 'A'.repeat(43)
    victim.cookies.set(cookieName, planted)
    await victim.call('POST', '/session', { name: 'alice', password })
    assert.notEqual(victim.cookies.get(cookieName), planted)
    const attacker = browser()
    attacker.cookies.set(cookieName, planted)
    assert.equal(await stateOf(attacker), 'anonymous')
  })

  test('a real session that was planted ends with the sign-in of its victim', async () => {
    const attacker = await signedIn('bob')
    const victim = browser()
    const planted = attacker.cookies.get(cookieName) ?? ''
    victim.cookies.set(cookieName, planted)
    await victim.call('POST', '/session', { name: 'alice', password })
    assert.equal(await stateOf(attacker), 'anonymous')
  })

  test('a name that stands twice among the cookies counts for nothing', async () => {
    const value = (await signedIn('alice')).cookies.get(cookieName) ?? ''
    const cookie = `${cookieName}=${value}; ${cookieName}=${'A'.repeat(43)}`
    const { body } = await browser().call('GET', '/session', undefined, { headers: { cookie } })
    assert.equal(body['state'], 'anonymous')
  })

  test('signing out ends the session, and a browser without one signs out too', async () => {
    const opened = await signedIn('alice')
    const value = opened.cookies.get(cookieName) ?? ''
    assert.equal((await opened.call('DELETE', '/session')).status, 200)
    assert.equal(opened.cookies.size, 0)
    opened.cookies.set(cookieName, value)
    assert.equal(await stateOf(opened), 'anonymous')
    assert.equal((await browser().call('DELETE', '/session')).status, 200)
  })

  test('one’s own sessions are listed and ended, and nobody else’s', async () => {
    const carol = await people.add('carol')
    const [one, two] = [await signedIn('carol'), await signedIn('carol')]
    const { body } = await two.call('GET', '/sessions')
    const items = body['items'] as { id: number; isCurrent: boolean }[]
    assert.deepEqual([items.length, items.map(({ isCurrent }) => isCurrent)], [2, [true, false]])
    const alice = await signedIn('alice')
    assert.equal((await alice.call('DELETE', `/sessions/${items[1]?.id}`)).status, 404)
    assert.equal((await two.call('DELETE', `/sessions/${items[1]?.id}`)).status, 204)
    assert.deepEqual([await stateOf(one), await stateOf(two)], ['anonymous', 'active'])
    const three = await signedIn('carol')
    assert.equal((await two.call('DELETE', '/sessions?keepCurrent=true')).status, 204)
    assert.deepEqual([await stateOf(three), await stateOf(two)], ['anonymous', 'active'])
    assert.equal((await carol.call('DELETE', '/sessions')).status, 204)
    assert.equal(await stateOf(two), 'anonymous')
  })

  test('a disabled account and a changed password lose their sessions at once', async () => {
    const dave = await people.add('dave')
    const opened = await signedIn('dave')
    assert.equal((await people.root.call('PATCH', `/users/${dave.id}`, { isDisabled: true })).status, 200)
    assert.equal(await stateOf(opened), 'anonymous')
    assert.equal((await browser().call('POST', '/session', { name: 'dave', password })).status, 401)
  })

  suite('requests that another site asks for', () => {
    const matrix: readonly [name: string, headers: Readonly<Record<string, string>>, isTaken: boolean][] = [
      ['a page of the site', { 'sec-fetch-site': 'same-origin' }, true],
      ['the person themselves', { 'sec-fetch-site': 'none' }, true],
      ['another site', { 'sec-fetch-site': 'cross-site' }, false],
      ['another host of the domain', { 'sec-fetch-site': 'same-site' }, false],
      ['another site that claims an origin', { 'sec-fetch-site': 'cross-site', origin: '$own' }, false],
      ['something unheard of', { 'sec-fetch-site': 'SAME-ORIGIN ' }, false],
      ['an older browser on the site', { origin: '$own' }, true],
      ['an older browser on another site', { origin: 'https://evil.example' }, false],
      ['an older browser on a site of the same name by another scheme', { origin: '$tls' }, false],
      ['a page without an origin', { origin: 'null' }, false],
      ['nobody knows who, with a cookie', {}, false],
    ]
    for (const [name, headers, isTaken] of matrix) {
      test(`from ${name}: ${isTaken ? 'taken' : 'refused'}`, async () => {
        const opened = await signedIn('alice')
        const own = new URL(people.rooms.url).origin
        const said = Object.fromEntries(
          Object.entries(headers).map(([key, value]) => [key, value.replace('$own', own).replace('$tls', own.replace('http:', 'https:'))]),
        )
        const cookie = `${cookieName}=${opened.cookies.get(cookieName)}`
        const answer = await sendRequest(`${people.rooms.url}api/v1/sessions?keepCurrent=true`, {
          method: 'DELETE',
          headers: { cookie, ...said },
        })
        assert.equal(answer.status, isTaken ? 204 : 403)
        assert.equal(await stateOf(opened), 'active')
      })
    }

    test('signing in is not done for another site either, and reading is', async () => {
      const crossSite = { headers: { 'sec-fetch-site': 'cross-site' } }
      assert.equal((await browser().call('POST', '/session', { name: 'alice', password }, crossSite)).status, 403)
      assert.equal((await browser().call('GET', '/session', undefined, crossSite)).status, 200)
    })

    test('a password that the browser adds by itself is judged like a cookie; programs, which say nothing, need none of that', async () => {
      const authorization = basicAuthorization('alice', password)
      const end = async (more: Readonly<Record<string, string>>) => {
        const headers = { authorization, ...more }
        return (await sendRequest(`${people.rooms.url}api/v1/sessions`, { method: 'DELETE', headers })).status
      }
      assert.equal(await end({ 'sec-fetch-site': 'cross-site' }), 403)
      assert.equal(await end({ origin: 'https://evil.example' }), 403)
      assert.equal(await end({ 'sec-fetch-site': 'same-origin' }), 204)
      assert.equal(await end({}), 204)
    })

    test('a token, which no browser adds by itself, needs none of that', async () => {
      const { body } = await (await signedIn('alice')).call('POST', '/tokens', { name: 'elsewhere' })
      const headers = { authorization: `Bearer ${String(body['secret'])}`, 'sec-fetch-site': 'cross-site' }
      assert.equal((await sendRequest(`${people.rooms.url}api/v1/sessions`, { method: 'DELETE', headers })).status, 204)
    })

    test('a form of another site is not even read', async () => {
      const headers = { 'content-type': 'application/x-www-form-urlencoded' }
      const answer = await sendRequest(`${people.rooms.url}api/v1/session`, {
        method: 'POST',
        headers,
        body: `name=alice&password=${password}`,
      })
      assert.equal(answer.status, 415)
    })
  })

  test('a request with both a cookie and Authorization is the latter’s', async () => {
    const opened = await signedIn('alice')
    const { body } = await opened.call('GET', '/session', undefined, { headers: { authorization: basicAuthorization('bob', password) } })
    assert.equal((body['user'] as { name: string }).name, 'bob')
  })

  test('the cookie opens nothing of /v2', async () => {
    const opened = await signedIn('root')
    assert.equal((await opened.visit(`${people.rooms.url}v2/`)).status, 401)
  })

  test('over plain HTTP from elsewhere nobody signs in by a browser, and a cookie counts for nothing', async () => {
    const headers = { host: 'registry.example', 'content-type': 'application/json' }
    const url = `${people.rooms.url}api/v1/session`
    const refused = await sendRequest(url, { method: 'POST', headers, body: JSON.stringify({ name: 'alice', password }) })
    assert.equal(refused.status, 403)
    assert.match(refused.body.toString(), /needs https/)
    const value = (await signedIn('alice')).cookies.get(cookieName)
    const seen = await sendRequest(url, { headers: { host: 'registry.example', cookie: `${cookieName}=${value}` } })
    assert.equal((JSON.parse(seen.body.toString()) as BrowserReply['body'])['state'], 'anonymous')
  })

  test('behind a proxy that speaks TLS the cookie is bound to this host', async () => {
    const headers = { host: 'registry.example', 'x-forwarded-proto': 'https', 'content-type': 'application/json' }
    const request = { method: 'POST', headers, body: JSON.stringify({ name: 'alice', password }) }
    const { headers: said } = await sendRequest(`${people.rooms.url}api/v1/session`, request)
    assert.match(said['set-cookie']?.[0] ?? '', /^__Host-berth-session=[A-Za-z0-9_-]{43}; Path=\/; HttpOnly; SameSite=Lax; Secure$/)
  })

  async function addTotp(opened: Browser): Promise<{ readonly secret: string; readonly codes: readonly string[] }> {
    const { body } = await opened.call('POST', '/session/factors/totp')
    const secret = String(body['secret'])
    const confirmed = await opened.call('POST', '/session/factors/totp/confirmation', { code: codeOf(secret, -1), name: 'phone' })
    assert.equal(confirmed.status, 200, JSON.stringify(confirmed.body))
    return { secret, codes: confirmed.body['recoveryCodes'] as string[] }
  }

  test('with a second factor the password is half of a sign-in, and opens neither the API nor /v2', async () => {
    const erin = await people.add('erin')
    const first = await signedIn('erin')
    const { secret, codes } = await addTotp(first)
    for (const path of ['/session', '/sessions']) {
      const refused = await erin.call('GET', path)
      assert.equal(refused.status, 401)
      assert.match(JSON.stringify(refused.body), /personal access token/)
    }
    const pulled = await erin.registry.send('/v2/')
    assert.equal(pulled.status, 401)
    assert.match(pulled.body.toString(), /personal access token/)

    const second = browser()
    const half = await second.call('POST', '/session', { name: 'erin', password })
    assert.deepEqual([half.status, half.body['state'], half.body['secondFactors']], [200, 'second-factor', ['totp', 'recovery']])
    assert.equal((await second.call('GET', '/sessions')).status, 401)
    assert.equal((await second.call('POST', '/session/factors/totp')).status, 401)
    const before = second.cookies.get(cookieName)
    assert.equal((await second.call('POST', '/session/second-factor', { kind: 'totp', code: '000000' })).status, 401)
    const whole = await second.call('POST', '/session/second-factor', { kind: 'totp', code: codeOf(secret) })
    assert.deepEqual([whole.status, whole.body['state']], [200, 'active'])
    assert.notEqual(second.cookies.get(cookieName), before)
    const replayed = browser()
    await replayed.call('POST', '/session', { name: 'erin', password })
    assert.equal((await replayed.call('POST', '/session/second-factor', { kind: 'totp', code: codeOf(secret) })).status, 401)
    assert.equal((await replayed.call('POST', '/session/second-factor', { kind: 'recovery', code: codes[0] })).status, 200)
  })

  test('an administrator removes the second factors of somebody who lost them', async () => {
    const frank = await people.add('frank')
    await addTotp(await signedIn('frank'))
    const bob = await signedIn('bob')
    assert.equal((await bob.call('DELETE', `/users/${frank.id}/factors`)).status, 403)
    const listed = await people.root.call('GET', `/users/${frank.id}/factors`)
    assert.deepEqual(
      listed.body.items?.map(({ kind, name }) => [kind, name]),
      [['totp', 'phone']],
    )
    assert.equal((await people.root.call('DELETE', `/users/${frank.id}/factors`)).status, 204)
    assert.equal(await stateOf(await signedIn('frank')), 'active')
    assert.equal((await people.root.call('DELETE', '/users/999999/factors')).status, 404)
  })

  test('guesses at a second factor are slowed, whoever knows the password', async () => {
    await people.add('grace')
    await addTotp(await signedIn('grace'))
    const statuses = []
    for (let round = 0; round < 3; round++) {
      const guesser = browser()
      await guesser.call('POST', '/session', { name: 'grace', password })
      for (let count = 0; count < 4; count++)
        statuses.push((await guesser.call('POST', '/session/second-factor', { kind: 'totp', code: '123456' })).status)
    }
    assert.ok(statuses.includes(429), statuses.join())
  })

  const failed = async (name: string) => {
    const { body } = await people.root.call('GET', `/audit?action=login.failed&target=user:${name}`)
    return (body.items ?? []).map(({ credential, reason, count, detail }) => {
      const { cause, step } = (detail ?? {}) as Readonly<Record<string, unknown>>
      return [credential, reason, count, cause, step].join(' ')
    })
  }

  test('wrong second factors of a sign-in are on record as wrong passwords are, each kind with its account and what was shown', async () => {
    await people.add('heidi')
    await addTotp(await signedIn('heidi'))
    const half = browser()
    await half.call('POST', '/session', { name: 'heidi', password })
    const give = async (proof: object) => (await half.call('POST', '/session/second-factor', proof)).status
    assert.deepEqual([await give({ kind: 'totp', code: '123456' }), await give({ kind: 'totp', code: '654321' })], [401, 401])
    assert.equal(await give({ kind: 'recovery', code: 'wrong-wrong-wrong' }), 401)
    assert.equal(await give({ kind: 'webauthn', response: { id: 'x' } }), 401)
    assert.deepEqual((await failed('heidi')).toSorted(), [
      'recovery UNAUTHORIZED 1 second-factor sign-in',
      'totp UNAUTHORIZED 2 second-factor sign-in',
      'webauthn UNAUTHORIZED 1 second-factor sign-in',
    ])
    const { body } = await people.root.call('GET', '/audit?target=user:heidi')
    assert.doesNotMatch(JSON.stringify(body), /123456|654321|wrong-wrong/)
  })

  test('wrong second factors of a step-up are on record, and so are those that come too often to be looked at', async () => {
    await people.add('ivan')
    const opened = await signedIn('ivan')
    await addTotp(opened)
    const statuses = []
    for (let count = 0; count < 7; count++)
      statuses.push((await opened.call('POST', '/session/elevation', { kind: 'totp', code: '123456' })).status)
    assert.deepEqual([statuses[0], statuses.at(-1)], [401, 429])
    const wrong = statuses.filter((status) => status === 401).length
    assert.deepEqual((await failed('ivan')).toSorted(), [
      `totp TOOMANYREQUESTS ${7 - wrong} second-factor elevation`,
      `totp UNAUTHORIZED ${wrong} second-factor elevation`,
    ])
  })
})

suite('stepping up', () => {
  test('ten minutes after the sign-in destructive things ask again, and the answer changes the cookie', async () => {
    let offsetMs = 0
    const clock = { now: () => systemPorts.clock.now() + offsetMs, monotonic: () => systemPorts.clock.monotonic() + offsetMs }
    const ports: Ports = { ...systemPorts, clock }
    await using people = await openPeople({}, { ports })
    await people.add('alice')
    const opened = new Browser(people.rooms.url)
    await opened.call('POST', '/session', { name: 'alice', password })
    offsetMs += 10 * 60_000
    const refused = await opened.call('POST', '/session/factors/totp')
    assert.deepEqual([refused.status, refused.body['code']], [403, 'ELEVATION_REQUIRED'])
    assert.match(String(refused.body['detail']), /your password again/)
    assert.equal((await opened.call('POST', '/session/elevation', { kind: 'password', password: 'wrong wrong wrong' })).status, 401)
    const before = opened.cookies.get(cookieName)
    const elevated = await opened.call('POST', '/session/elevation', { kind: 'password', password })
    assert.equal(elevated.status, 200, JSON.stringify(elevated.body))
    assert.notEqual(opened.cookies.get(cookieName), before)
    const { body } = await opened.call('POST', '/session/factors/totp')
    const secret = String(body['secret'])
    const code = (steps: number) => new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp: clock.now() + steps * 30_000 })
    assert.equal((await opened.call('POST', '/session/factors/totp/confirmation', { code: code(-1), name: 'phone' })).status, 200)
    offsetMs += 10 * 60_000
    assert.match(String((await opened.call('POST', '/session/factors/totp')).body['detail']), /your second factor again/)
    const change = { currentPassword: password, password: 'quite another long passphrase' }
    assert.match(String((await opened.call('PUT', '/session/password', change)).body['detail']), /your second factor again/)
    const byPassword = await opened.call('POST', '/session/elevation', { kind: 'password', password })
    assert.deepEqual([byPassword.status, byPassword.body['code']], [409, 'CONFLICT'])
    assert.equal((await opened.call('POST', '/session/elevation', { kind: 'totp', code: code(0) })).status, 200)
    assert.equal((await opened.call('POST', '/session/factors/recovery-codes')).status, 200)
  })
})
