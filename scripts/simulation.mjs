// `npm run test:simulation [-- --seed N …]` and `npm run simulation:mutations [-- NAME …]`: installs what is missing, then runs the simulator, or tries it with mistakes.
// Without arguments the first does both: seeds, and then each mistake with the seed that the page has for it.
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { ensure } from './ensure.mjs'

const checkout = fileURLToPath(new URL('..', import.meta.url))
const [what = 'run', ...rest] = process.argv.slice(2)

/** Resolves with the exit status. */
function run(command, args) {
  const child = spawn(command, args, { cwd: checkout, stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
  return new Promise((resolve) => child.once('exit', (code) => resolve(code ?? 1)))
}

try {
  const node = ensure({ dev: true })
  const runs = [[what, ...rest], ...(what === 'run' && rest.length === 0 ? [['mutations', '--listed']] : [])]
  const codes = []
  for (const [file, ...args] of runs) codes.push(await run(node, [`test/simulation/${file}.ts`, ...args]))
  process.exitCode = codes.find((code) => code !== 0) ?? 0
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
}
