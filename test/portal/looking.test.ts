import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, suite, test } from 'node:test'
import type { BrowserContext, Page } from 'playwright-core'
import { en } from '../../web/src/locales/en.ts'
import { zhCN } from '../../web/src/locales/zh-CN.ts'
import { basicAuthorization, sendRequest } from '../support/http-client.ts'
import { pushLayers } from '../support/layered-image.ts'
import { mediaTypes } from '../support/registry-client.ts'
import type { Entry } from '../support/tar-entries.ts'
import { complaintsOf, look } from './look.ts'
import { dropFile, openStage, openWindow, pushRichImage, signIn, type Stage } from './stage.ts'

const attack = '<img src=x onerror=globalThis.hit=1>.txt'
const turned = 'invoice\u202efdp.exe'

/** A layer of these files. */
function layerOf(files: Readonly<Record<string, string | Uint8Array>>): readonly Entry[] {
  return Object.entries(files).map(([path, content]) => ({ path, content }))
}

/** What dpkg says is installed. */
function dpkg(packages: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const told = Object.entries(packages).map(([name, version]) => `Package: ${name}\nStatus: install ok installed\nVersion: ${version}\n`)
  return { 'var/lib/dpkg/status': told.join('\n') }
}

let stage: Stage
let base = ''
before(async () => {
  stage = await openStage()
  await stage.api('POST', '/projects', { name: 'team', isPublic: false })
  await stage.api('POST', '/projects/team/labels', { name: 'stable', color: '#0f766e' })
  const common = {
    'etc/os-release': 'NAME="Berth Linux"\nVERSION_ID=1\n',
    'etc/motd': 'hello\n',
    'usr/bin/tool': Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0, 1, 2, 3]),
    [`srv/${attack}`]: 'harmless\u001b[31m\u202etxt\n',
    [`srv/${turned}`]: 'x',
    'var/log/long.log': 'a line of a log that is long\n'.repeat(40_000),
  }
  const { root } = stage
  const below = layerOf(common)
  const first = layerOf(dpkg({ libc6: '2.40', zlib1g: '1.3' }))
  base = (await pushLayers(root, { repository: 'team/app', tag: '1.10' }, [below, first], { Env: ['MODE=slow'] })).descriptor.digest
  const second = { ...dpkg({ libc6: '2.41', curl: '8.9' }), 'etc/motd': 'good day\n', 'etc/added': 'x', 'etc/.wh.os-release': '' }
  await pushLayers(root, { repository: 'team/app', tag: '1.20' }, [below, layerOf(second)], { Env: ['MODE=fast'] })
  const broken = { bytes: Buffer.from('this is no archive'), mediaType: mediaTypes.gzipLayer }
  await pushLayers(root, { repository: 'team/broken', tag: 'latest' }, [layerOf({ 'etc/ok': 'fine\n' }), broken])
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
    const field = () => page.getByRole('combobox', { name: words.search.label })

    test('the search opens by keys, finds as one types, and Enter opens what arrows chose', async () => {
      await page.goto(url('/projects'))
      await page.getByRole('heading', { name: words.projects.title, level: 1 }).waitFor()
      await page.keyboard.press('Control+k')
      await field().fill('team')
      await page.getByRole('option').first().waitFor()
      await look(page, 'the search')
      assert.equal(await page.getByRole('option', { selected: true }).count(), 1)
      await field().fill('team/app:1.2')
      const tag = page.getByRole('option').filter({ hasText: 'team/app:1.20' })
      await tag.waitFor()
      await page.getByRole('option').filter({ hasText: '1.10' }).waitFor({ state: 'detached' })
      await field().press('Enter')
      await page.waitForURL(url('/repositories/team/app/-/tags/1.20'))
      await page.keyboard.press('Control+k')
      // Not waited for: what Enter opens is of what is written.
      await field().fill(base.slice(0, 19))
      await field().press('Enter')
      await page.waitForURL((at) => decodeURIComponent(at.pathname).endsWith(`/team/app/-/manifests/${base}`))
      await page.keyboard.press('Control+k')
      await field().fill(base.slice(0, 19))
      await page
        .getByRole('option')
        .filter({ hasText: base.slice(0, 19) })
        .first()
        .waitFor()
      await field().press('ArrowDown')
      await field().press('ArrowUp')
      await field().press('Enter')
      await page.waitForURL((at) => decodeURIComponent(at.pathname).endsWith(`/team/app/-/manifests/${base}`))
      await page.keyboard.press('Control+k')
      await field().fill('stab')
      await page.getByRole('option').filter({ hasText: 'stable' }).waitFor()
      await field().press('Escape')
      await field().waitFor({ state: 'detached' })
    })

    test('what is not there, and a search that fails, are told; what is asked no longer is aborted', async () => {
      await page.goto(url('/projects'))
      await page.locator('.search-open').click()
      await field().fill('nothing-is-called-so')
      await page.getByText(words.search.none.replace('{{text}}', 'nothing-is-called-so')).waitFor()
      const aborted: string[] = []
      page.on('requestfailed', (request) => aborted.push(request.url()))
      await page.route(/\/search\?q=slow/u, async () => await new Promise<void>(() => {}))
      await field().fill('slow')
      await page.waitForRequest(/\/search\?q=slow/u)
      await page.route(/\/search\?q=broken/u, (route) =>
        route.fulfill({ status: 400, contentType: 'application/problem+json', body: '{}' }),
      )
      await field().fill('broken')
      await page.getByRole('dialog').getByRole('alert').waitFor()
      assert.ok(
        aborted.some((each) => each.includes('q=slow')),
        aborted.join(' '),
      )
      await page.unrouteAll()
      await field().press('Escape')
    })

    test('a directory is opened, ordered, kept in the URL, and a text file is read', async () => {
      await page.goto(url('/repositories/team/app/-/tags/1.10'))
      await page.getByRole('link', { name: words.image.files, exact: true }).click()
      await page.getByRole('link', { name: 'etc', exact: true }).click()
      await page.waitForURL(/path=%2Fetc/u)
      await page.getByRole('link', { name: 'os-release', exact: true }).waitFor()
      await look(page, 'the files of an image')
      await button(words.common.size).click()
      await page.waitForURL(/sort=sizeBytes/u)
      await page.getByRole('link', { name: 'os-release', exact: true }).waitFor()
      assert.deepEqual(await page.locator('tbody a.link').allTextContents(), ['motd', 'os-release'])
      await page.getByRole('link', { name: 'os-release', exact: true }).click()
      await page.waitForURL(/file=%2Fetc%2Fos-release/u)
      await page.getByText('NAME="Berth Linux"').waitFor()
      await look(page, 'a file of an image')
      await page.reload()
      await page.getByText('NAME="Berth Linux"').waitFor()
      const saved = page.waitForEvent('download')
      await page.getByRole('dialog').getByRole('link', { name: words.files.downloadFile, exact: true }).click()
      const download = await saved
      assert.equal(download.suggestedFilename(), 'os-release')
      assert.equal(await readFile(await download.path(), 'utf8'), 'NAME="Berth Linux"\nVERSION_ID=1\n')
    })

    test('a long file is read piece by piece up to a limit, and what is no text is not shown as one', async () => {
      await page.goto(url('/repositories/team/app/-/tags/1.10?view=files&path=/var/log&file=/var/log/long.log'))
      for (let piece = 0; piece < 3; piece++) await button(words.files.more).click()
      await page.getByText(words.files.tooLong.split(' {{')[0] ?? '').waitFor()
      assert.equal(await button(words.files.more).count(), 0)
      await page.goto(url('/repositories/team/app/-/tags/1.10?view=files&file=/usr/bin/tool'))
      await page.getByText(words.files.binary).waitFor()
    })

    test('names and contents from an image are shown as what they are', async () => {
      await page.goto(url('/repositories/team/app/-/tags/1.10?view=files&path=/srv'))
      await page.getByRole('link', { name: attack, exact: true }).click()
      await page.locator('.code-text').waitFor()
      assert.equal(await page.locator('.code-text').textContent(), 'harmless␛[31m‹202E›txt\n')
      assert.equal(await page.evaluate('globalThis.hit'), undefined)
      assert.equal(await page.locator('img[src="x"]').count(), 0)
      await page.keyboard.press('Escape')
      await page.getByRole('link', { name: 'invoice‹202E›fdp.exe', exact: true }).waitFor()
    })

    test('a layer is looked into by itself, with what it hides, and one that cannot be read is named', async () => {
      await page.goto(url('/repositories/team/app/-/tags/1.20'))
      await page.getByRole('link', { name: words.files.layerFiles.replace('{{number}}', '2') }).click()
      await page.getByRole('link', { name: 'etc', exact: true }).click()
      await page.getByText(words.files.hides).waitFor()
      await page.goto(url('/repositories/team/broken/-/tags/latest?view=files'))
      await page.getByText(words.files.unreadable).waitFor()
      await look(page, 'an image with a layer that cannot be read')
      await page.goto(url('/repositories/team/app/-/tags/1.10?view=files&path=/no/such'))
      await page.getByRole('alert').waitFor()
    })

    test('two tags are set side by side: layers, configuration, packages and files', async () => {
      await page.goto(url('/repositories/team/app'))
      for (const tag of ['1.10', '1.20']) await page.getByLabel(words.tags.select.replace('{{name}}', tag)).check()
      await page.locator('.selection-bar').getByRole('link', { name: words.compare.title }).click()
      await page.waitForURL(url('/repositories/team/app/-/compare/1.10/1.20'))
      await page.locator('.side-bar').first().waitFor()
      assert.equal(await page.locator('.side-bar span[data-in=both]').count(), 2)
      assert.equal(await page.locator('.side-bar span[data-in=to]').count(), 1)
      await look(page, 'the layers of two tags')
      const parts = page.getByRole('navigation', { name: words.compare.parts })
      await parts.getByRole('link', { name: words.compare.config }).click()
      await page.getByRole('cell', { name: 'fast' }).waitFor()
      await look(page, 'the configuration of two tags')
      await parts.getByRole('link', { name: words.compare.packages }).click()
      const libc = page.getByRole('row').filter({ hasText: 'libc6' })
      assert.match((await libc.textContent()) ?? '', /2\.40.*2\.41/u)
      await look(page, 'the packages of two tags')
      await parts.getByRole('link', { name: words.compare.files }).click()
      for (const [path, change] of [
        ['/etc/added', 'added'],
        ['/etc/os-release', 'removed'],
        ['/etc/motd', 'changed'],
      ] as const)
        await page
          .getByRole('row')
          .filter({ hasText: path })
          .locator('.mantine-Badge-label')
          .filter({ hasText: words.compare.changes[change] })
          .waitFor()
      await look(page, 'the files of two tags')
      await button(words.compare.swap).click()
      await page.waitForURL(/compare\/1\.20\/1\.10/u)
      await page
        .getByRole('row')
        .filter({ hasText: '/etc/added' })
        .locator('.mantine-Badge-label')
        .filter({ hasText: words.compare.changes.removed })
        .waitFor()
    })

    test('an image is saved as an archive, and dropped on another repository it is there again', async () => {
      await page.goto(url('/repositories/team/app/-/tags/1.10'))
      await button(words.repository.pull).click()
      await look(page, 'the ways to pull')
      const saved = page.waitForEvent('download')
      await page.getByRole('button', { name: words.archive.oci }).click()
      const download = await saved
      assert.equal(download.suggestedFilename(), 'team-app-1.10.tar')
      const archive = await readFile(await download.path())
      const repository = `copy-${language.toLowerCase()}`
      await page.goto(url('/projects/team'))
      await button(words.archive.start).click()
      const dialog = page.getByRole('dialog')
      await dialog.locator('input[type=file]').setInputFiles({ name: 'app.tar', mimeType: 'application/x-tar', buffer: archive })
      await dialog.getByLabel(words.archive.repository, { exact: true }).fill(repository)
      await dialog.getByLabel(words.archive.tag, { exact: true }).fill('7')
      await look(page, 'the form for an archive')
      await dialog.getByRole('button', { name: words.archive.start, exact: true }).click()
      await dialog.getByRole('link', { name: `team/${repository}:7` }).click()
      await page.waitForURL(url(`/repositories/team/${repository}/-/tags/7`))
      assert.equal(await stage.root.digestOf(`team/${repository}`, '7'), base)
    })

    test('what is dropped on the page is offered for upload; what is no archive is refused in a sentence', async () => {
      await page.goto(url('/repositories/team/app'))
      await button(words.archive.start).waitFor()
      await dropFile(page, "new File(['this is no archive'], 'holiday.jpg')")
      const dialog = page.getByRole('dialog')
      await dialog.getByText('holiday.jpg').waitFor()
      await dialog.getByRole('button', { name: words.archive.start, exact: true }).click()
      await dialog.getByRole('alert').waitFor()
      assert.match((await dialog.getByRole('alert').textContent()) ?? '', /[0-9a-f]{8}-[0-9a-f]{4}/u)
      await look(page, 'an archive that was refused')
    })

    test('a large file that is refused before its end is told in a sentence too', async () => {
      await page.goto(url('/repositories/team/app'))
      await button(words.archive.start).waitFor()
      await dropFile(page, "new File([new Uint8Array(40_000_000).fill(65)], 'film.mp4')")
      const dialog = page.getByRole('dialog')
      await dialog.getByText('film.mp4').waitFor()
      await dialog.getByRole('button', { name: words.archive.start, exact: true }).click()
      await dialog.getByRole('alert').waitFor()
      assert.match((await dialog.getByRole('alert').textContent()) ?? '', /[0-9a-f]{8}-[0-9a-f]{4}/u)
    })

    test('an upload tells how far it is, and can be stopped', async () => {
      await page.route(/\/import/u, async () => await new Promise<void>(() => {}))
      await page.goto(url('/repositories/team/app'))
      await button(words.archive.start).click()
      const dialog = page.getByRole('dialog')
      await dialog.locator('input[type=file]').setInputFiles({ name: 'app.tar', mimeType: 'application/x-tar', buffer: Buffer.alloc(1000) })
      await dialog.getByRole('button', { name: words.archive.start, exact: true }).click()
      await dialog.getByRole('progressbar').waitFor({ state: 'attached' })
      await dialog.getByRole('button', { name: words.archive.stop, exact: true }).click()
      await page.getByText(words.archive.cancelled).waitFor()
      await page.unrouteAll()
    })

    test('the overview draws what happened, over as much time as is wanted, with the numbers beside', async () => {
      // Rows of statistics are written once a minute: the last hour of the real answer gets numbers.
      await page.route(/\/api\/v1\/statistics\?/u, async (route) => {
        const answer = await route.fetch()
        const body = (await answer.json()) as { items: { pulls: number }[] }
        const items = body.items.map((item, at) => (at < body.items.length - 1 ? item : { ...item, pulls: 1234, storedBytes: 5_600_000 }))
        await route.fulfill({ response: answer, json: { ...body, items } })
      })
      await page.goto(url('/admin/overview'))
      await page.getByRole('img', { name: words.overview.latency }).waitFor()
      assert.match((await page.locator('.series-1 .chart-line').nth(1).getAttribute('d')) ?? '', /^M\d.*L/u)
      await page.getByText(words.overview.ranges.month, { exact: true }).click()
      await page.waitForURL(/view=month/u)
      await button(words.overview.table).first().click()
      const table = page.getByRole('table', { name: words.overview.traffic })
      assert.equal(await table.getByRole('row').nth(1).getByRole('cell').first().textContent(), '1,234')
      await look(page, 'the overview')
      await page.unrouteAll()
      await page.goto(url('/projects/team'))
      await page.getByRole('img', { name: words.overview.traffic }).waitFor()
    })

    test('what is pushed, what happens and what runs shows on pages that are open', async () => {
      const project = `live-${language.toLowerCase()}`
      await stage.api('POST', '/projects', { name: project })
      await page.goto(url(`/projects/${project}`))
      await page.getByText(words.live.on, { exact: true }).waitFor()
      await pushRichImage(stage.root, `${project}/new`, '1', { architecture: 'amd64', command: 'x', sizes: [100], seed: project })
      await page.getByRole('link', { name: 'new', exact: true }).waitFor()
      await page.goto(url(`/projects/${project}/-/activity`))
      await page.getByText(words.live.on, { exact: true }).waitFor()
      await stage.api('PATCH', `/projects/${project}`, { description: 'x' })
      await page.getByRole('cell', { name: 'project.updated' }).waitFor()
      await page.goto(url('/admin/jobs'))
      await page.getByText(words.live.on, { exact: true }).waitFor()
      const run = (await stage.api('POST', '/garbage/runs', {}))['title']
      await page
        .getByRole('row')
        .filter({ hasText: typeof run === 'string' ? run : '' })
        .nth(1)
        .waitFor()
    })

    test('a page that is not followed says so quietly, and comes back', async () => {
      await page.route(/\/live\?/u, (route) => route.fulfill({ status: 503 }))
      await page.goto(url('/admin/audit'))
      await page.getByText(words.live.waiting, { exact: true }).waitFor()
      await look(page, 'the audit log without live updates')
      await page.unrouteAll()
      await page.getByText(words.live.on, { exact: true }).waitFor()
    })
  })
}

test('who may only look is offered no upload, and finds nothing that is not theirs', async () => {
  await stage.api('POST', '/users', { name: 'visitor', password: 'correct horse battery' })
  await stage.api('POST', '/projects', { name: 'lobby', isPublic: true })
  await pushLayers(stage.root, { repository: 'lobby/app', tag: '1' }, [layerOf({ 'etc/ok': 'fine\n' })])
  const context = await openWindow(stage)
  const page = await context.newPage()
  await signIn(page, { berth: stage.berth, password: 'correct horse battery' }, 'visitor')
  await page.goto(`${stage.berth.url}/repositories/lobby/app`)
  await page.getByRole('link', { name: '1', exact: true }).waitFor()
  assert.equal(await page.getByRole('button', { name: en.archive.start, exact: true }).count(), 0)
  await page.keyboard.press('Control+k')
  await page.getByRole('combobox', { name: en.search.label }).fill('app')
  await page.getByRole('option').filter({ hasText: 'lobby/app' }).first().waitFor()
  assert.equal(await page.getByRole('option').filter({ hasText: 'team' }).count(), 0)
  const answer = await sendRequest(`${stage.berth.url}/api/v1/search?q=team`, {
    headers: { authorization: basicAuthorization('visitor', 'correct horse battery') },
  })
  assert.deepEqual((JSON.parse(answer.body.toString()) as { items: unknown[] }).items, [])
  await context.close()
})
