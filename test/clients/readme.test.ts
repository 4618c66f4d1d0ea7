import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { startDaemon } from '../support/daemon.ts'
import type { Daemon } from '../support/daemon.ts'
import { freePort } from '../support/free-port.ts'
import { berthCommands } from '../support/guide-commands.ts'
import { startDockerEngine } from './docker-engine.ts'
import type { DockerEngine } from './docker-engine.ts'
import { makeRootfs } from './workplace.ts'

const checkout = join(import.meta.dirname, '../..')
const launcher = join(checkout, 'bin/berth.mjs')

const readme = readFileSync(join(checkout, 'README.md'), 'utf8')
/** The commands of the section "Start", in their order, as a reader types them. */
const [start, commands] = [...readme.matchAll(/```sh\n([\s\S]*?)```/g)].map((match) => (match[1] ?? '').trim().split('\n'))

let engine: DockerEngine
let registry: Daemon | undefined
let port: number
let password: string

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
  password = /password +(\S+)/.exec(registry.logs())?.[1] ?? ''
  assert.notEqual(password, '', registry.logs())
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

test('the commands on accounts and projects make what docker logs in with', async () => {
  const { work } = engine
  const berth = berthCommands(readme)
  assert.equal(berth.length, 6)
  const printed: string[] = []
  for (const [verb = '', ...rest] of berth) {
    const asks = verb === 'login' || (verb === 'user' && rest[0] === 'create')
    const words = [verb, ...rest.map((word) => word.replace('localhost:5000', `localhost:${port}`)), ...(asks ? ['--password-stdin'] : [])]
    printed.push(
      (await work.run([process.execPath, launcher, ...words], { input: verb === 'login' ? password : 'a passphrase of hers' })).stdout,
    )
  }
  const docker = (...words: string[]) => work.run(['/usr/bin/docker', ...words])
  const secrets = printed.flatMap((text) => /\bberth_(?:rob|pat)_\S+/.exec(text)?.[0] ?? [])
  const accounts = [
    ['robot-ci@team', secrets[0]],
    ['admin', secrets[1]],
    ['alice', 'a passphrase of hers'],
  ] as const
  for (const [index, [name, secret]] of accounts.entries()) {
    assert.ok(secret !== undefined, printed.join('\n'))
    await work.run(['/usr/bin/docker', 'login', '-u', name, '--password-stdin', `localhost:${port}`], { input: secret })
    await docker('tag', 'busybox', `localhost:${port}/team/busybox:by-${index}`)
    await docker('push', `localhost:${port}/team/busybox:by-${index}`)
    const elsewhere = `localhost:${port}/library/busybox:by-${index}`
    await docker('tag', 'busybox', elsewhere)
    assert.match((await work.runRefused(['/usr/bin/docker', 'push', elsewhere])).output, /denied/u)
  }
})

test('a second start keeps the password to itself and has what was pushed', async () => {
  await registry?.stop()
  registry = await npmStart()
  assert.doesNotMatch(registry.logs(), /password {2}/)
  await engine.work.run(['/usr/bin/docker', 'pull', `localhost:${port}/team/busybox:1.0`])
})
