// Installs what is missing, then runs bench/run.ts with the project's Node.
import { ensure } from './ensure.mjs'
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const node = ensure({ dev: false })
const run = fileURLToPath(new URL('../bench/run.ts', import.meta.url))
process.exitCode = spawnSync(node, [run, ...process.argv.slice(2)], { stdio: 'inherit' }).status ?? 1
