import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import type { BrowserContext, Page } from 'playwright-core'
import { en } from '../../web/src/locales/en.ts'
import { manageEn } from '../../web/src/locales/manage-en.ts'
import { manageZhCN } from '../../web/src/locales/manage-zh-CN.ts'
import { zhCN } from '../../web/src/locales/zh-CN.ts'
import { basicAuthorization, sendRequest } from '../support/http-client.ts'
import { until } from '../support/until.ts'
import { complaintsOf, fits, look } from './look.ts'
import { furnish, openStage, openWindow, settled, signIn, type Stage } from './stage.ts'

let stage: Stage
let digest = ''
before(async () => {
  stage = await openStage()
  digest = (await furnish(stage)).amd64.descriptor.digest
  await stage.api('POST', '/users', { name: 'mia', password: 'correct horse battery' })
})
after(() => stage?.[Symbol.asyncDispose]())

const items = async (path: string) => (await stage.api('GET', path))['items'] as Readonly<Record<string, unknown>>[]

for (const [language, words, more] of [
  ['en', en, manageEn],
  ['zh-CN', zhCN, manageZhCN],
] as const) {
  suite(`in ${language}`, () => {
    let context: BrowserContext
    let page: Page
    let complaints: readonly string[]
    const tail = language.toLowerCase()
    const project = `run-${tail}`
    before(async () => {
      await stage.api('POST', '/projects', { name: project })
      context = await openWindow(stage, { language })
      complaints = complaintsOf(context, (text) => text.startsWith('Failed to load resource'))
      page = await context.newPage()
      await signIn(page, stage)
    })
    after(async () => {
      await context?.close()
      assert.deepEqual(complaints, [])
    })
    const url = (path: string) => stage.berth.url + path
    const button = (name: string) => page.getByRole('button', { name, exact: true })
    const dialog = () => page.getByRole('dialog')
    const inDialog = (label: string) => dialog().getByLabel(label, { exact: true })
    const said = (text: string, values: Readonly<Record<string, string | number>>) =>
      Object.entries(values).reduce((sentence, [key, value]) => sentence.replace(`{{${key}}}`, String(value)), text)

    test('a group is made, gets a member, and loses them', async () => {
      await page.goto(url('/admin/groups'))
      await button(more.groups.create).first().click()
      await inDialog(words.common.name).fill(`crew-${tail}`)
      await button(words.common.create).click()
      await inDialog(more.groups.addMember).fill('mia')
      await page.getByRole('option', { name: 'mia' }).click()
      await dialog().getByRole('button', { name: words.common.add, exact: true }).click()
      const member = dialog().getByRole('listitem').filter({ hasText: 'mia' })
      await member.waitFor()
      const [group] = await items(`/groups?name=crew-${tail}`)
      assert.equal((await items(`/groups/${String(group?.['id'])}/members`)).length, 1)
      await look(page, 'a group')
      await member.getByRole('button').click()
      await member.waitFor({ state: 'detached' })
    })

    test('a role is made of another one, stands in the table, and is removed', async () => {
      await page.goto(url('/admin/roles'))
      await button(said(more.roles.copy, { name: words.roles.guest })).click()
      await inDialog(words.common.name).fill(`looker-${tail}`)
      await inDialog(more.common.title).fill(`Looker ${tail}`)
      await inDialog(`${more.permissions.resources.trash}: ${more.permissions.actions.list}`).check()
      await look(page, 'the form of a role')
      await button(words.common.create).click()
      await page.getByRole('columnheader', { name: `Looker ${tail}` }).waitFor()
      const role = await stage.api('GET', `/roles/looker-${tail}`)
      assert.ok((role['permissions'] as string[]).includes('trash:list'))
      await button(said(more.common.remove, { name: `Looker ${tail}` })).click()
      await page.getByRole('columnheader', { name: `Looker ${tail}` }).waitFor({ state: 'detached' })
    })

    test('a provider is tried out step by step before it is saved, keeps its secret to itself, and is switched off', async () => {
      await page.goto(url('/admin/providers'))
      await button(more.providers.create).click()
      await inDialog(words.common.name).fill(`corp-${tail}`)
      await inDialog(more.providers.fields.issuer).fill(`http://127.0.0.1:9/${tail}`)
      await inDialog(more.providers.fields.clientId).fill('berth')
      await inDialog(more.providers.fields.clientSecret).fill('very secret')
      await look(page, 'the form of a provider')
      await button(more.providers.tryOut).click()
      await dialog().getByText(more.providers.failed).waitFor()
      await dialog().getByRole('list', { name: more.providers.steps }).getByText('127.0.0.1').first().waitFor()
      await button(words.common.create).click()
      const row = page.getByRole('listitem').filter({ hasText: `corp-${tail}` })
      await row.waitFor()
      const made = await stage.api('GET', `/providers/corp-${tail}`)
      assert.equal((made['settings'] as Record<string, unknown>)['hasClientSecret'], true)
      await row.getByRole('button').last().click()
      await page.getByRole('menuitem', { name: more.common.change }).click()
      assert.equal(await inDialog(more.providers.fields.clientSecret).inputValue(), '')
      await inDialog(more.common.title).fill(`Corp ${tail}`)
      await button(words.common.save).click()
      await page
        .getByRole('listitem')
        .filter({ hasText: `Corp ${tail}` })
        .waitFor()
      const kept = await stage.api('GET', `/providers/corp-${tail}`)
      assert.equal((kept['settings'] as Record<string, unknown>)['hasClientSecret'], true)
      await row.getByRole('switch').press('Space')
      await until('the provider is switched off', async () => (await stage.api('GET', `/providers/corp-${tail}`))['isEnabled'] === false)
    })

    test('a robot of the system gets a second secret, which signs in, and the first one is revoked', async () => {
      await page.goto(url('/admin/robots'))
      await button(words.robots.create).first().click()
      await inDialog(words.common.name).fill(`fleet-${tail}`)
      await button(words.common.create).click()
      await button(words.secret.kept).click()
      await button(`robot-fleet-${tail}`).click()
      await button(words.robots.addSecret).click()
      await button(words.common.create).click()
      await page.getByRole('heading', { name: words.secret.title }).waitFor()
      const secret = (await page.getByRole('region', { name: words.secret.secret, exact: true }).textContent()) ?? ''
      await button(words.secret.kept).click()
      const answer = await sendRequest(`${stage.berth.url}/v2/`, {
        headers: { authorization: basicAuthorization(`robot-fleet-${tail}`, secret) },
      })
      assert.equal(answer.status, 200)
      const secrets = dialog().getByRole('region', { name: more.robots.secrets, exact: true }).getByRole('listitem')
      assert.equal(await secrets.count(), 2)
      await look(page, 'a robot')
      await secrets.first().getByRole('button').click()
      await until('one secret is left', async () => (await secrets.count()) === 1)
    })

    test('a label is made for all, put on an image, and narrows the tags', async () => {
      await page.goto(url('/admin/labels'))
      await button(more.labels.create).first().click()
      await inDialog(words.common.name).fill(`tested ${tail}`)
      await button(words.common.create).click()
      await page
        .getByRole('row')
        .filter({ hasText: `tested ${tail}` })
        .waitFor()
      await page.goto(url('/repositories/team/api/-/tags/1.1.0'))
      await button(more.labels.put).click()
      await page.getByRole('menuitemcheckbox', { name: `tested ${tail}` }).click()
      await button(said(more.labels.takeOff, { name: `tested ${tail}` })).waitFor()
      await page.goto(url('/repositories/team/api'))
      await page.getByRole('row').filter({ hasText: '1.0.0' }).waitFor()
      await page.getByLabel(more.labels.filter).first().click()
      await page.getByRole('option', { name: `tested ${tail}` }).click()
      await page.waitForURL(/label=\d+/u)
      await page.getByRole('row').filter({ hasText: '1.0.0' }).waitFor({ state: 'detached' })
      await page.getByRole('row').filter({ hasText: '1.1.0' }).waitFor()
    })

    test('a project gets limits, networks and another name, which the former one leads to', async () => {
      await page.goto(url(`/projects/${project}/-/settings`))
      await page.getByLabel(words.project.storage, { exact: true }).fill('1.5')
      await page.getByLabel(words.project.tags, { exact: true }).fill('12')
      await page.getByRole('region', { name: words.places.limits }).getByRole('button', { name: words.common.save }).click()
      await page.getByText(words.common.saved).first().waitFor()
      const quota = await stage.api('GET', `/projects/${project}/quota`)
      assert.deepEqual([quota['bytesMax'], quota['tagsMax'], quota['repositoriesMax']], [1_500_000_000, 12, null])
      const networks = page.getByRole('region', { name: more.networks.title })
      await networks.getByLabel(more.networks.deny, { exact: true }).fill('192.0.2.7\n198.51.100.0/24')
      await networks.getByRole('button', { name: words.common.save }).click()
      const denied = async () => String((await stage.api('GET', `/projects/${project}/networks`))['deny'])
      await until('the networks are kept', async () => (await denied()) === '192.0.2.7,198.51.100.0/24')
      await look(page, 'the settings of a project')
      await page.getByLabel(more.moving.newName).fill(`${project}-new`)
      await button(more.moving.rename).click()
      await page.waitForURL(url(`/projects/${project}-new/-/settings`))
      assert.equal((await stage.api('GET', `/projects/${project}`))['name'], `${project}-new`)
    })

    test('a policy is run dry, tells of each tag what decided, removes what was shown, and takes it back', async () => {
      const name = `old-${tail}`
      await page.goto(url('/projects/team/-/rules'))
      await button(more.retention.create).click()
      await inDialog(words.common.name).fill(name)
      await inDialog(words.nav.repositories).fill('team/api')
      await inDialog(more.retention.number).fill('2')
      await look(page, 'the form of a policy')
      await button(words.common.create).click()
      const row = page.getByRole('list', { name: more.retention.title }).getByRole('listitem').filter({ hasText: name })
      await row.getByRole('button', { name: more.retention.dryRun }).click()
      await dialog().getByText(more.retention.explained).waitFor()
      await dialog().getByRole('table', { name: more.retention.decisions }).getByText('team/api:').first().waitFor()
      await look(page, 'what a dry run decided')
      const before = (await items('/repositories/team%2Fapi/tags')).length
      await dialog()
        .getByRole('button', { name: said(more.retention.removeNow, { shown: before - 2 }) })
        .click()
      await button(words.common.undo).waitFor()
      assert.equal((await items('/repositories/team%2Fapi/tags')).length, 2)
      await button(words.common.undo).click()
      await page.getByText(said(more.retention.undone, { shown: before - 2 })).waitFor()
      assert.equal((await items('/repositories/team%2Fapi/tags')).length, before)
      await stage.api('DELETE', `/projects/team/retention-policies/${name}`)
    })

    test('a rule keeps tags as they are until it is switched off', async () => {
      await page.goto(url('/projects/team/-/rules'))
      await button(more.immutable.create).click()
      await inDialog(more.rules.tags).fill(`keep-${tail}-*`)
      await button(words.common.create).click()
      const row = page.getByRole('listitem').filter({ hasText: `keep-${tail}-*` })
      await row.getByRole('switch').press('Space')
      const isOff = (rule: Readonly<Record<string, unknown>>) => rule['tags'] === `keep-${tail}-*` && rule['isEnabled'] === false
      await until('the rule is off', async () => (await items('/projects/team/immutable-tag-rules')).some(isOff))
      await row.getByRole('button', { name: said(more.common.remove, { name: `keep-${tail}-*` }) }).click()
      await row.waitFor({ state: 'detached' })
    })

    test('an upload under way is seen and cancelled, and a repository is moved into another project', async () => {
      const authorization = basicAuthorization('admin', stage.password)
      const begun = await sendRequest(`${stage.berth.url}/v2/team/worker/blobs/uploads/`, {
        method: 'POST',
        headers: { authorization },
        body: '',
      })
      assert.equal(begun.status, 202)
      await page.goto(url('/repositories/team/worker/-/uploads'))
      const cancel = button(said(more.uploads.cancelThis, { name: 'team/worker' }))
      await cancel.click()
      await cancel.waitFor({ state: 'detached' })
      await page.goto(url('/repositories/open/charts/-/settings'))
      await page.getByLabel(more.moving.newName).fill('team/charts')
      await button(more.moving.transfer).click()
      await page.waitForURL(url('/repositories/team/charts/-/settings'))
      await stage.api('POST', '/repositories/team%2Fcharts/move', { to: 'open/charts' })
    })

    test('a scrub and a count of garbage begin with a button and lead to their jobs', async () => {
      await page.goto(url('/admin/storage'))
      await button(more.scrub.start).click()
      await dialog().getByRole('button', { name: more.scrub.start, exact: true }).click()
      await page.waitForURL(/\/admin\/jobs\?job=\d+/u)
      await page.goto(url('/admin/storage'))
      await button(words.garbage.collect).click()
      await inDialog(more.garbage.dry).press('Space')
      await button(more.garbage.count).click()
      await page.waitForURL(/\/admin\/jobs\?job=\d+/u)
    })
  })
}

const managing: readonly (readonly [string, string])[] = [
  ['the groups', '/admin/groups'],
  ['the providers', '/admin/providers'],
  ['the roles', '/admin/roles'],
  ['the robots of the system', '/admin/robots?view=all'],
  ['the labels for all', '/admin/labels'],
  ['the limits', '/admin/quotas'],
  ['the networks', '/admin/networks'],
  ['the storage', '/admin/storage'],
  ['the backups', '/admin/backups'],
  ['the certificates and keys', '/admin/certificates'],
  ['the nodes', '/admin/nodes'],
  ['the rules of a project', '/projects/team/-/rules'],
  ['the labels of a project', '/projects/team/-/labels'],
  ['the uploads of a project', '/projects/team/-/uploads'],
  ['the settings of a project', '/projects/team/-/settings'],
  ['the uploads of a repository', '/repositories/team/api/-/uploads'],
  ['the settings of a repository', '/repositories/team/api/-/settings'],
]

suite('the pages that run things', () => {
  for (const [language, scheme, width, check] of [
    ['en', 'light', 1440, look],
    ['zh-CN', 'dark', 360, look],
    ['zh-CN', 'dark', 1440, fits],
    ['en', 'light', 360, fits],
  ] as const) {
    test(`${check === look ? 'have no fault that axe knows and fit' : 'fit'} the window, in ${language}, ${scheme}, ${width} wide`, async () => {
      const context = await openWindow(stage, { language, scheme, width, height: 800 })
      const complaints = complaintsOf(context)
      const page = await context.newPage()
      await signIn(page, stage)
      for (const [name, path] of managing) {
        await page.goto(stage.berth.url + path)
        await page.waitForSelector('h1')
        await check(page, name)
      }
      assert.deepEqual(complaints, [])
      await context.close()
    })
  }

  test('are not offered to whoever may not see them, and say so to whoever goes there all the same', async () => {
    await stage.api('POST', '/projects/team/grants', { subject: { kind: 'user', name: 'mia' }, role: 'guest' })
    const context = await openWindow(stage)
    const page = await context.newPage()
    await signIn(page, { ...stage, password: 'correct horse battery' }, 'mia')
    assert.equal(await page.locator('.side a[href*="/admin/"]').count(), 0)
    await page.goto(`${stage.berth.url}/admin/providers`)
    await page.getByRole('alert').waitFor()
    await page.goto(`${stage.berth.url}/projects/team/-/rules`)
    await page.getByRole('heading', { name: manageEn.retention.title }).waitFor()
    assert.equal(await page.getByRole('button', { name: manageEn.retention.create }).count(), 0)
    assert.equal(await page.getByRole('button', { name: manageEn.immutable.create }).count(), 0)
    await page.goto(`${stage.berth.url}/repositories/team/api/-/manifests/${digest}`)
    await page.waitForSelector('h1')
    await settled(page)
    assert.equal(await page.getByRole('button', { name: manageEn.labels.put }).count(), 0)
    await context.close()
  })
})
