import assert from 'node:assert/strict'
import { promisify } from 'node:util'
import { suite, test } from 'node:test'
import { AddressRefused, createAddressGuard, isNetworkRange, type ResolvedAddress } from './address-guard.ts'

const names: Record<string, readonly string[]> = {
  'public.test': ['93.184.216.34', '2606:2800:220:1::1'],
  'inside.test': ['10.20.30.40'],
  'loopback.test': ['127.0.0.1'],
  'mixed.test': ['93.184.216.34', '169.254.169.254'],
  'mapped.test': ['::ffff:127.0.0.1'],
  'empty.test': [],
}

function fakeResolver(host: string): Promise<readonly ResolvedAddress[]> {
  const found = names[host]
  if (found === undefined) return Promise.reject(Object.assign(new Error(`getaddrinfo ENOTFOUND ${host}`), { code: 'ENOTFOUND' }))
  return Promise.resolve(found.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })))
}

const refusedAlways = [
  ['127.0.0.1', 'loopback'],
  ['127.255.255.254', 'loopback'],
  ['::1', 'loopback of IPv6'],
  ['[::1]', 'loopback of IPv6 as a URL has it'],
  ['0.0.0.0', 'unspecified'],
  ['::', 'unspecified of IPv6'],
  ['169.254.169.254', 'metadata service'],
  ['169.254.0.1', 'link-local'],
  ['fe80::1', 'link-local of IPv6'],
  ['fe80::1%eth0', 'link-local with a zone'],
  ['fd00:ec2::254', 'metadata service of IPv6'],
  ['100.64.0.1', 'carrier-grade NAT'],
  ['100.100.100.200', 'metadata service in carrier-grade NAT'],
  ['192.0.0.1', 'protocol assignments'],
  ['192.0.2.1', 'documentation'],
  ['198.18.0.1', 'benchmarks'],
  ['224.0.0.1', 'multicast'],
  ['255.255.255.255', 'broadcast'],
  ['240.0.0.1', 'reserved'],
  ['ff02::1', 'multicast of IPv6'],
  ['fec0::1', 'site-local'],
  ['::ffff:127.0.0.1', 'mapped loopback'],
  ['::ffff:10.0.0.1', 'mapped private'],
  ['::ffff:8.8.8.8', 'mapped public'],
  ['::ffff:7f00:1', 'mapped loopback in hexadecimal'],
  ['::127.0.0.1', 'compatible loopback'],
  ['64:ff9b::7f00:1', 'NAT64 loopback'],
  ['64:ff9b:1::1', 'local NAT64'],
  ['2002:7f00:1::', '6to4'],
  ['2001:0:7f00:1::', 'Teredo'],
  ['2001:db8::1', 'documentation of IPv6'],
  ['2130706433', 'a decimal number'],
  ['0x7f000001', 'a hexadecimal number'],
  ['0177.0.0.1', 'octal'],
  ['0x7f.1', 'hexadecimal and short'],
  ['127.1', 'short'],
  ['127.0.0.1.', 'with a trailing dot'],
  ['999.999.999.999', 'out of range'],
  ['loopback.test', 'a name of loopback'],
  ['mapped.test', 'a name of a mapped address'],
  ['mixed.test', 'a name with one bad address among good ones'],
] as const

suite('the guard of outgoing addresses', () => {
  for (const [host, what] of refusedAlways) {
    test(`${host} (${what}) is refused although private networks are allowed`, async () => {
      await assert.rejects(createAddressGuard(['private'], fakeResolver).resolve(host), AddressRefused)
    })
  }

  test('public addresses and names of them pass', async () => {
    const guard = createAddressGuard([], fakeResolver)
    assert.deepEqual(await guard.resolve('8.8.8.8'), [{ address: '8.8.8.8', family: 4 }])
    assert.deepEqual(await guard.resolve('[2606:4700::1111]'), [{ address: '2606:4700::1111', family: 6 }])
    assert.equal((await guard.resolve('public.test')).length, 2)
  })

  test('private addresses pass only where they are allowed', async () => {
    for (const host of ['10.0.0.1', '172.31.255.255', '192.168.1.1', 'fd12::1', 'inside.test']) {
      await assert.rejects(createAddressGuard([], fakeResolver).resolve(host), AddressRefused, host)
      await createAddressGuard(['private'], fakeResolver).resolve(host)
    }
    await assert.rejects(createAddressGuard(['private'], fakeResolver).resolve('172.32.0.1.example'), { code: 'ENOTFOUND' })
  })

  test('a listed range or address is allowed, its neighbour is not', async () => {
    const guard = createAddressGuard(['127.0.0.2', '100.64.1.0/24'], fakeResolver)
    await guard.resolve('127.0.0.2')
    await guard.resolve('100.64.1.9')
    for (const host of ['127.0.0.1', '127.0.0.3', '100.64.2.1']) await assert.rejects(guard.resolve(host), AddressRefused, host)
  })

  test('a wide range opens no metadata service; only its very address does, and not in the clothes of IPv6', async () => {
    const wide = createAddressGuard(['0.0.0.0/0', '::/0'], fakeResolver)
    await wide.resolve('127.0.0.1')
    for (const host of ['169.254.169.254', 'fd00:ec2::254', '::ffff:169.254.169.254', '64:ff9b::a9fe:a9fe'])
      await assert.rejects(wide.resolve(host), AddressRefused, host)
    await createAddressGuard(['169.254.169.254'], fakeResolver).resolve('169.254.169.254')
  })

  test('an allowed NAT64 prefix still refuses what is embedded in it', async () => {
    const guard = createAddressGuard(['64:ff9b::/96'], fakeResolver)
    await guard.resolve('64:ff9b::808:808')
    for (const host of ['64:ff9b::7f00:1', '64:ff9b::a00:1', '64:ff9b::a9fe:a9fe'])
      await assert.rejects(guard.resolve(host), AddressRefused, host)
  })

  test('the refusal names host, address and key, so that an administrator can allow it', async () => {
    await assert.rejects(
      createAddressGuard([], fakeResolver).resolve('inside.test'),
      /inside\.test.*10\.20\.30\.40.*outgoing\.allowednetworks/,
    )
  })

  test('lookup gives the judged addresses in both forms, and an error for names without any', async () => {
    const guard = createAddressGuard([], fakeResolver)
    const lookup = promisify(guard.lookup) as (host: string, options: object) => Promise<unknown>
    assert.deepEqual(await lookup('public.test', { all: true }), await guard.resolve('public.test'))
    assert.equal(await lookup('public.test', {}), '93.184.216.34')
    await assert.rejects(lookup('empty.test', {}), { code: 'ENOTFOUND' })
    await assert.rejects(lookup('loopback.test', {}), AddressRefused)
  })

  test('ranges are told from what is none', () => {
    for (const text of ['private', 'loopback', '10.0.0.0/8', '10.0.0.1', '::1', 'fc00::/7']) assert.ok(isNetworkRange(text), text)
    for (const text of ['', 'public', '10.0.0.0/33', '10.0.0.0/8/8', '::/129', 'fe80::1%1', 'example.test', '10.0.0.0/-1', 'toString'])
      assert.ok(!isNetworkRange(text), text)
  })
})
