import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { RegistryError } from './errors.ts'
import { configEntriesMax, historyByLayer, parseImageConfig } from './image-config.ts'
import { createManifestParser } from './manifest-parser.ts'

const parse = (value: unknown) => parseImageConfig(Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)))

test('a config of Docker or OCI is read with all that people look for', () => {
  const config = parse({
    os: 'linux',
    architecture: 'arm64',
    variant: 'v8',
    created: '2026-01-02T03:04:05Z',
    author: 'A',
    config: {
      User: '1000',
      Env: ['PATH=/bin'],
      Entrypoint: ['/app'],
      Cmd: ['serve', '--x'],
      ExposedPorts: { '80/tcp': {}, '443/tcp': {} },
      Volumes: { '/data': {} },
      WorkingDir: '/srv',
      Labels: { a: 'b' },
      StopSignal: 'SIGINT',
    },
    history: [
      { created: '2026-01-01T00:00:00Z', created_by: 'ADD x', comment: 'c' },
      { created_by: 'ENV', empty_layer: true },
    ],
  })
  assert.deepEqual(config, {
    os: 'linux',
    architecture: 'arm64',
    variant: 'v8',
    created: '2026-01-02T03:04:05Z',
    author: 'A',
    user: '1000',
    workingDir: '/srv',
    stopSignal: 'SIGINT',
    entrypoint: ['/app'],
    cmd: ['serve', '--x'],
    env: ['PATH=/bin'],
    ports: ['80/tcp', '443/tcp'],
    volumes: ['/data'],
    labels: { a: 'b' },
    history: [
      { created: '2026-01-01T00:00:00Z', createdBy: 'ADD x', comment: 'c', isEmptyLayer: false },
      { createdBy: 'ENV', isEmptyLayer: true },
    ],
  })
})

test('what is not of its type is left out, and nothing throws', () => {
  const config = parse({
    os: 7,
    config: { Env: { a: 1 }, Cmd: 'sh', Entrypoint: [1, 'x', null], Labels: ['a'], ExposedPorts: [80], User: {} },
    history: ['x', null, [], { created_by: 5, empty_layer: 'yes' }],
  })
  assert.deepEqual(config, {
    entrypoint: ['x'],
    cmd: ['sh'],
    env: [],
    ports: [],
    volumes: [],
    labels: {},
    history: Array.from({ length: 4 }, () => ({ isEmptyLayer: false })),
  })
  for (const body of [{}, { config: null, history: null }, { config: 'x', history: {} }, { config: [] }]) {
    assert.deepEqual(parse(body), { entrypoint: [], cmd: [], env: [], ports: [], volumes: [], labels: {}, history: [] })
  }
})

suite('a config is refused', () => {
  const bad: Readonly<Record<string, string>> = {
    'that is no object': '[1]',
    'that is null': 'null',
    'that is no JSON': '{"a":',
    'that names a member twice': '{"os":"a","os":"b"}',
    'that nests too deep': `{"a":${'['.repeat(100)}${']'.repeat(100)}}`,
    'of an executable': '\u0000ELF',
  }
  for (const [name, text] of Object.entries(bad)) {
    test(name, () => {
      assert.throws(
        () => parse(text),
        (error: unknown) => error instanceof RegistryError && error.code === 'MANIFEST_INVALID',
      )
    })
  }
})

test('names of objects are data, `__proto__` too', () => {
  const config = parse('{"config":{"Labels":{"__proto__":"x","constructor":"y"},"ExposedPorts":{"__proto__":{}}}}')
  assert.deepEqual(Object.keys(config.labels), ['__proto__', 'constructor'])
  assert.deepEqual(config.ports, ['__proto__'])
  assert.equal(Object.getPrototypeOf(config.labels), Object.prototype)
})

test('lists end at a bound', () => {
  const many = Array.from({ length: configEntriesMax + 5 }, (_, index) => String(index))
  const config = parse({ config: { Env: many, Labels: Object.fromEntries(many.map((name) => [`l${name}`, ''])) }, history: many })
  assert.deepEqual(
    [config.env.length, Object.keys(config.labels).length, config.history.length],
    [configEntriesMax, configEntriesMax, configEntriesMax],
  )
})

test('each layer has the step that made it, when there are as many', () => {
  const history = [
    { createdBy: 'ADD', isEmptyLayer: false },
    { createdBy: 'ENV', isEmptyLayer: true },
    { createdBy: 'RUN', isEmptyLayer: false },
  ]
  assert.deepEqual(
    historyByLayer(history, 2).map((entry) => entry?.createdBy),
    ['ADD', 'RUN'],
  )
  assert.deepEqual(historyByLayer(history, 3), [undefined, undefined, undefined])
  assert.deepEqual(historyByLayer([], 1), [undefined])
})

test('a large config is read in a thread, with the same result', async () => {
  await using parser = createManifestParser()
  const value = { os: 'linux', config: { Env: Array.from({ length: 900 }, (_, index) => `V${index}=${'x'.repeat(200)}`) } }
  const bytes = Buffer.from(JSON.stringify(value))
  assert.ok(bytes.length > 100_000)
  assert.deepEqual(await parser.parseConfig(bytes), parseImageConfig(bytes))
  await assert.rejects(
    parser.parseConfig(Buffer.from(`{"a":"${'x'.repeat(100_000)}","a":1}`)),
    (error: unknown) => error instanceof RegistryError && error.code === 'MANIFEST_INVALID',
  )
  assert.deepEqual(await parser.parseConfig(Buffer.from('{}')), parseImageConfig(Buffer.from('{}')))
})
