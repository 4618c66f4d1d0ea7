/**
 * Takes the pictures of docs/portal: ten screens, light and dark, in both languages, of a registry that is furnished for it. `npm run screenshots` calls it;
 * nothing in it is compared, so that another machine's fonts do not matter.
 */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { openStage, openWindow, signIn, type Stage } from '../portal/stage.ts'
import { until } from '../support/until.ts'
import { age } from './age.ts'
import { furnish } from './furnish.ts'
import { screensOf, type Screen } from './screens.ts'

const directory = join(import.meta.dirname, '../../docs/portal')
const languages = ['en', 'zh-CN'] as const
const schemes = ['light', 'dark'] as const
const quality = 82

const fileOf = ({ name }: Screen, language: string, scheme: string) => `${name}-${language}-${scheme}.webp`

async function main(): Promise<void> {
  await using stage = await openStage()
  console.log('furnishing a registry')
  const furnished = await furnish(stage)
  await age(stage)
  const screens = screensOf(furnished)
  mkdirSync(directory, { recursive: true })
  for (const file of readdirSync(directory)) if (file.endsWith('.webp')) rmSync(join(directory, file))
  for (const language of languages) for (const scheme of schemes) await shootAll(stage, screens, { language, scheme })
  writeFileSync(join(directory, 'README.md'), pageOf(screens))
}

interface Look {
  readonly language: (typeof languages)[number]
  readonly scheme: (typeof schemes)[number]
}

async function shootAll(stage: Stage, screens: readonly Screen[], { language, scheme }: Look): Promise<void> {
  const context = await openWindow(stage, { language, scheme, width: 1440, height: 900 })
  context.setDefaultTimeout(30_000)
  const page = await context.newPage()
  await signIn(page, stage)
  for (const screen of screens) {
    await page.goto(stage.berth.url + screen.path)
    await page.locator(screen.ready).first().waitFor()
    await screen.act?.(page)
    await whenStill(page)
    writeFileSync(join(directory, fileOf(screen, language, scheme)), await shoot(page))
  }
  console.log(`${screens.length} screens, ${language}, ${scheme}`)
  await context.close()
}

/** Fonts are there, nothing loads any more, and what moved has come to rest. */
async function whenStill(page: Page): Promise<void> {
  const isStill = 'document.fonts.status === "loaded" && document.querySelector("[aria-busy=true]") === null'
  await until('the page is still', async () => (await page.evaluate(isStill)) === true)
  await page.mouse.move(0, 0)
  await page.waitForTimeout(700)
}

/** As WebP, which Playwright itself does not write: a tenth of a PNG. */
async function shoot(page: Page): Promise<Buffer> {
  const session = await page.context().newCDPSession(page)
  const { data } = await session.send('Page.captureScreenshot', { format: 'webp', quality })
  await session.detach()
  return Buffer.from(data, 'base64')
}

function pageOf(screens: readonly Screen[]): string {
  const cell = (screen: Screen, language: string, scheme: string) => {
    const file = fileOf(screen, language, scheme)
    return `[![${screen.title}, ${language}, ${scheme}](${file})](${file})`
  }
  const rows = screens.map(
    (screen) =>
      `| ${screen.title} | ${languages.flatMap((language) => schemes.map((scheme) => cell(screen, language, scheme))).join(' | ')} |`,
  )
  return `# The portal in pictures

What the portal is and does stands in [its guide](../guides/portal.md). \`npm run screenshots\` takes these pictures in Chromium, of a registry that it fills through
the API and the protocol; only the times of tags, the counters of pulls and the statistics of the days before are written into its database.

| screen | English, light | English, dark | 简体中文, light | 简体中文, dark |
|---|---|---|---|---|
${rows.join('\n')}
`
}

await main()
