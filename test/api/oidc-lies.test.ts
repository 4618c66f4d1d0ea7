import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, suite, test } from 'node:test'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { updateProvider } from '#access/providers.ts'
import { Browser, type BrowserReply } from './browser.ts'
import { addProvider, begin, form, nameOf, sections, seen, who } from './oidc-trip.ts'
import { openPeople, type People } from './people.ts'

/** A provider that lies as it is told. */
async function lyingProvider(redirect: string) {
  const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true })
  const stranger = (await generateKeyPair('RS256')).privateKey
  const keys = [{ ...(await exportJWK(publicKey)), kid: 'k', alg: 'RS256', use: 'sig' }]
  const state = {
    claims: {} as Record<string, unknown>,
    header: {} as Record<string, unknown>,
    isForged: false,
    nonce: '',
    metadata: {} as Record<string, unknown>,
    answer: undefined as string | undefined,
  }
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const sign = async (claims: Record<string, unknown>, header: Record<string, unknown> = {}, key = privateKey) =>
    await new SignJWT({
      iss: issuer,
      aud: 'berth',
      sub: 'liar',
      iat: Math.floor(Date.now() / 1000),
      exp: Math.floor(Date.now() / 1000) + 300,
      ...claims,
    })
      .setProtectedHeader({ alg: 'RS256', kid: 'k', ...header })
      .sign(key)
  server.on('request', (request, response) => {
    const json = (value: unknown) => response.setHeader('content-type', 'application/json').end(JSON.stringify(value))
    const { pathname } = new URL(request.url ?? '/', issuer)
    if (pathname === '/.well-known/openid-configuration') {
      const at = (path: string) => `${issuer}/${path}`
      json({
        issuer,
        authorization_endpoint: at('auth'),
        token_endpoint: at('token'),
        jwks_uri: at('jwks'),
        response_types_supported: ['code'],
        subject_types_supported: ['public'],
        id_token_signing_alg_values_supported: ['RS256'],
        code_challenge_methods_supported: ['S256'],
        ...state.metadata,
      })
    } else if (pathname === '/jwks') json({ keys })
    else if (pathname === '/token') {
      void sign({ nonce: state.nonce, ...state.claims }, state.header, state.isForged ? stranger : privateKey).then((token) =>
        state.answer === undefined ? json({ access_token: 'a', token_type: 'bearer', id_token: token }) : response.end(state.answer),
      )
    } else response.writeHead(404).end()
  })
  return {
    issuer,
    state,
    sign,
    redirect,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

suite('an OpenID Connect provider that lies', () => {
  let people: People
  let liar: Awaited<ReturnType<typeof lyingProvider>>
  before(async () => {
    people = await openPeople(sections)
    liar = await lyingProvider('')
    await addProvider(people, 'liar', { issuer: liar.issuer, clientId: 'berth', clientSecret: 's' })
  })
  after(async () => {
    await liar?.[Symbol.asyncDispose]()
    await people?.[Symbol.asyncDispose]()
  })

  async function comeBack(set: Partial<(typeof liar)['state']>): Promise<{ readonly reply: BrowserReply; readonly browser: Browser }> {
    const browser = new Browser(people.rooms.url)
    const url = new URL(await begin(browser, { provider: 'liar' }))
    Object.assign(
      liar.state,
      { claims: {}, header: {}, isForged: false, answer: undefined, nonce: url.searchParams.get('nonce') ?? '' },
      set,
    )
    const back = new URL(url.searchParams.get('redirect_uri') ?? '')
    back.search = new URLSearchParams({ code: 'c', state: url.searchParams.get('state') ?? '' }).toString()
    return { reply: await browser.visit(back.href), browser }
  }

  test('signs somebody in as long as it tells the truth', async () => {
    const { reply, browser } = await comeBack({ claims: { preferred_username: 'honest', sub: 'honest' } })
    assert.equal(reply.status, 303, JSON.stringify(reply.body))
    assert.equal(nameOf(await seen(browser)), 'honest')
  })

  const now = Math.floor(Date.now() / 1000)
  const lies: readonly [name: string, set: object][] = [
    ['another nonce', { nonce: 'x' }],
    ['no nonce', { claims: { nonce: undefined } }],
    ['another issuer', { claims: { iss: 'https://evil.example' } }],
    ['another audience', { claims: { aud: 'somebody-else' } }],
    ['two audiences and another party', { claims: { aud: ['berth', 'other'], azp: 'other' } }],
    ['two audiences and no party', { claims: { aud: ['berth', 'other'] } }],
    ['a token that has ended', { claims: { exp: now - 3600 } }],
    ['a token without an end', { claims: { exp: undefined } }],
    ['no subject', { claims: { sub: undefined } }],
    ['a subject that is no text', { claims: { sub: 7 } }],
    ['a signature by another key', { isForged: true }],
    ['a key that it does not have', { header: { kid: 'unknown' } }],
    ['no JSON', { answer: '<html>' }],
    ['no ID token', { answer: '{"access_token":"a","token_type":"bearer"}' }],
    [
      'an ID token without a signature',
      { answer: `{"access_token":"a","token_type":"bearer","id_token":"${Buffer.from('{"alg":"none"}').toString('base64url')}.e30."}` },
    ],
  ]
  for (const [name, set] of lies) {
    test(`with ${name} signs nobody in`, async () => {
      const { reply, browser } = await comeBack(set)
      assert.ok(reply.status === 401 || reply.status === 503, `${reply.status} ${JSON.stringify(reply.body)}`)
      assert.equal((await seen(browser))['state'], 'anonymous')
    })
  }

  test('signs nobody in where it calls itself in another spelling than its settings say', async () => {
    const { port } = new URL(liar.issuer)
    const spellings = [`http://127.0.0.1:0${port}`, `http://127.0.0.1:${port}/`, `http://127.1:${port}`]
    // A change of the row makes a connection anew.
    const connectAnew = (title: string) =>
      updateProvider(people.rooms.accounts, { name: 'liar', expectedVersion: undefined, set: { title } }, { who })
    for (const issuer of spellings) {
      liar.state.metadata = { issuer }
      await connectAnew(issuer)
      const reply = await new Browser(people.rooms.url).call('GET', '/session/oidc/liar', undefined, {
        headers: { 'sec-fetch-site': 'none' },
      })
      assert.equal(reply.status, 503, issuer)
    }
    liar.state.metadata = {}
    await connectAnew('liar')
    assert.equal((await comeBack({ claims: { sub: 'honest' } })).reply.status, 303)
  })

  test('with claims of odd types signs its subject in, under a name of their choice', async () => {
    const claims = { sub: 'odd', preferred_username: { $ne: 1 }, name: ['x'], email: 7, groups: [{}, null, 3, 'real'] }
    const { browser } = await comeBack({ claims })
    assert.equal((await seen(browser))['state'], 'name')
    assert.equal((await browser.call('POST', '/session/name', { name: 'odd' })).status, 200)
  })

  suite('and a token by which it ends sessions', () => {
    const event = { events: { 'http://schemas.openid.net/event/backchannel-logout': {} } }
    const logout = async (token: string) =>
      await new Browser(people.rooms.url).visit(`${people.rooms.url}api/v1/session/oidc/liar/backchannel-logout`, {
        method: 'POST',
        headers: form,
        body: `logout_token=${token}`,
      })

    test('ends the sessions of its session id, and no others', async () => {
      const one = await comeBack({ claims: { sub: 'leaver', preferred_username: 'leaver', sid: 's1' } })
      const two = await comeBack({ claims: { sub: 'leaver', preferred_username: 'leaver', sid: 's2' } })
      assert.equal((await logout(await liar.sign({ sub: undefined, sid: 's1', jti: '1', ...event }))).status, 200)
      assert.deepEqual([(await seen(one.browser))['state'], (await seen(two.browser))['state']], ['anonymous', 'active'])
      assert.equal((await logout(await liar.sign({ sub: 'leaver', jti: '2', ...event }))).status, 200)
      assert.equal((await seen(two.browser))['state'], 'anonymous')
      assert.equal((await logout(await liar.sign({ sub: 'nobody', jti: '3', ...event }))).status, 200)
    })

    test('ends nothing when it is not one', async () => {
      const { browser } = await comeBack({ claims: { sub: 'stayer', preferred_username: 'stayer', sid: 's3' } })
      const good = { sub: 'stayer', jti: '4', ...event }
      const bad: readonly [object, object?, boolean?][] = [
        [{ ...good, nonce: 'n' }],
        [{ ...good, events: {} }],
        [{ ...good, events: undefined }],
        [{ ...good, aud: 'other' }],
        [{ ...good, iss: 'https://evil.example' }],
        [{ ...good, sub: undefined }],
        [{ ...good, jti: undefined }],
        [{ ...good, iat: now - 3600 }],
        [{ ...good, exp: now - 3600 }],
        [good, { kid: 'unknown' }],
        [good, {}, true],
      ]
      for (const [claims, header = {}, isForged = false] of bad) {
        const key = isForged ? (await generateKeyPair('RS256')).privateKey : undefined
        const reply = await logout(await liar.sign({ ...claims }, { ...header }, key))
        assert.equal(reply.status, 400, JSON.stringify(claims))
      }
      for (const token of [
        '',
        'x',
        'a.b.c',
        `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from(JSON.stringify(good)).toString('base64url')}.`,
      ])
        assert.equal((await logout(token)).status, 400)
      assert.equal((await seen(browser))['state'], 'active')
    })

    test('that was sent before the session began does not end it', async () => {
      const token = await liar.sign({ sub: 'later', jti: '5', iat: now - 120, ...event })
      const { browser } = await comeBack({ claims: { sub: 'later', preferred_username: 'later' } })
      assert.equal((await logout(token)).status, 200)
      assert.equal((await seen(browser))['state'], 'active')
    })
  })

  test('whose configuration names another issuer is not spoken to', async () => {
    await using other = await lyingProvider('')
    other.state.metadata = { issuer: 'https://evil.example' }
    await addProvider(people, 'other', { issuer: other.issuer, clientId: 'berth', clientSecret: 's' })
    assert.equal((await new Browser(people.rooms.url).call('GET', '/session/oidc/other')).status, 503)
  })
})

test('a provider on this machine is not asked unless the configuration allows it', async () => {
  await using people = await openPeople()
  await using liar = await lyingProvider('')
  const added = addProvider(people, 'inner', { issuer: liar.issuer, clientId: 'berth', clientSecret: 's' })
  // The address is judged when it is asked, whatever was judged when it was written.
  await added.catch(() => undefined)
  const { status, body } = await new Browser(people.rooms.url).call('GET', '/session/oidc/inner')
  assert.ok(status === 503 || status === 404, `${status}`)
  assert.ok(!JSON.stringify(body).includes('127.0.0.1'))
})
