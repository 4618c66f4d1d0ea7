import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Secret, TOTP } from 'otpauth'
import { Browser, type BrowserReply } from '../api/browser.ts'
import { openPeople, password } from '../api/people.ts'

const guide = readFileSync(join(import.meta.dirname, '../../docs/guides/two-factor.md'), 'utf8')
/** What the guide sends, in its order. */
const calls = [...guide.matchAll(/^(GET|POST|DELETE) +\/api\/v1(\/\S+)(?: +(\{.*\}))?$/gm)].map(([, method = '', path = '', body]) => ({
  method,
  path,
  body,
}))

const codeOf = (secret: string, steps: number) =>
  new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp: Date.now() + steps * 30_000 })

/** Codes of an app, each for one use. */
class App {
  secret = ''
  #steps = -1

  fill(body: string): unknown {
    if (!body.includes('123456')) return JSON.parse(body.replace('"…"', JSON.stringify(password)))
    return JSON.parse(body.replace('123456', codeOf(this.secret, this.#steps++)))
  }
}

test('each call of the guide to second factors is answered as it says', async () => {
  await using people = await openPeople()
  await people.add('alice')
  const app = new App()
  const replies: { readonly path: string; readonly body: BrowserReply['body'] }[] = []
  let browser = new Browser(people.rooms.url)
  // The guide removes the factor in the middle, and signs in with one afterwards.
  for (const { method, path, body } of calls.filter((call) => call.method !== 'DELETE')) {
    if (path === '/session') browser = new Browser(people.rooms.url)
    const reply = await browser.call(method, path, body && app.fill(body))
    assert.equal(reply.status, 200, `${method} ${path}: ${JSON.stringify(reply.body)}`)
    const { secret } = reply.body
    if (typeof secret === 'string') app.secret = secret
    replies.push({ path, body: reply.body })
  }
  const of = (path: string) => replies.filter((reply) => reply.path === path).map(({ body }) => body)
  assert.deepEqual(
    of('/session').map(({ state }) => state),
    ['active', 'second-factor'],
  )
  assert.match(String(of('/session/factors/totp')[0]?.['uri']), /^otpauth:/)
  const [added] = of('/session/factors/totp/confirmation')
  assert.equal((added?.['recoveryCodes'] as readonly unknown[] | undefined)?.length, 10)
  const removing = calls.find(({ method }) => method === 'DELETE')
  assert.equal((await browser.call('DELETE', removing?.path.replace(/1$/, String(added?.['id'])) ?? '')).status, 204)
  assert.equal(calls.length, 9)
})

test('a confirmation without a name is refused, and a challenge wants an authenticator', async () => {
  await using people = await openPeople()
  await people.add('alice')
  const browser = new Browser(people.rooms.url)
  await browser.call('POST', '/session', { name: 'alice', password })
  await browser.call('POST', '/session/factors/totp')
  assert.equal((await browser.call('POST', '/session/factors/totp/confirmation', { code: '123456' })).status, 400)
  assert.equal((await browser.call('POST', '/session/challenge')).status, 409)
})
