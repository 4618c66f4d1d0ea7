import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { openPeople, type People } from './people.ts'

suite('the page of the API’s documentation', () => {
  let people: People
  before(async () => {
    people = await openPeople({ http: { trustedProxies: ['127.0.0.1/32', '::1/128'] } as never })
  })
  after(() => people[Symbol.asyncDispose]())

  const policyOf = async (path: string, headers: Record<string, string> = {}) => {
    const answer = await people.stranger.registry.send(`/api/v1${path}`, { headers })
    assert.equal(answer.status, 200, path)
    return String(answer.headers['content-security-policy'])
  }

  test('loads nothing from elsewhere, runs no script in the page and sits in no frame', async () => {
    for (const path of ['/docs/', '/docs/static/swagger-ui.css', '/docs/static/swagger-initializer.js']) {
      const policy = await policyOf(path)
      for (const rule of ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "object-src 'none'"])
        assert.ok(policy.includes(rule), `${path}: ${policy}`)
      assert.doesNotMatch(policy, /unsafe|https:|\*/)
    }
  })

  test('asks for TLS where it came by TLS, and not where that would leave it empty', async () => {
    assert.doesNotMatch(await policyOf('/docs/'), /upgrade-insecure-requests/)
    assert.match(await policyOf('/docs/', { 'x-forwarded-proto': 'https' }), /upgrade-insecure-requests/)
  })

  test('has its own title and icon, and nobody else’s logo', async () => {
    const page = (await people.stranger.registry.send('/api/v1/docs/')).body.toString()
    assert.match(page, /<title>Berth API<\/title>/)
    assert.doesNotMatch(page, /favicon-32x32/)
    const script = (await people.stranger.registry.send('/api/v1/docs/static/swagger-initializer.js')).body.toString()
    assert.doesNotMatch(script, /base64/)
    const [, icon = ''] = /href="\.(\/static\/theme\/[^"]+)"/.exec(page) ?? []
    const answer = await people.stranger.registry.send(`/api/v1/docs${icon}`)
    assert.deepEqual([answer.status, answer.headers['content-type']], [200, 'image/svg+xml'])
  })
})
