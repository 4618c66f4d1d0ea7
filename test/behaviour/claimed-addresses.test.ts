import assert from 'node:assert/strict'
import { test } from 'node:test'
import { basicAuthorization } from '../support/http-client.ts'
import { registryClient } from '../support/registry-client.ts'
import { startBerth, type RunningBerth } from '../support/start-berth.ts'
import { until } from '../support/until.ts'

const warning = /may be used from some addresses only, and http\.trustedproxies has all private addresses/g
/** In the greeting of the first start. */
const shown = /^ +password +(\S+)$/m

/** Calls the management API as the administrator of the first start. */
async function administratorOf(berth: RunningBerth) {
  await until('the password is shown', () => shown.test(berth.logs()))
  const authorization = basicAuthorization('admin', shown.exec(berth.logs())?.[1] ?? '')
  return async (method: string, path: string, body: object) => {
    const headers = { authorization, 'content-type': 'application/json' }
    const answer = await registryClient(berth.url).send(`/api/v1${path}`, { method, headers, body: JSON.stringify(body) })
    assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${answer.body.toString()}`)
  }
}

const countOf = (berth: RunningBerth) => [...berth.logs().matchAll(warning)].length

test('a start warns once when addresses decide who comes in and every neighbour may claim to be another', async () => {
  const trusting = { http: { trustedproxies: ['loopback', 'private'] } }
  await using berth = await startBerth({ config: { auth: { accounts: {} }, ...trusting } })
  const call = await administratorOf(berth)
  await berth.stop()
  await berth.restart()
  assert.equal(countOf(berth), 0, 'nothing is held to addresses')
  await call('PATCH', '/system/settings', { networks: { allow: ['127.0.0.0/8'], deny: [] } })
  await call('POST', '/projects', { name: 'team' })
  await call('PUT', '/projects/team/networks', { allow: [], deny: ['192.0.2.0/24'] })
  await call('POST', '/projects/team/robots', { name: 'ci', allowedAddresses: ['127.0.0.0/8'] })
  await berth.stop()
  await berth.restart()
  assert.equal(countOf(berth), 1)
  assert.match(berth.logs(), /the registry, 1 project, 1 robot may be used from some addresses only/)
})

test('none is given by default, where proxies of this machine alone are believed', async () => {
  await using berth = await startBerth({ config: { auth: { accounts: {} } } })
  const call = await administratorOf(berth)
  await call('PATCH', '/system/settings', { networks: { allow: ['127.0.0.0/8'], deny: [] } })
  await berth.stop()
  await berth.restart()
  assert.equal(countOf(berth), 0)
})
