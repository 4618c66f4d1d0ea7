/**
 * What every page for signing in shares: its frame, and the headers that keep it whole. No script, no asset from anywhere, one style by its hash; nobody may
 * frame it, and nothing of its address is told to another site.
 */
import { createHash } from 'node:crypto'
import type { RegistryError } from '#oci/errors.ts'
import { html, type Markup } from './markup.ts'
import type { Spoken } from './words.ts'

const style = `
:root { color-scheme: light dark; --ink: #1c2a32; --paper: #fff; --edge: #c9d3d8; --accent: #0b4f6c; --bad: #a3231f; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4ebee; --paper: #151c20; --edge: #3b4a52; --accent: #6fc3e6; --bad: #ff8f88; } }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
main { max-width: 34rem; margin: 12vh auto 4rem; padding: 0 1.5rem; }
h1 { font-size: 1.5rem; line-height: 1.25; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin-top: 2rem; }
a { color: var(--accent); }
code { overflow-wrap: anywhere; font-size: 0.9rem; }
pre { padding: 0.75rem; border: 1px solid var(--edge); border-radius: 6px; white-space: pre-wrap; }
label { display: block; margin-top: 1rem; font-weight: 600; }
input { box-sizing: border-box; width: 100%; margin-top: 0.25rem; padding: 0.55rem; font: inherit; color: inherit; background: transparent; border: 1px solid var(--edge); border-radius: 6px; }
button, .button { display: inline-block; margin: 1.25rem 0.75rem 0 0; padding: 0.55rem 1.25rem; font: inherit; cursor: pointer; text-decoration: none; border: 1px solid var(--accent); border-radius: 6px; background: transparent; color: var(--accent); }
.main { background: var(--accent); color: var(--paper); }
.bad { color: var(--bad); font-weight: 600; }
`

/** In CSP Level 3 a style is named by the hash of what stands between its tags. */
const styleHash = createHash('sha256').update(style).digest('base64')
// No template: whatever is between the tags counts, a line end too.
const styleElement: Markup = { markup: `<style>${style}</style>` }

/** A page to be. */
export interface Page {
  readonly title: string
  readonly body: Markup
  /** Where its forms may lead beside this site, as CSP sources: browsers follow no redirect of a form to elsewhere. */
  readonly formTargets?: readonly string[] | undefined
}

/** The whole document. */
export function pageText({ language }: Spoken, { title, body }: Page): string {
  const page = html`<!doctype html>
    <html lang="${language}">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex" />
        <title>${title} · Berth</title>
        ${styleElement}
      </head>
      <body>
        <main>
          <h1>${title}</h1>
          ${body}
        </main>
      </body>
    </html> `
  return page.markup
}

/** By name, for any page. */
export function pageHeaders({ language }: Spoken, { formTargets = [] }: Pick<Page, 'formTargets'> = {}): Readonly<Record<string, string>> {
  const policy = [
    "default-src 'none'",
    `style-src 'sha256-${styleHash}'`,
    `form-action ${["'self'", ...formTargets].join(' ')}`,
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; ')
  return {
    'Content-Type': 'text/html; charset=utf-8',
    'Content-Language': language,
    Vary: 'Accept-Language',
    'Cache-Control': 'no-store',
    'Content-Security-Policy': policy,
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
    'Cross-Origin-Opener-Policy': 'same-origin',
    // Not `no-referrer`, under which a form of this very page would come with the Origin `null`.
    'Referrer-Policy': 'same-origin',
  }
}

/** Why something was refused: in the reader's language as far as it goes, then in the words of the server. */
export function sentences({ words }: Spoken, { code, message }: Pick<RegistryError, 'code' | 'message'>): Markup {
  const general = words.errors[code]
  return general === undefined
    ? html`<p class="bad" role="alert">${message}</p>`
    : html`<p class="bad" role="alert">${general}</p>
        <p lang="en">${message}</p>`
}

/** The page of a refusal that leaves nothing to correct. `start` is where signing in begins. */
export function refusalPage(spoken: Spoken, error: Pick<RegistryError, 'code' | 'message'>, start: string): Page {
  const { words } = spoken
  return {
    title: words.failed,
    body: html`${sentences(spoken, error)}
      <p><a href="${start}">${words.startAgain}</a></p>`,
  }
}
