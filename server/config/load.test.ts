import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { describeDatabase } from './database-place.ts'
import { loadConfig } from './load.ts'
import { ConfigError } from './problem.ts'
import { ConfigPlace, minimal } from './test-place.ts'

const place = await ConfigPlace.make()
after(() => place[Symbol.asyncDispose]())
const { directory } = place
const load = (text: string | undefined, environment?: Record<string, string>) => place.load(text, environment)
const configOf = (text: string | undefined, environment?: Record<string, string>) => place.configOf(text, environment)
const problemsOf = (text: string | undefined, environment?: Record<string, string>) => place.problemsOf(text, environment)

suite('without a file', () => {
  test('Berth keeps its data in ./data, allows deletes, and is guarded by accounts', async () => {
    const { config, warnings } = await load(undefined)
    assert.ok(config)
    assert.deepEqual(warnings, [])
    assert.equal(config.file, undefined)
    assert.equal(config.storage.rootDirectory, join(directory, 'data'))
    assert.equal(config.storage.deleteEnabled, true)
    assert.equal(describeDatabase(config.database), join(directory, 'data/berth.db'))
    assert.deepEqual(config.auth, { kind: 'accounts', realm: 'Berth' })
    assert.deepEqual(config.http.listen, { host: undefined, port: 5000 })
    assert.deepEqual(config.health.storageDriver, { enabled: true, intervalMs: 10_000, threshold: 3 })
  })

  test('variables count', async () => {
    const config = await configOf(undefined, {
      REGISTRY_STORAGE: 'inmemory',
      REGISTRY_HTTP_ADDR: 'localhost:0',
      REGISTRY_STORAGE_DELETE_ENABLED: 'false',
    })
    assert.equal(config.storage.driver, 'memory')
    assert.equal(config.storage.rootDirectory, undefined)
    assert.equal(describeDatabase(config.database), ':memory:')
    assert.equal(config.storage.deleteEnabled, false)
    assert.deepEqual(config.http.listen, { host: 'localhost', port: 0 })
  })

  test('only REGISTRY_AUTH=none opens it, with a warning', async () => {
    const { config, warnings } = await load(undefined, { REGISTRY_AUTH: 'none' })
    assert.equal(config?.auth.kind, 'open')
    assert.match(warnings.join('\n'), /^auth: this registry is open.*REGISTRY_AUTH/)
    assert.match(await problemsOf(undefined, { REGISTRY_AUTH: '' }), /^auth: /)
  })
})

suite('with a file', () => {
  test('the one of registry:2’s image gives what registry:2 does', async () => {
    const { config, warnings, problems } = await load(`version: 0.1
log:
  fields:
    service: registry
storage:
  cache:
    blobdescriptor: inmemory
  filesystem:
    rootdirectory: /var/lib/registry
http:
  addr: :5000
  headers:
    X-Content-Type-Options: [nosniff]
health:
  storagedriver:
    enabled: true
    interval: 10s
    threshold: 3
`)
    assert.deepEqual(problems, [])
    assert.ok(config)
    assert.equal(config.file, join(directory, 'config.yml'))
    assert.deepEqual(config.log, { level: 'info', formatter: 'text', fields: { service: 'registry' }, accessLog: true })
    assert.equal(config.storage.rootDirectory, '/var/lib/registry')
    assert.equal(config.storage.deleteEnabled, false)
    assert.equal(describeDatabase(config.database), '/var/lib/registry/berth.db')
    assert.deepEqual(config.http.headers, { 'X-Content-Type-Options': ['nosniff'] })
    assert.deepEqual(config.health.storageDriver, { enabled: true, intervalMs: 10_000, threshold: 3 })
    assert.equal(config.auth.kind, 'open')
    assert.deepEqual(
      warnings.map((warning) => warning.split(':')[0]),
      ['storage.cache', 'auth'],
    )
  })

  test('the one that REGISTRY_CONFIGURATION_PATH names counts when none is given', async () => {
    await writeFile(join(directory, 'named.yml'), `${minimal}http: {addr: ":7000"}`)
    const config = await configOf(undefined, { REGISTRY_CONFIGURATION_PATH: 'named.yml' })
    assert.equal(config.file, join(directory, 'named.yml'))
    assert.deepEqual(config.http.listen, { host: undefined, port: 7000 })
    assert.equal((await configOf(minimal, { REGISTRY_CONFIGURATION_PATH: 'named.yml' })).file, join(directory, 'config.yml'))
  })

  test('auth: none, an empty auth and no auth are open, each with a warning', async () => {
    for (const auth of ['auth: none', 'auth: {none: {}}', 'auth: None', 'auth:', 'auth: {}', '']) {
      const { config, warnings } = await load(`${minimal}${auth}\n`)
      assert.equal(config?.auth.kind, 'open', auth)
      assert.equal(warnings.filter((warning) => warning.startsWith('auth: this registry is open')).length, 1, auth)
    }
  })

  test('relative paths are of the working directory', async () => {
    const config = await configOf(
      'version: 0.1\nstorage: {filesystem: {rootdirectory: store}}\ndatabase: {file: meta/x.db}\nauth: {htpasswd: {realm: r, path: users}}\nhttp: {net: unix, addr: run/berth.sock, tls: {certificate: tls.crt, key: tls.key, clientcas: [ca.pem]}}\nhealth: {file: [{file: down}]}',
    )
    assert.equal(config.storage.rootDirectory, join(directory, 'store'))
    assert.equal(describeDatabase(config.database), join(directory, 'meta/x.db'))
    assert.deepEqual(config.auth, { kind: 'htpasswd', realm: 'r', path: join(directory, 'users') })
    assert.deepEqual(config.http.listen, { path: join(directory, 'run/berth.sock') })
    assert.equal(config.http.tls?.certificate, join(directory, 'tls.crt'))
    assert.deepEqual(config.http.tls?.clientCas, [join(directory, 'ca.pem')])
    assert.deepEqual(config.health.file, [{ file: join(directory, 'down'), intervalMs: 10_000 }])
  })

  test('may begin with a byte order mark and have CRLF line ends', async () => {
    assert.equal((await configOf(`\uFEFF${minimal.replaceAll('\n', '\r\n')}log: {level: WARN}\r\n`)).log.level, 'warn')
  })

  const wrong: Record<string, [string, RegExp]> = {
    'that is empty': ['', /a map of keys, beginning with version: 0\.1/],
    'that is a list': ['[1]', /expected a map of keys.*found a list/],
    'that is just text': ['hunter2', /expected a map of keys(?!.*hunter2)/],
    'without a version': ['storage: inmemory', /^version: expected 0\.1$/],
    'of another version': ['version: 0.2\nstorage: inmemory', /^version: expected 0\.1, found "0\.2" \(line 1\)/],
    'of version 0.10': ['version: 0.10\nstorage: inmemory', /^version: expected 0\.1, found "0\.10"/],
    'without storage': ['version: 0.1', /^storage: expected one of filesystem, inmemory, found no driver/],
    'whose storage has no driver': ['version: 0.1\nstorage: {delete: {enabled: true}}', /^storage: .*no driver/],
    'with two drivers': [
      'version: 0.1\nstorage: {filesystem: {}, inmemory: {}}',
      /^storage: expected exactly one driver, found filesystem, inmemory/,
    ],
    'with an unknown driver': ['version: 0.1\nstorage: {floppy: {}}', /^storage: expected one of filesystem, inmemory, found "floppy"/],
    'with a list for storage': ['version: 0.1\nstorage: [filesystem]', /^storage: expected one of .*found a list/],
    'with two kinds of auth': [
      `${minimal}auth: {htpasswd: {realm: r, path: /p}, accounts: {}}`,
      /^auth: expected exactly one kind, found htpasswd, accounts/,
    ],
    'with none beside another kind': [`${minimal}auth: {none: {}, htpasswd: {realm: r, path: /p}}`, /^auth: expected exactly one kind/],
    'with an unknown kind of auth': [`${minimal}auth: ldap`, /^auth: expected one of none, htpasswd, accounts, token, found "ldap"/],
    'with htpasswd without parameters': [`${minimal}auth: htpasswd`, /auth\.htpasswd\.realm: .*\nauth\.htpasswd\.path: /],
    'whose auth is a list': [`${minimal}auth: [htpasswd]`, /^auth: .*found a list/],
    'whose http is a text': [`${minimal}http: on`, /^http: expected a map of keys, found/],
  }
  for (const [name, [text, expected]] of Object.entries(wrong)) {
    test(`one ${name} does not start`, async () => assert.match(await problemsOf(text), expected))
  }

  test('one that is missing, or a directory, is named', async () => {
    for (const file of ['missing.yml', '.']) {
      await assert.rejects(
        loadConfig({ file, environment: {}, cwd: directory }),
        (error: unknown) => error instanceof ConfigError && error.message.includes(directory),
      )
    }
  })
})

suite('the keys of registry:2 and registry:3', () => {
  test('that mean something here act', async () => {
    const config = await configOf(`version: 0.1
loglevel: error
log: {level: Debug, formatter: logstash, fields: {a: [1, {b: yes}]}, accesslog: {disabled: true}}
storage:
  filesystem: {rootdirectory: /data}
  delete: {enabled: yes}
  maintenance:
    uploadpurging: {enabled: true, age: 2h10m, interval: 90m, dryrun: true}
    readonly: {enabled: true}
http:
  addr: '[::1]:5443'
  prefix: /registry
  host: https://registry.example.com/
  relativeurls: true
  draintimeout: 60s
  secret: anything
  headers: {Strict-Transport-Security: [max-age=1], X-Two: [a, b]}
  tls:
    certificate: tls.crt
    key: tls.key
    clientcas: [ca.pem]
    clientauth: verify-client-cert-if-given
    minimumtls: tls1.3
    ciphersuites: [TLS_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256]
  debug: {addr: 'localhost:5001', prometheus: {enabled: true, path: /m}}
health:
  storagedriver: {enabled: true, interval: 3000000000, threshold: 2}
  file: [{file: /tmp/down, interval: 1s}]
  http: [{uri: 'https://x/y', headers: {A: [b]}, statuscode: 204, timeout: 3s, interval: 2s, threshold: 4}]
  tcp: [{addr: 'redis:6379', timeout: 3s, interval: 2s, threshold: 4}]
catalog: {maxentries: 50}
tags: {maxtags: 60}
validation:
  manifests:
    urls: {allow: ['^https://a/'], deny: ['^https://b/']}
    indexes: {platforms: List, platformlist: [{architecture: amd64, os: linux}]}
`)
    assert.deepEqual(config.log, { level: 'debug', formatter: 'logstash', fields: { a: [1, { b: true }] }, accessLog: false })
    assert.equal(config.storage.deleteEnabled, true)
    assert.equal(config.storage.readOnly, true)
    assert.deepEqual(config.storage.uploadPurging, { enabled: true, ageMs: 7_800_000, intervalMs: 5_400_000, dryRun: true })
    assert.deepEqual(config.http.listen, { host: '::1', port: 5443 })
    assert.equal(config.http.prefix, '/registry/')
    assert.equal(config.http.host, 'https://registry.example.com')
    assert.equal(config.http.relativeUrls, true)
    assert.equal(config.http.drainTimeoutMs, 60_000)
    assert.deepEqual(config.http.tls, {
      certificate: join(directory, 'tls.crt'),
      key: join(directory, 'tls.key'),
      clientCas: [join(directory, 'ca.pem')],
      crls: [],
      clientAuth: 'verify-client-cert-if-given',
      minimumVersion: 'TLSv1.3',
      cipherSuites: ['TLS_AES_128_GCM_SHA256', 'ECDHE-RSA-CHACHA20-POLY1305'],
    })
    assert.deepEqual(config.http.debug, { host: 'localhost', port: 5001, metricsPath: '/m' })
    assert.deepEqual(config.health, {
      storageDriver: { enabled: true, intervalMs: 3000, threshold: 2 },
      file: [{ file: '/tmp/down', intervalMs: 1000 }],
      http: [{ uri: 'https://x/y', headers: { A: ['b'] }, statusCode: 204, timeoutMs: 3000, intervalMs: 2000, threshold: 4 }],
      tcp: [{ addr: 'redis:6379', timeoutMs: 3000, intervalMs: 2000, threshold: 4 }],
    })
    assert.deepEqual([config.limits.catalogEntries, config.limits.tagEntries], [50, 60])
    assert.deepEqual(config.validation.urlsAllow, ['^https://a/'])
    assert.deepEqual(config.validation.urlsDeny, ['^https://b/'])
    assert.deepEqual(config.validation.indexPlatforms, [{ architecture: 'amd64', os: 'linux' }])
  })

  test('that mean nothing here are named once for each section, and Berth starts', async () => {
    const { problems, warnings } = await load(`version: 0.1
log: {reportcaller: true, hooks: [{type: mail, disabled: true, levels: [panic], options: {smtp: {addr: x, username: u, password: hunter2, insecure: true}, from: a, to: [b]}}]}
storage:
  filesystem: {maxthreads: '100'}
  redirect: {disable: false}
  cache: {blobdescriptor: redis, blobdescriptorsize: 10000}
  tag: {concurrencylimit: 8}
auth: {accounts: {}}
middleware: {registry: [{name: x, disabled: true, options: {a: 1}}], repository: [{name: x}], storage: [{name: cloudfront, options: {baseurl: y}}]}
reporting: {bugsnag: {apikey: hunter2, releasestage: x, endpoint: y}, newrelic: {licensekey: hunter2, name: x, verbose: true}}
http: {http2: {disabled: false}, h2c: {enabled: true}, secret: hunter2}
notifications: {events: {includereferences: true}, endpoints: [{name: a, disabled: false, url: 'https://u:hunter2@x', headers: {Authorization: [hunter2]}, timeout: 1s, threshold: 10, backoff: 1s, ignoredmediatypes: [a], ignore: {mediatypes: [a], actions: [pull]}}]}
redis: {addr: x, addrs: [x], username: u, password: hunter2, db: 0, dialtimeout: 10ms, readtimeout: 10ms, writetimeout: 10ms, pool: {maxidle: 16, maxactive: 64, idletimeout: 300s}, poolsize: 1, maxidleconns: 1, connmaxidletime: 1s, mastername: m, sentinelusername: u, sentinelpassword: hunter2, tls: {enabled: false, certificate: x, key: y, rootcas: [z]}}
proxy: {username: u, password: hunter2, ttl: 168h, cachewritetimeout: 5m, exec: {command: x, lifetime: 1h}}
policy: {repository: {classes: [image, plugin]}}
compatibility: {schema1: {enabled: true, signingkeyfile: x, trustkey: y}}
`)
    assert.deepEqual(problems, [])
    assert.deepEqual(
      warnings.map((warning) => warning.split(':')[0]),
      [
        'log.reportcaller',
        'log.hooks',
        'storage.filesystem.maxthreads',
        'storage.cache',
        'storage.tag',
        'middleware',
        'reporting',
        'http.http2',
        'http.h2c',
        'notifications',
        'redis',
        'proxy.username',
        'proxy.password',
        'proxy.ttl',
        'proxy.cachewritetimeout',
        'proxy.exec',
        'policy',
        'compatibility',
      ],
    )
    assert.doesNotMatch(warnings.join('\n'), /hunter2/)
  })

  test('that are empty are as if they were absent', async () => {
    const { problems, warnings } = await load(
      `${minimal}auth: accounts\nproxy: {remoteurl: ""}\nredis:\nnotifications: {endpoints: []}\nhttp: {tls: {certificate: "", key: "", letsencrypt: {hosts: [], email: ""}}, host: "", debug: {addr: ""}}\nlog:\n`,
    )
    assert.deepEqual([problems, warnings], [[], []])
  })

  const refused: Record<string, string> = {
    'auth.silly': 'auth: {silly: {realm: r, service: s}}',
    'proxy.remoteurl': 'proxy: {remoteurl: https://registry-1.docker.io, username: u, password: p}',
  }
  for (const [path, text] of Object.entries(refused)) {
    test(`${path} stops the start with one sentence`, async () => {
      const { problems } = await load(minimal + text)
      assert.equal(problems.length, 1)
      assert.ok(problems[0]?.startsWith(`${path}: `))
      assert.match(problems[0] ?? '', /not available in this version|lets everyone in/)
    })
  }

  for (const driver of ['swift', 'oss']) {
    test(`storage.${driver} stops the start, and asks for a place for the database`, async () => {
      const problems = await problemsOf(
        `version: 0.1\nauth: accounts\nstorage: {${driver}: {bucket: b, secretkey: hunter2, accountkey: hunter2}}`,
      )
      assert.match(problems, new RegExp(`^storage\\.${driver}: .*not available`))
      assert.match(problems, /^database: expected a place for the database/m)
      assert.doesNotMatch(problems, /hunter2/)
      assert.doesNotMatch(await problemsOf(`version: 0.1\nauth: accounts\ndatabase: {file: /x}\nstorage: {${driver}: {}}`), /^database/m)
      assert.match(await problemsOf(minimal, { REGISTRY_STORAGE: driver }), new RegExp(`^storage\\.${driver}`))
    })
  }

  test('letsencrypt beside a certificate is passed over, as in registry:2', async () => {
    assert.ok((await configOf(`${minimal}http: {tls: {certificate: tls.crt, key: tls.key, letsencrypt: {email: a@b}}}`)).http.tls)
  })

  test('that are misspelt are warnings with a suggestion, as registry:2 passes over them', async () => {
    const { problems, warnings } = await load(
      `${minimal}auth: accounts\nhttp: {adr: ":1", tsl: {}}\nloging: 1\nhealth: {file: [{file: /x, intervall: 5s}]}\n`,
    )
    assert.deepEqual(problems, [])
    assert.match(warnings.join('\n'), /^http\.adr: unknown key, ignored; did you mean http\.addr\? \(line 4\)$/m)
    assert.match(warnings.join('\n'), /^http\.tsl: .*http\.tls\?/m)
    assert.match((await load(`${minimal}auth: accounts\n"http.addr": ":1"`)).warnings.join('\n'), /^http\.addr: unknown key, ignored/)
    assert.match(warnings.join('\n'), /^loging: unknown key, ignored/m)
    assert.match(warnings.join('\n'), /^health\.file\[0\]\.intervall: unknown key/m)
  })

  test('uploadpurging needs all of its keys, unless it is off', async () => {
    const section = (keys: string) => `version: 0.1\nauth: accounts\nstorage: {inmemory: {}, maintenance: {uploadpurging: {${keys}}}}`
    assert.match(
      await problemsOf(section('enabled: true, age: 1h')),
      /^storage\.maintenance\.uploadpurging\.interval: .*\nstorage\.maintenance\.uploadpurging\.dryrun: /,
    )
    assert.equal((await configOf(section('enabled: false'))).storage.uploadPurging.enabled, false)
    assert.equal((await configOf(section(''))).storage.uploadPurging.ageMs, 604_800_000)
  })

  test('maxentries and maxtags of 0 and less mean 1000', async () => {
    const { limits } = await configOf(`${minimal}catalog: {maxentries: 0}\ntags: {maxtags: -5}`)
    assert.deepEqual([limits.catalogEntries, limits.tagEntries], [1000, 1000])
  })

  test('loglevel counts where log.level is absent', async () => {
    assert.equal((await configOf(`${minimal}loglevel: error`)).log.level, 'error')
  })

  test('tls1.0 of registry:2 becomes tls1.2 with a warning', async () => {
    const { config, warnings } = await load(`${minimal}http: {tls: {certificate: tls.crt, key: tls.key, minimumtls: tls1.0}}`)
    assert.equal(config?.http.tls?.minimumVersion, 'TLSv1.2')
    assert.match(warnings.join('\n'), /^http\.tls\.minimumtls: tls1\.0/m)
  })

  test('a bare number as a short duration is questioned', async () => {
    const { config, warnings } = await load(`${minimal}http: {draintimeout: 30}`)
    assert.equal(config?.http.drainTimeoutMs, 1)
    assert.match(warnings.join('\n'), /http\.draintimeout: 30 without a unit is 30 nanoseconds; write for instance "30s"/)
  })

  test('a bare number as the window of the trash is refused, but 0', async () => {
    const windowOf = (value: string) => `version: 0.1\nstorage: {inmemory: {}, trash: {window: ${value}}}\n`
    for (const value of ['5', '604800000000000', '-1', '1.5']) assert.notDeepEqual(await problemsOf(windowOf(value)), [], value)
    assert.equal((await configOf(windowOf('0'))).storage.trashWindowMs, 0)
    assert.equal((await configOf(windowOf('5h'))).storage.trashWindowMs, 5 * 3_600_000)
  })
})

suite('Berth’s own keys', () => {
  test('act', async () => {
    const config = await configOf(`version: 0.1
storage: {filesystem: {rootdirectory: /d}, minfreespace: 1GiB, garbagedelay: 0s}
database: {driver: sqlite, file: ':memory:'}
auth: {accounts: {realm: Mine}}
http: {trustedproxies: [10.1.2.3, 'fd00::/8', loopback]}
limits: {manifestbytes: 8MiB, cachebytes: 0, headerbytes: 32KiB, headerstimeout: 20s, bodyidletimeout: 5m, bodybytespersecond: 0, uploadsperactor: 7}
validation: {manifests: {referrersbeforeblobs: true}}
`)
    assert.equal(config.storage.minimumFreeBytes, 1024 ** 3)
    assert.equal(config.storage.garbageDelayMs, 0)
    assert.deepEqual(config.database, { driver: 'sqlite', file: ':memory:' })
    assert.deepEqual(config.auth, { kind: 'accounts', realm: 'Mine' })
    assert.deepEqual(config.http.trustedProxies, ['10.1.2.3', 'fd00::/8', '127.0.0.0/8', '::1/128'])
    assert.deepEqual(config.limits, {
      manifestBytes: 8 * 1024 ** 2,
      cacheBytes: 0,
      catalogEntries: 1000,
      tagEntries: 1000,
      headerBytes: 32 * 1024,
      headersTimeoutMs: 20_000,
      bodyIdleTimeoutMs: 300_000,
      bodyBytesPerSecond: 0,
      uploadsPerActor: 7,
    })
    assert.equal(config.validation.referrersMayPrecedeBlobs, true)
  })

  test('that are misspelt stop the start', async () => {
    assert.match(
      await problemsOf(`${minimal}limits: {manifestbyte: 1MiB}`),
      /^limits\.manifestbyte: expected a known key, such as manifestbytes \(line 3\)$/,
    )
    assert.match(
      await problemsOf(`${minimal}database: {uri: postgres://u:hunter2@x}`),
      /^database\.uri: expected a known key, such as url(?!.*hunter2)/,
    )
    assert.match(await problemsOf(`${minimal}auth: {accounts: {relm: x}}`), /^auth\.accounts\.relm: /)
  })
})

test('a variable comes before the file, and the file before the default', async () => {
  const text = `${minimal}http: {addr: ":6000", draintimeout: 1s}`
  const config = await configOf(text, { REGISTRY_HTTP_ADDR: ':7000' })
  assert.deepEqual(config.http.listen, { host: undefined, port: 7000 })
  assert.equal(config.http.drainTimeoutMs, 1000)
  assert.equal(config.http.relativeUrls, false)
})

test('a variable cannot open what the file guards without saying none', async () => {
  const guarded = `${minimal}auth: {htpasswd: {realm: r, path: /x}}`
  for (const value of ['', '{}', 'null', '[]', '""']) {
    const { config, problems } = await load(guarded, { REGISTRY_AUTH: value })
    assert.notEqual(config?.auth.kind, 'open', value)
    assert.ok(config === undefined ? problems.length > 0 : config.auth.kind === 'htpasswd', value)
  }
  assert.equal((await configOf(guarded, { REGISTRY_AUTH: 'none' })).auth.kind, 'open')
})

test('a directory of that name is no configuration', async () => {
  await mkdir(join(directory, 'd.yml'), { recursive: true })
  await assert.rejects(loadConfig({ file: 'd.yml', environment: {}, cwd: directory }), ConfigError)
})
