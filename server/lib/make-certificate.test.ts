import assert from 'node:assert/strict'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { makeAuthority, makeChallengeCertificate, makeKey, makeRequest, makeServerCertificate } from './make-certificate.ts'
import { systemPorts } from './ports.ts'

const { random } = systemPorts
const [notBefore, notAfter] = [Date.UTC(2026, 0, 2, 3, 4, 5), Date.UTC(2051, 5, 6, 7, 8, 9)]

function openssl(input: string | Uint8Array, ...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync('openssl', args, { input })
  assert.equal(status, 0, stderr.toString())
  return `${stdout.toString()}${stderr.toString()}`
}

test('a request is well formed, signed by its key and asks for all names', async () => {
  const request = makeRequest(await makeKey(), ['hub.example', '*.hub.example', '192.0.2.7', '2001:db8::7', '::1', '::ffff:192.0.2.1'])
  const text = openssl(request, 'req', '-inform', 'DER', '-noout', '-text', '-verify')
  assert.match(text, /verify OK/)
  assert.match(
    text,
    /DNS:hub\.example, DNS:\*\.hub\.example, IP Address:192\.0\.2\.7, IP Address:2001:DB8:0:0:0:0:0:7, IP Address:0:0:0:0:0:0:0:1, /,
  )
  assert.match(text, /IP Address:0:0:0:0:0:FFFF:C000:201/)
  assert.match(text, /Subject:\s*\n/)
})

test('a server certificate fits its key, ends when it should, and is believed by those who know the authority', async () => {
  const authority = await makeAuthority(random, { commonName: 'Own authority', notBefore, notAfter })
  const wanted = { commonName: 'hub', names: ['hub.example', '127.0.0.1'], notBefore, notAfter }
  const made = await makeServerCertificate(random, wanted, { name: 'Own authority', key: authority.key })
  const [root, leaf] = [new X509Certificate(authority.certificate), new X509Certificate(made.certificate)]
  assert.equal(root.ca, true)
  assert.equal(leaf.ca, false)
  assert.ok(leaf.checkPrivateKey(createPrivateKey(made.key)))
  assert.ok(leaf.checkIssued(root) && leaf.verify(root.publicKey))
  assert.equal(leaf.verify(leaf.publicKey), false)
  assert.deepEqual([Date.parse(leaf.validFrom), Date.parse(leaf.validTo)], [notBefore, notAfter])
  assert.equal(leaf.checkHost('hub.example'), 'hub.example')
  assert.equal(leaf.checkHost('other.example'), undefined)
  assert.equal(leaf.checkIP('127.0.0.1'), '127.0.0.1')
  assert.match(openssl(made.certificate, 'x509', '-noout', '-text'), /Digital Signature[\s\S]*TLS Web Server Authentication/)
})

test('a challenge certificate bears the proof of RFC 8737, marked critical', async () => {
  const { certificate } = await makeChallengeCertificate(random, {
    host: 'hub.example',
    keyAuthorization: 'token.thumb',
    notBefore,
    notAfter,
  })
  const text = openssl(certificate, 'x509', '-noout', '-text')
  assert.match(text, /1\.3\.6\.1\.5\.5\.7\.1\.31: critical/)
  assert.match(text, /DNS:hub\.example/)
})

test('serial numbers are positive, of 16 bytes, and not drawn twice', async () => {
  const zeroes = { bytes: (count: number) => Buffer.alloc(count) }
  const ones = { bytes: (count: number) => Buffer.alloc(count, 0xff) }
  const serials = await Promise.all(
    [zeroes, ones, random].map(async (source) => {
      const { certificate } = await makeAuthority(source, { commonName: 'a', notBefore, notAfter })
      return new X509Certificate(certificate).serialNumber
    }),
  )
  assert.equal(new Set(serials).size, 3)
  for (const serial of serials) assert.match(serial, /^[4-7][0-9A-F]{31}$/)
})
