// Installs Azurite (Microsoft's emulator of Azure Blob Storage) and starts one: an npm package of 191 MB, kept outside of node_modules.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { toolsDirectory } from './install-test-tools.mjs'

const version = '3.36.0'
const integrity = 'sha512-SedHed7tCmKPlX6zQENxROt4SZ2MAlOsEFng5FQkKJ2SvInCwbhGso6kxD7zMbp0Y+96xMblitLUQZV8pTsdMA=='
// The account that Microsoft documents for its emulators.
const accountName = 'devstoreaccount1'
const accountKey = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=='

/** Installs it where it is not there yet; gives its program. Throws one sentence that says what is lacking. */
export function installAzurite() {
  const directory = join(toolsDirectory, `azurite-${version}`)
  const program = join(directory, 'node_modules/azurite/dist/src/blob/main.js')
  if (existsSync(program)) return program
  console.log(`Installing azurite@${version} …`)
  mkdirSync(toolsDirectory, { recursive: true })
  const work = mkdtempSync(join(toolsDirectory, 'azurite-'))
  try {
    const options = ['--silent', '--no-audit', '--no-fund', '--ignore-scripts']
    writeFileSync(join(work, 'package.json'), '{"private": true}')
    const { status, error, stderr } = spawnSync('npm', ['install', ...options, `azurite@${version}`], { cwd: work, encoding: 'utf8' })
    if (status !== 0) throw new Error(`azurite@${version} cannot be installed: ${error?.message ?? stderr}`)
    const { packages } = JSON.parse(readFileSync(join(work, 'package-lock.json'), 'utf8'))
    const found = packages['node_modules/azurite']?.integrity
    if (found !== integrity) throw new Error(`azurite@${version} is not the pinned one: ${found}`)
    rmSync(directory, { recursive: true, force: true })
    renameSync(work, directory)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
  return program
}

/** Starts one in a directory of its own. `stop` ends it and removes what it kept. */
export async function startAzurite(program) {
  const location = mkdtempSync(join(tmpdir(), 'berth-azurite-'))
  const port = await freePort()
  const place = ['--silent', '--location', location, '--blobHost', '127.0.0.1', '--blobPort', String(port)]
  const child = spawn(process.execPath, [program, ...place, '--skipApiVersionCheck', '--disableTelemetry'], { stdio: 'ignore' })
  const ended = new Promise((resolve) => child.once('exit', resolve))
  const stop = async () => {
    child.kill('SIGTERM')
    await Promise.race([ended, sleep(5_000).then(() => child.kill('SIGKILL'))])
    rmSync(location, { recursive: true, force: true })
  }
  const endpoint = `http://127.0.0.1:${port}/${accountName}`
  for (let count = 0; count < 200; count++) {
    if (child.exitCode !== null) break
    if (await fetch(endpoint).catch(() => undefined)) return { endpoint, accountName, accountKey, stop }
    await sleep(100)
  }
  await stop()
  throw new Error('Azurite does not answer')
}

/** A port that the kernel chose, free a moment ago. */
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}
