import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { test } from 'node:test'
import { parseTrustedProxies } from './forwarded.ts'
import { watchForUntrustedProxies } from './warn-of-untrusted-proxy.ts'

function watcher(trusted: readonly string[]) {
  const told: string[] = []
  const log = { warn: (facts: unknown, text?: string) => told.push(`${(facts as { range: string }).range} ${text}`) }
  const watch = watchForUntrustedProxies(parseTrustedProxies(trusted), log as never)
  return {
    told,
    see: (remoteAddress: string | undefined, headers: Record<string, string>) =>
      watch({ socket: { remoteAddress }, headers } as unknown as IncomingMessage),
  }
}

test('a private peer that says for whom it asks and is not trusted is told of once for each kind of address', () => {
  const { told, see } = watcher(['127.0.0.0/8'])
  for (const address of ['10.1.2.3', '10.9.9.9', '::ffff:10.1.2.3', '172.18.0.2', 'fd00::1']) {
    see(address, { 'x-forwarded-for': '192.0.2.1' })
    see(address, { forwarded: 'for=192.0.2.1' })
  }
  assert.deepEqual(
    told.map((line) => line.split(' ')[0]),
    ['10.0.0.0/8', '172.16.0.0/12', 'fc00::/7'],
  )
  assert.match(told[0] ?? '', /add it to http\.trustedproxies/)
  see('192.168.0.1', { 'x-forwarded-proto': 'https' })
  see('169.254.0.1', { 'x-forwarded-host': 'hub.example' })
  assert.equal(told.length, 5)
})

test('nothing is told of trusted proxies, of peers without such a header, of public addresses and of sockets', () => {
  const { told, see } = watcher(['127.0.0.0/8', '10.1.2.3'])
  const said = { 'x-forwarded-for': '192.0.2.1' }
  see('10.1.2.3', said)
  see('127.0.0.1', said)
  see('10.1.2.4', { 'x-request-id': '0123456789' })
  see('203.0.113.9', said)
  see(undefined, said)
  assert.deepEqual(told, [])
})
