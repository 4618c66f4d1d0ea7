import assert from 'node:assert/strict'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { after, before, describe, test } from 'node:test'
import { pushImage } from '../support/registry-client.ts'
import { authFile, open, password, plain, tls, user } from './servers.ts'
import { makeRootfs, openWorkplace, pushRunnableImage } from './workplace.ts'
import type { Workplace } from './workplace.ts'

let work: Workplace

before(async () => {
  work = await openWorkplace('podman', (file) => ({
    REGISTRY_AUTH_FILE: file('auth.json'),
    CONTAINERS_STORAGE_CONF: file('storage.conf'),
    CONTAINERS_CONF: file('containers.conf'),
  }))
  await writeFile(work.file('auth.json'), authFile([plain, tls]))
  await mkdir(work.file('certs'))
  await work.run(['cp', tls.authorityFile, work.file('certs', 'ca.crt')])
  // Partial pulls fetch the parts of a zstd:chunked layer that are not there yet, by ranges.
  const storage = `[storage]\ndriver = "overlay"\ngraphroot = "${work.file('root')}"\nrunroot = "${work.file('runroot')}"\n`
  await writeFile(
    work.file('storage.conf'),
    `${storage}[storage.options]\npull_options = {enable_partial_images = "true", use_hard_links = "false", ostree_repos = ""}\n`,
  )
  await writeFile(
    work.file('containers.conf'),
    '[containers]\npids_limit = 0\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "none"\nruntime = "runc"\n',
  )
  await makeRootfs(work.path)
})
after(() => work?.[Symbol.asyncDispose]())

async function podman(...args: string[]): Promise<string> {
  return (await work.run(['podman', ...args])).stdout.trim()
}

/** Imports an image with content of its own: podman reuses layers that it knows to be in the registry, whatever their compression. */
async function importImage(name: string): Promise<string> {
  await writeFile(work.file('rootfs', 'name'), name)
  await work.run(['tar', '-C', work.file('rootfs'), '-cf', work.file('rootfs.tar'), '.'])
  await podman('import', '--change', 'CMD ["/bin/busybox","cat","/name"]', work.file('rootfs.tar'), `localhost/${name}`)
  return `localhost/${name}`
}

for (const server of [plain, tls]) {
  const image = (name: string) => `${server.host}/podman/${name}`
  const trust = () => (server.authorityFile === undefined ? ['--tls-verify=false'] : [`--cert-dir=${work.file('certs')}`])

  describe(`podman over ${server.name}`, () => {
    test('login with a wrong password is refused, with the right one accepted', async () => {
      const login = [
        'podman',
        'login',
        ...trust(),
        '--authfile',
        work.file(`login-${server.name}.json`),
        '-u',
        user,
        '--password-stdin',
        server.host,
      ]
      assert.match((await work.runRefused(login, { input: 'wrong' })).output, /invalid username\/password|unauthorized/iu)
      assert.match((await work.run(login, { input: password })).output, /Login Succeeded/u)
    })

    test('a pushed image is pulled with the same digest and id, and runs', async () => {
      const local = await importImage(`app-${server.name}`)
      await podman('push', ...trust(), '--digestfile', work.file('digest'), local, image('app:1'))
      const pushed = await readFile(work.file('digest'), 'utf8')
      assert.equal(await server.direct.digestOf('podman/app', '1'), pushed)
      const id = await podman('image', 'inspect', '--format', '{{.Id}}', local)
      await podman('rmi', '-f', local)
      assert.equal(await podman('pull', '-q', ...trust(), image('app:1')), id)
      assert.equal(await podman('image', 'inspect', '--format', '{{.Digest}}', image('app:1')), pushed)
      assert.equal(await podman('run', '--rm', '--network', 'none', image('app:1')), `app-${server.name}`)
    })

    test('an image compressed with zstd is pushed, pulled and runs', async () => {
      const local = await importImage(`zstd-${server.name}`)
      await podman('push', ...trust(), '--compression-format', 'zstd', local, image('zstd:1'))
      const { bytes } = await server.direct.pullManifest('podman/zstd', '1')
      assert.match(bytes.toString(), /application\/vnd\.oci\.image\.layer\.v1\.tar\+zstd/u)
      await podman('rmi', '-f', local)
      await podman('pull', '-q', ...trust(), image('zstd:1'))
      assert.equal(await podman('run', '--rm', '--network', 'none', image('zstd:1')), `zstd-${server.name}`)
    })

    test('a zstd:chunked image is pulled in parts, by ranges', async () => {
      const local = await importImage(`chunked-${server.name}`)
      await podman('push', ...trust(), '--compression-format', 'zstd:chunked', local, image('chunked:1'))
      await podman('rmi', '-f', local)
      const pulled = await work.run(['podman', '--log-level=debug', 'pull', ...trust(), image('chunked:1')])
      assert.match(pulled.output, /Retrieved partial blob/u, 'podman did not pull in parts')
      assert.equal(await podman('run', '--rm', '--network', 'none', image('chunked:1')), `chunked-${server.name}`)
    })

    test('an image made elsewhere is pulled by digest and runs', async () => {
      const { descriptor } = await pushRunnableImage(server.direct, 'podman/elsewhere', '1', { greeting: 'from elsewhere' })
      await podman('pull', '-q', ...trust(), `${image('elsewhere')}@${descriptor.digest}`)
      assert.equal(await podman('run', '--rm', '--network', 'none', `${image('elsewhere')}@${descriptor.digest}`), 'from elsewhere')
    })

    test('a pull of an unknown tag says that the manifest is unknown', async () => {
      assert.match((await work.runRefused(['podman', 'pull', ...trust(), image('app:absent')])).output, /manifest unknown/iu)
    })
  })
}

test('podman searches repositories by the catalog and lists tags', async () => {
  await pushImage(plain.direct, 'podman/search-me', 'one')
  await pushImage(plain.direct, 'podman/search-me', 'two')
  const found = await podman('search', '--tls-verify=false', '--format', '{{.Name}}', `${plain.host}/search-me`)
  assert.equal(found, `${plain.host}/podman/search-me`)
  const tags = await podman('search', '--tls-verify=false', '--list-tags', `${plain.host}/podman/search-me`)
  assert.deepEqual(
    tags.split('\n').map((line) => line.split(/\s+/u).at(-1)),
    ['TAG', 'one', 'two'],
  )
})

test('podman pulls through a mirror of its registries.conf', async () => {
  const { descriptor } = await pushRunnableImage(open.direct, 'mirrored/app', '1', { greeting: 'mirrored' })
  const mirror = `[[registry]]\nlocation = "upstream.test"\n[[registry.mirror]]\nlocation = "${open.host}"\ninsecure = true\n`
  await writeFile(work.file('registries.conf'), mirror)
  const env = { CONTAINERS_REGISTRIES_CONF: work.file('registries.conf') }
  await work.run(['podman', 'pull', '-q', 'upstream.test/mirrored/app:1'], { env })
  assert.equal(await podman('image', 'inspect', '--format', '{{.Digest}}', 'upstream.test/mirrored/app:1'), descriptor.digest)
})
