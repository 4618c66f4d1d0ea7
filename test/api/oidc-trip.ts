import assert from 'node:assert/strict'
import { createProvider } from '#access/providers.ts'
import { startOidcProvider, type OidcServer } from '../support/oidc-provider.ts'
import type { Browser, BrowserReply } from './browser.ts'
import type { People } from './people.ts'

export const who = { actor: 'test', requestId: 'test' }
export const form = { 'content-type': 'application/x-www-form-urlencoded' }
export const sections = { outgoing: { allowedNetworks: ['loopback'] } }

export async function addProvider(people: People, name: string, settings: object): Promise<void> {
  await createProvider(people.rooms.accounts, { name, kind: 'oidc', title: name, isEnabled: true, settings }, { who })
}

/** Adds one more, at an issuer of its own where the people of the first are: of one issuer there is one provider. Closed with the stack. */
export async function addSibling(people: People, { name, first, stack }: Sibling, settings: object): Promise<void> {
  const { rooms } = people
  const redirects = [`${rooms.url}api/v1/session/oidc/${name}/callback`]
  const { issuer, clientId, clientSecret } = stack.use(
    await startOidcProvider(redirects, { postLogout: [rooms.url], people: first.people }),
  )
  await addProvider(people, name, { ...settings, issuer, clientId, clientSecret })
}

interface Sibling {
  readonly name: string
  readonly first: OidcServer
  readonly stack: AsyncDisposableStack
}

/** Follows a start to the provider, types the name into its forms, and stops before the way back is taken; the URL of the callback. */
export async function visitProvider(browser: Browser, url: string, login: string): Promise<URL> {
  let target = new URL(url)
  for (let steps = 0; steps < 12; steps++) {
    if (target.pathname.endsWith('/callback')) return target
    const isForm = target.pathname.startsWith('/interaction/')
    const page = isForm ? await browser.visit(target.href) : undefined
    const prompt = /name="prompt" value="(\w+)"/.exec(String(page?.body['text']))?.[1] ?? 'login'
    const body = prompt === 'login' ? `prompt=login&login=${login}&password=x` : `prompt=${prompt}`
    const reply = isForm ? await browser.visit(target.href, { method: 'POST', headers: form, body }) : await browser.visit(target.href)
    assert.ok(reply.location !== undefined, `${target.pathname} leads on: ${reply.status} ${JSON.stringify(reply.body).slice(0, 300)}`)
    target = new URL(reply.location, target)
  }
  throw new Error('the provider does not come to an end')
}

export interface Trip {
  readonly provider?: string
  readonly returnTo?: string
}

export async function begin(browser: Browser, { provider = 'corp', returnTo }: Trip = {}): Promise<string> {
  const query = returnTo === undefined ? '' : `?returnTo=${encodeURIComponent(returnTo)}`
  const reply = await browser.call('GET', `/session/oidc/${provider}${query}`, undefined, { headers: { 'sec-fetch-site': 'none' } })
  assert.equal(reply.status, 303, JSON.stringify(reply.body))
  return reply.location ?? ''
}

export async function signInAt(browser: Browser, login: string, trip: Trip = {}): Promise<BrowserReply> {
  const callback = await visitProvider(browser, await begin(browser, trip), login)
  return await browser.visit(callback.href)
}

export const seen = async (browser: Browser) => (await browser.call('GET', '/session')).body
export const nameOf = (body: BrowserReply['body']) => (body['user'] as { name: string } | undefined)?.name
