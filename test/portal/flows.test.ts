import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, suite, test } from 'node:test'
import type { BrowserContext, Page } from 'playwright-core'
import { en } from '../../web/src/locales/en.ts'
import { zhCN } from '../../web/src/locales/zh-CN.ts'
import { basicAuthorization, sendRequest, type HttpResponse } from '../support/http-client.ts'
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

/** What the server says to a name and a password. */
async function signInFor(name: string, password: string): Promise<HttpResponse> {
  const headers = { 'content-type': 'application/json' }
  return await sendRequest(`${stage.berth.url}/api/v1/session`, { method: 'POST', headers, body: JSON.stringify({ name, password }) })
}

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
      const saved = page.waitForEvent('download')
      await button(words.secret.download).click()
      const { auths } = JSON.parse(await readFile(await (await saved).path(), 'utf8')) as { auths: Record<string, { auth: string }> }
      assert.equal(Buffer.from(auths[stage.berth.host]?.auth ?? '', 'base64').toString(), `${login}:${secret}`)
      await pushImage(registryClient(stage.berth.url, { authorization: basicAuthorization(login, secret) }), `${project}/app`, '1')
      await button(words.secret.kept).click()
      await page.getByRole('cell', { name: login, exact: true }).waitFor()
      assert.ok(!(await page.content()).includes(secret))
    })

    test('a project is described and opened to everybody, and stands among the public ones as a card and in a table', async () => {
      await page.goto(url(`/projects/${project}/-/settings`))
      await page.getByLabel(words.common.description).fill('Made for **tests**')
      await page.getByRole('switch', { name: words.projects.makePublic }).press('Space')
      await page.getByRole('region', { name: words.project.general }).getByRole('button', { name: words.common.save }).click()
      await page.getByText(words.common.saved).first().waitFor()
      await page.goto(url(`/projects/${project}`))
      assert.equal(await page.locator('.markdown strong').textContent(), 'tests')
      await page.goto(url('/projects'))
      await page.getByRole('radiogroup', { name: words.projects.scope }).getByText(words.projects.scopes.public, { exact: true }).click()
      await page.waitForURL(/view=public/u)
      await page.getByRole('link', { name: project }).getByText('Made for tests').waitFor()
      await page.getByRole('heading', { name: 'team', level: 2 }).waitFor({ state: 'detached' })
      await page.getByText(words.projects.table, { exact: true }).click({ force: true })
      await page.getByRole('row').filter({ hasText: project }).getByText(words.projects.public).waitFor()
      await page.getByText(words.projects.cards, { exact: true }).click({ force: true })
    })

    test('the commands that fetch an image or a chart name this registry, and are copied whole', async () => {
      await context.grantPermissions(['clipboard-read', 'clipboard-write'])
      const { host } = stage.berth
      const copied = async (tool: string) => {
        await page
          .getByRole('dialog')
          .getByRole('button', { name: words.common.copyWhat.replace('{{what}}', tool), exact: true })
          .click()
        await page.getByRole('button', { name: words.common.copied }).first().waitFor()
        return await page.evaluate('navigator.clipboard.readText()')
      }
      await page.goto(url('/repositories/team/api/-/tags/1.1.0'))
      await button(words.repository.pull).click()
      assert.equal(await copied('Docker'), `docker pull ${host}/team/api:1.1.0`)
      assert.equal(await copied('Podman'), `podman pull --tls-verify=false ${host}/team/api:1.1.0`)
      assert.equal(await copied('containerd'), `ctr images pull --plain-http ${host}/team/api:1.1.0`)
      await page.goto(url('/repositories/open/charts/-/tags/0.1.0'))
      await button(words.repository.pull).click()
      assert.equal(await copied('Helm'), `helm pull --plain-http oci://${host}/open/charts --version 0.1.0`)
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
      await page.getByText(words.history.pointsAgain.replace('{{tag}}', '1.0.0')).waitFor()
      assert.notEqual(await stage.root.digestOf('team/api', '1.0.0'), first)
      await page.getByRole('cell', { name: words.history.restored }).first().waitFor()
      await look(page, 'a history with a way back in it')
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

    test('an administrator makes an account, whose password opens it until the account is disabled', async () => {
      const name = `zoe-${language.toLowerCase()}`
      const status = async () => (await signInFor(name, 'correct horse battery')).status
      await page.goto(url('/admin/users'))
      await button(words.users.create).click()
      await page.getByRole('dialog').getByLabel(words.common.name).fill(name)
      await button(words.common.create).click()
      const row = page.getByRole('row').filter({ hasText: name })
      await row.waitFor()
      await row.getByRole('button', { name: words.robots.actions.replace('{{name}}', name) }).click()
      await page.getByRole('menuitem', { name: words.users.setPassword }).click()
      await page.getByRole('dialog').getByLabel(words.account.newPassword).fill('correct horse battery')
      await page.getByRole('dialog').getByRole('button', { name: words.common.save }).click()
      await page.getByText(words.users.passwordSet.replace('{{name}}', name)).waitFor()
      assert.equal(await status(), 200)
      await row.getByRole('button', { name: words.robots.actions.replace('{{name}}', name) }).click()
      await page.getByRole('menuitem', { name: words.robots.disable, exact: true }).click()
      await row.getByText(words.robots.disabled).waitFor()
      assert.equal(await status(), 401)
    })

    test('the system tells what it stands on and how it is configured; its banner is seen by everybody', async () => {
      await page.goto(url('/admin/system'))
      const information = page.getByRole('region', { name: words.system.information })
      await information.getByText('filesystem: ').waitFor()
      await page.getByLabel(words.configuration.search).fill('allowednetworks')
      const key = page.getByRole('row').filter({ hasText: 'outgoing.allowednetworks' })
      await key.waitFor()
      assert.match((await key.textContent()) ?? '', /loopback.*line \d+/u)
      await page.getByLabel(words.settings.banner).fill(`Maintenance on Sunday, ${language}`)
      await button(words.common.save).click()
      const banner = (there: Page) =>
        there
          .getByRole('alert')
          .filter({ hasText: `Maintenance on Sunday, ${language}` })
          .first()
          .waitFor()
      await banner(page)
      const visitor = await openWindow(stage, { language })
      const other = await visitor.newPage()
      await other.goto(url('/login'))
      await banner(other)
      await visitor.close()
      await stage.api('PATCH', '/system/settings', { banner: null })
    })

    test('a job is run, watched to its end, and tells what it did', async () => {
      const { items } = (await stage.api('GET', '/schedules')) as { items: { name: string; title: string }[] }
      const { title } = items.find(({ name }) => name === 'collect-garbage') ?? { title: '' }
      assert.notEqual(title, '')
      await page.goto(url('/admin/jobs'))
      await button(words.jobs.runThis.replace('{{name}}', title)).click()
      await button(title).first().click()
      const dialog = page.getByRole('dialog')
      await dialog.getByText(words.jobs.states.done).waitFor()
      await dialog.getByRole('region', { name: words.jobs.result }).locator('pre').waitFor()
      await look(page, 'a job')
    })

    test('the audit log is narrowed by action, person and outcome, and taken along as a file', async () => {
      await page.goto(url('/admin/audit'))
      await page.getByLabel(words.auditPage.action).fill('user.created')
      await page.waitForURL(/q=user\.created/u)
      await page.getByRole('cell', { name: 'project.created' }).first().waitFor({ state: 'detached' })
      await page.getByRole('cell', { name: 'user.created' }).first().waitFor()
      await button('user.created').first().click()
      const whole = JSON.parse((await page.getByRole('dialog').locator('pre').textContent()) ?? '') as Record<string, unknown>
      assert.deepEqual([whole['action'], whole['actor'], typeof whole['requestId']], ['user.created', 'admin', 'string'])
      await look(page, 'a record of the audit log')
      await page.keyboard.press('Escape')
      await page.getByRole('dialog').waitFor({ state: 'detached' })
      const saved = page.waitForEvent('download')
      await page.getByRole('link', { name: words.auditPage.export }).click()
      const lines = (await readFile(await (await saved).path(), 'utf8')).trim().split('\n')
      assert.ok(lines.length > 1 && lines.slice(1).every((line) => line.includes('user.created')), lines.join('\n'))
      await page.getByLabel(words.auditPage.action).fill('')
      await page.getByLabel(words.auditPage.actor).fill('nobody-is-called-so')
      await page.getByRole('heading', { name: words.common.nothingFound }).waitFor()
      await page.getByLabel(words.auditPage.actor).fill('')
      await page.getByText(words.auditPage.outcomes.failure, { exact: true }).click()
      await page.waitForURL(/view=failure/u)
      await page.getByText(words.audit.refused).first().waitFor()
      await page.getByRole('cell', { name: 'project.created' }).first().waitFor({ state: 'detached' })
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
