import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { after, before, describe, test } from 'node:test'
import { startDaemon } from '../support/daemon.ts'
import type { Daemon } from '../support/daemon.ts'
import { tryCommand } from '../support/run-command.ts'
import { pushIndex } from '../support/registry-client.ts'
import { open, password, plain, tls, user } from './servers.ts'
import { openWorkplace, pushRunnableImage } from './workplace.ts'
import type { Workplace } from './workplace.ts'

let work: Workplace
let containerd: Daemon

before(async () => {
  work = await openWorkplace('containerd')
  const places = `root = "${work.file('root')}"\nstate = "${work.file('state')}"\n`
  const sockets = `[grpc]\n  address = "${work.file('containerd.sock')}"\n[ttrpc]\n  address = "${work.file('containerd.sock.ttrpc')}"\n`
  await writeFile(work.file('config.toml'), `version = 2\n${places}disabled_plugins = ["io.containerd.grpc.v1.cri"]\n${sockets}`)
  const ready = async () => (await tryCommand(['ctr', '-a', work.file('containerd.sock'), 'version'], { env: work.env })).status === 0
  containerd = await startDaemon(['containerd', '-c', work.file('config.toml')], ready, { env: work.env })
})
after(async () => {
  await containerd?.stop()
  await work?.[Symbol.asyncDispose]()
})

async function ctr(...args: string[]): Promise<string> {
  return (await work.run(['ctr', '-a', work.file('containerd.sock'), '-n', 'berth', ...args])).stdout.trim()
}

async function digestHeld(name: string): Promise<string | undefined> {
  const lines = (await ctr('images', 'ls', `name==${name}`)).split('\n')
  return /sha256:[0-9a-f]{64}/u.exec(lines.at(-1) ?? '')?.[0]
}

for (const server of [plain, tls]) {
  const image = (name: string) => `${server.host}/containerd/${name}`
  const trust = server.authorityFile === undefined ? ['--plain-http'] : ['--tlscacert', server.authorityFile]
  const account = ['-u', `${user}:${password}`]

  describe(`containerd over ${server.name}`, () => {
    test('a pull with a wrong password is refused', async () => {
      await pushRunnableImage(server.direct, 'containerd/app', '1')
      const pull = [
        'ctr',
        '-a',
        work.file('containerd.sock'),
        '-n',
        'berth',
        'images',
        'pull',
        ...trust,
        '-u',
        `${user}:wrong`,
        image('app:1'),
      ]
      assert.match((await work.runRefused(pull)).output, /401|unauthorized|authorization failed/iu)
    })

    test('an image is pulled with its digest, runs, and is pushed to another name unchanged', async () => {
      const { descriptor } = await pushRunnableImage(server.direct, 'containerd/app', '1')
      await ctr('images', 'pull', ...trust, ...account, image('app:1'))
      assert.equal(await digestHeld(image('app:1')), descriptor.digest)
      assert.equal(await ctr('run', '--rm', image('app:1'), `run-${server.name}`), 'hello')
      await ctr('images', 'tag', image('app:1'), image('pushed:1'))
      await ctr('images', 'push', ...trust, ...account, image('pushed:1'))
      assert.equal(await server.direct.digestOf('containerd/pushed', '1'), descriptor.digest)
      await ctr('images', 'push', ...trust, ...account, image('pushed:1')) // Once more: everything is there.
    })

    test('every platform of an index is pulled and pushed', async () => {
      const platforms = ['amd64', 'arm64'] as const
      const images = await Promise.all(
        platforms.map((architecture) => pushRunnableImage(server.direct, 'containerd/multi', architecture, { greeting: architecture })),
      )
      const manifests = images.map(({ descriptor }, index) => ({
        ...descriptor,
        platform: { os: 'linux', architecture: platforms[index] },
      }))
      const { descriptor } = await pushIndex(server.direct, 'containerd/multi', 'all', manifests)
      await ctr('images', 'pull', ...trust, ...account, '--all-platforms', image('multi:all'))
      await ctr('images', 'tag', image('multi:all'), image('multi-pushed:all'))
      await ctr('images', 'push', ...trust, ...account, image('multi-pushed:all'))
      assert.equal(await server.direct.digestOf('containerd/multi-pushed', 'all'), descriptor.digest)
      for (const { digest } of manifests) assert.equal(await server.direct.digestOf('containerd/multi-pushed', digest), digest)
    })
  })
}

test('containerd pulls through a mirror of hosts.toml, which is asked with ?ns=', async () => {
  const { descriptor } = await pushRunnableImage(open.direct, 'library/mirrored', '1.0', { greeting: 'mirrored' })
  await mkdir(work.file('certs.d', 'docker.io'), { recursive: true })
  const hosts = `server = "${open.url}"\n[host."${open.url}"]\n  capabilities = ["pull", "resolve"]\n`
  await writeFile(work.file('certs.d', 'docker.io', 'hosts.toml'), hosts)
  await ctr('images', 'pull', '--hosts-dir', work.file('certs.d'), 'docker.io/library/mirrored:1.0')
  assert.equal(await digestHeld('docker.io/library/mirrored:1.0'), descriptor.digest)
  assert.equal(await ctr('run', '--rm', 'docker.io/library/mirrored:1.0', 'run-mirror'), 'mirrored')
})
