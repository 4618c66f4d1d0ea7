import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import type { BrowserContext, Page } from 'playwright-core'
import { en } from '../../web/src/locales/en.ts'
import { zhCN } from '../../web/src/locales/zh-CN.ts'
import { basicAuthorization } from '../support/http-client.ts'
import { pushImage, registryClient } from '../support/registry-client.ts'
import { totpCode } from './totp.ts'
import { complaintsOf, look } from './look.ts'
import { furnish, openStage, openWindow, pushRichImage, signIn, type Stage } from './stage.ts'

let stage: Stage
before(async () => {
  stage = await openStage()
  await furnish(stage)
  await stage.api('POST', '/users', { name: 'mia', password: 'correct horse battery' })
})
after(() => stage?.[Symbol.asyncDispose]())

for (const [language, words] of [
  ['en', en],
  ['zh-CN', zhCN],
] as const) {
  suite(`in ${language}`, () => {
    let context: BrowserContext
    let page: Page
    let complaints: readonly string[]
    before(async () => {
      context = await openWindow(stage, { language })
      // Refusals that a test provokes are told on the console by the browser itself.
      complaints = complaintsOf(context, (text) => text.startsWith('Failed to load resource'))
      page = await context.newPage()
    })
    after(async () => {
      await context?.close()
      assert.deepEqual(complaints, [])
    })
    const url = (path: string) => stage.berth.url + path
    const button = (name: string) => page.getByRole('button', { name, exact: true })
    const project = `made-${language.toLowerCase()}`

    test('a wrong password is told in a sentence with the id of the request, the right one leads to the projects', async () => {
      await page.goto(url('/'))
      await page.waitForURL(/\/login$/u)
      await page.getByLabel(words.session.name).fill('admin')
      await page.getByLabel(words.session.password, { exact: true }).fill('wrong')
      await button(words.session.signIn).click()
      await page.getByRole('alert').waitFor()
      assert.match((await page.getByRole('alert').textContent()) ?? '', /[0-9a-f]{8}-[0-9a-f]{4}/u)
      await page.getByLabel(words.session.password, { exact: true }).fill(stage.password)
      await button(words.session.signIn).click()
      await page.getByRole('heading', { name: words.projects.title, level: 1 }).waitFor()
    })

    test('a project is made, and shows the commands of a first push with the right host', async () => {
      await button(words.projects.create).click()
      await page.getByRole('dialog').getByLabel(words.common.name).fill(project)
      await look(page, 'the form of a new project')
      await button(words.common.create).click()
      await page.waitForURL(url(`/projects/${project}`))
      await page.getByText(`docker push ${stage.berth.host}/${project}/my-image:latest`).waitFor()
    })

    test('a member is added, gets another role, and is taken out again', async () => {
      await page.goto(url(`/projects/${project}/-/members`))
      await button(words.members.add).click()
      await page.getByRole('dialog').getByLabel(words.members.name, { exact: true }).fill('mi')
      await page.getByRole('option', { name: 'mia' }).click()
      await button(words.common.add).click()
      const row = page.getByRole('row').filter({ hasText: 'mia' })
      await row.waitFor()
      await row.getByRole('combobox').click()
      await page.getByRole('option', { name: words.roles.maintainer }).click()
      await page.getByText(words.members.changed).waitFor()
      const grants = (await stage.api('GET', `/projects/${project}/grants?user=mia`))['items'] as { role: string }[]
      assert.deepEqual(
        grants.map(({ role }) => role),
        ['maintainer'],
      )
      await row.getByRole('button').last().click()
      await row.waitFor({ state: 'detached' })
    })

    test('the secret of a robot is shown once, and pushes', async () => {
      await page.goto(url(`/projects/${project}/-/robots`))
      await button(words.robots.create).click()
      await page.getByRole('dialog').getByLabel(words.common.name).fill('ci')
      await button(words.common.create).click()
      await page.getByRole('heading', { name: words.secret.title }).waitFor()
      await look(page, 'the secret of a robot')
      const told = page.getByRole('dialog').locator('.command code')
      const login = (await told.nth(0).textContent()) ?? ''
      const secret = (await told.nth(1).textContent()) ?? ''
      assert.equal(login, `robot-ci@${project}`)
      await pushImage(registryClient(stage.berth.url, { authorization: basicAuthorization(login, secret) }), `${project}/app`, '1')
      await button(words.secret.kept).click()
      await page.getByRole('cell', { name: login, exact: true }).waitFor()
      assert.ok(!(await page.content()).includes(secret))
    })

    test('tags are narrowed and ordered in the URL, chosen, deleted at once, and come back', async () => {
      const repository = `${project}/many`
      for (let at = 1; at <= 4; at++)
        await pushRichImage(stage.root, repository, `1.${at}`, {
          architecture: 'amd64',
          command: 'x',
          sizes: [1000],
          seed: `${language}${at}`,
        })
      await page.goto(url(`/repositories/${repository}`))
      await page.getByLabel(words.tags.search).fill('1.2')
      await page.waitForURL(/\?q=/u)
      await page.getByRole('link', { name: '1.1', exact: true }).waitFor({ state: 'detached' })
      await page.getByLabel(words.tags.search).fill('')
      await button(words.common.tag).click()
      await page.waitForURL(/sort=name/u)
      await page.getByRole('link', { name: '1.1', exact: true }).waitFor()
      assert.deepEqual(await page.locator('tbody a').allTextContents(), ['1.1', '1.2', '1.3', '1.4'])
      for (const tag of ['1.1', '1.3']) await page.getByLabel(words.tags.select.replace('{{name}}', tag)).check()
      await page.locator('.selection-bar').getByRole('button', { name: words.common.delete }).click()
      await page.getByRole('link', { name: '1.1', exact: true }).waitFor({ state: 'detached' })
      await button(words.common.undo).waitFor()
      assert.equal(await stage.root.digestOf(repository, '1.3'), undefined)
      await button(words.common.undo).click()
      await page.getByRole('link', { name: '1.1', exact: true }).waitFor()
      assert.notEqual(await stage.root.digestOf(repository, '1.3'), undefined)
    })

    test('an image opens up: platforms, layers with their share, configuration, referrers of referrers, the document', async () => {
      await page.goto(url('/repositories/team/api'))
      await page.getByRole('link', { name: 'latest', exact: true }).click()
      await page.getByRole('link', { name: 'linux/arm64/v8' }).waitFor()
      await page.getByRole('link', { name: 'linux/amd64' }).click()
      await page.getByText('apt-get update && apt-get install -y curl').first().waitFor()
      assert.match((await page.locator('.layer').first().textContent()) ?? '', /ADD file:rootfs.*180.*71/u)
      await page.getByRole('link', { name: words.image.config }).click()
      await page.getByText('/usr/bin/tini --').waitFor()
      await page.getByText('NODE_ENV').waitFor()
      await page.getByRole('link', { name: words.image.referrers }).click()
      const bill = page.getByRole('listitem').filter({ hasText: words.referrers.sbom })
      await bill.getByRole('button').first().click()
      await bill.getByRole('link', { name: words.referrers.signature }).waitFor()
      await page.getByRole('link', { name: words.image.json }).click()
      assert.match((await page.locator('pre.json').textContent()) ?? '', /"schemaVersion": 2/u)
    })

    test('a tag goes back to what it was', async () => {
      await page.goto(url('/repositories/team/api/-/tags/1.0.0?view=history'))
      const first = await stage.root.digestOf('team/api', '1.0.0')
      await button(words.common.restore).first().click()
      await page.getByText(words.history.restored.replace('{{tag}}', '1.0.0')).waitFor()
      assert.notEqual(await stage.root.digestOf('team/api', '1.0.0'), first)
    })

    test('a repository is deleted at once, and comes back from the trash', async () => {
      await page.goto(url(`/repositories/${project}/many/-/settings`))
      await button(words.repository.delete).click()
      await page.waitForURL(url(`/projects/${project}`))
      await page.getByRole('link', { name: 'app', exact: true }).waitFor()
      assert.equal(await page.getByRole('link', { name: 'many', exact: true }).count(), 0)
      await page.goto(url('/trash?view=repository'))
      await page
        .getByRole('row')
        .filter({ hasText: `${project}/many` })
        .getByRole('button', { name: words.common.restore })
        .click()
      await page.getByText(words.trash.restored.replace('{{name}}', `${project}/many`)).waitFor()
      assert.notEqual(await stage.root.digestOf(`${project}/many`, '1.2'), undefined)
    })

    test('a project is deleted after a fresh proof and its name', async () => {
      // As after ten minutes, which no test waits for.
      let wasAsked = false
      await page.route(/\/api\/v1\/projects\//u, async (route) => {
        if (route.request().method() !== 'DELETE' || wasAsked) return await route.fallback()
        wasAsked = true
        const problem = { type: 'urn:berth:error:elevation-required', title: 'x', status: 403, code: 'ELEVATION_REQUIRED', requestId: 'x' }
        return await route.fulfill({ status: 403, contentType: 'application/problem+json', body: JSON.stringify(problem) })
      })
      await page.goto(url(`/projects/${project}/-/settings`))
      await button(words.project.delete).click()
      await page.getByLabel(words.project.typeName.replace('{{name}}', project)).fill(project)
      await page.getByRole('dialog').getByRole('button', { name: words.project.delete }).click()
      await page.getByRole('heading', { name: words.elevation.title }).waitFor()
      await look(page, 'the demand for a proof')
      const dialog = page.getByRole('dialog').filter({ hasText: words.elevation.title })
      await dialog.getByLabel(words.session.password, { exact: true }).fill(stage.password)
      await dialog.getByRole('button', { name: words.common.continue }).click()
      await page.waitForURL(url('/projects'))
      await assert.rejects(stage.api('GET', `/projects/${project}`), /404/u)
    })

    test('a token is made, signs docker in, and is revoked', async () => {
      await page.goto(url('/account'))
      await button(words.tokens.create).click()
      await page.getByRole('dialog').getByLabel(words.common.name).fill('laptop')
      await button(words.common.create).click()
      await page.getByRole('heading', { name: words.secret.title }).waitFor()
      const secret = (await page.getByRole('dialog').locator('.command code').nth(1).textContent()) ?? ''
      const client = registryClient(stage.berth.url, { authorization: basicAuthorization('admin', secret) })
      assert.notEqual(await client.digestOf('team/api', 'latest'), undefined)
      await button(words.secret.kept).click()
      await button(words.tokens.revokeThis.replace('{{name}}', 'laptop')).first().click()
      await page.getByText('laptop').first().waitFor({ state: 'detached' })
      assert.equal((await client.send('/v2/')).status, 401)
    })

    test('signing out ends the session, and private things are gone from the page', async () => {
      await page.locator('.side').getByRole('button', { name: words.nav.userMenu }).click()
      await page.getByRole('menuitem', { name: words.session.signOut }).click()
      await page.waitForURL(/\/login$/u)
      await page.getByRole('link', { name: words.login.look }).click()
      await page.getByRole('heading', { name: 'open', level: 2 }).waitFor()
      assert.equal(await page.getByRole('heading', { name: 'team', level: 2 }).count(), 0)
    })

    test('an authenticator app is added, and the next sign-in asks for it', async () => {
      const name = `two-${language.toLowerCase()}`
      await stage.api('POST', '/users', { name, password: 'correct horse battery' })
      await signIn(page, { berth: stage.berth, password: 'correct horse battery' }, name)
      await page.goto(url('/account'))
      await button(words.factors.addApp).click()
      await page.getByRole('img', { name: words.factors.qr }).waitFor()
      await look(page, 'the code for an app')
      const secret = (await page.getByRole('dialog').locator('.command code').first().textContent()) ?? ''
      await page.getByLabel(words.proof.label.totp).fill(totpCode(secret, Date.now()))
      await page.getByRole('dialog').getByRole('button', { name: words.common.add, exact: true }).click()
      await button(words.secret.kept).click()
      await context.clearCookies()
      await page.goto(url('/login?returnTo=%2Faccount'))
      await page.getByLabel(words.session.name).fill(name)
      await page.getByLabel(words.session.password, { exact: true }).fill('correct horse battery')
      await button(words.session.signIn).click()
      await page.getByLabel(words.proof.label.totp).waitFor()
      await look(page, 'the demand for a second factor')
      // A code is good once: that of the next half minute is taken early.
      await page.getByLabel(words.proof.label.totp).fill(totpCode(secret, Date.now() + 30_000))
      await button(words.common.continue).click()
      await page.waitForURL(url('/account'))
    })
  })
}

test('what a guest may not do is not offered', async () => {
  await stage.api('POST', '/users', { name: 'guest', password: 'correct horse battery' })
  await stage.api('POST', '/projects/team/grants', { subject: { kind: 'user', name: 'guest' }, role: 'guest' })
  const context = await openWindow(stage)
  const page = await context.newPage()
  await signIn(page, { berth: stage.berth, password: 'correct horse battery' }, 'guest')
  await page.goto(`${stage.berth.url}/repositories/team/api`)
  await page.getByRole('link', { name: 'latest', exact: true }).waitFor()
  assert.equal(await page.getByRole('checkbox').count(), 0)
  assert.equal(await page.getByRole('link', { name: en.project.settings }).count(), 0)
  await page.goto(`${stage.berth.url}/projects/team/-/members`)
  await page.getByRole('cell', { name: 'guest', exact: true }).waitFor()
  assert.equal(await page.getByRole('button', { name: en.members.add }).count(), 0)
  assert.equal(await page.getByRole('link', { name: en.project.activity }).count(), 0)
  await context.close()
})

test('markup in a description is shown as the text that it is', async () => {
  const attack =
    '<img src=x onerror="globalThis.hit=1"><script>globalThis.hit=1</script> [x](javascript:globalThis.hit=1) ![y](https://evil.invalid/a.png)'
  await stage.api('POST', '/projects', { name: 'xss', description: attack, isPublic: true })
  const context = await openWindow(stage)
  const page = await context.newPage()
  const asked: string[] = []
  page.on('request', (request) => asked.push(request.url()))
  await page.goto(`${stage.berth.url}/projects/xss`)
  await page.locator('.markdown').waitFor()
  assert.match((await page.locator('.markdown').textContent()) ?? '', /<img src=x onerror=/u)
  assert.equal(await page.locator('.markdown img, .markdown script, .markdown a[href^="javascript"]').count(), 0)
  assert.equal(await page.evaluate('globalThis.hit'), undefined)
  assert.deepEqual(
    asked.filter((url) => !url.startsWith(stage.berth.url)),
    [],
  )
  await context.close()
})

test('an administrator makes an account, sets a banner that everybody sees, runs a job and reads its log', async () => {
  const context = await openWindow(stage)
  const complaints = complaintsOf(context)
  const page = await context.newPage()
  await signIn(page, stage)
  await page.getByRole('link', { name: en.users.title }).click()
  await page.getByRole('button', { name: en.users.create }).click()
  await page.getByRole('dialog').getByLabel(en.common.name).fill('zoe')
  await page.getByRole('dialog').getByRole('button', { name: en.common.create, exact: true }).click()
  await page.getByRole('cell', { name: 'zoe', exact: true }).waitFor()
  await page.getByRole('link', { name: en.system.title }).click()
  await page.getByLabel(en.settings.banner).fill('Maintenance on Sunday')
  await page.getByRole('button', { name: en.common.save }).click()
  await page.getByRole('alert').filter({ hasText: 'Maintenance on Sunday' }).first().waitFor()
  await page.getByRole('link', { name: en.jobs.title }).click()
  await page.getByRole('button', { name: /^Run: Delete what nothing references/u }).click()
  await page
    .getByRole('button', { name: /^Delete what nothing references/u })
    .first()
    .click()
  await page.getByRole('dialog').getByText(en.jobs.states.done).waitFor()
  await look(page, 'a job')
  await page.goto(`${stage.berth.url}/admin/audit?q=user.created`)
  await page.getByRole('cell', { name: 'user.created' }).first().waitFor()
  assert.equal(await page.getByRole('cell', { name: 'tag.moved' }).count(), 0)
  assert.deepEqual(complaints, [])
  await context.close()
})
