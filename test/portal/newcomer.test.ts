/** The way of somebody who has just started a registry, by what the pages say alone: every command is read from them. */
import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { en } from '../../web/src/locales/en.ts'
import { zhCN } from '../../web/src/locales/zh-CN.ts'
import { basicAuthorization } from '../support/http-client.ts'
import { registryClient } from '../support/registry-client.ts'
import { complaintsOf } from './look.ts'
import { openStage, openWindow, pushRichImage, type Stage } from './stage.ts'

for (const [language, words] of [
  ['en', en],
  ['zh-CN', zhCN],
] as const) {
  suite(`in ${language}`, () => {
    let stage: Stage
    before(async () => {
      stage = await openStage()
    })
    after(() => stage?.[Symbol.asyncDispose]())

    test('from a started server to the layers of one’s own image', async () => {
      const context = await openWindow(stage, { language })
      const complaints = complaintsOf(context)
      const page = await context.newPage()
      const button = (name: string) => page.getByRole('button', { name, exact: true })
      // The address and the password are on the terminal.
      await page.goto(`${stage.berth.url}/`)
      await page.getByRole('heading', { name: words.login.title, level: 1 }).waitFor()
      await page.getByLabel(words.session.name).fill('admin')
      await page.getByLabel(words.session.password, { exact: true }).fill(stage.password)
      await button(words.session.signIn).click()
      await button(words.projects.create).first().click()
      await page.getByRole('dialog').getByLabel(words.common.name).fill('mine')
      await button(words.common.create).click()

      await page.getByRole('heading', { name: words.repositories.none }).waitFor()
      const command = async (step: keyof typeof words.push) => {
        const shown = page.getByRole('region', { name: words.push[step], exact: true })
        await shown.waitFor()
        return ((await shown.textContent()) ?? '').trim().split(/\s+/u)
      }
      const login = await command('login')
      assert.deepEqual(login.slice(0, 2), ['docker', 'login'])
      const [, , host, , name] = login
      assert.equal(host, stage.berth.host)
      const pushed = (await command('push'))[2] ?? ''
      assert.equal((await command('tag'))[3], pushed)
      const [, repository, tag] = /^[^/]+\/(.+):(.+)$/u.exec(pushed) ?? []
      assert.ok(repository !== undefined && tag !== undefined, pushed)

      // What docker does by these commands.
      const docker = registryClient(`http://${host}`, { authorization: basicAuthorization(name ?? '', stage.password) })
      const image = await pushRichImage(docker, repository, tag, {
        architecture: 'amd64',
        command: 'app.js',
        sizes: [5000, 300],
        seed: 'm',
      })

      // The page follows: nothing is reloaded.
      await page.getByRole('link', { name: 'my-image', exact: true }).click()
      await page.getByRole('link', { name: tag, exact: true }).click()
      await page.getByText('apt-get update && apt-get install -y curl').first().waitFor()
      assert.equal(await page.locator('.layer').count(), 2)
      await page.getByText(image.descriptor.digest.slice(7, 19)).first().waitFor()
      await page.getByRole('link', { name: words.files.layerFiles.replace('{{number}}', '1') }).click()
      await page.getByRole('link', { name: 'srv', exact: true }).click()
      await page.getByRole('link', { name: 'm-0', exact: true }).waitFor()
      assert.deepEqual(complaints, [])
      await context.close()
    })
  })
}
