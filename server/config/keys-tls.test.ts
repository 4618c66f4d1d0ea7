import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { ConfigPlace, minimal } from './test-place.ts'

const place = await ConfigPlace.make()
after(() => place[Symbol.asyncDispose]())
const { directory } = place
const configOf = (text: string) => place.configOf(text)
const problemsOf = (text: string) => place.problemsOf(text)

suite('the keys of TLS', () => {
  test('http.tls.letsencrypt acts', async () => {
    const { http } = await configOf(
      `${minimal}auth: accounts\nhttp: {tls: {minimumtls: tls1.0, letsencrypt: {cachefile: /x, email: a@b.c, hosts: [Hub.Example, hub.example, b.example]}}}`,
    )
    assert.deepEqual(http.tls?.acme, {
      directoryUrl: 'https://acme-v02.api.letsencrypt.org/directory',
      email: 'a@b.c',
      hosts: ['hub.example', 'b.example'],
      challenge: 'tls-alpn-01',
      termsAgreed: true,
      trustedCa: undefined,
      externalAccount: undefined,
    })
    assert.deepEqual([http.tls?.certificate, http.tls?.key, http.tls?.minimumVersion], [undefined, undefined, 'TLSv1.2'])
  })

  const wrong: Record<string, [string, RegExp]> = {
    'no hosts': ['letsencrypt: {email: a@b.c}', /^http\.tls\.letsencrypt\.hosts: /],
    'a wildcard': ['letsencrypt: {hosts: ["*.hub.example"]}', /^http\.tls\.letsencrypt\.hosts\[0\]: /],
    'an address': ['letsencrypt: {hosts: [192.0.2.1]}', /^http\.tls\.letsencrypt\.hosts\[0\]: /],
    'a directory over plain HTTP': ['letsencrypt: {hosts: [a.b], directoryurl: "http://d/"}', /^http\.tls\.letsencrypt\.directoryurl: /],
    'an e-mail address with a second one in it': ['letsencrypt: {hosts: [a.b], email: "a@b.c,d@e.f"}', /^http\.tls\.letsencrypt\.email: /],
    'http-01 without a listener for it': ['letsencrypt: {hosts: [a.b], challenge: http-01}', /^http\.redirect\.addr: /],
    'half an external account': ['letsencrypt: {hosts: [a.b], eab: {keyid: k}}', /^http\.tls\.letsencrypt\.eab\.hmackey: /],
    'the other half': ['letsencrypt: {hosts: [a.b], eab: {hmackey: aGVsbG8}}', /^http\.tls\.letsencrypt\.eab\.keyid: /],
    'an authority of the directory that is not there': [
      'letsencrypt: {hosts: [a.b], trustedca: /nowhere}',
      /^http\.tls\.letsencrypt\.trustedca: /,
    ],
    'a certificate of a list without its key': ['certificates: [{certificate: tls.crt}]', /^http\.tls\.certificates\[0\]\.key: /],
    'self-signed beside a certificate': ['certificate: tls.crt, key: tls.key, selfsigned: true', /^http\.tls\.selfsigned: /],
    'a duration without a unit': ['certificate: tls.crt, key: tls.key, hsts: {maxage: 300}', /^http\.tls\.hsts\.maxage: /],
    'an unknown key of Berth’s own section': ['certificate: tls.crt, key: tls.key, hsts: {preload: true}', /^http\.tls\.hsts\.preload: /],
  }
  for (const [name, [tls, expected]] of Object.entries(wrong)) {
    test(`${name} stops the start`, async () => {
      assert.match(await problemsOf(`${minimal}auth: accounts\nhttp: {tls: {${tls}}}`), expected)
    })
  }

  test('a redirect without HTTPS, and the PROXY protocol before TLS on a socket, stop the start', async () => {
    assert.match(await problemsOf(`${minimal}auth: accounts\nhttp: {redirect: {addr: ":80"}}`), /^http\.redirect\.addr: /)
    const socket = 'net: unix, addr: /x.sock, proxyprotocol: true'
    assert.match(
      await problemsOf(`${minimal}auth: accounts\nhttp: {${socket}, tls: {certificate: tls.crt, key: tls.key}}`),
      /^http\.proxyprotocol: /,
    )
    assert.equal((await configOf(`${minimal}auth: accounts\nhttp: {${socket}}`)).http.proxyProtocol, true)
  })

  test('further certificates, HSTS and self-signed are read', async () => {
    const further = await configOf(
      `${minimal}auth: accounts\nhttp: {tls: {certificates: [{certificate: tls.crt, key: tls.key}], hsts: {maxage: 24h}}}`,
    )
    assert.deepEqual([further.http.tls?.certificate, further.http.tls?.certificates], [join(directory, 'tls.crt'), undefined])
    assert.deepEqual(further.http.tls?.hsts, { maxAgeMs: 86_400_000, includeSubdomains: false })
    const own = await configOf(`${minimal}auth: accounts\nhttp: {host: "https://hub.example:5000", tls: {selfsigned: true}}`)
    assert.deepEqual(own.http.tls?.selfSigned?.hosts, ['hub.example'])
    assert.match(
      await problemsOf('version: 0.1\nauth: accounts\nstorage: inmemory\nhttp: {tls: {selfsigned: true}}'),
      /^http\.tls\.selfsigned: /,
    )
  })
})
