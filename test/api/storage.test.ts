import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { pushImage } from '../support/registry-client.ts'
import { openPeople, type People, type Person } from './people.ts'

suite('storage over the API', () => {
  let people: People
  let root: Person
  before(async () => {
    people = await openPeople({
      storage: { name: 'filesystem', driver: 'filesystem', others: [{ name: 'spare', driver: 's3', rootDirectory: undefined }] },
    })
    root = people.root
    await pushImage(root.registry, 'library/app', 'v1')
  })
  after(() => people[Symbol.asyncDispose]())

  test('is for those who may see or move it', async () => {
    const alice = await people.add('alice')
    const reader = await people.add('reader')
    await people.grant(reader, 'system-reader')
    for (const [method, path, body] of [
      ['GET', '/storage', undefined],
      ['POST', '/storage/migrations', { from: 'filesystem', to: 'spare' }],
      ['POST', '/storage/cold-runs', {}],
    ] as const) {
      assert.equal((await alice.call(method, path, body)).status, 403, path)
      assert.equal((await people.stranger.call(method, path, body)).status, 401, path)
      assert.equal((await reader.call(method, path, body)).status, method === 'GET' ? 200 : 403, path)
    }
  })

  test('names the stores of the configuration, the primary one first, with what is in them', async () => {
    const { body } = await root.call('GET', '/storage')
    const [primary, spare] = body['stores'] as Readonly<Record<string, unknown>>[]
    assert.deepEqual(
      [primary?.['name'], primary?.['role'], primary?.['blobs'], primary?.['isConfigured']],
      ['filesystem', 'primary', 2, true],
    )
    assert.deepEqual([spare?.['name'], spare?.['driver'], spare?.['blobs'], spare?.['leavingUntil']], ['spare', 's3', 0, null])
  })

  test('refuses what cannot be moved, with a sentence', async () => {
    const refused: readonly (readonly [body: object, detail: RegExp])[] = [
      [{ from: 'nowhere', to: 'filesystem' }, /there is no store nowhere/],
      [{ from: 'filesystem', to: 'filesystem' }, /into itself/],
      [{ from: 'filesystem' }, /to/],
      [{ from: 'filesystem', to: 'spare', bytesPerSecond: -1 }, /bytesPerSecond/],
      [{ from: 'filesystem', to: 'spare', speed: 1 }, /speed/],
    ]
    for (const [body, detail] of refused) {
      const answer = await root.call('POST', '/storage/migrations', body)
      assert.equal(answer.status, 400, JSON.stringify(body))
      assert.match(JSON.stringify(answer.body), detail)
    }
    const cold = await root.call('POST', '/storage/cold-runs', {})
    assert.equal(cold.status, 405)
    assert.match(JSON.stringify(cold.body), /there is no cold store/)
  })
})
