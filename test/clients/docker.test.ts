import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { copyFile, mkdir, rm, rmdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { digestOfBytes, pushImage } from '../support/registry-client.ts'
import { startDockerEngine } from './docker-engine.ts'
import type { DockerEngine } from './docker-engine.ts'
import { open, password, plain, tls, user } from './servers.ts'
import type { Server } from './servers.ts'
import { makeRootfs, pushRunnableImage } from './workplace.ts'

const debianDocker = '/usr/bin/docker'
// A newer command line than Debian's, where the machine has one: it talks to the registry itself for `docker manifest`.
const commandLines = [debianDocker, '/usr/local/bin/docker'].filter((path) => existsSync(path))
const certificatesOf = (server: Server) => `/etc/docker/certs.d/${server.host}`

let engine: DockerEngine

async function docker(...args: string[]): Promise<string> {
  return (await engine.work.run([debianDocker, ...args])).stdout.trim()
}

async function dockerRefused(...args: string[]): Promise<string> {
  return (await engine.work.runRefused([debianDocker, ...args])).output
}

async function login(server: Server, secret = password) {
  const command = [debianDocker, 'login', '-u', user, '--password-stdin', server.host]
  return secret === password ? await engine.work.run(command, { input: secret }) : await engine.work.runRefused(command, { input: secret })
}

before(async () => {
  engine = await startDockerEngine([open.url])
  const rootfs = await makeRootfs(engine.work.path)
  await engine.work.run(['tar', '-C', rootfs, '-cf', engine.work.file('rootfs.tar'), '.'])
  await docker('import', '-c', 'CMD ["/bin/sh","-c","echo hello"]', engine.work.file('rootfs.tar'), 'busybox:local')
})

after(async () => {
  await rm(certificatesOf(tls), { recursive: true, force: true })
  await rmdir(dirname(certificatesOf(tls))).catch(() => {}) // Others' certificates may be there.
  await engine?.[Symbol.asyncDispose]()
})

test('docker refuses a server whose certificate authority it does not know', async () => {
  const refusal = await engine.work.runRefused([debianDocker, 'login', '-u', user, '--password-stdin', tls.host], { input: password })
  assert.match(refusal.output, /x509/u)
  await mkdir(certificatesOf(tls), { recursive: true })
  await copyFile(tls.authorityFile, `${certificatesOf(tls)}/ca.crt`)
  await engine.restart() // Its BuildKit reads the certificates when it starts.
})

for (const server of [plain, tls]) {
  const image = (name: string) => `${server.host}/docker/${name}`
  const served = (name: string, reference: string) => server.direct.digestOf(`docker/${name}`, reference)

  describe(`docker over ${server.name}`, () => {
    test('a wrong password is refused at login and a push without login is refused', async () => {
      assert.match((await login(server, 'wrong')).output, /unauthorized|401/iu)
      await docker('tag', 'busybox:local', image('refused:1'))
      const refusal = await dockerRefused('push', image('refused:1'))
      assert.match(refusal, /unauthorized|no basic auth|denied/iu)
      assert.match((await login(server)).output, /Login Succeeded/u)
    })

    test('a pushed image is pulled with the same digest and id, and runs', async () => {
      await docker('tag', 'busybox:local', image('app:1'))
      const pushed = /digest: (sha256:[0-9a-f]{64})/u.exec(await docker('push', image('app:1')))?.[1]
      assert.equal(await served('app', '1'), pushed)
      const id = await docker('image', 'inspect', '--format', '{{.Id}}', 'busybox:local')
      await docker('rmi', image('app:1'))
      await docker('rmi', '-f', 'busybox:local')
      assert.match(await docker('pull', image('app:1')), new RegExp(`Digest: ${pushed}`, 'u'))
      assert.equal(await docker('image', 'inspect', '--format', '{{.Id}}', image('app:1')), id)
      assert.match(await docker('pull', `${image('app')}@${pushed}`), new RegExp(`Digest: ${pushed}`, 'u'))
      assert.equal(await docker('run', '--rm', '--network', 'none', image('app:1')), 'hello')
      await docker('tag', image('app:1'), 'busybox:local')
      assert.match(await docker('pull', image('app:1')), /up to date/u)
    })

    test('a second push sends no layer, and another repository gets it by a mount', async () => {
      await docker('tag', image('app:1'), image('app:2'))
      assert.match(await docker('push', image('app:2')), /Layer already exists/u)
      await docker('tag', image('app:1'), image('mounted/app:1'))
      assert.match(await docker('push', image('mounted/app:1')), /Mounted from docker\/app/u)
      assert.equal(await served('mounted/app', '1'), await served('app', '1'))
    })

    test('push -a pushes every tag', async () => {
      for (const tag of ['a', 'b', 'c']) await docker('tag', 'busybox:local', image(`many:${tag}`))
      await docker('push', '-a', image('many'))
      const { tags } = JSON.parse((await server.direct.send('/v2/docker/many/tags/list')).body.toString()) as { tags: string[] }
      assert.deepEqual(tags, ['a', 'b', 'c'])
    })

    test('a pull of an unknown tag says that the manifest is unknown', async () => {
      assert.match(await dockerRefused('pull', image('app:absent')), /manifest unknown|not found/u)
    })

    test('the old builder builds on an image of the registry, and the result is pushed and pulled', async () => {
      await buildAndPush(server, 'built', '0')
    })

    test('BuildKit builds with an inline cache that a later build takes from the registry', async () => {
      await buildAndPush(server, 'buildkit', '1')
      await docker('builder', 'prune', '-af')
      await docker('rmi', '-f', image('buildkit:1'))
      const again = await build(server, 'again', '1', ['--cache-from', image('buildkit:1'), '--progress', 'plain'])
      assert.match(again.output, /importing cache manifest from/u)
      assert.match(again.output, /CACHED/u)
    })

    // Docker 23 and newer take ::1 for an insecure registry, and their `manifest push` then speaks plain HTTP to it: they are tried on `plain`.
    for (const commandLine of server === tls ? [debianDocker] : commandLines) {
      test(`a manifest list made by ${commandLine} is pulled by platform`, async () => {
        const name = `list-${commandLines.indexOf(commandLine)}`
        const [one, two] = [image(`${name}:amd64`), image(`${name}:arm64`)]
        for (const [tag, greeting] of Object.entries({ amd64: 'one', arm64: 'two' })) {
          await pushRunnableImage(server.direct, `docker/${name}`, tag, { greeting, docker: true })
        }
        const manifest = (...args: string[]) => engine.work.run([commandLine, 'manifest', ...args])
        const insecure = server.authorityFile === undefined ? ['--insecure'] : []
        await manifest('create', ...insecure, image(`${name}:all`), one, two)
        await manifest('annotate', '--arch', 'arm64', '--variant', 'v8', image(`${name}:all`), two)
        const pushed = (await manifest('push', ...insecure, '--purge', image(`${name}:all`))).stdout.trim()
        assert.equal(await served(name, 'all'), pushed)
        const arm = await docker('pull', '--platform', 'linux/arm64', image(`${name}:all`))
        assert.match(arm, new RegExp(`Digest: ${pushed}`, 'u'))
        assert.equal(await docker('run', '--rm', '--network', 'none', image(`${name}:all`)), 'two')
        const inspected = (await manifest('inspect', ...insecure, '-v', image(`${name}:all`))).stdout
        assert.match(inspected, /"architecture": "arm64"/u)
      })
    }

    test('an image whose layers are uncompressed or zero files long is pulled whole', async () => {
      const pushed = await pushImage(server.direct, 'docker/small', '1', { files: {} })
      assert.match(await docker('pull', image('small:1')), new RegExp(`Digest: ${pushed.descriptor.digest}`, 'u'))
    })
  })
}

test('docker pulls a name without a host from an open registry that is its mirror', async () => {
  const pushed = await pushRunnableImage(open.direct, 'library/greeting', '1.0', { greeting: 'mirrored' })
  assert.match(await docker('pull', 'greeting:1.0'), new RegExp(`Digest: ${pushed.descriptor.digest}`, 'u'))
  assert.equal(await docker('run', '--rm', '--network', 'none', 'greeting:1.0'), 'mirrored')
})

test('an image of many layers that docker pulls is the one that was pushed, layer by layer', async () => {
  const context = engine.work.file('layers')
  await mkdir(context, { recursive: true })
  const lines = Array.from({ length: 12 }, (_, index) => `RUN ["/bin/busybox","dd","if=/dev/urandom","of=/f${index}","bs=65536","count=8"]`)
  await writeFile(`${context}/Dockerfile`, ['FROM busybox:local', ...lines].join('\n'))
  await engine.work.run([debianDocker, 'build', '--network', 'none', '-t', `${open.host}/docker/layers:1`, context], {
    env: { DOCKER_BUILDKIT: '0' },
  })
  const listed = await docker('image', 'inspect', '--format', '{{json .RootFS.Layers}}', `${open.host}/docker/layers:1`)
  await docker('push', `${open.host}/docker/layers:1`)
  await docker('rmi', '-f', `${open.host}/docker/layers:1`)
  await docker('pull', `${open.host}/docker/layers:1`)
  assert.equal(await docker('image', 'inspect', '--format', '{{json .RootFS.Layers}}', `${open.host}/docker/layers:1`), listed)
  const { bytes } = await open.direct.pullManifest('docker/layers', '1')
  const { layers } = JSON.parse(bytes.toString()) as { layers: { digest: string; size: number }[] }
  for (const { digest, size } of layers) {
    const layer = await open.direct.pullBlob('docker/layers', digest)
    assert.deepEqual([digestOfBytes(layer), layer.length], [digest, size])
  }
})

async function build(server: Server, name: string, buildkit: '0' | '1', options: readonly string[] = []) {
  const context = engine.work.file(`context-${server.name}`)
  await mkdir(context, { recursive: true })
  await writeFile(
    `${context}/Dockerfile`,
    `FROM ${server.host}/docker/app:1\nRUN ["/bin/sh","-c","echo built > /made"]\nCMD ["/bin/busybox","cat","/made"]\n`,
  )
  const tag = `${server.host}/docker/${name}:1`
  return await engine.work.run([debianDocker, 'build', '--network', 'none', ...options, '-t', tag, context], {
    env: { DOCKER_BUILDKIT: buildkit },
  })
}

async function buildAndPush(server: Server, name: string, buildkit: '0' | '1') {
  await build(server, name, buildkit, buildkit === '1' ? ['--build-arg', 'BUILDKIT_INLINE_CACHE=1'] : [])
  const tag = `${server.host}/docker/${name}:1`
  const pushed = /digest: (sha256:[0-9a-f]{64})/u.exec(await docker('push', tag))?.[1]
  assert.equal(await server.direct.digestOf(`docker/${name}`, '1'), pushed)
  await docker('rmi', '-f', tag)
  await docker('pull', tag)
  assert.equal(await docker('run', '--rm', '--network', 'none', tag), 'built')
}
