// Checks the types of the portal (web/) after installing what it names: a part of `npm run check`.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { ensure } from './ensure.mjs'

const checkout = fileURLToPath(new URL('..', import.meta.url))

try {
  const node = ensure({ dev: true })
  ensure({ dev: true, root: fileURLToPath(new URL('../web', import.meta.url)) })
  const compiler = fileURLToPath(new URL('../node_modules/typescript/bin/tsc', import.meta.url))
  process.exitCode = spawnSync(node, [compiler, '--noEmit', '-p', 'web'], { cwd: checkout, stdio: 'inherit' }).status ?? 1
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
}
