// Installs fake-gcs-server with Go and starts one. It knows Google's JSON API for objects, and no multipart uploads of the XML API.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from './azurite.mjs'
import { isInstalled, toolsDirectory } from './install-test-tools.mjs'

const version = 'v1.56.1'

/** Installs it where it is not there yet; gives its program, or undefined without Go. */
export function installFakeGcs() {
  const directory = join(toolsDirectory, `fake-gcs-server-${version}`)
  const program = join(directory, 'fake-gcs-server')
  if (existsSync(program)) return program
  if (!isInstalled('go')) return undefined
  console.log(`Installing fake-gcs-server@${version} …`)
  // Go checks what it loads against its checksum database.
  const { status, error, stderr } = spawnSync('go', ['install', `github.com/fsouza/fake-gcs-server@${version}`], {
    env: { ...process.env, GOBIN: directory, GOFLAGS: '-modcacherw' },
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`fake-gcs-server@${version} cannot be installed: ${error?.message ?? stderr}`)
  return program
}

/** Starts one that keeps everything in memory. */
export async function startFakeGcs(program) {
  const port = await freePort()
  const place = ['-scheme', 'http', '-host', '127.0.0.1', '-port', String(port), '-public-host', `127.0.0.1:${port}`]
  const child = spawn(program, [...place, '-backend', 'memory'], { stdio: 'ignore' })
  const ended = new Promise((resolve) => child.once('exit', resolve))
  const stop = async () => {
    child.kill('SIGTERM')
    await Promise.race([ended, sleep(5_000).then(() => child.kill('SIGKILL'))])
  }
  const endpoint = `http://127.0.0.1:${port}`
  for (let count = 0; count < 100; count++) {
    if (child.exitCode !== null) break
    if ((await fetch(`${endpoint}/_internal/healthcheck`).catch(() => undefined))?.ok) return { endpoint, stop }
    await sleep(100)
  }
  await stop()
  throw new Error('fake-gcs-server does not answer')
}
