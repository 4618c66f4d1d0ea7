import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import type { BrowserContext, Page } from 'playwright-core'
import { en } from '../../web/src/locales/en.ts'
import { manageEn } from '../../web/src/locales/manage-en.ts'
import { manageZhCN } from '../../web/src/locales/manage-zh-CN.ts'
import { zhCN } from '../../web/src/locales/zh-CN.ts'
import { until } from '../support/until.ts'
import { complaintsOf, look } from './look.ts'
import { furnish, openStage, openWindow, signIn, type Stage } from './stage.ts'

let stage: Stage
let digest = ''
before(async () => {
  stage = await openStage()
  digest = (await furnish(stage)).amd64.descriptor.digest
  await stage.api('POST', '/users', { name: 'mia', password: 'correct horse battery' })
})
after(() => stage?.[Symbol.asyncDispose]())

for (const [language, words, more] of [
  ['en', en, manageEn],
  ['zh-CN', zhCN, manageZhCN],
] as const) {
  suite(`in ${language}`, () => {
    let context: BrowserContext
    let page: Page
    let complaints: readonly string[]
    const tail = language.toLowerCase()
    before(async () => {
      context = await openWindow(stage, { language })
      complaints = complaintsOf(context)
      page = await context.newPage()
      await signIn(page, stage)
    })
    after(async () => {
      await context?.close()
      assert.deepEqual(complaints, [])
    })
    const url = (path: string) => stage.berth.url + path
    const dialog = () => page.getByRole('dialog')
    const inDialog = (label: string) => dialog().getByLabel(label, { exact: true })
    const press = (name: string) => page.getByRole('button', { name, exact: true }).click()
    const saved = () => page.getByText(words.common.saved, { exact: true }).first().waitFor()

    test('a robot gets another description, a second role, an end and an address, and keeps what was not touched', async () => {
      const { robot } = (await stage.api('POST', '/projects/team/robots', {
        name: `ci-${tail}`,
        grants: [{ role: 'developer', repositories: 'team/api' }],
      })) as { readonly robot: { readonly id: number; readonly login: string } }
      await page.goto(url(`/projects/team/-/robots?item=${robot.id}`))
      await press(more.common.change)
      const form = page.getByRole('dialog', { name: robot.login })
      const field = (label: string) => form.getByLabel(label, { exact: true })
      await field(words.common.description).fill('builds')
      await field(more.robots.addresses).fill('10.0.0.0/8')
      await field(words.lifetime.label).click()
      await page.getByRole('option', { name: more.robots.fromNow.replace('{{time}}', words.lifetime['30']) }).click()
      await form.getByRole('button', { name: more.robots.addRole }).click()
      await look(page, 'the form of a robot')
      await form.getByRole('button', { name: words.common.save }).click()
      await saved()
      const read = (await stage.api('GET', `/projects/team/robots/${robot.id}`)) as {
        readonly description: string
        readonly expiresAt: string
        readonly allowedAddresses: string[]
        readonly grants: { readonly role: string; readonly repositories: string | null }[]
      }
      assert.equal(read.description, 'builds')
      assert.deepEqual(read.allowedAddresses, ['10.0.0.0/8'])
      assert.ok(Math.abs(Date.parse(read.expiresAt) - Date.now() - 30 * 86_400_000) < 60_000)
      assert.deepEqual(
        read.grants.map(({ role, repositories }) => `${role} ${repositories ?? ''}`),
        ['developer team/api', 'developer '],
      )
    })

    test('a policy is tried on a repository before it is saved, and has a time zone', async () => {
      await page.goto(url('/projects/team/-/rules'))
      await press(more.retention.create)
      await inDialog(words.common.name).fill(`zone-${tail}`)
      await inDialog(more.retention.number).fill('2')
      await inDialog(more.retention.preview).fill('team/api')
      await dialog().getByRole('button', { name: more.providers.tryOut }).click()
      const decided = dialog().getByRole('list', { name: more.retention.decisions }).getByRole('listitem')
      await decided.first().waitFor()
      const tags = (await stage.api('GET', '/repositories/team%2Fapi/tags'))['items'] as unknown[]
      assert.equal(await decided.count(), tags.length)
      await inDialog(more.retention.schedule).fill('0 3 * * *')
      await inDialog(words.account.timeZone).fill('Asia/Shang')
      await page.getByRole('option', { name: 'Asia/Shanghai' }).click()
      await dialog().getByRole('button', { name: words.common.create, exact: true }).click()
      await page.getByText('Asia/Shanghai').waitFor()
      assert.equal((await stage.api('GET', `/projects/team/retention-policies/zone-${tail}`))['timeZone'], 'Asia/Shanghai')
      await stage.api('DELETE', `/projects/team/retention-policies/zone-${tail}`)
    })

    test('a schedule comes at another time, in another zone', async () => {
      const [schedule] = (await stage.api('GET', '/schedules'))['items'] as { readonly name: string; readonly title: string }[]
      assert.ok(schedule !== undefined)
      await page.goto(url('/admin/jobs'))
      await press(more.common.edit.replace('{{name}}', schedule.title))
      await inDialog(more.retention.schedule).fill('17 4 * * *')
      await inDialog(words.account.timeZone).fill('Europe/Ber')
      await page.getByRole('option', { name: 'Europe/Berlin' }).click()
      await dialog().getByRole('button', { name: words.common.save }).click()
      await saved()
      const { cron, timeZone } = await stage.api('GET', `/schedules/${schedule.name}`)
      assert.deepEqual({ cron, timeZone }, { cron: '17 4 * * *', timeZone: 'Europe/Berlin' })
    })

    test('an account opens with its factors and tokens, and is called otherwise', async () => {
      await page.goto(url('/admin/users?q=mia'))
      await press('mia')
      await dialog().getByText(more.accounts.noFactors).waitFor()
      await dialog().getByText(more.accounts.noTokens).waitFor()
      await look(page, 'an account')
      await inDialog(words.account.displayName).fill(`Mia ${tail}`)
      await dialog().getByRole('button', { name: words.common.save }).click()
      await page.getByRole('cell', { name: `Mia ${tail}` }).waitFor()
    })

    test('an image gets another tag, which is given an end, and goes with a way back', async () => {
      const tag = `also-${tail}`
      const actions = words.robots.actions
      await page.goto(url(`/repositories/team/api/-/manifests/${digest}`))
      await press(actions.replace('{{name}}', digest.slice(0, 19)))
      await page.getByRole('menuitem', { name: words.tags.add }).click()
      await inDialog(words.common.tag).fill(tag)
      await press(words.common.add)
      await page.waitForURL(url(`/repositories/team/api/-/tags/${tag}`))
      await press(actions.replace('{{name}}', tag))
      await page.getByRole('menuitem', { name: words.tags.setEnd }).click()
      await press(words.common.save)
      await page.getByText(words.tags.expires).first().waitFor()
      const { expiresAt } = await stage.api('GET', `/repositories/team%2Fapi/tags/${tag}`)
      assert.ok(Math.abs(Date.parse(String(expiresAt)) - Date.now() - 30 * 86_400_000) < 60_000)
      await press(actions.replace('{{name}}', tag))
      await page.getByRole('menuitem', { name: words.common.delete }).click()
      await press(words.common.undo)
      await until('it is there again', async () => {
        const tags = (await stage.api('GET', '/repositories/team%2Fapi/tags'))['items'] as { readonly name: string }[]
        return tags.some(({ name }) => name === tag)
      })
    })

    test('keys lead from the page into its list, through the rows, and back', async () => {
      await page.goto(url('/repositories/team/api'))
      await page.getByRole('link', { name: '1.0.0', exact: true }).waitFor()
      await page.keyboard.press('/')
      const focused = () => page.evaluate('document.activeElement?.textContent || document.activeElement?.type')
      assert.equal(await focused(), 'search')
      await page.keyboard.press('ArrowDown')
      const first = await focused()
      await page.keyboard.press('ArrowDown')
      const second = await focused()
      assert.notEqual(first, second)
      await page.keyboard.press('ArrowUp')
      assert.equal(await focused(), first)
      await page.keyboard.press('ArrowUp')
      assert.equal(await focused(), 'search')
      await page.keyboard.press('ArrowDown')
      await page.keyboard.press('Enter')
      await page.waitForURL(url(`/repositories/team/api/-/tags/${String(first)}`))
      // No list is here: the same key opens the search over everything.
      await page.getByRole('heading', { level: 1 }).waitFor()
      await page.keyboard.press('/')
      await page.getByRole('combobox', { name: words.search.label }).waitFor()
    })
  })
}
