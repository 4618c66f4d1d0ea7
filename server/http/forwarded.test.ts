import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { test } from 'node:test'
import { callerOf, parseTrustedProxies } from './forwarded.ts'

const proxies = parseTrustedProxies(['10.0.0.0/8', '192.0.2.1', 'fd00::/8', 'not an address'])

function caller(remoteAddress: string | undefined, headers: Record<string, string>) {
  return callerOf(
    { socket: { remoteAddress }, headers: { host: 'registry.example:5000', ...headers } } as unknown as IncomingMessage,
    proxies,
  )
}

test('without a proxy the socket and the Host header count', () => {
  assert.deepEqual(caller('203.0.113.9', {}), { address: '203.0.113.9', scheme: 'http', host: 'registry.example:5000', isProxied: false })
  assert.equal(caller('::ffff:203.0.113.9', {}).address, '203.0.113.9')
})

test('what an untrusted peer says of others counts for nothing', () => {
  const lies = {
    'x-forwarded-for': '1.1.1.1',
    'x-forwarded-proto': 'https',
    'x-forwarded-host': 'evil.example',
    forwarded: 'for=1.1.1.1;host=evil.example;proto=https',
  }
  assert.deepEqual(caller('203.0.113.9', lies), caller('203.0.113.9', {}))
  assert.equal(caller('11.0.0.1', lies).host, 'registry.example:5000')
})

test('a trusted proxy tells client, scheme and host', () => {
  const said = { 'x-forwarded-for': '203.0.113.9', 'x-forwarded-proto': 'https', 'x-forwarded-host': 'hub.example' }
  assert.deepEqual(caller('10.1.2.3', said), { address: '203.0.113.9', scheme: 'https', host: 'hub.example', isProxied: true })
  assert.equal(caller('::ffff:10.1.2.3', said).host, 'hub.example')
  assert.equal(caller('fd00::1', said).host, 'hub.example')
  assert.equal(caller('192.0.2.1', said).scheme, 'https')
})

test('a peer on a unix socket is a proxy by nature', () => {
  assert.equal(caller(undefined, { 'x-forwarded-proto': 'https' }).scheme, 'https')
})

test('Forwarded (RFC 7239) is read from proxies that speak it', () => {
  const said = caller('10.0.0.1', { forwarded: 'For="[2001:db8::7]:4711"; Proto=HTTPS ;host="hub.example:8443"' })
  assert.deepEqual(said, { address: '2001:db8::7', scheme: 'https', host: 'hub.example:8443', isProxied: true })
})

test('a Forwarded of the client, which a proxy that speaks X-Forwarded-* passes on, counts for nothing', () => {
  const forwarded = 'for=10.0.0.9;host=evil.example;proto=https'
  const said = { 'x-forwarded-for': '203.0.113.9', 'x-forwarded-host': 'hub.example', 'x-forwarded-proto': 'http' }
  assert.deepEqual(caller('10.0.0.1', { ...said, forwarded }), caller('10.0.0.1', said))
  assert.equal(caller('10.0.0.1', { 'x-forwarded-for': '203.0.113.9', forwarded }).address, '203.0.113.9')
  assert.equal(caller('10.0.0.1', { 'x-forwarded-proto': 'https', forwarded }).address, '10.0.0.1')
})

test('a chain is read from the nearest hop, and what the client itself wrote is not believed', () => {
  assert.equal(caller('10.0.0.1', { 'x-forwarded-for': '6.6.6.6, 203.0.113.9, 10.0.0.2' }).address, '203.0.113.9')
  assert.equal(caller('10.0.0.1', { 'x-forwarded-for': '6.6.6.6, 203.0.113.9' }).address, '203.0.113.9')
  const forged = { 'x-forwarded-for': '203.0.113.9', 'x-forwarded-proto': 'http, https', 'x-forwarded-host': 'evil.example, hub.example' }
  assert.equal(caller('10.0.0.1', forged).host, 'hub.example')
  const chain = { 'x-forwarded-for': '203.0.113.9, 10.0.0.2', 'x-forwarded-proto': 'https, http' }
  assert.equal(caller('10.0.0.1', chain).scheme, 'https')
  const elements = 'for=6.6.6.6;host=evil.example, for=203.0.113.9;host=hub.example, for=10.0.0.2;host=inner'
  assert.deepEqual(caller('10.0.0.1', { forwarded: elements }), {
    address: '203.0.113.9',
    scheme: 'http',
    host: 'hub.example',
    isProxied: true,
  })
})

test('hidden and broken addresses leave the proxy as the caller', () => {
  for (const value of ['unknown', '_hidden', '', ',', 'a'.repeat(5000), '999.1.1.1', '1.2.3.4.5']) {
    assert.equal(caller('10.0.0.1', { 'x-forwarded-for': value }).address, '10.0.0.1', value)
    assert.equal(caller('10.0.0.1', { forwarded: `for=${value}` }).address, '10.0.0.1', value)
  }
})

test('a host or scheme that is none is left out', () => {
  for (const host of ['evil.example/path', 'a b', 'a\tb', 'user@evil.example', '"', '-a', 'a:b', 'a:123456', '[zz]', '']) {
    assert.equal(caller('203.0.113.9', { host }).host, undefined, host)
    assert.equal(caller('10.0.0.1', { 'x-forwarded-host': host }).host, 'registry.example:5000', host)
  }
  for (const host of ['a', 'a.b-c_d:1', '[::1]', '[2001:db8::1]:5000', '127.0.0.1:5000'])
    assert.equal(caller('203.0.113.9', { host }).host, host)
  assert.equal(caller('10.0.0.1', { 'x-forwarded-proto': 'javascript' }).scheme, 'http')
})
