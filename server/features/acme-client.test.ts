import assert from 'node:assert/strict'
import { createHmac, createPublicKey, verify, type JsonWebKey } from 'node:crypto'
import { suite, test } from 'node:test'
import { makeKey } from '#lib/make-certificate.ts'
import type { OutgoingHttp, OutgoingInit } from '#lib/outgoing-http.ts'
import { systemPorts } from '#lib/ports.ts'
import { AcmeClient, keyAuthorization } from './acme-client.ts'
import { AcmeProblem, problemOf, retryAfterMs } from './acme-problem.ts'
import { isDue, renewalOf, waitAfter } from './acme-times.ts'

const origin = 'https://ca.example'
const directory = { newNonce: `${origin}/nonce`, newAccount: `${origin}/account`, newOrder: `${origin}/order` }

interface Sent {
  readonly url: string
  readonly header: Record<string, unknown>
  readonly payload: string
  readonly body: { readonly protected: string; readonly payload: string; readonly signature: string }
}

interface Scripted {
  readonly status?: number
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

/** An authority that answers POSTs one after the other as the test says. */
function authority(answers: readonly Scripted[], listing: unknown = directory) {
  const sent: Sent[] = []
  let nonces = 0
  const headers = () => ({ 'replay-nonce': `nonce-${++nonces}` })
  const fetch = (url: string | URL, init: OutgoingInit = {}) => {
    if (init.method === undefined) return Promise.resolve(Response.json(listing))
    if (init.method === 'HEAD') return Promise.resolve(new Response(null, { headers: headers() }))
    const body = JSON.parse(init.body as string) as Sent['body']
    const text = (part: string) => Buffer.from(part, 'base64url').toString()
    sent.push({ url: String(url), header: JSON.parse(text(body.protected)) as Sent['header'], payload: text(body.payload), body })
    const answer = answers[sent.length - 1] ?? {}
    const content = typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body ?? {})
    return Promise.resolve(new Response(content, { status: answer.status ?? 200, headers: { ...headers(), ...answer.headers } }))
  }
  const outgoing: OutgoingHttp = { fetch, [Symbol.asyncDispose]: () => Promise.resolve() }
  const signal = new AbortController().signal
  return { sent, client: new AcmeClient({ outgoing, ports: systemPorts, directoryUrl: `${origin}/directory`, signal }) }
}

const problem = (type: string, status: number, headers = {}): Scripted => ({
  status,
  headers,
  body: { type: `urn:ietf:params:acme:error:${type}`, detail: 'because' },
})

function signatureHolds({ header, body }: Sent, jwk: JsonWebKey): boolean {
  const key = createPublicKey({ key: jwk, format: 'jwk' })
  const data = Buffer.from(`${body.protected}.${body.payload}`)
  return header['alg'] === 'ES256' && verify('sha256', data, { key, dsaEncoding: 'ieee-p1363' }, Buffer.from(body.signature, 'base64url'))
}

suite('RFC 8555', () => {
  test('§7.3: an account is made with its key, later requests name it, each with a nonce of its own', async () => {
    const { sent, client } = authority([
      { status: 201, headers: { location: `${origin}/account/1` } },
      {
        status: 201,
        headers: { location: `${origin}/order/1` },
        body: { status: 'pending', authorizations: [`${origin}/authz/1`], finalize: `${origin}/f` },
      },
    ])
    const key = await makeKey()
    const url = await client.openAccount({ key, email: 'ops@hub.example', externalAccount: undefined })
    const order = await client.newOrder({ url, key }, 'hub.example')
    assert.deepEqual([order.url, order.status, order.authorizations], [`${origin}/order/1`, 'pending', [`${origin}/authz/1`]])
    const [first, second] = sent
    assert.ok(first !== undefined && second !== undefined)
    assert.deepEqual(JSON.parse(first.payload), { termsOfServiceAgreed: true, contact: ['mailto:ops@hub.example'] })
    assert.deepEqual([first.header['url'], first.header['kid']], [directory.newAccount, undefined])
    const jwk = first.header['jwk'] as JsonWebKey
    assert.equal(jwk['d'], undefined)
    assert.ok(signatureHolds(first, jwk) && signatureHolds(second, jwk))
    assert.deepEqual([second.header['kid'], second.header['jwk']], [`${origin}/account/1`, undefined])
    assert.notEqual(first.header['nonce'], second.header['nonce'])
    assert.match(keyAuthorization('token', key), /^token\.[A-Za-z0-9_-]{43}$/)
  })

  test('§7.3.4: the account is bound to the one that the customer has, by its key', async () => {
    const { sent, client } = authority([{ status: 201, headers: { location: `${origin}/account/1` } }])
    const hmacKey = Buffer.from('a secret of the customer').toString('base64url')
    await client.openAccount({ key: await makeKey(), email: undefined, externalAccount: { keyId: 'kid-1', hmacKey } })
    const { externalAccountBinding: bound } = JSON.parse(sent[0]?.payload ?? '') as { externalAccountBinding: Sent['body'] }
    const header: unknown = JSON.parse(Buffer.from(bound.protected, 'base64url').toString())
    assert.deepEqual(header, { alg: 'HS256', kid: 'kid-1', url: directory.newAccount })
    assert.deepEqual(JSON.parse(Buffer.from(bound.payload, 'base64url').toString()), sent[0]?.header['jwk'])
    const expected = createHmac('sha256', 'a secret of the customer').update(`${bound.protected}.${bound.payload}`).digest('base64url')
    assert.equal(bound.signature, expected)
  })

  test('§6.5: a nonce that is refused is replaced by the one that came with the refusal, and not for ever', async () => {
    const { sent, client } = authority([
      problem('badNonce', 400),
      problem('badNonce', 400),
      { headers: { location: `${origin}/account/1` } },
    ])
    const key = await makeKey()
    await client.openAccount({ key, email: undefined, externalAccount: undefined })
    assert.deepEqual(
      sent.map(({ header }) => header['nonce']),
      ['nonce-1', 'nonce-2', 'nonce-3'],
    )
    const stubborn = authority(Array.from({ length: 50 }, () => problem('badNonce', 400)))
    await assert.rejects(stubborn.client.openAccount({ key, email: undefined, externalAccount: undefined }), /badNonce/)
    assert.ok(stubborn.sent.length < 20)
  })

  test('§6.6: a rate limit tells when to come back', async () => {
    const key = await makeKey()
    const account = { url: `${origin}/account/1`, key }
    const { client } = authority([problem('rateLimited', 429, { 'retry-after': '3600' })])
    await assert.rejects(client.newOrder(account, 'hub.example'), {
      name: 'AcmeProblem',
      type: 'rateLimited',
      status: 429,
      retryAfterMs: 3_600_000,
    })
    const busy = authority([{ status: 503, headers: { 'retry-after': '5' }, body: '<html>busy</html>' }])
    await assert.rejects(busy.client.newOrder(account, 'hub.example'), { name: 'AcmeProblem', type: '', status: 503, retryAfterMs: 5_000 })
  })

  const lies: Readonly<Record<string, Scripted>> = {
    'an order elsewhere': { headers: { location: 'https://evil.example/order/1' } },
    'an order at no URL': {},
    'an order inside': { headers: { location: 'http://169.254.169.254/' } },
    'an authorization elsewhere': {
      headers: { location: `${origin}/order/1` },
      body: { status: 'pending', authorizations: ['https://evil.example/authz'], finalize: `${origin}/f` },
    },
    'a list that is none': { headers: { location: '/order' }, body: { authorizations: 'x' } },
    'no JSON': { headers: { location: 'nowhere' }, body: 'not JSON' },
  }
  for (const [name, answer] of Object.entries(lies)) {
    test(`${name} is not followed`, async () => {
      const { client } = authority([answer])
      await assert.rejects(
        client.newOrder({ url: `${origin}/account/1`, key: await makeKey() }, 'hub.example'),
        /URL that is not one of its own/,
      )
    })
  }

  test('a directory that names others’ URLs is none', async () => {
    for (const listing of [{ ...directory, newNonce: 'https://evil.example/' }, { ...directory, newAccount: 7 }, {}, null, 'x', []]) {
      const { client } = authority([], listing)
      await assert.rejects(client.openAccount({ key: await makeKey(), email: undefined, externalAccount: undefined }), /not one of its own/)
    }
  })

  test('§8.3: a token that is none of its alphabet is no challenge', async () => {
    const good = { type: 'http-01', url: `${origin}/c/1`, token: 'A'.repeat(43), status: 'pending' }
    const challenges = [{ ...good, token: '../../etc' }, { ...good, token: 'short' }, { ...good, token: 7 }, null, 'x', good]
    const { client } = authority([{ body: { status: 'pending', challenges } }])
    const found = await client.authorization({ url: `${origin}/account/1`, key: await makeKey() }, `${origin}/authz/1`)
    assert.deepEqual(found.challenges, [{ type: 'http-01', url: `${origin}/c/1`, token: 'A'.repeat(43), error: undefined }])
  })

  test('§6.7: what a problem says is told without control characters and not for ever', () => {
    const found = problemOf(
      { type: 'urn:ietf:params:acme:error:dns', detail: `a\u001b[31m\nb${'x'.repeat(9_999)}`, subproblems: [{ detail: 'c' }] },
      400,
    )
    assert.doesNotMatch(found.message, /\p{C}/u)
    assert.ok(found.message.length < 700 && found.message.startsWith('the ACME authority says dns: a'))
    for (const value of [undefined, null, 7, 'x', [], { type: 7 }, { type: 'about:blank' }, { subproblems: [null] }])
      assert.ok(problemOf(value, 500) instanceof AcmeProblem)
  })
})

suite('times', () => {
  const random = (value: number) => ({ bytes: () => Buffer.from([value, value, value, value]) })
  const days = 86_400_000

  test('a certificate is renewed at two thirds of its life, and up to a thirtieth later', () => {
    const ends = { notBefore: 1_000, notAfter: 1_000 + 90 * days }
    assert.equal(renewalOf(ends, random(0)), 1_000 + 60 * days)
    assert.equal(renewalOf(ends, random(255)), 1_000 + 63 * days)
  })

  test('the wait doubles with each failure up to half a day, and is never shorter than the authority asks for', () => {
    const waits = [1, 2, 3, 20, 1_000].map((failures) => waitAfter(failures, undefined, random(0)) / 60_000)
    assert.deepEqual(waits, [2, 4, 8, 720, 720])
    assert.equal(waitAfter(1, undefined, random(255)), 150_000)
    assert.equal(waitAfter(1, 3_600_000, random(0)), 3_600_000)
    assert.equal(waitAfter(1, 365 * days, random(0)), 7 * days)
  })

  test('what is missing, due or of another authority is asked for, but not before its next try', () => {
    const at = { now: 1_000, directoryUrl: 'a' }
    const row = { certificate: 'x', renewAt: 2_000, nextTryAt: null, directoryUrl: 'a' }
    assert.equal(isDue(undefined, at), true)
    assert.equal(isDue(row, at), false)
    assert.equal(isDue({ ...row, renewAt: 1_000 }, at), true)
    assert.equal(isDue({ ...row, certificate: null }, at), true)
    assert.equal(isDue({ ...row, directoryUrl: 'b' }, at), true)
    assert.equal(isDue({ ...row, certificate: null, nextTryAt: 1_001 }, at), false)
  })

  test('Retry-After is seconds or a date', () => {
    assert.equal(retryAfterMs('120', 0), 120_000)
    assert.equal(retryAfterMs('Thu, 01 Jan 1970 00:01:00 GMT', 10_000), 50_000)
    assert.equal(retryAfterMs('Thu, 01 Jan 1970 00:01:00 GMT', 100_000), 0)
    for (const text of [null, '', 'soon', '-5', '1e9']) assert.equal(retryAfterMs(text, 0), undefined, String(text))
  })
})
