import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { steppingUp } from './step-up.ts'

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

suite('stepping up', () => {
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
