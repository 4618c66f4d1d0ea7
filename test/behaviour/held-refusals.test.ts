import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { Browser } from '../api/browser.ts'
import { form } from '../api/oidc-trip.ts'
import { openPeople, password, type People } from '../api/people.ts'
import { basicAuthorization, sendRequest } from '../support/http-client.ts'
import { rawConnection } from '../support/raw-connection.ts'
import { registryClient } from '../support/registry-client.ts'
import { until } from '../support/until.ts'

interface Answer {
  readonly status: number
  readonly text: string
  readonly tookMs: number
}

type Door = (people: People, name: string, tried: string) => Promise<{ readonly status: number; readonly text: string }>

const at = (people: People, path: string) => new URL(path, people.rooms.url).href

async function sent(url: string, request: Parameters<typeof sendRequest>[1]) {
  const { status, body } = await sendRequest(url, request)
  return { status, text: body.toString() }
}

/** Wherever a password can be shown. */
const doors: Readonly<Record<string, Door>> = {
  'Basic on /v2': (people, name, tried) => sent(at(people, '/v2/'), { headers: { authorization: basicAuthorization(name, tried) } }),
  'GET /token': (people, name, tried) =>
    sent(at(people, '/token?service=x'), { headers: { authorization: basicAuthorization(name, tried) } }),
  'POST /token': (people, username, tried) => {
    const body = new URLSearchParams({ grant_type: 'password', service: 'x', client_id: 'x', username, password: tried }).toString()
    return sent(at(people, '/token'), { method: 'POST', headers: form, body })
  },
  'Basic on /api/v1': (people, name, tried) =>
    sent(at(people, '/api/v1/session'), { headers: { authorization: basicAuthorization(name, tried) } }),
  'POST /api/v1/session': (people, name, tried) => {
    const headers = { 'content-type': 'application/json', 'sec-fetch-site': 'same-origin' }
    return sent(at(people, '/api/v1/session'), { method: 'POST', headers, body: JSON.stringify({ name, password: tried }) })
  },
}

async function timed(answer: ReturnType<Door>): Promise<Answer> {
  const startedAt = performance.now()
  const { status, text } = await answer
  return { status, text: text.replaceAll(/"(?:requestId|instance)":"[^"]*"/g, ''), tookMs: performance.now() - startedAt }
}

/** Guesses until the name has to wait. */
async function shutOut(people: People, name: string, door: Door): Promise<void> {
  for (let guess = 0; guess < 5; guess++) assert.equal((await door(people, name, `guess ${guess}`)).status, 401)
}

async function heldNow(people: People): Promise<number> {
  const page = await people.root.registry.send('/metrics')
  return Number(/^registry_auth_held_answers (\d+)/mu.exec(page.body.toString())?.[1] ?? Number.NaN)
}

suite('the answer to who has to wait', () => {
  for (const [door, tryAt] of Object.entries(doors)) {
    test(`is held for a second, and the same for the right password: ${door}`, async () => {
      await using people = await openPeople()
      await people.add('alice')
      await shutOut(people, 'alice', tryAt)
      const [right, wrong] = await Promise.all([timed(tryAt(people, 'alice', password)), timed(tryAt(people, 'alice', 'another guess'))])
      for (const { status, tookMs } of [right, wrong]) {
        assert.equal(status, 429)
        assert.ok(tookMs > 950, `${tookMs} ms`)
      }
      assert.equal(right.text, wrong.text)
      assert.ok(Math.abs(right.tookMs - wrong.tookMs) < 500, `${right.tookMs} and ${wrong.tookMs} ms`)
    })
  }

  test('is held in the form of a page too', async () => {
    await using people = await openPeople()
    await people.add('alice')
    const browser = new Browser(people.rooms.url)
    assert.equal((await browser.call('POST', '/session', { name: 'alice', password })).status, 200)
    const give = (tried: string) =>
      browser.visit(at(people, '/sign-in/elevation'), {
        method: 'POST',
        headers: { ...form, 'sec-fetch-site': 'same-origin' },
        body: new URLSearchParams({ password: tried }).toString(),
      })
    for (let guess = 0; guess < 5; guess++) assert.equal((await give(`guess ${guess}`)).status, 401)
    const startedAt = performance.now()
    assert.equal((await give('another guess')).status, 429)
    assert.ok(performance.now() - startedAt > 950)
  })

  test('holds up nobody who is known, nor a client of that address with its own right password', async () => {
    await using people = await openPeople()
    const alice = await people.add('alice')
    await people.add('bob')
    assert.equal((await alice.registry.send('/v2/')).status, 200)
    const basic = doors['Basic on /v2']
    assert.ok(basic)
    await shutOut(people, 'bob', basic)
    const held = Array.from({ length: 20 }, (_, guess) => timed(basic(people, 'bob', `flood ${guess}`)))
    const quick = [await timed(basic(people, 'alice', password)), await timed(basic(people, 'root', password))]
    assert.deepEqual(
      quick.map(({ status }) => status),
      [200, 200],
    )
    assert.ok((await Promise.all(held)).every(({ status, tookMs }) => status === 429 && tookMs > 950))
  })

  test('gives its place back when its client goes', async () => {
    await using people = await openPeople()
    await people.add('alice')
    // Whoever looks is known before: a stranger's hash would wait for the rest after a wrong one.
    assert.equal(await heldNow(people), 0)
    await shutOut(people, 'alice', (...asked) => doors['Basic on /v2']?.(...asked) ?? assert.fail())
    using connection = await rawConnection(
      people.rooms.port,
      `GET /v2/ HTTP/1.1\r\nHost: x\r\nAuthorization: ${basicAuthorization('alice', 'once more')}\r\n\r\n`,
    )
    const startedAt = performance.now()
    await until('the answer is held', async () => (await heldNow(people)) === 1)
    connection.socket.destroy()
    await until('its place is free', async () => (await heldNow(people)) === 0)
    assert.ok(performance.now() - startedAt < 900, 'before its time')
  })

  test('leaves at once when the server stops', async () => {
    await using people = await openPeople()
    await people.add('alice')
    // Whoever looks is known before: a stranger's hash would wait for the rest after a wrong one.
    assert.equal(await heldNow(people), 0)
    await shutOut(people, 'alice', (...asked) => doors['Basic on /v2']?.(...asked) ?? assert.fail())
    const client = registryClient(people.rooms.url, { authorization: basicAuthorization('alice', 'once more') })
    const answering = client.send('/v2/')
    await until('the answer is held', async () => (await heldNow(people)) === 1)
    const startedAt = performance.now()
    await people.rooms.server.close()
    assert.equal((await answering).status, 429)
    assert.ok(performance.now() - startedAt < 900, 'before its time')
  })
})
