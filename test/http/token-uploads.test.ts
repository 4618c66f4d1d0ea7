import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { operatorRights } from '#access/acting.ts'
import { createUser } from '#access/users.ts'
import { systemPorts } from '#lib/ports.ts'
import { basicAuthorization } from '../support/http-client.ts'
import { registryClient } from '../support/registry-client.ts'
import { serveRooms } from '../support/serve-rooms.ts'

const password = 'a long enough passphrase'

test('an upload goes on and ends under the token that it began under, after that has ended; nothing else does', async () => {
  let aheadMs = 0
  const clock = { now: () => Date.now() + aheadMs, monotonic: () => performance.now() + aheadMs }
  await using rooms = await serveRooms({ auth: { kind: 'accounts', realm: 'test' } as never }, { ports: { ...systemPorts, clock } })
  for (const name of ['alice', 'bob']) {
    const account = { name, displayName: '', email: '', isAdministrator: true, password }
    await createUser(rooms.accounts, account, { who: { actor: 'test', requestId: 'test' }, rights: operatorRights })
  }
  const bearer = async (name: string) => {
    const client = registryClient(rooms.url, { authorization: basicAuthorization(name, password) })
    const { body } = await client.send('/token?scope=repository:app:pull,push')
    return registryClient(rooms.url, { authorization: `Bearer ${(JSON.parse(body.toString()) as { token: string }).token}` })
  }
  const early = await bearer('alice')
  const other = await bearer('bob')
  const begun = await early.send('/v2/app/blobs/uploads/', { method: 'POST' })
  assert.equal(begun.status, 202)
  const path = (location: string | undefined) => new URL(location ?? '', rooms.url).pathname
  aheadMs = 3_600_000
  const [first, second] = [Buffer.from('first '), Buffer.from('second')]
  const upload = path(begun.headers.location)
  assert.equal((await early.send('/v2/')).status, 401)
  assert.equal((await early.send('/v2/app/blobs/uploads/', { method: 'POST' })).status, 401, 'no other upload')
  assert.equal((await other.send(upload, { method: 'PATCH', body: first })).status, 401, 'nobody else’s')
  const patched = await early.send(upload, { method: 'PATCH', body: first })
  assert.equal(patched.status, 202)
  const digest = `sha256:${createHash('sha256')
    .update(Buffer.concat([first, second]))
    .digest('hex')}`
  const done = await early.send(`${path(patched.headers.location)}?digest=${digest}`, { method: 'PUT', body: second })
  assert.equal(done.status, 201)
  assert.equal((await early.send(`/v2/app/blobs/${digest}`)).status, 401, 'reading it needs a token that is good')

  const late = await bearer('alice')
  const again = await late.send('/v2/app/blobs/uploads/', { method: 'POST' })
  aheadMs += 2 * 86_400_000
  assert.equal((await late.send(path(again.headers.location), { method: 'PATCH', body: first })).status, 401, 'a day is enough')
})
