// Installs what is missing, builds the portal when it is old, then runs its tests in Debian's Chromium: `npm run test:portal [-- FILE …]`.
import { ensure } from './ensure.mjs'
import { buildWeb } from './build-web.mjs'
import { installPackages } from './install-test-tools.mjs'
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const checkout = fileURLToPath(new URL('..', import.meta.url))
const web = join(checkout, 'web')

/** Files of test/portal whose names begin so. */
function filesOf(wanted) {
  const all = readdirSync(join(checkout, 'test/portal')).filter((name) => name.endsWith('.test.ts'))
  const files = all.filter((name) => wanted.length === 0 || wanted.some((begin) => name.startsWith(begin)))
  if (files.length === 0) throw new Error(`No test of the portal is called ${wanted.join(' or ')}; there are: ${all.join(', ')}`)
  return files.sort().map((name) => join('test/portal', name))
}

try {
  const node = ensure({ dev: true })
  // axe-core, and the types that tsc reads.
  ensure({ dev: true, root: web })
  const packages = {
    chromium: '/usr/bin/chromium',
    'fonts-noto-cjk': '/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc',
    slapd: '/usr/sbin/slapd',
    'ldap-utils': '/usr/bin/ldapsearch',
    openssl: 'openssl',
    'docker.io': '/usr/bin/docker',
    containerd: 'containerd',
    runc: 'runc',
  }
  installPackages(packages, 'The tests of the portal')
  buildWeb({ node })
  const types = spawnSync(node, [join(checkout, 'node_modules/typescript/bin/tsc'), '--noEmit', '-p', web], {
    cwd: checkout,
    stdio: 'inherit',
  })
  if (types.status !== 0) throw new Error('The portal has errors of types: see above.')
  // A page waits for its server and its browser in turn: two files at once use both processors of a small machine.
  const together = `--test-concurrency=${Math.min(2, availableParallelism())}`
  const options = ['--test', '--test-reporter=spec', '--test-reporter-destination=stdout', together, '--test-timeout=300000']
  process.exitCode = spawnSync(node, [...options, ...filesOf(process.argv.slice(2))], { cwd: checkout, stdio: 'inherit' }).status ?? 1
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
}
