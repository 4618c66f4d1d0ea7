// `npm run test:simulation [-- --seed N …]` and `npm run simulation:mutations [-- NAME …]`: installs what is missing, then runs the simulator, or tries it with mistakes.
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { ensure } from './ensure.mjs'

const checkout = fileURLToPath(new URL('..', import.meta.url))
const [what = 'run', ...rest] = process.argv.slice(2)

try {
  const child = spawn(ensure({ dev: true }), [`test/simulation/${what}.ts`, ...rest], { cwd: checkout, stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
  child.once('exit', (code) => process.exit(code ?? 1))
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
}
