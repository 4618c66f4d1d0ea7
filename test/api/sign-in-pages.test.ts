import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, suite, test } from 'node:test'
import { TOTP } from 'otpauth'
import { sendRequest } from '../support/http-client.ts'
import { startOidcProvider, type OidcServer } from '../support/oidc-provider.ts'
import { Browser, type BrowserReply } from './browser.ts'
import { addProvider, addSibling, begin, form, nameOf, sections, seen, signInAt, visitProvider } from './oidc-trip.ts'
import { openPeople, type People } from './people.ts'

const text = (reply: BrowserReply) => String(reply.body['text'])

suite('pages for signing in', () => {
  let people: People
  let provider: OidcServer
  const siblings = new AsyncDisposableStack()
  before(async () => {
    people = await openPeople(sections)
    provider = await startOidcProvider([`${people.rooms.url}api/v1/session/oidc/corp/callback`], { postLogout: [people.rooms.url] })
    const { issuer, clientId, clientSecret } = provider
    await addProvider(people, 'corp', { issuer, clientId, clientSecret })
    await addSibling(people, { name: 'ask', first: provider, stack: siblings }, { onNewName: 'ask' })
    await addSibling(people, { name: 'closed', first: provider, stack: siblings }, { onNewName: 'refuse' })
  })
  after(async () => {
    await siblings.disposeAsync()
    await provider?.[Symbol.asyncDispose]()
    await people?.[Symbol.asyncDispose]()
  })
  const open = () => new Browser(people.rooms.url)
  const at = (path: string) => new URL(path, people.rooms.url).href
  const get = (browser: Browser, path = '/sign-in', headers: Readonly<Record<string, string>> = {}) => browser.visit(at(path), { headers })
  const post = (browser: Browser, page: string, fields: Readonly<Record<string, string>>) => {
    const headers = { ...form, 'sec-fetch-site': 'same-origin' }
    return browser.visit(at(`/sign-in/${page}`), { method: 'POST', headers, body: new URLSearchParams(fields).toString() })
  }

  test('offer the identity providers to whoever is not signed in, and lead on to where they were going', async () => {
    const page = text(await get(open(), '/sign-in?returnTo=%2Fprojects%3Fa%3Db%26c'))
    assert.match(page, /href="\/api\/v1\/session\/oidc\/corp\?returnTo=%2Fprojects%3Fa%3Db%26c"/)
    assert.match(page, /oidc\/ask\?/)
  })

  test('end a sign-in that was going nowhere by saying who is signed in and what to do next', async () => {
    const browser = open()
    const back = await signInAt(browser, 'mia')
    assert.equal(back.location, '/sign-in')
    const page = text(await get(browser))
    assert.match(page, /<h1>Signed in as mia<\/h1>/)
    assert.ok(page.includes(`berth login ${people.rooms.url.replace(/\/$/, '')} --browser`))
    assert.ok(page.includes(`docker login ${new URL(people.rooms.url).host} -u mia`))
    const out = await post(browser, 'sign-out', {})
    assert.match(text(out), /You are signed out/)
    assert.match(text(out), new RegExp(`href="${provider.issuer}/session/end\\?[^"]*id_token_hint=`))
    assert.equal((await seen(browser))['state'], 'anonymous')
    assert.match(text(await get(browser)), /Sign in with/)
  })

  test('ask for a name, say what is wrong with one, and go on to where the person was going', async () => {
    const browser = open()
    const back = await signInAt(browser, 'root', { provider: 'ask', returnTo: '/projects?x=1' })
    assert.equal(back.location, '/sign-in?returnTo=%2Fprojects%3Fx%3D1')
    const asked = text(await get(browser, back.location))
    assert.match(asked, /name="name"\s+value="root"/)
    assert.match(asked, /name="returnTo" value="\/projects\?x=1"/)
    for (const [name, status, sentence] of [
      ['root', 409, /belongs to another account/],
      ['', 400, /role="alert"/],
      ['robot-x', 400, /role="alert"/],
      ['"><script>', 400, /value="&quot;&gt;&lt;script&gt;"/],
    ] as const) {
      const again = await post(browser, 'name', { name, returnTo: '/projects?x=1' })
      assert.deepEqual([again.status, again.setCookies], [status, []], name)
      assert.match(text(again), sentence)
      assert.match(text(again), /name="returnTo" value="\/projects\?x=1"/)
    }
    const taken = await post(browser, 'name', { name: ' rooted ', returnTo: '/projects?x=1' })
    assert.deepEqual([taken.status, taken.location], [303, '/sign-in?returnTo=%2Fprojects%3Fx%3D1'])
    assert.equal((await get(browser, taken.location)).location, '/projects?x=1')
    assert.equal(nameOf(await seen(browser)), 'rooted')
    assert.equal((await post(browser, 'name', { name: 'other' })).location, '/sign-in', 'a name is chosen once')
    assert.equal(nameOf(await seen(browser)), 'rooted')
  })

  test('ask for the second factor, and begin anew after five wrong ones', async () => {
    const first = open()
    await signInAt(first, 'fay')
    const { body } = await first.call('POST', '/session/factors/totp')
    const app = new TOTP({ secret: String(body['secret']) })
    const made = await first.call('POST', '/session/factors/totp/confirmation', { code: app.generate(), name: 'phone' })
    assert.equal(made.status, 200, JSON.stringify(made.body))
    const [recovery = ''] = made.body['recoveryCodes'] as string[]
    const browser = open()
    assert.equal((await signInAt(browser, 'fay')).location, '/sign-in')
    assert.match(text(await get(browser)), /autocomplete="one-time-code"/)
    const wrong = await post(browser, 'second-factor', { code: '000000' })
    assert.deepEqual([wrong.status, /role="alert"/.test(text(wrong))], [401, true])
    const right = await post(browser, 'second-factor', { code: recovery, returnTo: '/here' })
    assert.equal(right.location, '/sign-in?returnTo=%2Fhere')
    assert.equal((await seen(browser))['state'], 'active')
    const guesser = open()
    await signInAt(guesser, 'fay')
    let last = ''
    for (let tries = 0; tries < 5; tries++) last = text(await post(guesser, 'second-factor', { code: '111111' }))
    assert.match(last, /Sign in with|role="alert"/)
    assert.notEqual((await seen(guesser))['state'], 'active')
    const { body: audit } = await people.root.call('GET', '/audit?action=login.failed&target=user:fay&credential=totp')
    const counts = (audit.items ?? []).map(({ reason, count }) => (reason === 'UNAUTHORIZED' ? Number(count) : 0))
    assert.ok(counts.reduce((sum, count) => sum + count, 0) >= 5, JSON.stringify(audit.items))
  })

  test('send somebody who is to show again who they are to their provider', async () => {
    const browser = open()
    await signInAt(browser, 'gil')
    const sent = await get(browser, '/sign-in/elevation?returnTo=%2Fhere')
    const url = new URL(sent.location ?? '')
    assert.deepEqual([url.origin, url.searchParams.get('prompt')], [provider.issuer, 'login'])
    const back = await browser.visit((await visitProvider(browser, url.href, 'gil')).href)
    assert.equal(back.location, '/here')
    assert.equal((await get(open(), '/sign-in/elevation?returnTo=%2Fhere')).location, '/sign-in?returnTo=%2Fhere', 'nobody is signed in')
  })

  test('let somebody new add a second factor where the provider never says when they signed in, which is asked for from then on', async () => {
    await using silent = await startOidcProvider([at('/api/v1/session/oidc/silent/callback')], { tellsTime: false })
    const { issuer, clientId, clientSecret } = silent
    await addProvider(people, 'silent', { issuer, clientId, clientSecret })
    const first = open()
    await signInAt(first, 'lou', { provider: 'silent' })
    const { status, body } = await first.call('POST', '/session/factors/totp')
    assert.equal(status, 200)
    const again = open()
    await signInAt(again, 'lou', { provider: 'silent' })
    assert.equal((await again.call('POST', '/session/factors/totp')).status, 403, 'somebody known has shown nothing of late')
    const code = new TOTP({ secret: String(body['secret']) }).generate()
    assert.equal((await first.call('POST', '/session/factors/totp/confirmation', { code, name: 'phone' })).status, 200)
  })

  test('let somebody known do it too where the operator takes a sign-in there for a proof', async () => {
    await using silent = await startOidcProvider([at('/api/v1/session/oidc/trusted/callback')], { tellsTime: false })
    const { issuer, clientId, clientSecret } = silent
    await addProvider(people, 'trusted', { issuer, clientId, clientSecret, signInIsProof: true })
    await signInAt(open(), 'moe', { provider: 'trusted' })
    const again = open()
    await signInAt(again, 'moe', { provider: 'trusted' })
    assert.equal((await again.call('POST', '/session/factors/totp')).status, 200)
  })

  test('lead to no other site', async () => {
    const browser = open()
    await signInAt(browser, 'hal')
    for (const path of [
      '//evil.example',
      '/\\evil.example',
      'https://evil.example',
      'javascript:alert(1)',
      '/\n/evil.example',
      'x',
      '/'.repeat(3),
    ]) {
      const query = new URLSearchParams({ returnTo: path }).toString()
      for (const reply of [await get(browser, `/sign-in?${query}`), await get(open(), `/sign-in?${query}`)]) {
        assert.deepEqual([reply.status, reply.location], [400, undefined], path)
        assert.ok(!text(reply).includes('evil.example'), path)
      }
      assert.equal((await post(browser, 'name', { name: 'x', returnTo: path })).status, 400, path)
    }
  })

  test('take no form of another site', async () => {
    const browser = open()
    await signInAt(browser, 'ina')
    for (const page of ['name', 'second-factor', 'elevation', 'sign-out']) {
      const headers = { ...form, 'sec-fetch-site': 'cross-site' }
      assert.equal((await browser.visit(at(`/sign-in/${page}`), { method: 'POST', headers, body: '' })).status, 403, page)
    }
    assert.equal((await seen(browser))['state'], 'active')
  })

  test('have no script and nothing from elsewhere, are kept by nobody, and stand in no frame', async () => {
    const browser = open()
    await signInAt(browser, 'jon')
    const half = open()
    await signInAt(half, 'jane', { provider: 'ask' })
    for (const from of [open(), browser, half]) {
      const cookie = [...from.cookies].map((pair) => pair.join('=')).join('; ')
      const answer = await sendRequest(at('/sign-in'), { headers: { cookie } })
      const page = answer.body.toString()
      const style = /<style>([^<]*)<\/style>/.exec(page)?.[1] ?? ''
      const hash = createHash('sha256').update(style).digest('base64')
      const policy = `default-src 'none'; style-src 'sha256-${hash}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`
      assert.equal(answer.headers['content-security-policy'], policy)
      const { headers } = answer
      assert.deepEqual(
        [headers['cache-control'], headers['x-frame-options'], headers['x-content-type-options'], headers['referrer-policy']],
        ['no-store', 'DENY', 'nosniff', 'same-origin'],
      )
      assert.doesNotMatch(page, /<script|<link|<img|<iframe|\son\w+=|style=|https?:\/\/(?!127\.0\.0\.1)/)
    }
  })

  test('speak the language that the browser asks for, of those that they have', async () => {
    for (const [asked, language] of [
      ['', 'en'],
      ['de-DE,de;q=0.9', 'en'],
      ['zh-CN,zh;q=0.9,en;q=0.8', 'zh-CN'],
      ['zh-TW,zh-Hant;q=0.9,en;q=0.8', 'en'],
      ['en;q=0.5, zh;q=0.6', 'zh-CN'],
      ['en, zh', 'en'],
      ['zh;q=0', 'en'],
      [`${',;q='.repeat(5_000)}zh`, 'en'],
    ] as const) {
      const page = text(await get(open(), '/sign-in', { 'accept-language': asked }))
      assert.match(page, new RegExp(`<html lang="${language}">`), asked.slice(0, 40))
      assert.match(page, language === 'en' ? /Sign in with/ : /登录方式/)
    }
    const half = open()
    await signInAt(half, 'root', { provider: 'corp' })
    const headers = { ...form, 'sec-fetch-site': 'same-origin', 'accept-language': 'zh-CN' }
    const refused = await half.visit(at('/sign-in/name'), { method: 'POST', headers, body: 'name=root' })
    assert.match(text(refused), /名称已被占用.*lang="en">[^<]*belongs to another account/s)
  })

  test('are pages for refusals too, for a browser at the way to a provider and back', async () => {
    const html = { accept: 'text/html,application/xhtml+xml', 'accept-language': 'en' }
    const callback = '/api/v1/session/oidc/corp/callback?code=x&state=y'
    for (const [path, status, sentence] of [
      ['/api/v1/session/oidc/nothere', 404, /Start again/],
      ['/api/v1/session/oidc/corp?returnTo=//evil.example', 400, /not a path of this site/],
      [callback, 400, /took too long, was finished already, or began in another browser/],
      ['/sign-in/nothere', 404, /Start again/],
    ] as const) {
      const reply = await get(open(), path, html)
      assert.equal(reply.status, status, path)
      assert.match(text(reply), sentence)
      assert.match(text(reply), /<html lang="en">/)
    }
    const program = await get(open(), callback)
    assert.equal(program.body['code'], 'REQUEST_INVALID', 'a program gets a problem')
    const browser = open()
    const target = await visitProvider(browser, await begin(browser, { provider: 'closed' }), 'kim')
    const refused = await browser.visit(target.href, { headers: html })
    assert.equal(refused.status, 403)
    assert.match(text(refused), /nobody here is linked with this identity/)
    const other = await get(open(), '/api/v1/users', html)
    assert.equal(other.body['code'], 'UNAUTHORIZED', 'other routes are for programs')
  })

  test('know their methods', async () => {
    for (const [method, path, allow] of [
      ['POST', '/sign-in', 'GET, HEAD'],
      ['GET', '/sign-in/name', 'POST'],
      ['DELETE', '/sign-in/terminal', 'GET, HEAD, POST'],
    ] as const) {
      const answer = await sendRequest(at(path), { method })
      assert.deepEqual([answer.status, answer.headers.allow], [405, allow], `${method} ${path}`)
    }
    const head = await sendRequest(at('/sign-in'), { method: 'HEAD' })
    assert.deepEqual([head.status, head.body.length, Number(head.headers['content-length']) > 500], [200, 0, true])
    assert.equal((await sendRequest(at('/sign-in/__proto__'))).status, 404)
    assert.equal((await sendRequest(at('/sign-inx'))).status, 404)
  })
})
