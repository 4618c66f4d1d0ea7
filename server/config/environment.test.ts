import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { applyEnvironment } from './environment.ts'
import { formatProblem } from './problem.ts'
import { plainValue, rawMap } from './raw-value.ts'
import { readYaml } from './read-yaml.ts'

function apply(environment: Record<string, string>, file = '') {
  const problems: string[] = []
  const warnings: string[] = []
  const listener = {
    problem: (problem: Parameters<typeof formatProblem>[0]) => void problems.push(formatProblem(problem)),
    warn: (text: string) => void warnings.push(text),
  }
  const read = readYaml(file, undefined, listener.problem)
  const tree = read?.kind === 'map' ? read : rawMap('')
  applyEnvironment(tree, environment, listener)
  return { value: plainValue(tree), problems, warnings }
}

suite('a REGISTRY_ variable', () => {
  test('sets a key by its path, over what the file says', () => {
    const { value, problems, warnings } = apply({ REGISTRY_HTTP_ADDR: ':5001' }, 'http: {addr: ":5000", prefix: /x/}')
    assert.deepEqual(value, { http: { addr: ':5001', prefix: '/x/' } })
    assert.deepEqual([problems, warnings], [[], []])
  })

  test('may be in any case after its prefix', () => {
    assert.deepEqual(apply({ REGISTRY_Http_TLS_certificate: '/x' }).value, { http: { tls: { certificate: '/x' } } })
  })

  test('is YAML', () => {
    const { value } = apply({
      'REGISTRY_HTTP_HEADERS_X-Content-Type-Options': '[nosniff]',
      REGISTRY_STORAGE_DELETE_ENABLED: 'true',
      REGISTRY_LOG: '{level: debug, fields: {a: 1}}',
    })
    assert.deepEqual(value, {
      http: { headers: { 'x-content-type-options': ['nosniff'] } },
      log: { level: 'debug', fields: { a: 1 } },
      storage: { delete: { enabled: true } },
    })
  })

  test('finds a map’s key as the file spells it', () => {
    const { value } = apply({ 'REGISTRY_HTTP_HEADERS_X-FRAME-OPTIONS': '[deny]' }, 'http: {headers: {X-Frame-Options: [sameorigin]}}')
    assert.deepEqual(value, { http: { headers: { 'X-Frame-Options': ['deny'] } } })
  })

  test('replaces a whole section', () => {
    assert.deepEqual(apply({ REGISTRY_STORAGE: '{inmemory: {}}' }, 'storage: {filesystem: {}, delete: {enabled: true}}').value, {
      storage: { inmemory: {} },
    })
  })

  test('comes in the order of the names, so that the shorter one comes first', () => {
    const { value } = apply({ REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: '/data', REGISTRY_STORAGE: 'filesystem' }, 'storage: inmemory')
    assert.deepEqual(value, { storage: { filesystem: { rootdirectory: '/data' } } })
  })

  test('goes below the bare name of a driver or a kind', () => {
    const { value } = apply({
      REGISTRY_AUTH: 'htpasswd',
      REGISTRY_AUTH_HTPASSWD_REALM: 'Registry Realm',
      REGISTRY_AUTH_HTPASSWD_PATH: '/auth/htpasswd',
    })
    assert.deepEqual(value, { auth: { htpasswd: { realm: 'Registry Realm', path: '/auth/htpasswd' } } })
  })

  test('goes below a section that the file leaves empty', () => {
    assert.deepEqual(apply({ REGISTRY_STORAGE_DELETE_ENABLED: 'true' }, 'storage:\n  delete:\n').value, {
      storage: { delete: { enabled: true } },
    })
  })

  test('sets entries of lists by their number, and appends at the end', () => {
    const { value, problems } = apply(
      { REGISTRY_HEALTH_FILE_0_FILE: '/a', REGISTRY_HEALTH_FILE_1_FILE: '/b', REGISTRY_HEALTH_TCP_0: '{addr: "x:1"}' },
      'health: {file: [{file: /old, interval: 5s}]}',
    )
    assert.deepEqual(value, { health: { file: [{ file: '/a', interval: '5s' }, { file: '/b' }], tcp: [{ addr: 'x:1' }] } })
    assert.deepEqual(problems, [])
  })

  for (const name of [
    'REGISTRY_HEALTH_FILE_2_FILE',
    'REGISTRY_HEALTH_FILE_X_FILE',
    'REGISTRY_HEALTH_FILE_-1_FILE',
    'REGISTRY_HEALTH_FILE_1e3_FILE',
  ]) {
    test(`${name} with one entry in the list is a problem`, () => {
      assert.match(
        apply({ [name]: '/a' }, 'health: {file: [{file: /old}]}').problems.join('\n'),
        /^health\.file\.\S+: expected an index from 0 to 1, found "\S+" \(REGISTRY_HEALTH_FILE/,
      )
    })
  }

  test('below a value that is no map is a problem', () => {
    assert.match(apply({ REGISTRY_HEALTH_FILE_0_FILE: '/a' }, 'health: 5').problems.join('\n'), /^health: expected a map or a list there/)
  })

  test('that is not YAML is a problem which does not quote it', () => {
    const { problems } = apply({ REGISTRY_HTTP_HEADERS: '{secret: [' })
    assert.match(problems.join('\n'), /well-formed YAML.*\(REGISTRY_HTTP_HEADERS\)/)
    assert.doesNotMatch(problems.join('\n'), /secret/)
  })

  test('that is unknown is a warning with a suggestion', () => {
    assert.deepEqual(apply({ REGISTRY_FOO_BAR: '[' }), {
      value: {},
      problems: [],
      warnings: ['REGISTRY_FOO_BAR: unknown variable, ignored'],
    })
    assert.deepEqual(apply({ REGISTRY_STORAGE_DELETE_ENABLE: 'true' }).warnings, [
      'REGISTRY_STORAGE_DELETE_ENABLE: unknown variable, ignored; did you mean REGISTRY_STORAGE_DELETE_ENABLED?',
    ])
  })

  test('of a Kubernetes service beside the registry is a warning, even where a kind of authentication could be meant', () => {
    const { problems, warnings } = apply({
      REGISTRY_PORT: 'tcp://10.0.0.1:5000',
      REGISTRY_SERVICE_HOST: '10.0.0.1',
      REGISTRY_PORT_5000_TCP_ADDR: '10.0.0.1',
      REGISTRY_AUTH_PORT: 'tcp://10.0.0.2:5001',
      REGISTRY_AUTH_SERVICE_PORT: '5001',
      REGISTRY_DATABASE_PORT_5432_TCP: 'tcp://10.0.0.3:5432',
    })
    assert.deepEqual(problems, [])
    assert.equal(warnings.length, 6)
  })

  test('that names an unknown kind of authentication or of store is a problem', () => {
    const { problems } = apply({ REGISTRY_AUTH_LDAP_URL: 'ldap://x', REGISTRY_STORAGE_FILESYSTEMS_ROOTDIRECTORY: '/x' })
    assert.match(problems.join('\n'), /^auth: expected one of .*found "ldap" \(REGISTRY_AUTH_LDAP_URL\)\nstorage: .*found "filesystems"/)
  })

  test('REGISTRY_AUTH may not be empty, which would open what the file guards', () => {
    const file = 'auth: {htpasswd: {realm: x, path: /y}}'
    for (const text of ['', ' ', '~', 'null', '# none']) {
      const { value, problems } = apply({ REGISTRY_AUTH: text }, file)
      assert.match(problems.join('\n'), /^auth: .*an empty variable/)
      assert.deepEqual(value, { auth: { htpasswd: { realm: 'x', path: '/y' } } })
    }
  })

  test('REGISTRY_CONFIGURATION_PATH and what has another prefix say nothing here', () => {
    assert.deepEqual(apply({ REGISTRY_CONFIGURATION_PATH: '/x', registry_http_addr: ':1', REGISTRYHTTP: '1', PATH: '/bin' }), {
      value: {},
      problems: [],
      warnings: [],
    })
  })

  test('without a name, or with empty parts, is unknown', () => {
    assert.equal(
      apply({ REGISTRY_: '1', REGISTRY__HTTP: '1', REGISTRY_HTTP__ADDR: '1', 'REGISTRY_HTTP.ADDR': '1', REGISTRY___PROTO__: '1' }).warnings
        .length,
      5,
    )
  })
})
