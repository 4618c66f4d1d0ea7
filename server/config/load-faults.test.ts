import assert from 'node:assert/strict'
import { after, suite, test } from 'node:test'
import { ConfigPlace, minimal } from './test-place.ts'

const place = await ConfigPlace.make()
after(() => place[Symbol.asyncDispose]())
const load = (text: string | undefined, environment?: Record<string, string>) => place.load(text, environment)
const problemsOf = (text: string | undefined, environment?: Record<string, string>) => place.problemsOf(text, environment)

suite('a value that does not fit', () => {
  const wrong: Record<string, string> = {
    'http.addr': 'http: {addr: "5000"}',
    'http.addr of port 65536': 'http: {addr: ":65536"}',
    'http.addr with a path': 'http: {addr: "localhost:5000/v2"}',
    'http.addr of bare IPv6': 'http: {addr: "::1:5000"}',
    'http.addr of a list': 'http: {addr: [1]}',
    'http.net': 'http: {net: udp}',
    'http.addr missing with net: unix': 'http: {net: unix}',
    'http.prefix': 'http: {prefix: registry}',
    'http.host': 'http: {host: registry.example.com}',
    'http.host of another scheme': 'http: {host: "ftp://x"}',
    'http.host with a password': 'http: {host: "https://u:hunter2@x"}',
    'http.relativeurls': 'http: {relativeurls: "true"}',
    'http.draintimeout with a unit Go does not know': 'http: {draintimeout: 1d}',
    'http.draintimeout below zero': 'http: {draintimeout: -1s}',
    'http.draintimeout longer than a timer': 'http: {draintimeout: 1000h}',
    'http.headers of text': 'http: {headers: {X-A: nosniff}}',
    'http.headers with a line end': 'http: {headers: {X-A: ["a\\r\\nSet-Cookie: b"]}}',
    'http.headers with a wrong name': 'http: {headers: {"X A": [b]}}',
    'http.debug.addr': 'http: {debug: {addr: localhost}}',
    'http.debug.prometheus.path': 'http: {debug: {addr: ":1", prometheus: {enabled: true, path: metrics}}}',
    'http.tls.key missing': 'http: {tls: {certificate: tls.crt}}',
    'http.tls.certificate missing': 'http: {tls: {key: tls.key}}',
    'http.tls.certificate that is not there': 'http: {tls: {certificate: none.crt, key: tls.key}}',
    'http.tls.key that is a directory': 'http: {tls: {certificate: tls.crt, key: .}}',
    'http.tls.certificate missing beside clientcas': 'http: {tls: {clientcas: [ca.pem]}}',
    'http.tls.clientauth': 'http: {tls: {certificate: tls.crt, key: tls.key, clientauth: always}}',
    'http.tls.minimumtls': 'http: {tls: {certificate: tls.crt, key: tls.key, minimumtls: ssl3}}',
    'http.tls.ciphersuites': 'http: {tls: {certificate: tls.crt, key: tls.key, ciphersuites: [TLS_RSA_WITH_RC4_128_SHA]}}',
    'http.trustedproxies': 'http: {trustedproxies: [10.0.0.0/33]}',
    'http.trustedproxies by name': 'http: {trustedproxies: [proxy.local]}',
    'log.level': 'log: {level: verbose}',
    'log.formatter': 'log: {formatter: xml}',
    'log.fields': 'log: {fields: [a]}',
    'log.accesslog.disabled': 'log: {accesslog: {disabled: 1}}',
    'auth.htpasswd.realm with a line end': 'auth: {htpasswd: {realm: "a\\nb", path: /x}}',
    'auth.htpasswd.path': 'auth: {htpasswd: {realm: a, path: ""}}',
    'health.storagedriver.interval': 'health: {storagedriver: {interval: fast}}',
    'health.storagedriver.interval of zero': 'health: {storagedriver: {interval: 0s}}',
    'health.storagedriver.threshold': 'health: {storagedriver: {threshold: -1}}',
    'health.file': 'health: {file: {file: x}}',
    'health.file without a file': 'health: {file: [{interval: 1s}]}',
    'health.http of another scheme': 'health: {http: [{uri: "file:///etc/passwd"}]}',
    'health.http statuscode': 'health: {http: [{uri: "http://x", statuscode: 99}]}',
    'health.tcp': 'health: {tcp: [{addr: ":6379"}]}',
    'catalog.maxentries': 'catalog: {maxentries: many}',
    'tags.maxtags': 'tags: {maxtags: 1.5}',
    'validation.manifests.urls.allow': 'validation: {manifests: {urls: {allow: ["("]}}}',
    'validation.manifests.indexes.platforms': 'validation: {manifests: {indexes: {platforms: some}}}',
    'validation.manifests.indexes.platformlist': 'validation: {manifests: {indexes: {platforms: list}}}',
    'limits.manifestbytes': 'limits: {manifestbytes: 4 megabytes}',
    'limits.headerbytes too small': 'limits: {headerbytes: 1KiB}',
    'limits.uploadsperactor': 'limits: {uploadsperactor: 0}',
    'database.driver': 'database: {driver: mysql}',
    'redis.db, even of an ignored section': 'redis: {db: first, password: hunter2}',
    'notifications.endpoints, even of an ignored section':
      'notifications: {endpoints: [{url: x, timeout: soon, headers: {Authorization: [hunter2]}}]}',
  }
  for (const [name, text] of Object.entries(wrong)) {
    test(`for ${name} stops the start and is named`, async () => {
      const { problems } = await load(minimal + text)
      assert.equal(problems.length, 1, problems.join('\n'))
      const [path = ''] = name.split(/[ ,]/)
      assert.ok(problems[0]?.startsWith(path), problems[0])
      assert.doesNotMatch(problems.join('\n'), /hunter2/)
    })
  }

  test('is told together with all others, each with its path and line', async () => {
    const entries = Array.from({ length: 100 }, (_, index) => `    - {file: /x${index}, interval: never}`)
    const { problems } = await load(`version: 0.1\nstorage: {filesystem: {}}\nhealth:\n  file:\n${entries.join('\n')}\n`)
    assert.equal(problems.length, 100)
    assert.equal(
      problems[99],
      'health.file[99].interval: expected a duration such as 168h, 2h10m or 300ms of at least 1ms up to 576h, found "never" (line 104)',
    )
  })

  test('is not shown when it is secret, nor at length', async () => {
    assert.doesNotMatch(await problemsOf(minimal, { REGISTRY_HTTP_SECRET: '[hunter2]' }), /hunter2/)
    assert.doesNotMatch(await problemsOf(minimal, { REGISTRY_REDIS_PASSWORD: '{hunter2: 1}' }), /hunter2/)
    assert.ok((await problemsOf(`${minimal}http: {addr: "${'a'.repeat(10_000)}"}`)).length < 20_000)
    assert.ok((await problemsOf(`${minimal}http: {net: "${'a'.repeat(10_000)}"}`)).length < 300)
  })

  test('from a variable names the variable', async () => {
    assert.match(
      await problemsOf(minimal, { REGISTRY_HTTP_DRAINTIMEOUT: 'soon' }),
      /^http\.draintimeout: .*found "soon" \(REGISTRY_HTTP_DRAINTIMEOUT\)$/,
    )
  })
})
