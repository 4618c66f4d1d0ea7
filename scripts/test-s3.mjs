// Runs the tests of object storage on Ceph RGW, which it installs, starts and stops. `node scripts/test-s3.mjs`; needs root on Debian.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { installCeph, startCeph } from './ceph-rgw.mjs'

installCeph()
const { endpoint, accessKeyId, secretAccessKey, stop } = await startCeph()
console.log(`Ceph RGW answers at ${endpoint}`)
try {
  const tests = ['test/s3/rgw.test.ts']
  const { status } = spawnSync(
    fileURLToPath(new URL('../node_modules/.bin/node', import.meta.url)),
    ['--test', '--test-isolation=none', ...tests],
    {
      cwd: fileURLToPath(new URL('..', import.meta.url)),
      stdio: 'inherit',
      env: { ...process.env, BERTH_TEST_RGW: JSON.stringify({ endpoint, accessKeyId, secretAccessKey }) },
    },
  )
  process.exitCode = status ?? 1
} finally {
  await stop()
}
