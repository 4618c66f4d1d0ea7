import assert from 'node:assert/strict'
import { after, suite, test } from 'node:test'
import { ConfigPlace, minimal } from './test-place.ts'

const place = await ConfigPlace.make()
after(() => place[Symbol.asyncDispose]())
const httpOf = async (keys: string) => (await place.configOf(`${minimal}auth: accounts\nhttp: {addr: ":5000"${keys}}`)).http

suite('http.trustedproxies', () => {
  test('is proxies on this machine unless others are named', async () => {
    const loopback = ['127.0.0.0/8', '::1/128']
    const { trustedProxies, isEveryNeighbourTrusted } = await httpOf('')
    assert.deepEqual([trustedProxies, isEveryNeighbourTrusted], [loopback, false])
    assert.equal((await httpOf(', trustedproxies: [loopback, private]')).isEveryNeighbourTrusted, true)
    assert.deepEqual((await httpOf(', trustedproxies: []')).trustedProxies, [])
  })

  test('is asked for where balancers begin connections with the PROXY protocol', async () => {
    const warningsOf = async (keys: string) => (await place.load(`${minimal}auth: accounts\nhttp: {${keys}}`)).warnings
    assert.match((await warningsOf('addr: ":5000", proxyprotocol: true')).join(), /http\.trustedproxies names no others/)
    for (const keys of ['addr: ":5000", proxyprotocol: true, trustedproxies: [10.0.0.1]', 'net: unix, addr: /x.sock, proxyprotocol: true'])
      assert.deepEqual(await warningsOf(keys), [], keys)
  })
})
