import assert from 'node:assert/strict'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { after, before, describe, test } from 'node:test'
import { authFile, plain, tls } from './servers.ts'
import { makeRootfs, openWorkplace } from './workplace.ts'
import type { Workplace } from './workplace.ts'

let work: Workplace

before(async () => {
  work = await openWorkplace('buildah', (file) => ({
    REGISTRY_AUTH_FILE: file('auth.json'),
    CONTAINERS_STORAGE_CONF: file('storage.conf'),
    BUILDAH_ISOLATION: 'chroot',
  }))
  await writeFile(work.file('auth.json'), authFile([plain, tls]))
  await writeFile(
    work.file('storage.conf'),
    `[storage]\ndriver = "overlay"\ngraphroot = "${work.file('root')}"\nrunroot = "${work.file('runroot')}"\n`,
  )
  await mkdir(work.file('certs'))
  await work.run(['cp', tls.authorityFile, work.file('certs', 'ca.crt')])
  await makeRootfs(work.path)
})
after(() => work?.[Symbol.asyncDispose]())

async function buildah(...args: string[]): Promise<string> {
  return (await work.run(['buildah', ...args])).stdout.trim()
}

for (const server of [plain, tls]) {
  const image = (name: string) => `${server.host}/buildah/${name}`
  const trust = () => (server.authorityFile === undefined ? ['--tls-verify=false'] : [`--cert-dir=${work.file('certs')}`])

  describe(`buildah over ${server.name}`, () => {
    test('an image made from scratch is committed, pushed and the base of the next one', async () => {
      const container = await buildah('from', 'scratch')
      await buildah('copy', container, work.file('rootfs'), '/')
      await buildah('config', '--cmd', '["/bin/busybox","echo","built"]', container)
      await buildah('commit', '--rm', container, 'localhost/built:1')
      await buildah('push', ...trust(), '--digestfile', work.file('digest'), 'localhost/built:1', `docker://${image('app:1')}`)
      const pushed = await readFile(work.file('digest'), 'utf8')
      assert.equal(await server.direct.digestOf('buildah/app', '1'), pushed)
      await buildah('rmi', '-f', 'localhost/built:1')
      const next = await buildah('from', '--pull-always', ...trust(), image('app:1'))
      assert.equal(await buildah('inspect', '--type', 'image', '--format', '{{.FromImageDigest}}', image('app:1')), pushed)
      assert.equal(await buildah('run', next, '/bin/busybox', 'echo', 'hello'), 'hello')
      await buildah('rm', next)
    })

    test('commit writes straight into the registry', async () => {
      const container = await buildah('from', ...trust(), image('app:1'))
      await buildah('config', '--label', `server=${server.name}`, container)
      await buildah('commit', ...trust(), '--rm', container, `docker://${image('committed:1')}`)
      const { bytes } = await server.direct.pullManifest('buildah/committed', '1')
      const { config } = JSON.parse(bytes.toString()) as { config: { digest: string } }
      assert.match(
        (await server.direct.pullBlob('buildah/committed', config.digest)).toString(),
        new RegExp(`"server":"${server.name}"`, 'u'),
      )
    })

    test('manifest push --all brings the list and every image of it', async () => {
      const list = `localhost/list-${server.name}`
      await buildah('manifest', 'create', list)
      for (const architecture of ['amd64', 'arm64', 's390x']) {
        const container = await buildah('from', '--arch', architecture, 'scratch')
        await buildah('copy', container, work.file('rootfs', 'bin', 'busybox'), `/bin/${architecture}`)
        await buildah('commit', '--rm', container, `localhost/one-${architecture}`)
        await buildah('manifest', 'add', '--arch', architecture, list, `localhost/one-${architecture}`)
      }
      await buildah('manifest', 'push', ...trust(), '--all', list, `docker://${image('list:1')}`)
      const { bytes } = await server.direct.pullManifest('buildah/list', '1')
      const { manifests } = JSON.parse(bytes.toString()) as { manifests: { digest: string; platform: { architecture: string } }[] }
      assert.deepEqual(manifests.map(({ platform }) => platform.architecture).toSorted(), ['amd64', 'arm64', 's390x'])
      for (const { digest } of manifests) assert.equal((await server.direct.pullManifest('buildah/list', digest)).descriptor.digest, digest)
    })
  })
}
