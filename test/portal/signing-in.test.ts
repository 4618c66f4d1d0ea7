/** The ways in: of a directory, of an identity provider, with a passkey; what one sees of oneself, and how a session ends. */
import assert from 'node:assert/strict'
import { after, before, beforeEach, suite, test } from 'node:test'
import type { BrowserContext, Page } from 'playwright-core'
import { en } from '../../web/src/locales/en.ts'
import { zhCN } from '../../web/src/locales/zh-CN.ts'
import { startSlapd, type DirectoryServer } from '../clients/directories.ts'
import { startOidcProvider, type OidcServer } from '../support/oidc-provider.ts'
import { complaintsOf, look } from './look.ts'
import { openStage, openWindow, signIn, type Stage } from './stage.ts'

const password = 'correct horse battery'
let stage: Stage
let slapd: DirectoryServer
let corp: OidcServer
let asking: OidcServer

before(async () => {
  stage = await openStage({ hostname: 'localhost' })
  const { api, berth } = stage
  const redirect = (name: string) => [`${berth.url}/api/v1/session/oidc/${name}/callback`]
  slapd = await startSlapd()
  corp = await startOidcProvider(redirect('corp'), { postLogout: [`${berth.url}/`] })
  asking = await startOidcProvider(redirect('ask'))
  const { ldapUrl, bindDn, bindPassword, searchBase } = slapd
  await api('POST', '/providers', {
    name: 'staff',
    kind: 'ldap',
    title: 'Staff directory',
    settings: { urls: [ldapUrl], bindDn, bindPassword, searchBase },
  })
  for (const [name, title, { issuer, clientId, clientSecret }, more] of [
    ['corp', 'Corporate', corp, {}],
    ['ask', 'Ask first', asking, { onNewName: 'ask' }],
  ] as const)
    await api('POST', '/providers', { name, kind: 'oidc', title, settings: { issuer, clientId, clientSecret, ...more } })
})
after(async () => {
  await asking?.[Symbol.asyncDispose]()
  await corp?.[Symbol.asyncDispose]()
  await slapd?.[Symbol.asyncDispose]()
  await stage?.[Symbol.asyncDispose]()
})

/** The forms of the provider, which asks for the name and then for consent. */
async function signInAtProvider(page: Page, login: string): Promise<void> {
  await page.fill('input[name=login]', login)
  await page.fill('input[name=password]', 'x')
  await page.click('button[type=submit]')
  await page.click('button[type=submit]')
}

for (const [language, words, person] of [
  ['en', en, 'alice'],
  ['zh-CN', zhCN, 'bob'],
] as const) {
  suite(`in ${language}`, () => {
    let context: BrowserContext
    let page: Page
    let complaints: readonly string[]
    const tail = language.toLowerCase()
    const url = (path: string) => stage.berth.url + path
    const button = (name: string) => page.getByRole('button', { name, exact: true })
    const withProvider = (provider: string) =>
      page.getByRole('link', { name: words.login.with.replace('{{provider}}', provider), exact: true })
    const give = async (name: string, secret: string) => {
      await page.getByLabel(words.session.name).fill(name)
      await page.getByLabel(words.session.password, { exact: true }).fill(secret)
      await button(words.session.signIn).click()
    }
    const signOut = async () => {
      await page.locator('.side').getByRole('button', { name: words.nav.userMenu }).click()
      await page.getByRole('menuitem', { name: words.session.signOut }).click()
    }
    before(async () => {
      context = await openWindow(stage, { language })
      complaints = complaintsOf(context, (text) => text.startsWith('Failed to load resource'))
      page = await context.newPage()
    })
    beforeEach(() => context.clearCookies())
    after(async () => {
      await context?.close()
      assert.deepEqual(complaints, [])
    })

    test('somebody of the directory signs in with the password that they have there, and sees who they are', async () => {
      await page.goto(url('/login?returnTo=%2Faccount'))
      await page.getByText(words.login.directories.replace('{{names}}', 'Staff directory')).waitFor()
      await look(page, 'the sign-in page with providers')
      await give(person, 'wrong')
      await page.getByRole('alert').waitFor()
      await give(person, `${person}-Passw0rd`)
      await page.waitForURL(url('/account'))
      const profile = page.getByRole('region', { name: words.account.profile })
      await profile.getByText(person, { exact: true }).waitFor()
      await profile.getByText('staff', { exact: true }).waitFor()
      await profile
        .getByText(`${person[0]?.toUpperCase() ?? ''}${person.slice(1)} ${person[0]?.toUpperCase() ?? ''}`, { exact: true })
        .waitFor()
      assert.equal(await profile.getByRole('textbox').count(), 0, 'the directory says it')
      assert.equal(await page.getByRole('region', { name: words.session.password }).count(), 0)
      await signOut()
      await page.waitForURL(url('/login'))
    })

    test('an identity provider lets somebody in, who arrives where they were going; signing out ends it there too', async () => {
      const name = `mia-${tail}`
      corp.people.set(name, { name: 'Mia M', email: 'mia@example.org' })
      await page.goto(url('/login?returnTo=%2Frepositories%3Fq%3Dapp'))
      await withProvider('Corporate').click()
      await page.waitForURL((at) => at.href.startsWith(corp.issuer))
      await signInAtProvider(page, name)
      await page.waitForURL(url('/repositories?q=app'))
      await page.goto(url('/account'))
      await page.getByRole('region', { name: words.account.profile }).getByText(name, { exact: true }).waitFor()
      await page.getByRole('region', { name: words.account.profile }).getByText('corp', { exact: true }).waitFor()
      await signOut()
      await page.waitForURL((at) => at.href.startsWith(corp.issuer))
      await page.getByRole('button').first().click()
      await page.waitForURL(url('/login'))
      await page.getByRole('heading', { name: words.login.title, level: 1 }).waitFor()
    })

    test('who turns back at the identity provider is told so, and may try again', async () => {
      await page.goto(url('/login'))
      await withProvider('Corporate').click()
      await page.waitForURL((at) => at.href.startsWith(corp.issuer))
      await page.getByRole('link', { name: /cancel/iu }).click()
      await page.waitForURL((at) => at.href.startsWith(stage.berth.url))
      await page.getByRole('alert').waitFor()
      await page.getByRole('link').click()
      await page.waitForURL(url('/login'))
      await withProvider('Corporate').waitFor()
    })

    test('a name is chosen at the first visit, another one where it is taken', async () => {
      await page.goto(url('/login?returnTo=%2Ftrash'))
      await withProvider('Ask first').click()
      await page.waitForURL((at) => at.href.startsWith(asking.issuer))
      await signInAtProvider(page, `new-${tail}`)
      await page.getByRole('heading', { name: words.login.nameTitle }).waitFor()
      assert.equal(await page.getByLabel(words.session.name).inputValue(), `new-${tail}`)
      await look(page, 'the choice of a name')
      await page.getByLabel(words.session.name).fill('admin')
      await button(words.common.continue).click()
      await page.getByRole('alert').waitFor()
      await page.getByLabel(words.session.name).fill(`chosen-${tail}`)
      await button(words.common.continue).click()
      await page.waitForURL(url('/trash'))
      assert.match((await page.locator('.side').textContent()) ?? '', new RegExp(`chosen-${tail}`, 'u'))
    })

    test('a passkey is added, opens the account after the password, and a recovery code does when the key is lost', async () => {
      const name = `key-${tail}`
      await stage.api('POST', '/users', { name, password })
      const devices = await context.newCDPSession(page)
      await devices.send('WebAuthn.enable')
      const options = {
        protocol: 'ctap2',
        transport: 'internal',
        hasResidentKey: true,
        hasUserVerification: true,
        isUserVerified: true,
        automaticPresenceSimulation: true,
      } as const
      const { authenticatorId } = await devices.send('WebAuthn.addVirtualAuthenticator', { options })
      await signIn(page, { berth: stage.berth, password }, name)
      await page.goto(url('/account'))
      await button(words.factors.addKey).click()
      await page.getByRole('heading', { name: words.factors.codes }).waitFor()
      await look(page, 'the recovery codes')
      const [code = ''] = ((await page.getByRole('dialog').locator('pre').textContent()) ?? '').split('\n')
      await button(words.secret.kept).click()
      await button(words.factors.remove.replace('{{name}}', words.factors.webauthn)).waitFor()
      const { credentials } = await devices.send('WebAuthn.getCredentials', { authenticatorId })
      assert.deepEqual(
        credentials.map(({ rpId }) => rpId),
        ['localhost'],
      )
      await signOut()
      await page.goto(url('/login?returnTo=%2Faccount'))
      await give(name, password)
      await look(page, 'the demand for a passkey')
      await button(words.proof.useKey).click()
      await page.waitForURL(url('/account'))

      await devices.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId })
      await devices.detach()
      await signOut()
      await page.goto(url('/login?returnTo=%2Faccount'))
      await give(name, password)
      await button(words.proof.use.recovery).click()
      await page.getByLabel(words.proof.label.recovery).fill('0000-0000')
      await button(words.common.continue).click()
      await page.getByRole('alert').waitFor()
      await page.getByLabel(words.proof.label.recovery).fill(code)
      await button(words.common.continue).click()
      await page.waitForURL(url('/account'))
    })

    test('one’s other sessions are seen and ended: they are strangers with the next page', async () => {
      const name = `two-${tail}`
      await stage.api('POST', '/users', { name, password })
      const there = await openWindow(stage, { language })
      const other = await there.newPage()
      await signIn(other, { berth: stage.berth, password }, name)
      await context.clearCookies()
      await signIn(page, { berth: stage.berth, password }, name)
      await page.goto(url('/account'))
      const sessions = page.getByRole('region', { name: words.account.sessions })
      await sessions.getByText(words.account.thisSession).waitFor()
      assert.equal(await sessions.getByRole('listitem').count(), 2)
      await sessions.getByRole('button', { name: words.account.end, exact: true }).click()
      await sessions.getByRole('button', { name: words.account.end, exact: true }).waitFor({ state: 'detached' })
      await other.goto(url('/account'))
      await other.getByText(words.account.visitor).waitFor()
      await there.close()
    })

    test('the password is changed, and only the new one opens from then on', async () => {
      await page.goto(url('/login?returnTo=%2Faccount'))
      await give(`two-${tail}`, password)
      const own = page.getByRole('region', { name: words.session.password })
      await own.getByLabel(words.account.currentPassword).fill(password)
      await own.getByLabel(words.account.newPassword).fill('staple battery horse')
      await own.getByRole('button', { name: words.account.changePassword }).click()
      await page.waitForURL(/\/login/u)
      await give(`two-${tail}`, password)
      await page.locator('form').getByRole('alert').waitFor()
      await give(`two-${tail}`, 'staple battery horse')
      await page.waitForURL(/\/projects/u)
    })

    test('theme and time zone are as one likes them, and stay so', async () => {
      await page.goto(url('/login?returnTo=%2Faccount'))
      await give('admin', stage.password)
      const likes = page.getByRole('region', { name: words.account.preferences })
      await likes.getByText(words.theme.dark, { exact: true }).click()
      await page.locator('html[data-mantine-color-scheme=dark]').waitFor()
      const zone = likes.getByRole('combobox', { name: words.account.timeZone })
      const exact = async () => (await page.locator('time').first().getAttribute('title')) ?? ''
      assert.match(await exact(), /UTC/u)
      await zone.click()
      await zone.fill('Asia/Tokyo')
      await page.getByRole('option', { name: 'Asia/Tokyo' }).click()
      await page.reload()
      await page.locator('html[data-mantine-color-scheme=dark]').waitFor()
      assert.match(await exact(), /GMT\+9/u)
      await look(page, 'the account in the dark')
    })
  })
}

test('an address that leads elsewhere after signing in leads to the projects instead', async () => {
  const context = await openWindow(stage)
  const page = await context.newPage()
  await signIn(page, stage)
  for (const to of [
    'https://evil.invalid/',
    '//evil.invalid/',
    '/\\evil.invalid/',
    '/\t/evil.invalid/',
    '/%09/evil.invalid/',
    '/.//evil.invalid/',
    '\\\\evil.invalid',
    'javascript:alert(1)',
    'data:text/html,x',
    '/login',
  ]) {
    await page.goto(`${stage.berth.url}/login?returnTo=${encodeURIComponent(to)}`)
    await page.waitForURL(({ pathname }) => pathname !== '/login')
    assert.equal(new URL(page.url()).origin, stage.berth.url, to)
  }
  await context.close()
})
