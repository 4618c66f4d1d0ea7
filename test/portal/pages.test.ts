import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { en } from '../../web/src/locales/en.ts'
import { zhCN } from '../../web/src/locales/zh-CN.ts'
import { complaintsOf, fits, look } from './look.ts'
import { furnish, openStage, openWindow, settled, signIn, type Stage } from './stage.ts'

let stage: Stage
let amd64 = ''
before(async () => {
  stage = await openStage()
  amd64 = (await furnish(stage)).amd64.descriptor.digest
  await stage.api('POST', '/projects/team/robots', { name: 'ci', grants: [{ role: 'developer' }] })
  await stage.api('DELETE', '/repositories/team%2Fapi/tags/1.0.1')
})
after(() => stage?.[Symbol.asyncDispose]())

const pages = (): readonly (readonly [string, string])[] => [
  ['the projects', '/projects'],
  ['a project', '/projects/team'],
  ['an empty project', '/projects/library'],
  ['its members', '/projects/team/-/members'],
  ['its robots', '/projects/team/-/robots'],
  ['its activity', '/projects/team/-/activity'],
  ['its settings', '/projects/team/-/settings'],
  ['the repositories', '/repositories'],
  ['the tags', '/repositories/team/api'],
  ['the settings of a repository', '/repositories/team/api/-/settings'],
  ['an index', '/repositories/team/api/-/tags/latest'],
  ['the layers', `/repositories/team/api/-/manifests/${amd64}`],
  ['the configuration', `/repositories/team/api/-/manifests/${amd64}?view=config`],
  ['the referrers', `/repositories/team/api/-/manifests/${amd64}?view=referrers`],
  ['the annotations', `/repositories/team/api/-/manifests/${amd64}?view=annotations`],
  ['the files', `/repositories/team/api/-/manifests/${amd64}?view=files&path=/srv`],
  ['the files of an index', '/repositories/team/api/-/tags/latest?view=files'],
  ['two tags', '/repositories/team/api/-/compare/1.0.0/1.1.0'],
  ['the files of two tags', '/repositories/team/api/-/compare/1.0.0/1.1.0?view=files'],
  ['one tag to compare', '/repositories/team/api/-/compare/1.0.0'],
  ['the JSON', `/repositories/team/api/-/manifests/${amd64}?view=json`],
  ['the history of a tag', '/repositories/team/api/-/tags/1.0.0?view=history'],
  ['the search', '/search?q=team'],
  ['the trash', '/trash'],
  ['the account', '/account'],
  ...administration,
]
const administration: readonly (readonly [string, string])[] = [
  ['the overview', '/admin/overview'],
  ['the accounts', '/admin/users'],
  ['the jobs', '/admin/jobs'],
  ['the audit log', '/admin/audit'],
  ['the system', '/admin/system'],
]

suite('every page', () => {
  for (const [language, scheme, width, check] of [
    ['en', 'light', 1440, look],
    ['zh-CN', 'dark', 360, look],
    ['zh-CN', 'dark', 1440, fits],
    ['en', 'light', 360, fits],
  ] as const) {
    test(`${check === look ? 'has no fault that axe knows and fits' : 'fits'} the window, in ${language}, ${scheme}, ${width} wide`, async () => {
      const context = await openWindow(stage, { language, scheme, width, height: 800 })
      const complaints = complaintsOf(context)
      const page = await context.newPage()
      await page.goto(`${stage.berth.url}/login`)
      await page.waitForSelector('input[autocomplete=username]')
      await check(page, 'the sign-in page')
      await signIn(page, stage)
      for (const [name, path] of pages()) {
        await page.goto(stage.berth.url + path)
        await page.waitForSelector('h1')
        await check(page, name)
      }
      assert.equal(await page.getAttribute('html', 'lang'), language)
      assert.deepEqual(complaints, [])
      await context.close()
    })
  }

  test('is in the language that was chosen, and the choice is kept', async () => {
    const context = await openWindow(stage)
    const page = await context.newPage()
    await signIn(page, stage)
    await page.goto(`${stage.berth.url}/account`)
    await page.getByRole('heading', { name: en.account.title, level: 1 }).waitFor()
    await page.locator('.side').getByRole('button', { name: en.nav.userMenu }).click()
    await page.getByRole('menuitem', { name: '简体中文' }).click()
    await page.getByRole('heading', { name: zhCN.account.title, level: 1 }).waitFor()
    await page.reload()
    await page.getByRole('heading', { name: zhCN.account.title, level: 1 }).waitFor()
    await context.close()
  })

  test('asks no other host for anything, and the first screen is below 300 kB', async () => {
    const context = await openWindow(stage)
    const page = await context.newPage()
    const hosts = new Set<string>()
    let bytes = 0
    page.on('response', (response) => {
      hosts.add(new URL(response.url()).host)
      bytes += Number(response.headers()['content-length'] ?? 0)
    })
    await page.goto(`${stage.berth.url}/login`)
    await page.waitForSelector('input[autocomplete=username]')
    await settled(page)
    assert.deepEqual([...hosts], [stage.berth.host])
    assert.ok(bytes > 100_000 && bytes < 300_000, `${bytes} bytes`)
    await context.close()
  })
})
