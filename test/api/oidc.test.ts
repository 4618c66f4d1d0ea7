import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { updateProvider } from '#access/providers.ts'
import { startOidcProvider, type OidcServer } from '../support/oidc-provider.ts'
import { Browser } from './browser.ts'
import { addProvider, addSibling, begin, nameOf, sections, seen, signInAt, visitProvider, who } from './oidc-trip.ts'
import { openPeople, password, type People } from './people.ts'

suite('signing in at an OpenID Connect provider', () => {
  let people: People
  let provider: OidcServer
  const siblings = new AsyncDisposableStack()
  before(async () => {
    people = await openPeople(sections)
    provider = await startOidcProvider([`${people.rooms.url}api/v1/session/oidc/corp/callback`], { postLogout: [people.rooms.url] })
    const { issuer, clientId, clientSecret } = provider
    const common = { issuer, clientId, clientSecret, groupsClaim: 'realm_access.roles' }
    await addProvider(people, 'corp', { ...common, adminGroups: ['registry-admins'], groupPatterns: ['team-*'] })
    await addSibling(people, { name: 'ask', first: provider, stack: siblings }, { ...common, onNewName: 'ask' })
    await addSibling(people, { name: 'closed', first: provider, stack: siblings }, { ...common, onNewName: 'refuse' })
    await addSibling(people, { name: 'guarded', first: provider, stack: siblings }, { ...common, requiredGroups: ['staff'] })
  })
  after(async () => {
    await siblings.disposeAsync()
    await provider?.[Symbol.asyncDispose]()
    await people?.[Symbol.asyncDispose]()
  })
  const browser = () => new Browser(people.rooms.url)
  const say = (login: string, claims: Record<string, unknown>) => provider.people.set(login, claims)
  async function groupsOf(name: string): Promise<string[]> {
    const rows = await people.rooms.registry.metadata.reader
      .selectFrom('group_members')
      .innerJoin('groups', 'groups.id', 'group_members.group_id')
      .innerJoin('users', 'users.id', 'group_members.user_id')
      .select('groups.name')
      .where('users.name', '=', name)
      .orderBy('groups.name')
      .execute()
    return rows.map((row) => row.name)
  }

  test('the providers are offered to whoever is not signed in', async () => {
    const { providers } = (await seen(browser())) as { providers: { name: string }[] }
    assert.deepEqual(
      providers.map(({ name }) => name),
      ['corp', 'ask', 'closed', 'guarded'],
    )
  })

  test('the way there carries state, nonce and a PKCE challenge, and nothing secret', async () => {
    const url = new URL(await begin(browser()))
    const { searchParams: said } = url
    assert.equal(url.origin, provider.issuer)
    assert.deepEqual([said.get('response_type'), said.get('code_challenge_method')], ['code', 'S256'])
    for (const name of ['state', 'nonce', 'code_challenge']) assert.match(said.get(name) ?? '', /^[A-Za-z0-9_-]{43}$/)
    assert.equal(said.get('redirect_uri'), `${people.rooms.url}api/v1/session/oidc/corp/callback`)
    assert.ok(!url.href.includes(provider.clientSecret))
  })

  test('a first sign-in makes an account with the groups that fit, and the way back leads where it was to', async () => {
    say('mia', { name: 'Mia', email: 'mia@example.org', realm_access: { roles: ['team-a', 'other'] } })
    const mia = browser()
    const back = await signInAt(mia, 'mia', { returnTo: '/projects?x=1#top' })
    assert.deepEqual([back.status, back.location], [303, '/projects?x=1#top'])
    const body = await seen(mia)
    assert.deepEqual([body['state'], nameOf(body), body['credential']], ['active', 'mia', 'session'])
    assert.deepEqual(await groupsOf('mia'), ['team-a'])
  })

  test('a lost group and a lost administrator group are lost at the next sign-in, in live sessions too', async () => {
    say('ned', { realm_access: { roles: ['team-a', 'registry-admins'] } })
    const first = browser()
    await signInAt(first, 'ned')
    assert.equal((await first.call('GET', '/users')).status, 200)
    say('ned', { realm_access: { roles: [] } })
    await signInAt(browser(), 'ned')
    assert.deepEqual(await groupsOf('ned'), [])
    assert.equal((await first.call('GET', '/users')).status, 403)
  })

  test('somebody called admin at the provider is not the administrator here, and may choose another name', async () => {
    say('root', { email: 'root@example.org' })
    const opened = browser()
    await signInAt(opened, 'root')
    const half = await seen(opened)
    assert.deepEqual([half['state'], half['proposedName'], half['permissions']], ['name', 'root', []])
    assert.equal((await opened.call('GET', '/users')).status, 401)
    for (const [name, status] of [
      ['root', 409],
      ['ROOT', 409],
      ['robot-x', 400],
      ['a b', 400],
      ['', 400],
    ] as const) {
      const refused = await opened.call('POST', '/session/name', { name })
      assert.equal(refused.status, status, name)
      if (status === 409) assert.match(String(refused.body['detail']), /belongs to another account.*link/)
    }
    assert.equal((await opened.call('POST', '/session/name', { name: 'rooted' })).status, 200)
    const body = await seen(opened)
    assert.deepEqual([body['state'], nameOf(body), body['permissions']], ['active', 'rooted', []])
    const again = browser()
    await signInAt(again, 'root')
    assert.equal(nameOf(await seen(again)), 'rooted')
  })

  test('an e-mail address of somebody else links nothing, verified or not', async () => {
    const alice = await people.add('alice')
    await people.root.call('PATCH', `/users/${alice.id}`, { email: 'alice@example.org' })
    for (const [login, verified] of [
      ['oscar', true],
      ['olga', false],
    ] as const) {
      say(login, { email: 'alice@example.org', email_verified: verified })
      const opened = browser()
      await signInAt(opened, login)
      assert.equal(nameOf(await seen(opened)), login)
    }
    const { body } = await people.root.call('GET', '/users?name=olga')
    assert.equal(body.items?.[0]?.['email'], '')
  })

  test('a provider that asks for names asks, and one that is closed lets known people in only', async () => {
    const asked = browser()
    await signInAt(asked, 'pat', { provider: 'ask' })
    assert.equal((await seen(asked))['state'], 'name')
    assert.equal((await asked.call('POST', '/session/name', { name: 'patricia' })).status, 200)
    const closed = await signInAt(browser(), 'quinn', { provider: 'closed' })
    assert.equal(closed.status, 403)
    assert.match(String(closed.body['detail']), /link/)
  })

  test('whoever is in no required group stays out, and loses what they had', async () => {
    say('rita', { realm_access: { roles: ['staff', 'team-b'] } })
    const first = browser()
    assert.equal((await signInAt(first, 'rita', { provider: 'guarded' })).status, 303)
    say('rita', { realm_access: { roles: ['team-b'] } })
    assert.equal((await signInAt(browser(), 'rita', { provider: 'guarded' })).status, 403)
    assert.equal((await seen(first))['state'], 'anonymous')
    assert.deepEqual(await groupsOf('rita'), [])
    assert.equal((await signInAt(browser(), 'sam', { provider: 'guarded' })).status, 403)
  })

  suite('a sign-in that is refused is on record', () => {
    /** The records since the last look, without times. */
    const seenIds = new Set<unknown>()
    const newRecords = async () => {
      const { body } = await people.root.call('GET', '/audit?action=login.failed&limit=1000')
      const fresh = (body.items ?? []).filter(({ id }) => !seenIds.has(id))
      for (const { id } of fresh) seenIds.add(id)
      return fresh.map(({ target, credential, reason, actor, detail }) => ({ target, credential, reason, actor, detail }))
    }
    const comeBack = async (login: string, change: (callback: URL) => void) => {
      const opened = browser()
      const callback = await visitProvider(opened, await begin(opened), login)
      const code = callback.searchParams.get('code') ?? ''
      change(callback)
      return { status: (await opened.visit(callback.href)).status, secrets: [code, callback.searchParams.get('state') ?? code] }
    }

    test('for want of a group: with provider, subject and name, and the account where there is one', async () => {
      say('zelda', { preferred_username: 'zelda', realm_access: { roles: ['staff'] } })
      assert.equal((await signInAt(browser(), 'zelda', { provider: 'guarded' })).status, 303)
      await newRecords()
      say('zelda', { preferred_username: 'zelda', realm_access: { roles: [] } })
      say('walt', { preferred_username: 'root', realm_access: { roles: [] } })
      for (const login of ['zelda', 'walt']) assert.equal((await signInAt(browser(), login, { provider: 'guarded' })).status, 403)
      const common = { cause: 'required-groups', provider: 'guarded', step: 'sign-in' }
      assert.deepEqual((await newRecords()).toReversed(), [
        {
          target: 'user:zelda',
          credential: 'oidc:zelda',
          reason: 'DENIED',
          actor: null,
          detail: { ...common, subject: 'zelda', name: 'zelda' },
        },
        {
          target: 'provider:guarded',
          credential: 'oidc:walt',
          reason: 'DENIED',
          actor: null,
          detail: { ...common, subject: 'walt', name: 'root' },
        },
      ])
    })

    for (const [name, change, status, reason, cause] of [
      ['for another state', (url) => url.searchParams.set('state', 'x'.repeat(43)), 401, 'UNAUTHORIZED', 'wrong-answer'],
      ['for a code that nobody gave', (url) => url.searchParams.set('code', 'y'.repeat(43)), 401, 'UNAUTHORIZED', 'wrong-answer'],
      [
        'at the provider',
        (url) => (url.searchParams.delete('code'), url.searchParams.set('error', 'access_denied')),
        403,
        'DENIED',
        'refused-there',
      ],
    ] as readonly (readonly [string, (url: URL) => void, number, string, string])[])
      test(`${name}: with the provider, and nothing that came through the browser`, async () => {
        await newRecords()
        const came = await comeBack('tess', change)
        assert.equal(came.status, status)
        const records = await newRecords()
        const detail = { cause, provider: 'corp', step: 'sign-in' }
        assert.deepEqual(records, [{ target: 'provider:corp', credential: 'oidc', reason, actor: null, detail }])
        for (const secret of came.secrets) assert.ok(secret !== '' && !JSON.stringify(records).includes(secret))
      })

    test('in another browser than it began in, for a closed provider and for a disabled account', async () => {
      const opened = browser()
      const callback = await visitProvider(opened, await begin(opened), 'tess')
      await newRecords()
      assert.equal((await browser().visit(callback.href)).status, 400)
      assert.equal((await signInAt(browser(), 'xaver', { provider: 'closed' })).status, 403)
      const yann = browser()
      await signInAt(yann, 'yann')
      const { id } = (await seen(yann))['user'] as { id: number }
      await people.root.call('PATCH', `/users/${id}`, { isDisabled: true })
      assert.equal((await signInAt(browser(), 'yann')).status, 403)
      assert.deepEqual(
        (await newRecords()).toReversed().map(({ target, reason, detail }) => [target, reason, (detail as { cause: string }).cause]),
        [
          ['provider:corp', 'REQUEST_INVALID', 'not-begun-here'],
          ['provider:closed', 'DENIED', 'not-linked'],
          ['user:yann', 'DENIED', 'disabled-account'],
        ],
      )
    })
  })

  suite('what comes back', () => {
    const cases: readonly [name: string, change: (callback: URL, browser: Browser) => void | Promise<void>, status: number][] = [
      ['with another state', (url) => url.searchParams.set('state', 'x'.repeat(43)), 401],
      ['without a state', (url) => url.searchParams.delete('state'), 401],
      ['with two states', (url) => url.searchParams.append('state', 'x'), 401],
      ['with a code that nobody gave', (url) => url.searchParams.set('code', 'x'), 401],
      ['from another issuer', (url) => url.searchParams.set('iss', 'https://evil.example'), 401],
      ['without its issuer, which this provider always names', (url) => url.searchParams.delete('iss'), 401],
      ['to another browser', (_url, browser) => browser.cookies.clear(), 400],
      ['to a browser with somebody else’s sign-in', async (_url, browser) => void (await begin(browser)), 401],
      ['to another provider of this registry', (url) => void (url.pathname = url.pathname.replace('/corp/', '/ask/')), 400],
      ['with an error in place of a code', (url) => (url.searchParams.delete('code'), url.searchParams.set('error', 'access_denied')), 403],
      ['with nothing', (url) => void (url.search = ''), 401],
      ['with a megabyte', (url) => url.searchParams.set('code', 'x'.repeat(10_000)), 401],
    ]
    for (const [name, change, status] of cases) {
      test(`${name} signs nobody in`, async () => {
        const opened = browser()
        const callback = await visitProvider(opened, await begin(opened), 'tess')
        await change(callback, opened)
        const reply = await opened.visit(callback.href)
        assert.equal(reply.status, status, JSON.stringify(reply.body))
        assert.equal((await seen(opened))['state'], 'anonymous')
        assert.ok(!JSON.stringify(reply.body).includes('x'.repeat(43)))
      })
    }

    test('twice signs in once', async () => {
      const opened = browser()
      const callback = await visitProvider(opened, await begin(opened), 'tess')
      const value = opened.cookies.get('berth-sign-in') ?? ''
      assert.equal((await opened.visit(callback.href)).status, 303)
      assert.equal(opened.cookies.get('berth-sign-in'), undefined)
      const other = browser()
      other.cookies.set('berth-sign-in', value)
      assert.equal((await other.visit(callback.href)).status, 400)
    })

    test('replaces the session that was planted in the browser', async () => {
      const attacker = browser()
      await attacker.call('POST', '/session', { name: 'root', password })
      const victim = browser()
      victim.cookies.set('berth-session', attacker.cookies.get('berth-session') ?? '')
      await signInAt(victim, 'tess')
      assert.equal(nameOf(await seen(victim)), 'tess')
      assert.equal((await seen(attacker))['state'], 'anonymous')
    })

    test('is never somebody’s session by the cookie of the way', async () => {
      const opened = browser()
      await begin(opened)
      opened.cookies.set('berth-session', opened.cookies.get('berth-sign-in') ?? '')
      assert.equal((await seen(opened))['state'], 'anonymous')
    })
  })

  test('the way back leads to this site only', async () => {
    const elsewhere = [
      '//evil.example',
      '/\\evil.example',
      '\\\\evil',
      'https:evil',
      'https://evil.example',
      'javascript:alert(1)',
      '',
      '/a\r\nX: y',
      '/\t/evil',
      'evil',
      '/%0d%0a'.replace('%0d%0a', '\n'),
      `/${'a'.repeat(4000)}`,
    ]
    for (const returnTo of elsewhere) {
      const reply = await browser().call('GET', `/session/oidc/corp?returnTo=${encodeURIComponent(returnTo)}`)
      assert.equal(reply.status, 400, JSON.stringify(returnTo))
      assert.equal(reply.location, undefined)
    }
    const doubled = await browser().call('GET', '/session/oidc/corp?returnTo=/a&returnTo=//evil')
    assert.equal(doubled.status, 400)
  })

  test('a provider that is not there, switched off or of another kind is unknown', async () => {
    const found = await people.root.call('GET', '/providers/closed')
    await updateProvider(people.rooms.accounts, { name: 'closed', set: { isEnabled: false }, expectedVersion: undefined } as never, { who })
    assert.ok(found.status === 200)
    for (const name of ['nowhere', 'closed', 'local'])
      assert.equal((await browser().call('GET', `/session/oidc/${name}`)).status, 404, name)
  })

  test('a disabled account stays out', async () => {
    const opened = browser()
    await signInAt(opened, 'uma')
    const { id } = (await seen(opened))['user'] as { id: number }
    await people.root.call('PATCH', `/users/${id}`, { isDisabled: true })
    assert.equal((await seen(opened))['state'], 'anonymous')
    const reply = await signInAt(browser(), 'uma')
    assert.equal(reply.status, 403)
    assert.match(String(reply.body['detail']), /disabled/)
  })

  test('an identity is linked with the account of whoever is signed in, opens it, and is unlinked unless it is the last way in', async () => {
    await people.add('vera')
    const vera = browser()
    await vera.call('POST', '/session', { name: 'vera', password })
    const started = await vera.call('POST', '/session/identities', { provider: 'corp', returnTo: '/me' })
    assert.equal(started.status, 200, JSON.stringify(started.body))
    const callback = await visitProvider(vera, String(started.body['url']), 'vera-at-corp')
    assert.deepEqual([(await vera.visit(callback.href)).location], ['/me'])
    const other = browser()
    await signInAt(other, 'vera-at-corp')
    assert.equal(nameOf(await seen(other)), 'vera')
    const { items } = (await vera.call('GET', '/session/identities')).body as { items: { id: number; name: string; provider: string }[] }
    assert.deepEqual(
      items.map(({ name, provider: at }) => [name, at]),
      [['vera-at-corp', 'corp']],
    )

    const wanda = browser()
    await signInAt(wanda, 'wanda')
    const { items: only } = (await wanda.call('GET', '/session/identities')).body as { items: { id: number }[] }
    assert.equal((await wanda.call('DELETE', `/session/identities/${items[0]?.id}`)).status, 404)
    const refused = await wanda.call('DELETE', `/session/identities/${only[0]?.id}`)
    assert.equal(refused.status, 409)
    assert.match(String(refused.body['detail']), /only way into the account/)

    assert.equal((await vera.call('DELETE', `/session/identities/${items[0]?.id}`)).status, 204)
    assert.equal((await seen(other))['state'], 'anonymous')
    assert.equal(nameOf(await seen(vera)), 'vera')
  })

  test('an identity of somebody else cannot be linked, and a link that was begun is not finished in another session', async () => {
    await signInAt(browser(), 'xena')
    await people.add('yves')
    const yves = browser()
    await yves.call('POST', '/session', { name: 'yves', password })
    const start = async () => String((await yves.call('POST', '/session/identities', { provider: 'corp' })).body['url'])
    const taken = await yves.visit((await visitProvider(yves, await start(), 'xena')).href)
    assert.equal(taken.status, 409)
    const fresh = browser()
    await fresh.call('POST', '/session', { name: 'yves', password })
    const callback = await visitProvider(
      fresh,
      String((await fresh.call('POST', '/session/identities', { provider: 'corp' })).body['url']),
      'zoe',
    )
    await fresh.call('DELETE', '/session')
    await fresh.call('POST', '/session', { name: 'alice', password })
    assert.equal((await fresh.visit(callback.href)).status, 401)
  })

  test('stepping up at the provider asks for a login there, of the same person', async () => {
    const opened = browser()
    await signInAt(opened, 'abel')
    const started = await opened.call('POST', '/session/elevation/provider', {})
    const url = new URL(String(started.body['url']))
    assert.deepEqual([url.searchParams.get('prompt'), url.searchParams.get('max_age')], ['login', '300'])
    const before = opened.cookies.get('berth-session')
    const callback = await visitProvider(opened, url.href, 'abel')
    assert.equal((await opened.visit(callback.href)).status, 303)
    assert.notEqual(opened.cookies.get('berth-session'), before)
    assert.ok(((await seen(opened))['session'] as { elevatedUntil: string | null }).elevatedUntil !== null)
    const again = await opened.call('POST', '/session/elevation/provider', {})
    // At the provider it is another browser, or it would ask abel first.
    const stranger = await visitProvider(browser(), String(again.body['url']), 'mallory')
    assert.equal((await opened.visit(stranger.href)).status, 403)
  })

  test('signing out names the place to sign out at the provider, where the browser comes back from', async () => {
    const opened = browser()
    await signInAt(opened, 'bert')
    const { body } = await opened.call('DELETE', '/session')
    const url = new URL(String(body['logoutUrl']))
    assert.equal(url.origin, provider.issuer)
    assert.equal(url.searchParams.get('post_logout_redirect_uri'), people.rooms.url)
    assert.match(url.searchParams.get('id_token_hint') ?? '', /^eyJ/)
    assert.equal((await opened.visit(url.href)).status, 200)
  })

  test('no secret of a sign-in is in the log or in the database as it is', async () => {
    const opened = browser()
    const callback = await visitProvider(opened, await begin(opened), 'cara')
    await opened.visit(callback.href)
    const canaries = [provider.clientSecret, callback.searchParams.get('code') ?? '-', ...opened.cookies.values()]
    const { reader } = people.rooms.registry.metadata
    const rows = [
      ...(await reader.selectFrom('sessions').selectAll().execute()),
      ...(await reader.selectFrom('providers').selectAll().execute()),
    ]
    const text = JSON.stringify(rows) + people.rooms.lines.join('\n')
    for (const canary of canaries) assert.ok(!text.includes(canary))
    assert.ok(!/"eyJ[A-Za-z0-9_-]{20}/.test(text), 'an ID token')
  })
})
