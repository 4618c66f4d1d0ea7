/** What somebody might write where a page shows it later, in the hope that it becomes more than text; and how a page is searched for the case that it did. */
import assert from 'node:assert/strict'
import type { BrowserContext, Page } from 'playwright-core'
import { until } from '../support/until.ts'

export interface Hostile {
  readonly name: string
  readonly text: string
  /** What Markdown makes of it, where it is more than the text itself: still nothing but words. */
  readonly asMarkdown?: string
}

/** None is longer than a label's name may be. Each that runs calls `hit`. */
export const inputs: readonly Hostile[] = [
  { name: 'a picture that fails to load', text: '<img src=x onerror="hit(1)">' },
  { name: 'a script', text: '<script>hit(2)</script>' },
  { name: 'a drawing that runs when it is there', text: '<svg onload=hit(3)><script>hit(3)</script></svg>' },
  { name: 'a link of Markdown to a script', text: '[m4](javascript:hit(4))', asMarkdown: 'm4' },
  { name: 'a link of Markdown to a script in other letters', text: '[m5](JaVa&#115;cript&colon;hit(5))', asMarkdown: 'm5' },
  { name: 'a link of Markdown to a document', text: '[m6](data:text/html;base64,PHNjcmlwdD5oaXQoNik8L3NjcmlwdD4=)', asMarkdown: 'm6' },
  { name: 'a picture of Markdown from another host', text: '![m7](http://evil.invalid/7.png)', asMarkdown: 'm7' },
  { name: 'a picture from another host', text: '<img src="http://evil.invalid/8.png" srcset="//evil.invalid/8">' },
  { name: 'a style from another host', text: '<link rel=stylesheet href="//evil.invalid/9.css"><style>@import "//evil.invalid/9"</style>' },
  { name: 'the end of an attribute', text: '" onmouseover="hit(10)" autofocus onfocus="hit(10)" x="' },
  { name: 'the end of a field', text: "'></textarea></title></style><script>hit(11)</script>" },
  { name: 'a frame with a document of its own', text: '<iframe srcdoc="<script>parent.hit(12)</script>"></iframe>' },
  { name: 'a form that leads away', text: '<form action="//evil.invalid/13"><button autofocus>w13</button></form>' },
  { name: 'the address of a script', text: 'javascript:hit(14)' },
  { name: 'places of a template', text: "{{name}} $t(session.signIn) ${hit(15)} {{constructor.constructor('hit(15)')()}}" },
]

/** Where a slash ends a name. */
export function withoutSlashes(text: string): string {
  return text.replaceAll('/', '\\')
}

/** What one place showed: its words, page by page, and whatever became more than words. */
export interface Seen {
  readonly pages: readonly { readonly path: string; readonly text: string }[]
  readonly faults: readonly string[]
}

/** In the page before anything else: what runs, and what the policy had to stop, is remembered. */
const watch = `(() => {
  const faults = []
  globalThis.hit = (number) => void faults.push('ran: ' + number)
  globalThis.faultsSoFar = () => faults.splice(0)
  addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => faults.push('stopped by the policy: ' + violatedDirective + ' ' + blockedURI))
})()`

/** Elements and attributes that no page of the portal has. */
const search = `(() => {
  const found = [...faultsSoFar()]
  const isOwn = (address) => new URL(address, location.href).origin === location.origin
  for (const element of document.querySelectorAll('*')) {
    const told = element.outerHTML.slice(0, 160)
    const name = element.localName
    if (['iframe', 'frame', 'object', 'embed', 'base', 'applet', 'foreignObject', 'marquee'].includes(name)) found.push('an element: ' + told)
    if (name === 'script' && !(element.hasAttribute('src') && isOwn(element.src))) found.push('a script: ' + told)
    if (name === 'link' && !isOwn(element.href)) found.push('a link: ' + told)
    if (name === 'meta' && element.httpEquiv === 'refresh') found.push('a refresh: ' + told)
    if (name === 'style' && /evil/.test(element.textContent)) found.push('a style: ' + told)
    for (const { name, value } of element.attributes) {
      if (/^on/i.test(name)) found.push('a handler: ' + told)
      if (/^\\s*(?:javascript|vbscript|data:text)/i.test(value.replaceAll(/[\\u0000-\\u0020]/g, '')) && /^(?:href|src|srcset|action|formaction|xlink:href|poster)$/i.test(name)) found.push('an address: ' + told)
      if (/^(?:src|srcset|action|formaction|poster|background)$/i.test(name) && !value.startsWith('data:image/') && !isOwn(value)) found.push('from elsewhere: ' + told)
      if (name === 'srcdoc' || (name === 'style' && /url\\(/i.test(value))) found.push('an attribute: ' + told)
    }
  }
  return found
})()`

/** Text of the elements, with what fields in them hold. */
function wordsOf(selector: string): string {
  return `[...document.querySelectorAll(${JSON.stringify(selector)})].map((element) => {
    const copy = element.cloneNode(true)
    for (const each of copy.querySelectorAll('style, script')) each.remove()
    return [copy.textContent, ...[...element.querySelectorAll('input, textarea')].map(({ value }) => value)].join('\\n')
  }).join('\\n')`
}

/** Does something on a page, after which the text should stand there. */
export interface Step {
  readonly text: string
  /** Where on the page, by a selector; anywhere unless said. */
  readonly within?: string | undefined
  act?(page: Page): Promise<unknown>
}

export interface Watcher {
  /** Opens each path and takes the step on it. */
  pages(paths: readonly string[], step: Step): Promise<Seen>
  /** Opens one path and takes the steps one after the other; what was seen after each. */
  steps(path: string, steps: readonly Step[]): Promise<readonly Seen[]>
}

/** One window for all places. `own`: the address of the portal. */
export async function watcher(context: BrowserContext, own: string): Promise<Watcher> {
  await context.addInitScript(watch)
  const page = await context.newPage()
  const faults: string[] = []
  context.on('request', (request) => {
    const url = request.url()
    if (!url.startsWith(own) && !/^(?:data|blob):/u.test(url)) faults.push(`asked: ${url}`)
  })
  page.on('dialog', (dialog) => {
    faults.push(`a dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  page.on('pageerror', (error) => faults.push(`a script broke: ${error.message}`))
  page.on('popup', (popup) => faults.push(`a window: ${popup.url()}`))
  const take = async (path: string, { text, within = 'body', act }: Step): Promise<Seen> => {
    const read = async () => String(await page.evaluate(wordsOf(within)))
    await act?.(page)
    // Where it does not appear, the assertion says so, with what is there.
    await until(`${path} shows ${text}`, async () => (await read()).includes(text), 6_000).catch(() => undefined)
    const seen = await read()
    // What gets the pointer or the focus may run then.
    await page.mouse.move(700, 400)
    const found = (await page.evaluate(search)) as readonly string[]
    return { pages: [{ path, text: seen }], faults: [...faults.splice(0), ...found].map((fault) => `${path}: ${fault}`) }
  }
  return {
    async pages(paths, step) {
      const seen: Seen[] = []
      for (const path of paths) {
        await page.goto(own + path)
        seen.push(await take(path, step))
      }
      return { pages: seen.flatMap(({ pages }) => pages), faults: seen.flatMap((each) => each.faults) }
    },
    async steps(path, steps) {
      await page.goto(own + path)
      const seen: Seen[] = []
      for (const step of steps) seen.push(await take(path, step))
      return seen
    },
  }
}

/** Each page of the place has the text, and nothing became of anything on it. */
export function assertHarmless({ pages, faults }: Seen, text: string): void {
  assert.deepEqual(faults, [])
  assert.ok(pages.length > 0)
  for (const page of pages) assert.ok(page.text.includes(text), `${page.path} does not show ${text}: ${page.text.slice(0, 3000)}`)
}
