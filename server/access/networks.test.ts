import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clientNetwork, networksOf, parseNetwork } from './networks.ts'

test('an address is in the ranges that hold it and in no other', () => {
  const networks = networksOf(['192.0.2.0/24', '198.51.100.7', '2001:db8::/32', 'nonsense', '10.0.0.0/33'])
  for (const address of ['192.0.2.0', '192.0.2.255', '198.51.100.7', '2001:db8:1::1'])
    assert.equal(networks.includes(address), true, address)
  for (const address of ['192.0.3.0', '198.51.100.8', '2001:db9::1', '10.0.0.1', '', 'host'])
    assert.equal(networks.includes(address), false, address)
})

test('a list of nothing that could be a network includes nobody', () => {
  assert.equal(networksOf(['everything', '']).includes('192.0.2.1'), false)
})

test('only addresses and ranges are networks', () => {
  assert.deepEqual(parseNetwork('2001:db8::/32'), { address: '2001:db8::', bits: 32, family: 'ipv6' })
  assert.deepEqual(parseNetwork('192.0.2.1'), { address: '192.0.2.1', bits: 32, family: 'ipv4' })
  for (const text of ['', '192.0.2', '192.0.2.0/', '192.0.2.0/33', '::/129', '192.0.2.0/-1', '192.0.2.0/8 ', 'a', '1.2.3.4/1e1'])
    assert.equal(parseNetwork(text), undefined, text)
})

test('one client of IPv6 is a /64', () => {
  assert.equal(clientNetwork('192.0.2.1'), '192.0.2.1')
  assert.equal(clientNetwork('2001:db8:0:1:a:b:c:d'), '2001:db8:0:1::/64')
  assert.equal(clientNetwork('2001:DB8:0:0001::9'), '2001:db8:0:1::/64')
  assert.equal(clientNetwork('2001:db8::1'), '2001:db8:0:0::/64')
  assert.equal(clientNetwork('::1'), '0:0:0:0::/64')
  assert.equal(clientNetwork('fe80::1%eth0'), 'fe80:0:0:0::/64')
  assert.equal(clientNetwork('64:ff9b::192.0.2.1'), '64:ff9b:0:0::/64')
  assert.equal(clientNetwork('::'), '0:0:0:0::/64')
  assert.equal(clientNetwork(''), '')
})
