// `npm run build:web [-- --force]`: builds web/dist, the portal, when it is missing or older than what it is made of; installs what web/package-lock.json
// names first. `npm start` and the Containerfile call it too. Of what a build was made is kept as a hash in web/dist/.inputs.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import { ensure } from './ensure.mjs'

const checkout = fileURLToPath(new URL('..', import.meta.url))
const web = join(checkout, 'web')
const dist = join(web, 'dist')
/** Files, and directories with all that is in them. */
const inputNames = [
  'web/src',
  'web/public',
  'web/index.html',
  'web/package.json',
  'web/package-lock.json',
  'web/vite.config.ts',
  'server/api',
  'scripts/build-web.mjs',
]

/** Whether there is a portal that was made of what is here now. */
export function isFresh() {
  try {
    return existsSync(join(dist, 'index.html')) && readFileSync(join(dist, '.inputs'), 'utf8') === inputsHash()
  } catch {
    return false
  }
}

/** Builds when it must. Throws an Error whose message is for people. `node`: what runs the build. */
export function buildWeb({ force = false, node = process.execPath } = {}) {
  // What came without sources came built.
  if (!existsSync(join(web, 'package.json'))) return
  const inputs = inputsHash()
  if (!force && isFresh()) return
  ensure({ dev: false, root: web })
  console.error('Building the portal …')
  const making = join(web, '.dist-making')
  rmSync(making, { recursive: true, force: true })
  const vite = join(web, 'node_modules/vite/bin/vite.js')
  const { status, stdout, stderr } = spawnSync(node, [vite, 'build', '--outDir', making, '--emptyOutDir', '--logLevel', 'warn'], {
    cwd: web,
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`${stdout}${stderr}\nThe portal could not be built; what Vite said stands above.`)
  compress(making)
  writeFileSync(join(making, '.inputs'), inputs)
  rmSync(dist, { recursive: true, force: true })
  renameSync(making, dist)
}

function inputsHash() {
  const hash = createHash('sha256')
  for (const file of inputNames.flatMap(filesOf)) {
    if (!file.endsWith('.test.ts'))
      hash.update(
        `${file}\0${createHash('sha256')
          .update(readFileSync(join(checkout, file)))
          .digest('hex')}\n`,
      )
  }
  return hash.digest('hex')
}

/** The file itself, or all files below the directory, in order; nothing where there is none. */
function filesOf(name) {
  const path = join(checkout, name)
  if (!existsSync(path)) return []
  if (statSync(path).isFile()) return [name]
  return readdirSync(path, { withFileTypes: true })
    .flatMap((entry) => filesOf(`${name}/${entry.name}`))
    .sort()
}

/** What is smaller compressed gets its two forms beside it. */
function compress(directory) {
  for (const entry of readdirSync(directory, { recursive: true }).map(String)) {
    if (!/\.(?:css|js|json|svg)$/.test(entry)) continue
    const path = join(directory, entry)
    const bytes = readFileSync(path)
    if (bytes.length < 512) continue
    writeFileSync(`${path}.gz`, gzipSync(bytes, { level: 9 }))
    writeFileSync(`${path}.br`, brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }))
  }
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    buildWeb({ force: process.argv.includes('--force'), node: ensure({ dev: false }) })
  } catch (error) {
    console.error(error.message)
    process.exitCode = 1
  }
}
