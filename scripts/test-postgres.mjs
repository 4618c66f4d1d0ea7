// `npm run test:postgres [-- --version 15|18] [--parts N] [FILE … | --node-options …]`: the tests of `npm test` on PostgreSQL, in a cluster that lives as
// long as the run. `--parts`: so many processes share the files (tests on PostgreSQL wait more than they compute); each one's report comes when it is done.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ensure } from './ensure.mjs'
import { startPostgres, versions } from './postgres-cluster.mjs'

const checkout = fileURLToPath(new URL('..', import.meta.url))

function parseArguments() {
  const rest = process.argv.slice(2)
  const take = (option, otherwise) => {
    const at = rest.indexOf(option)
    return at === -1 ? otherwise : rest.splice(at, 2)[1]
  }
  const version = take('--version', '15')
  if (!versions.includes(version)) throw new Error(`--version is one of ${versions.join(', ')}`)
  const parts = Number(take('--parts', '1'))
  if (!Number.isInteger(parts) || parts < 1 || parts > 16) throw new Error('--parts is a number from 1 to 16')
  return { version, parts, rest }
}

/** Runs one part; its report is shown at once where it is the only one, else when it is over. */
async function runPart({ env, rest, part, parts }) {
  const child = spawn(process.execPath, [join(checkout, 'scripts/test.mjs'), ...rest], {
    cwd: checkout,
    env: parts === 1 ? env : { ...env, BERTH_TEST_PART: `${part}/${parts}` },
    stdio: ['ignore', parts === 1 ? 'inherit' : 'pipe', 'inherit'],
  })
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
  const report = []
  child.stdout?.on('data', (chunk) => report.push(chunk))
  const code = await new Promise((resolve) => child.once('close', resolve))
  if (parts > 1) process.stdout.write(Buffer.concat([Buffer.from(`\n=== part ${part} of ${parts}\n`), ...report]))
  return code ?? 1
}

async function main() {
  const { version, parts, rest } = parseArguments()
  // Before several parts would do it at once.
  ensure({ dev: true })
  const cluster = await startPostgres({ version })
  const env = { ...process.env, BERTH_TEST_DATABASE: 'postgres', BERTH_TEST_POSTGRES_URL: cluster.url }
  // `--serve`: nothing is run; tests are run by hand on it until it is interrupted.
  if (rest.includes('--serve')) {
    console.log(`export BERTH_TEST_DATABASE=postgres BERTH_TEST_POSTGRES_URL='${cluster.url}'`)
    await new Promise((resolve) => process.once('SIGINT', resolve).once('SIGTERM', resolve))
    return cluster.remove()
  }
  const codes = await Promise.all(Array.from({ length: parts }, (_, index) => runPart({ env, rest, part: index + 1, parts })))
  await cluster.remove()
  process.exitCode = codes.find((code) => code !== 0) ?? 0
}

await main().catch((error) => {
  console.error(error.message)
  process.exitCode = 1
})
