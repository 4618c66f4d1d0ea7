import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Browser } from '../api/browser.ts'
import { basicAuthorization, sendRequest, type HttpResponse } from '../support/http-client.ts'
import { digestOfBytes, pushImage, registryClient } from '../support/registry-client.ts'
import { startTwoProcesses, type TwoProcesses } from '../support/start-processes.ts'
import { until } from '../support/until.ts'
import { closing, offsetOf, openPatch, startUpload } from '../support/upload.ts'
import { violationsOf } from '../support/violations.ts'

const mebibyte = 1 << 20
const octets = { 'content-type': 'application/octet-stream' }
/** Longer than what a process remembers of rights is believed. */
const noticedMs = 1_100
/** Longer than the hold of a process that died. */
const holdOverMs = 60_000

/** The same upload at the other process. */
const atOther = ({ urls }: TwoProcesses, turn: number, uploadUrl: string): string => {
  const { pathname, search } = new URL(uploadUrl)
  return new URL(pathname + search, urls[turn % 2]).href
}

const patch = (url: string, body: Uint8Array, from: number): Promise<HttpResponse> =>
  sendRequest(url, { method: 'PATCH', body, headers: { ...octets, 'content-range': `${from}-${from + body.length - 1}` } })

const put = (url: string, digest: string): Promise<HttpResponse> => sendRequest(closing(url, digest), { method: 'PUT', body: '' })

suite('two processes on the same data: an upload', { concurrency: 2 }, () => {
  test('may have each of its requests at another one', async () => {
    await using both = await startTwoProcesses()
    const client = registryClient(both.urls[0])
    for (const last of [0, 1]) {
      const bytes = randomBytes(5 * mebibyte + 7 + last)
      const upload = await startUpload(client, both.urls[0], 'turns/app')
      for (let turn = 0; turn < 5; turn++) {
        const piece = bytes.subarray(turn * mebibyte, turn === 4 ? bytes.length : (turn + 1) * mebibyte)
        const answer = await patch(atOther(both, turn + 1, upload), piece, turn * mebibyte)
        assert.equal(answer.status, 202, answer.body.toString())
        const told = await sendRequest(atOther(both, turn, upload))
        assert.equal(told.headers['range'], `0-${turn * mebibyte + piece.length - 1}`)
      }
      const answer = await put(atOther(both, last, upload), digestOfBytes(bytes))
      assert.equal(answer.status, 201, answer.body.toString())
      for (const url of both.urls) assert.deepEqual(await registryClient(url).pullBlob('turns/app', digestOfBytes(bytes)), bytes)
    }
    assert.deepEqual(await violationsOf(both.berth), [])
  })

  test('takes the bytes of one of those that write at once, and is busy for the others', async () => {
    await using both = await startTwoProcesses()
    const bytes = randomBytes(4 * mebibyte)
    const digest = digestOfBytes(bytes)
    const upload = await startUpload(registryClient(both.urls[0]), both.urls[0], 'once/app')
    const slow = openPatch(atOther(both, 0, upload))
    slow.request.write(bytes.subarray(0, mebibyte))
    await sleep(300)
    const others = await Promise.all(
      [0, 1, 2, 3].map((turn) =>
        turn < 2 ? patch(atOther(both, turn, upload), bytes.subarray(0, 9), 0) : put(atOther(both, turn, upload), digest),
      ),
    )
    for (const { status, body } of others) {
      assert.equal(status, 409, body.toString())
      assert.match(body.toString(), /BLOB_UPLOAD_BUSY/)
    }
    slow.request.end(bytes.subarray(mebibyte, 3 * mebibyte))
    const first = await slow.outcome
    assert.ok(!(first instanceof Error) && first.status === 202, JSON.stringify(first))
    const rest = bytes.subarray(3 * mebibyte)
    const crowd = await Promise.all(Array.from({ length: 8 }, (_, turn) => patch(atOther(both, turn, upload), rest, 3 * mebibyte)))
    const statuses = crowd.map(({ status }) => status)
    assert.equal(statuses.filter((status) => status === 202).length, 1, statuses.join(' '))
    assert.ok(
      statuses.every((status) => [202, 409, 416].includes(status)),
      statuses.join(' '),
    )
    const ends = await Promise.all(Array.from({ length: 8 }, (_, turn) => put(atOther(both, turn, upload), digest)))
    const ended = ends.map(({ status }) => status)
    assert.ok(ended.includes(201) && ended.every((status) => [201, 404, 409].includes(status)), ended.join(' '))
    for (const url of both.urls) assert.deepEqual(await registryClient(url).pullBlob('once/app', digest), bytes)
    assert.deepEqual(await violationsOf(both.berth), [])
  })

  test('goes on at the other one when the one that receives is killed', async () => {
    await using both = await startTwoProcesses()
    const bytes = randomBytes(6 * mebibyte)
    const upload = await startUpload(registryClient(both.urls[0]), both.urls[0], 'killed/app')
    const cut = openPatch(atOther(both, 0, upload))
    cut.request.write(bytes.subarray(0, 4 * mebibyte))
    await sleep(700)
    const { socket } = cut.request
    assert.ok(socket !== null)
    await both.killReceiver(socket)
    assert.ok((await cut.outcome) instanceof Error)
    const other = atOther(both, 1, upload)
    let offset = 0
    const goesOn = async () => {
      const told = await sendRequest(other)
      if (told.status !== 204) return false
      offset = offsetOf(told.headers['range'] as string)
      const answer = await patch(other, bytes.subarray(offset), offset)
      return answer.status === 202
    }
    // A connection may still come to the one that just died: its client repeats.
    await until('the upload goes on', () => goesOn().catch(() => false), holdOverMs)
    assert.ok(offset > 0 && offset <= 4 * mebibyte, `from its durable bytes: ${offset}`)
    const digest = digestOfBytes(bytes)
    assert.equal((await put(other, digest)).status, 201)
    assert.deepEqual(await registryClient(both.urls[1]).pullBlob('killed/app', digest), bytes)
    assert.deepEqual(await violationsOf(both.berth), [])
  })
})

const printedPassword = /^ +password +(\S+)$/mu
const password = 'a long enough passphrase'

interface Accounts {
  readonly both: TwoProcesses
  readonly admin: string
  /** `request` is a method and a path. */
  ask(
    turn: number,
    authorization: string,
    request: string,
    body?: unknown,
  ): Promise<{ readonly status: number; readonly body: Readonly<Record<string, unknown>> }>
}

async function accountsOf(both: TwoProcesses): Promise<Accounts> {
  await until('the password is printed', () => printedPassword.test(both.berth.logs()))
  return {
    both,
    admin: basicAuthorization('admin', printedPassword.exec(both.berth.logs())?.[1] ?? ''),
    async ask(turn, authorization, request, body) {
      const [method = '', path = ''] = request.split(' ')
      const type = body === undefined ? {} : { 'content-type': 'application/json' }
      const answer = await sendRequest(new URL(`/api/v1${path}`, both.urls[turn % 2]), {
        method,
        headers: { authorization, ...type },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      })
      const text = answer.body.toString()
      return { status: answer.status, body: text.startsWith('{') ? (JSON.parse(text) as Record<string, unknown>) : {} }
    },
  }
}

/** What many requests to both answer: by turns, so that each process is asked. */
async function answersOf(ask: (turn: number) => Promise<{ readonly status: number }>): Promise<readonly number[]> {
  const statuses = new Set<number>()
  for (let turn = 0; turn < 8; turn++) statuses.add((await ask(turn)).status)
  return [...statuses]
}

suite('two processes on the same data: what one has given or taken', () => {
  test('holds at the other within a second: tokens, sessions, accounts', async () => {
    await using both = await startTwoProcesses({ config: { auth: 'accounts' } })
    const { admin, ask } = await accountsOf(both)
    const made = await ask(0, admin, 'POST /users', { name: 'carol', password })
    assert.equal(made.status, 201, JSON.stringify(made.body))
    const carol = basicAuthorization('carol', password)
    const byPassword = (turn: number) => ask(turn, carol, 'GET /tokens')
    assert.deepEqual(await answersOf(byPassword), [200])

    const laptop = await ask(0, carol, 'POST /tokens', { name: 'laptop' })
    assert.equal(laptop.status, 201, JSON.stringify(laptop.body))
    const byToken = (turn: number) => ask(turn, `Bearer ${String(laptop.body['secret'])}`, 'GET /tokens')
    assert.deepEqual(await answersOf(byToken), [200])
    const signIn = async (): Promise<(turn: number) => Promise<{ readonly status: number }>> => {
      const browser = new Browser(both.urls[0])
      assert.equal((await browser.call('POST', '/session', { name: 'carol', password })).status, 200)
      const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
      const headers = { cookie, 'sec-fetch-site': 'same-origin' }
      return (turn) => sendRequest(new URL('/api/v1/tokens', both.urls[turn % 2]), { headers })
    }
    const bySession = await signIn()
    assert.deepEqual(await answersOf(bySession), [200])

    const { id } = laptop.body['token'] as { readonly id: number }
    assert.equal((await ask(0, carol, `DELETE /tokens/${id}`)).status, 204)
    await sleep(noticedMs)
    assert.deepEqual(await answersOf(byToken), [401])
    assert.deepEqual(await answersOf(bySession), [200])

    assert.equal((await ask(1, admin, `PATCH /users/${String(made.body['id'])}`, { isDisabled: true })).status, 200)
    await sleep(noticedMs)
    for (const by of [byPassword, bySession]) assert.deepEqual(await answersOf(by), [401])
    assert.equal((await ask(0, admin, `PATCH /users/${String(made.body['id'])}`, { isDisabled: false })).status, 200)
    await sleep(noticedMs)
    assert.deepEqual(await answersOf(byPassword), [200])
    assert.deepEqual(await answersOf(bySession), [401], 'a session that ended does not come back')
  })

  test('is seen by both: a pushed tag moves, a deleted one is gone, a job runs once', async () => {
    await using both = await startTwoProcesses({ config: { auth: 'accounts' } })
    const { admin, ask } = await accountsOf(both)
    const [one, other] = both.urls.map((url) => registryClient(url, { authorization: admin })) as [
      ReturnType<typeof registryClient>,
      ReturnType<typeof registryClient>,
    ]
    for (const [turn, content] of ['first', 'second', 'third'].entries()) {
      const [here, there] = turn % 2 === 0 ? [one, other] : [other, one]
      const image = await pushImage(here, 'library/app', 'v1', { files: { name: content } })
      for (const client of [here, there]) assert.equal(await client.digestOf('library/app', 'v1'), image.descriptor.digest)
    }
    assert.equal((await one.send('/v2/library/app/manifests/v1', { method: 'DELETE' })).status, 202)
    for (const client of [one, other]) assert.equal(await client.digestOf('library/app', 'v1'), undefined)

    const asked = await Promise.all(Array.from({ length: 12 }, (_, turn) => ask(turn, admin, 'POST /schedules/forget-tokens/run')))
    assert.ok(
      asked.every(({ status }) => status === 202),
      JSON.stringify(asked),
    )
    const ids = new Set(asked.map(({ body }) => Number(body['id'])))
    for (const id of ids) {
      await until('the job is done', async () => (await ask(id, admin, `GET /jobs/${id}`)).body['state'] === 'done')
      assert.equal((await ask(id, admin, `GET /jobs/${id}`)).body['attempts'], 1)
    }
    const listed = (await ask(1, admin, 'GET /jobs?kind=forget-tokens')).body['items'] as readonly { readonly id: number }[]
    assert.ok([...ids].every((id) => listed.some((job) => job.id === id)))
  })
})
