import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createAddressRules, isAddressRange, withoutHostBits } from './address-rules.ts'

test('without lists every address comes in', () => {
  assert.ok(createAddressRules({ allow: [], deny: [] }).admits('192.0.2.1'))
  assert.ok(createAddressRules({ allow: [], deny: [] }).admits(''))
})

test('with an allow list only its ranges come in', () => {
  const rules = createAddressRules({ allow: ['10.0.0.0/8', '2001:db8::/32', '192.0.2.7'], deny: [] })
  for (const address of ['10.1.2.3', '2001:db8::5', '192.0.2.7']) assert.ok(rules.admits(address), address)
  for (const address of ['11.0.0.1', '2001:db9::1', '192.0.2.8', '', 'unix', '::1']) assert.ok(!rules.admits(address), address)
})

test('what is denied is denied although it is allowed', () => {
  const rules = createAddressRules({ allow: ['10.0.0.0/8'], deny: ['10.9.0.0/16'] })
  assert.ok(rules.admits('10.8.0.1'))
  assert.ok(!rules.admits('10.9.0.1'))
})

test('a mapped address counts as the IPv4 address it is, in the list and at the door', () => {
  const rules = createAddressRules({ allow: [], deny: ['10.0.0.0/8', '::ffff:192.0.2.0/120'] })
  for (const address of ['::ffff:10.0.0.1', '::ffff:0a00:0001', '0:0:0:0:0:ffff:10.0.0.1', '10.0.0.1', '192.0.2.200', '::ffff:192.0.2.1'])
    assert.ok(!rules.admits(address), address)
  assert.ok(rules.admits('192.0.3.1'))
})

test('an IPv6 address is found however it is written', () => {
  const rules = createAddressRules({ allow: [], deny: ['2001:DB8:0:0::1', 'fe80::/10'] })
  assert.ok(!rules.admits('2001:db8::1'))
  assert.ok(!rules.admits('fe80::1%eth0'))
})

test('all of IPv4 denied leaves IPv6, and the other way round', () => {
  assert.ok(createAddressRules({ allow: [], deny: ['0.0.0.0/0'] }).admits('2001:db8::1'))
  assert.ok(!createAddressRules({ allow: [], deny: ['0.0.0.0/0'] }).admits('203.0.113.9'))
  assert.ok(createAddressRules({ allow: [], deny: ['2000::/3'] }).admits('203.0.113.9'))
})

test('a range in the allow list that cannot be read allows nobody', () => {
  assert.ok(!createAddressRules({ allow: ['nonsense'], deny: [] }).admits('10.0.0.1'))
})

test('only addresses and ranges are ranges', () => {
  for (const text of ['10.0.0.1', '10.0.0.0/0', '::/0', '2001:db8::/128', '::ffff:10.0.0.0/104']) assert.ok(isAddressRange(text), text)
  const wrong = [
    '',
    '10.0.0',
    '10.0.0.0/33',
    '::/129',
    '10.0.0.0/8/8',
    '10.0.0.0/',
    '10.0.0.0/08',
    '10.0.0.0/-1',
    'host',
    '010.0.0.1',
    ' 10.0.0.1',
    '::ffff:10.0.0.0/90',
    'fe80::1%eth0',
  ]
  for (const text of wrong) assert.ok(!isAddressRange(text), text)
})

test('a range with bits beyond its prefix is told as the one that it is', () => {
  for (const [text, meant] of [
    ['10.0.0.5/8', '10.0.0.0/8'],
    ['192.0.2.129/25', '192.0.2.128/25'],
    ['255.255.255.255/0', '0.0.0.0/0'],
    ['2001:db8::1/32', '2001:db8::/32'],
    ['2001:db8:1:2:3:4:5:6/65', '2001:db8:1:2::/65'],
    ['::ffff:10.0.0.5/104', '::ffff:a00:0/104'],
    ['::1/64', '::/64'],
  ] as const)
    assert.equal(withoutHostBits(text), meant, text)
  for (const text of [
    '10.0.0.0/8',
    '10.0.0.5',
    '10.0.0.5/32',
    '0.0.0.0/0',
    '::1',
    '::1/128',
    '::/0',
    '2001:db8::/32',
    '::ffff:10.0.0.0/104',
    'x',
    '',
  ])
    assert.equal(withoutHostBits(text), undefined, text)
})
