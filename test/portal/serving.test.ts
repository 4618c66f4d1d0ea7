import assert from 'node:assert/strict'
import { gunzipSync, brotliDecompressSync } from 'node:zlib'
import { after, before, suite, test } from 'node:test'
import { sendRequest, type HttpResponse } from '../support/http-client.ts'
import { startBerth, type RunningBerth } from '../support/start-berth.ts'

const html = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }
const text = ({ body }: HttpResponse) => body.toString()

/** The script that the document names. */
function scriptOf(page: string): string {
  return /src="([^"]+\.js)"/u.exec(page)?.[1] ?? ''
}

suite('the portal over HTTP', () => {
  let berth: RunningBerth
  before(async () => {
    berth = await startBerth({ config: { auth: { accounts: { realm: 'portal' } } } })
  })
  after(() => berth?.[Symbol.asyncDispose]())
  const get = (path: string, headers: Record<string, string> = {}, method = 'GET') => sendRequest(berth.url + path, { headers, method })

  test('a browser gets the document on the paths of pages, a program the line that it got before', async () => {
    for (const path of ['/', '/login', '/projects', '/projects/team/app/-/members', '/repositories/a/b/-/tags/v1', '/admin/users']) {
      const page = await get(path, html)
      assert.equal(page.status, 200, path)
      assert.match(page.headers['content-type'] ?? '', /^text\/html/u)
      assert.match(text(page), /<div id="root">/u)
    }
    const line = await get('/', { accept: '*/*' })
    assert.deepEqual([line.status, text(line)], [200, 'Berth, a container image registry. Its API is below /v2/.\n'])
    assert.equal(line.headers['vary'], 'Accept')
    assert.equal((await get('/projects', { accept: 'application/json' })).status, 404)
    assert.equal((await get('/projects', html, 'POST')).status, 404)
  })

  test('no other path becomes a page', async () => {
    for (const path of [
      '/nothing',
      '/projectsx',
      '/assets/none.js',
      '/assets/..%2f..%2fpackage.json',
      '/assets/../index.html',
      '//projects',
      '/.inputs',
    ])
      assert.equal((await get(path, html)).status, 404, path)
    assert.equal((await get('/v2/', html)).status, 401)
    assert.equal((await get('/healthz', html)).body.toString(), 'ok\n')
    assert.match(text(await get('/api/v1/projects', html)), /items/u)
    assert.match(text(await get('/sign-in', html)), /<main>/u)
  })

  test('the document lets nothing run but its own files, is never kept, and has another nonce each time', async () => {
    const [one, other] = [await get('/', html), await get('/', html)]
    const policy = String(one.headers['content-security-policy'])
    for (const part of [
      "default-src 'none'",
      "script-src 'self'",
      "connect-src 'self'",
      "frame-ancestors 'none'",
      "base-uri 'none'",
      "form-action 'self'",
    ])
      assert.ok(policy.split('; ').includes(part), part)
    assert.doesNotMatch(policy, /unsafe/u)
    const nonce = /'nonce-([^']+)'/u.exec(policy)?.[1] ?? ''
    assert.ok(nonce.length >= 22 && text(one).includes(`nonce="${nonce}"`))
    assert.ok(!String(other.headers['content-security-policy']).includes(nonce))
    assert.doesNotMatch(text(one), /\{\{nonce\}\}|<script(?![^>]*src=)|style="/u)
    assert.equal(one.headers['cache-control'], 'no-store')
    assert.equal(one.headers['x-content-type-options'], 'nosniff')
    assert.equal(one.headers['referrer-policy'], 'same-origin')
  })

  test('files come in the smallest form that is taken, for ever where their name has a hash, and not twice', async () => {
    const path = scriptOf(text(await get('/', html)))
    const plain = await get(path)
    const gzip = await get(path, { 'accept-encoding': 'gzip' })
    const brotli = await get(path, { 'accept-encoding': 'gzip, br;q=0.9' })
    const refused = await get(path, { 'accept-encoding': 'br;q=0, gzip;q=0.0' })
    assert.deepEqual(
      [plain, gzip, brotli, refused].map(({ headers }) => headers['content-encoding']),
      [undefined, 'gzip', 'br', undefined],
    )
    assert.deepEqual(gunzipSync(gzip.body), plain.body)
    assert.deepEqual(brotliDecompressSync(brotli.body), plain.body)
    assert.match(plain.headers['cache-control'] ?? '', /immutable/u)
    assert.match(plain.headers['content-type'] ?? '', /^text\/javascript/u)
    const again = await get(path, { 'if-none-match': `"x", W/${String(plain.headers['etag'])}` })
    assert.deepEqual([again.status, again.body.length], [304, 0])
    const icon = await get('/favicon.svg')
    assert.deepEqual([icon.status, icon.headers['content-type'], icon.headers['cache-control']], [200, 'image/svg+xml', 'no-cache'])
    const head = await get(path, {}, 'HEAD')
    assert.deepEqual([head.status, Number(head.headers['content-length']), head.body.length], [200, plain.body.length, 0])
  })

  test('a script of a page is not answered with a challenge at which the browser would ask for a password itself', async () => {
    const challenge = async (headers: Record<string, string>) => (await get('/api/v1/tokens', headers)).headers['www-authenticate']
    assert.equal(await challenge({ 'sec-fetch-dest': 'empty', 'sec-fetch-site': 'same-origin' }), 'Session realm="berth"')
    assert.equal(await challenge({}), 'Basic realm="berth"')
  })
})

test('http.portal.enabled: false leaves what was there without a portal', async () => {
  await using berth = await startBerth({ config: { http: { portal: { enabled: false } } } })
  const root = await sendRequest(berth.url, { headers: html })
  assert.equal(text(root), 'Berth, a container image registry. Its API is below /v2/.\n')
  assert.equal((await sendRequest(`${berth.url}/projects`, { headers: html })).status, 404)
})

test('the two languages say the same things with the same places for values', async () => {
  const { en } = await import('../../web/src/locales/en.ts')
  const { zhCN } = await import('../../web/src/locales/zh-CN.ts')
  const places = (words: object, path = ''): string[] =>
    Object.entries(words).flatMap(([key, value]) =>
      typeof value === 'object'
        ? places(value as object, `${path}${key}.`)
        : [`${path}${key} ${(String(value).match(/\{\{\w+\}\}/gu) ?? []).toSorted().join()}`],
    )
  assert.deepEqual(places(zhCN).toSorted(), places(en).toSorted())
  assert.ok(JSON.stringify(zhCN).length > 5_000)
})
