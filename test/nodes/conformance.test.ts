import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { after, before, test } from 'node:test'
import { runSuite } from '../conformance/official-suite.ts'
import { givenVariable, type GivenRegistry } from '../conformance/with-berth.ts'
import { knownAbsence } from '../support/absences.ts'
import { run } from '../support/run-command.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { directUserAgent, startCluster, type Cluster } from './cluster.ts'

const official = process.env['BERTH_CONFORMANCE_SUITE'] ?? ''
const lacks = process.env['BERTH_CONFORMANCE_LACKS'] ?? ''

let cluster: Cluster
before(async () => {
  cluster = await startCluster({ balance: 'roundrobin', isHtpasswd: true })
})
after(() => cluster?.[Symbol.asyncDispose]())

/** How many requests each node answered, by its log. */
const answered = () => cluster.nodes.map((node) => node.logs().match(/ HTTP\/1\.1" \d{3} /g)?.length ?? 0)

test('the conformance tests of this project pass through three nodes in turn, without stickiness', async () => {
  const directory = fileURLToPath(new URL('../conformance', import.meta.url))
  const files = (await readdir(directory)).filter((name) => name.endsWith('.test.ts'))
  const given: GivenRegistry = {
    url: cluster.url,
    authorityFile: cluster.authorityFile,
    authorization: cluster.authorization,
    userAgent: directUserAgent,
  }
  const { NODE_TEST_CONTEXT: _, ...env } = process.env as Record<string, string>
  const { stdout } = await run([process.execPath, '--test', '--test-reporter=tap', ...files.map((name) => join(directory, name))], {
    env: { ...env, [givenVariable]: JSON.stringify(given) },
    timeoutMs: 300_000,
  })
  assert.ok(Number(/^# pass (\d+)$/m.exec(stdout)?.[1]) > 50, stdout.slice(-2000))
  const counts = answered()
  assert.ok(Math.min(...counts) > Math.max(...counts) / 2, `each node had its share: ${counts.join(', ')}`)
})

const isLacking = official === '' && knownAbsence('official-conformance-suite', lacks) !== undefined

test('the official conformance suite passes through three nodes in turn', { skip: isLacking ? lacks : false }, async () => {
  assert.notEqual(official, '', `the official suite is not here: ${lacks}`)
  await using work = await temporaryDirectory('conformance')
  const { counts, problems } = await runSuite(official, work.path, {
    OCI_REGISTRY: cluster.host,
    OCI_VERSION: '1.1',
    OCI_TLS: 'enabled',
    OCI_USERNAME: 'admin',
    OCI_PASSWORD: cluster.password,
    SSL_CERT_FILE: cluster.authorityFile,
  })
  assert.deepEqual(problems, [], counts)
})
