import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { applicationTokens, defaultTokens, type TokenSource } from './azure-tokens.ts'
import { ObjectError } from './object-backend.ts'

const scope = 'https://storage.azure.com/.default'

/** Answers all requests alike, and keeps them. */
function service(status: number, body: string) {
  const seen: { url: string; form: Record<string, string>; headers: Headers }[] = []
  const send = (async (url: string, init: RequestInit) => {
    const form = init.body instanceof URLSearchParams ? Object.fromEntries(init.body) : {}
    seen.push({ url, form, headers: new Headers(init.headers) })
    return new Response(body, { status })
  }) as unknown as typeof fetch
  return { seen, surroundings: { clock: { now: () => 1_000_000 }, fetch: send } }
}

const good = '{"access_token":"T","expires_in":"3599","token_type":"Bearer"}'

function sourceOf(env: Record<string, string>, { surroundings }: ReturnType<typeof service>, clientId?: string): TokenSource {
  const files = { readFile: (async () => 'federated\n') as never }
  return defaultTokens(env, { ...surroundings, authority: 'https://login.example.com', clientId, files })
}

suite('a token for Azure', () => {
  test('is asked for with a client secret', async () => {
    const to = service(200, good)
    const proof = async () => ({ secret: 's3cret' })
    const source = applicationTokens({ authority: 'https://login.example.com', tenantId: 'a/b', clientId: 'c', proof }, to.surroundings)
    assert.deepEqual(await source.getToken(scope), { token: 'T', expiresOnTimestamp: 1_000_000 + 3_599_000 })
    assert.equal(to.seen[0]?.url, 'https://login.example.com/a%2Fb/oauth2/v2.0/token')
    assert.deepEqual(to.seen[0]?.form, { grant_type: 'client_credentials', client_id: 'c', scope, client_secret: 's3cret' })
  })

  test('comes from an application in the environment, a token that Kubernetes mounts, else the machine, in this order', async () => {
    const both = { AZURE_TENANT_ID: 't', AZURE_CLIENT_ID: 'c', AZURE_CLIENT_SECRET: 's', AZURE_FEDERATED_TOKEN_FILE: '/f' }
    const secret = service(200, good)
    await sourceOf(both, secret).getToken(scope)
    assert.equal(secret.seen[0]?.form['client_secret'], 's')
    const { AZURE_CLIENT_SECRET: _, ...mounted } = both
    const federated = service(200, good)
    await sourceOf({ ...mounted, AZURE_AUTHORITY_HOST: 'https://login.other.example/' }, federated).getToken([scope])
    assert.match(federated.seen[0]?.url ?? '', /^https:\/\/login\.other\.example\/t\//)
    assert.equal(federated.seen[0]?.form['client_assertion'], 'federated')
    const machine = service(200, good)
    await sourceOf({}, machine, 'chosen').getToken(scope)
    const { url = '', headers } = machine.seen[0] ?? {}
    assert.equal(new URL(url).searchParams.get('resource'), 'https://storage.azure.com')
    assert.deepEqual([new URL(url).searchParams.get('client_id'), headers?.get('metadata')], ['chosen', 'true'])
  })

  test('that is refused, cut or nonsense is an error that says so without the secret', async () => {
    const cases = [
      [401, '{"error":"invalid_client","error_description":"secret s3cret is wrong"}', 'refused'],
      [503, 'away', 'busy'],
      [200, '{"access_token":7}', 'refused'],
      [200, '<html>', 'refused'],
    ] as const
    for (const [status, body, fault] of cases) {
      const { surroundings } = service(status, body)
      const proof = async () => ({ secret: 's3cret' })
      const source = applicationTokens({ authority: 'https://x', tenantId: 't', clientId: 'c', proof }, surroundings)
      await assert.rejects(
        source.getToken(scope),
        (error) => error instanceof ObjectError && error.fault === fault && !error.message.includes('s3cret'),
      )
    }
    const away = { clock: { now: () => 0 }, fetch: (async () => Promise.reject(new TypeError('fetch failed'))) as typeof fetch }
    const source = applicationTokens({ authority: 'https://x', tenantId: 't', clientId: 'c', proof: async () => ({ secret: 's' }) }, away)
    await assert.rejects(source.getToken(scope), (error) => error instanceof ObjectError && error.fault === 'passing')
  })
})
