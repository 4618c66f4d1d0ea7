// `npm run test:postgres [-- --version 15|18] [FILE … | --node-options …]`: the tests of `npm test` on PostgreSQL, in a cluster that lives as long as the run.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startPostgres, versions } from './postgres-cluster.mjs'

const checkout = fileURLToPath(new URL('..', import.meta.url))

function parseArguments() {
  const rest = process.argv.slice(2)
  const at = rest.indexOf('--version')
  const version = at === -1 ? '15' : rest.splice(at, 2)[1]
  if (!versions.includes(version)) throw new Error(`--version is one of ${versions.join(', ')}`)
  return { version, rest }
}

async function main() {
  const { version, rest } = parseArguments()
  const cluster = await startPostgres({ version })
  const env = { ...process.env, BERTH_TEST_DATABASE: 'postgres', BERTH_TEST_POSTGRES_URL: cluster.url }
  // `--serve`: nothing is run; tests are run by hand on it until it is interrupted.
  if (rest.includes('--serve')) {
    console.log(`export BERTH_TEST_DATABASE=postgres BERTH_TEST_POSTGRES_URL='${cluster.url}'`)
    await new Promise((resolve) => process.once('SIGINT', resolve).once('SIGTERM', resolve))
    return cluster.remove()
  }
  const child = spawn(process.execPath, [join(checkout, 'scripts/test.mjs'), ...rest], { cwd: checkout, env, stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
  const code = await new Promise((resolve) => child.once('exit', resolve))
  await cluster.remove()
  process.exitCode = code ?? 1
}

await main().catch((error) => {
  console.error(error.message)
  process.exitCode = 1
})
