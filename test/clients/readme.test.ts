import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { startDaemon } from '../support/daemon.ts'
import type { Daemon } from '../support/daemon.ts'
import { freePort } from '../support/free-port.ts'
import { startDockerEngine } from './docker-engine.ts'
import type { DockerEngine } from './docker-engine.ts'
import { makeRootfs } from './workplace.ts'

const checkout = join(import.meta.dirname, '../..')

/** The commands of the section "Start", in their order, as a reader types them. */
const [start, commands] = [...readFileSync(join(checkout, 'README.md'), 'utf8').matchAll(/```sh\n([\s\S]*?)```/g)].map((match) =>
  (match[1] ?? '').trim().split('\n'),
)

let engine: DockerEngine
let registry: Daemon | undefined
let port: number

before(async () => {
  engine = await startDockerEngine([])
  const rootfs = await makeRootfs(engine.work.path)
  await engine.work.run(['tar', '-C', rootfs, '-cf', engine.work.file('rootfs.tar'), '.'])
  await engine.work.run(['/usr/bin/docker', 'import', engine.work.file('rootfs.tar'), 'busybox'])
  port = await freePort('127.0.0.1')
})

after(async () => {
  await registry?.stop()
  await engine?.[Symbol.asyncDispose]()
})

/** `npm start` of this checkout, but beside whatever listens on port 5000 and with data of its own. */
function npmStart(): Promise<Daemon> {
  assert.deepEqual(start, ['npm start'])
  const { NODE_TEST_CONTEXT: _, ...inherited } = process.env
  const env = {
    ...inherited,
    REGISTRY_HTTP_ADDR: `127.0.0.1:${port}`,
    REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: engine.work.file('registry'),
  }
  const isReady = (logs: string) => logs.includes('docker push')
  return startDaemon(['npm', 'start'], isReady, { env, cwd: checkout, readyWithinMs: 60_000, stopWithinMs: 30_000 })
}

test('the commands of the README start a registry, log in with what it printed, and push to it', async () => {
  registry = await npmStart()
  const password = /password +(\S+)/.exec(registry.logs())?.[1]
  assert.ok(password !== undefined, registry.logs())
  assert.ok(commands !== undefined && commands.length === 3)
  for (const command of commands) {
    const words = command.replaceAll('localhost:5000', `localhost:${port}`).split(' ')
    assert.equal(words.shift(), 'docker')
    const credentials = words[0] === 'login' ? ['-u', 'admin', '--password-stdin'] : []
    const [verb = '', ...rest] = words
    await engine.work.run(['/usr/bin/docker', verb, ...credentials, ...rest], { input: password })
  }
  await engine.work.run(['/usr/bin/docker', 'pull', `localhost:${port}/team/busybox:1.0`])
})

test('a second start keeps the password to itself and has what was pushed', async () => {
  await registry?.stop()
  registry = await npmStart()
  assert.doesNotMatch(registry.logs(), /password {2}/)
  await engine.work.run(['/usr/bin/docker', 'pull', `localhost:${port}/team/busybox:1.0`])
})
