import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { steppingUp as steppingUpTo, type StepUp } from './step-up.ts'

const refusal = () =>
  Response.json({ code: 'ELEVATION_REQUIRED', title: 'x' }, { status: 403, headers: { 'content-type': 'application/problem+json' } })
const init = { method: 'POST', headers: { authorization: 'Bearer token', 'content-type': 'application/json' }, body: '{"a":1}' }
const sent = JSON.stringify(init.body)
const basic = `Basic ${Buffer.from('root:right').toString('base64')}`

/** A server that wants the right password, and what it was sent. */
function serverOf(refuse: () => Response = refusal) {
  const seen: string[] = []
  const send: typeof fetch = async (_url, request) => {
    const authorization = new Headers(request?.headers).get('authorization') ?? ''
    seen.push(`${authorization} ${JSON.stringify(request?.body)}`)
    return authorization === basic ? Response.json({}) : refuse()
  }
  return { send, seen }
}

const steppingUp = (send: typeof fetch, asked: Omit<StepUp, 'server' | 'endings'>) =>
  steppingUpTo(send, { server: 'https://registry.example', endings: new AsyncDisposableStack(), ...asked })

/** A server where `root` has a second factor: a password alone is told so, a session does it. */
function factorServer() {
  const seen: string[] = []
  const pending = { state: 'second-factor', secondFactors: ['totp', 'recovery'] }
  const answers: Readonly<Record<string, () => Response>> = {
    'POST /api/v1/session': () => Response.json(pending, { headers: { 'set-cookie': 'berth-session=first' } }),
    'POST /api/v1/session/second-factor': () => Response.json({ state: 'active' }, { headers: { 'set-cookie': 'berth-session=second' } }),
    'DELETE /api/v1/session': () => new Response(null, { status: 204 }),
  }
  const send: typeof fetch = async (url, request) => {
    const headers = new Headers(request?.headers)
    const { pathname } = new URL(url instanceof Request ? url.url : url)
    const call = `${request?.method ?? 'GET'} ${pathname}`
    seen.push(`${call} ${headers.get('authorization') ?? '-'} ${headers.get('cookie') ?? '-'}`)
    const answer = answers[call]
    if (answer !== undefined) return answer()
    if (headers.get('authorization') === basic)
      return Response.json({ code: 'UNAUTHORIZED', detail: 'this account has a second factor: use a token' }, { status: 401 })
    return headers.get('cookie') === 'berth-session=second' ? Response.json({}) : refusal()
  }
  return { send, seen }
}

suite('stepping up', () => {
  test('asks for the second factor where a password is not enough, in a session that ends with the command', async () => {
    const { send, seen } = factorServer()
    const asked: string[] = []
    {
      await using endings = new AsyncDisposableStack()
      const askCode = async (question: string) => (asked.push(question), '123456')
      const stepUp = { server: 'https://registry.example', endings, name: 'root', askPassword: async () => 'right', askCode }
      const fetched = steppingUpTo(send, stepUp)
      assert.equal((await fetched('https://registry.example/api/v1/grants', init)).status, 200)
      assert.equal((await fetched('https://registry.example/api/v1/roles', init)).status, 200)
    }
    assert.deepEqual(asked, ['Code (the app or recovery)'])
    assert.deepEqual(seen, [
      'POST /api/v1/grants Bearer token -',
      `POST /api/v1/grants ${basic} -`,
      'POST /api/v1/session - -',
      'POST /api/v1/session/second-factor - berth-session=first',
      'POST /api/v1/grants - berth-session=second',
      'POST /api/v1/roles - berth-session=second',
      'DELETE /api/v1/session - berth-session=second',
    ])
  })

  test('asks for the password once, and sends the same request again with it', async () => {
    const { send, seen } = serverOf()
    const questions: string[] = []
    const askPassword = async (question: string) => (questions.push(question), 'right')
    const fetched = steppingUp(send, { name: 'root', askPassword })
    assert.equal((await fetched('https://registry.example', init)).status, 200)
    assert.equal((await fetched('https://registry.example', init)).status, 200)
    assert.deepEqual(seen, [`Bearer token ${sent}`, `${basic} ${sent}`, `${basic} ${sent}`])
    assert.equal(questions.length, 1)
    assert.match(questions[0] ?? '', /root/)
  })

  test('gives the refusal back, whole, where nobody can be asked', async () => {
    const { send, seen } = serverOf()
    const answer = await steppingUp(send, { name: 'root', askPassword: async () => undefined })('https://registry.example', init)
    assert.deepEqual(await answer.json(), { code: 'ELEVATION_REQUIRED', title: 'x' })
    assert.equal(seen.length, 1)
  })

  test('does not ask again after a wrong password', async () => {
    const { send, seen } = serverOf()
    let asked = 0
    const fetched = steppingUp(send, { name: 'root', askPassword: async () => (asked++, 'wrong') })
    assert.equal((await fetched('https://registry.example', init)).status, 403)
    assert.equal((await fetched('https://registry.example', init)).status, 403)
    assert.deepEqual([asked, seen.length], [1, 3])
  })

  test('asks for nothing when something else is refused, or when the answer is no answer of Berth', async () => {
    const others = [
      () => Response.json({ code: 'DENIED' }, { status: 403 }),
      () => Response.json({ code: 'ELEVATION_REQUIRED' }, { status: 401 }),
      () => new Response('<html>', { status: 403 }),
    ]
    for (const refuse of others) {
      const { send, seen } = serverOf(refuse)
      const fetched = steppingUp(send, { name: 'root', askPassword: () => assert.fail('asked') })
      assert.equal((await fetched('https://registry.example', init)).status, refuse().status)
      assert.equal(seen.length, 1)
    }
  })
})
