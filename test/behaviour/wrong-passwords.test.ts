import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openPeople, password } from '../api/people.ts'
import { basicAuthorization } from '../support/http-client.ts'
import { registryClient } from '../support/registry-client.ts'

test('one wrong password counts once however often a client repeats it, and different ones count each', async () => {
  await using people = await openPeople()
  await people.add('alice')
  const send = async (tried: string) =>
    (await registryClient(people.rooms.url, { authorization: basicAuthorization('alice', tried) }).send('/v2/')).status
  for (let attempt = 0; attempt < 11; attempt++) assert.equal(await send('a typing error'), 401)
  const startedAt = performance.now()
  assert.equal(await send('a typing error'), 401)
  assert.ok(performance.now() - startedAt > 950, 'who repeats it in a loop is answered once a second')
  assert.equal(await send(password), 200, 'who then types it right is let in')
  const statuses: number[] = []
  for (let attempt = 0; attempt < 8; attempt++) statuses.push(await send(`guess ${attempt}`))
  assert.deepEqual([statuses[0], statuses.at(-1)], [401, 429])
})
