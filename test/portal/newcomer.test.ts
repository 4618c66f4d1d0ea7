/** The way of somebody who has just fetched Berth, from `npm start` on: by what the terminal and the pages say alone. Every command is read from a page. */
import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { en } from '../../web/src/locales/en.ts'
import { zhCN } from '../../web/src/locales/zh-CN.ts'
import { missingPrograms } from '../clients/directories.ts'
import { startDockerEngine } from '../clients/docker-engine.ts'
import { startDaemon } from '../support/daemon.ts'
import { freePort } from '../support/free-port.ts'
import { basicAuthorization } from '../support/http-client.ts'
import { registryClient } from '../support/registry-client.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { complaintsOf } from './look.ts'
import { openBrowser, openWindow, pushRichImage } from './stage.ts'

const checkout = fileURLToPath(new URL('../..', import.meta.url))

interface Started extends AsyncDisposable {
  /** As the terminal says them. */
  readonly address: string
  readonly user: string
  readonly password: string
}

/** `npm start` where nothing is yet; its data and its port are its own, so that several can be tried beside each other. */
async function npmStart(): Promise<Started> {
  await using stack = new AsyncDisposableStack()
  const directory = stack.use(await temporaryDirectory('newcomer'))
  const env = {
    PATH: process.env['PATH'],
    HOME: directory.path,
    REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: join(directory.path, 'data'),
    REGISTRY_HTTP_ADDR: `127.0.0.1:${await freePort('127.0.0.1')}`,
  }
  const told = (logs: string, name: string) => new RegExp(`^ +${name} +(\\S+)$`, 'mu').exec(logs)?.[1]
  const ready = (logs: string) => told(logs, 'password') !== undefined
  const daemon = stack.use(await startDaemon(['npm', 'start'], ready, { env, cwd: checkout, readyWithinMs: 60_000 }))
  const said = (name: string) => told(daemon.logs(), name) ?? ''
  const started = stack.move()
  return {
    address: said('address'),
    user: said('user'),
    password: said('password'),
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  }
}

let browser: Browser
before(async () => {
  browser = await openBrowser()
})
after(() => browser?.close())

for (const [language, words] of [
  ['en', en],
  ['zh-CN', zhCN],
] as const) {
  suite(`in ${language}`, () => {
    let started: Started
    let context: BrowserContext
    let page: Page
    let complaints: readonly string[]
    before(async () => {
      started = await npmStart()
      context = await openWindow({ browser }, { language })
      complaints = complaintsOf(context)
      page = await context.newPage()
    })
    after(async () => {
      await context?.close()
      await started?.[Symbol.asyncDispose]()
      assert.deepEqual(complaints, [])
    })
    const button = (name: string) => page.getByRole('button', { name, exact: true })
    const makeProject = async (name: string) => {
      await button(words.projects.create).first().click()
      await page.getByRole('dialog').getByLabel(words.common.name).fill(name)
      await button(words.common.create).click()
      await page.getByRole('heading', { name: words.repositories.none }).waitFor()
    }
    /** A command of the page, word by word. */
    const command = async (step: keyof typeof words.push) => {
      const shown = page.getByRole('region', { name: words.push[step], exact: true })
      await shown.waitFor()
      return ((await shown.textContent()) ?? '').trim().split(/\s+/u)
    }
    const openImage = async (tag: string) => {
      // The page follows: nothing is reloaded.
      await page.getByRole('link', { name: 'my-image', exact: true }).click()
      await page.getByRole('link', { name: tag, exact: true }).click()
      await page.locator('.layer').first().waitFor()
    }
    const openLayer = async (directory: string) => {
      await page.getByRole('link', { name: words.files.layerFiles.replace('{{number}}', '1') }).click()
      await page.getByRole('link', { name: directory, exact: true }).click()
    }

    test('from npm start to the layers of one’s own image', async () => {
      await page.goto(started.address)
      await page.getByRole('heading', { name: words.login.title, level: 1 }).waitFor()
      await page.getByLabel(words.session.name).fill(started.user)
      await page.getByLabel(words.session.password, { exact: true }).fill(started.password)
      await button(words.session.signIn).click()
      await makeProject('mine')

      const [docker, login, host = '', , name = ''] = await command('login')
      assert.deepEqual([docker, login, host], ['docker', 'login', new URL(started.address).host])
      const pushed = (await command('push'))[2] ?? ''
      assert.equal((await command('tag'))[3], pushed)
      const [, repository, tag] = /^[^/]+\/(.+):(.+)$/u.exec(pushed) ?? []
      assert.ok(repository !== undefined && tag !== undefined, pushed)

      // What docker asks for by these commands.
      const client = registryClient(`http://${host}`, { authorization: basicAuthorization(name, started.password) })
      const content = { architecture: 'amd64', command: 'app.js', sizes: [5000, 300], seed: 'm' }
      const image = await pushRichImage(client, repository, tag, content)

      await openImage(tag)
      await page.getByText('apt-get update && apt-get install -y curl').first().waitFor()
      assert.equal(await page.locator('.layer').count(), 2)
      await page.getByText(image.descriptor.digest.slice(7, 19)).first().waitFor()
      await openLayer('srv')
      await page.getByRole('link', { name: 'm-0', exact: true }).waitFor()
    })

    test(
      'docker itself takes the commands as they stand on the page',
      { skip: process.getuid?.() === 0 ? (missingPrograms('docker', 'dockerd', 'containerd', 'runc') ?? false) : 'needs root' },
      async () => {
        await page.goto(`${started.address}projects`)
        await makeProject('ours')
        await using engine = await startDockerEngine([])
        const { work } = engine
        await mkdir(work.file('root', 'etc'), { recursive: true })
        await writeFile(work.file('root', 'etc', 'motd'), `hello in ${language}\n`)
        await work.run(['tar', '-C', work.file('root'), '-cf', work.file('root.tar'), '.'])
        await work.run(['docker', 'import', work.file('root.tar'), 'my-image:latest'])
        await work.run([...(await command('login')), '--password-stdin'], { input: started.password })
        await work.run(await command('tag'))
        await work.run(await command('push'))

        await openImage('latest')
        assert.equal(await page.locator('.layer').count(), 1)
        await openLayer('etc')
        await page.getByRole('link', { name: 'motd', exact: true }).click()
        await page.getByText(`hello in ${language}`).waitFor()
      },
    )
  })
}
