/** What every page is held to: axe finds nothing, nothing is wider than the window, the browser complains of nothing. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { BrowserContext, Page } from 'playwright-core'
import { settled } from './stage.ts'

const axeSource = readFileSync(fileURLToPath(new URL('../../web/node_modules/axe-core/axe.min.js', import.meta.url)), 'utf8')

interface Violation {
  readonly id: string
  readonly nodes: readonly { readonly html: string; readonly any: readonly { readonly message: string }[] }[]
}

/** Throws when axe finds something against WCAG 2.2 A and AA or its own best practice, or when the page is wider than the window, or has a word without its value. */
export async function look(page: Page, what: string): Promise<void> {
  await settled(page)
  // Through the debugger's protocol, which the page's own policy does not bind.
  if (!(await page.evaluate('"axe" in globalThis'))) await page.evaluate(axeSource)
  const violations = (await page.evaluate(
    'axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) => violations)',
  )) as Violation[]
  const told = violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, any }) => `${id}: ${html.slice(0, 200)} (${any[0]?.message ?? ''})`),
  )
  assert.deepEqual(told, [], `axe on ${what}`)
  await fits(page, what)
}

/** Throws when the page is wider than the window, or has a word without its value. */
export async function fits(page: Page, what: string): Promise<void> {
  await settled(page)
  const over = await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth')
  // Less than nothing: there is room for a scroll bar that is not needed.
  assert.ok(Number(over) <= 0, `${what} is wider than the window, by ${String(over)}`)
  const text = String(await page.evaluate('document.body.innerText'))
  assert.doesNotMatch(text, /\{\{\w+\}\}/u, `${what} has words without their values`)
}

/** Collects what the browser complains of: broken scripts, and whatever the policy stops. */
export function complaintsOf(context: BrowserContext, isExpected: (text: string) => boolean = () => false): readonly string[] {
  const complaints: string[] = []
  context.on('page', (page) => {
    page.on('pageerror', (error) => complaints.push(`${page.url()}: ${error.message}`))
    page.on('console', (message) => {
      if (message.type() === 'error' && !isExpected(message.text())) complaints.push(`${page.url()}: ${message.text()}`)
    })
  })
  return complaints
}
