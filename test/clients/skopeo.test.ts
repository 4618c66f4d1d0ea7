import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { pushArtifact, pushImage, pushIndex } from '../support/registry-client.ts'
import type { PushedManifest } from '../support/registry-client.ts'
import { authFile, password, plain, tls, user } from './servers.ts'
import type { Server } from './servers.ts'
import { openWorkplace, pushRunnableImage } from './workplace.ts'
import type { Workplace } from './workplace.ts'

let work: Workplace

before(async () => {
  work = await openWorkplace('skopeo', (file) => ({ REGISTRY_AUTH_FILE: file('auth.json') }))
  await writeFile(work.file('auth.json'), authFile([plain, tls]))
  await mkdir(work.file('certs'))
  await work.run(['cp', tls.authorityFile, work.file('certs', 'ca.crt')])
})
after(() => work?.[Symbol.asyncDispose]())

for (const server of [plain, tls]) {
  const trust = (prefix = '') =>
    server.authorityFile === undefined ? [`--${prefix}tls-verify=false`] : [`--${prefix}cert-dir=${work.file('certs')}`]
  const reference = (name: string) => `docker://${server.host}/skopeo/${name}`
  const skopeo = (...args: string[]) => work.run(['skopeo', '--insecure-policy', ...args])
  const inLayout = (name: string) => `oci:${work.file(server.name, name)}`

  describe(`skopeo over ${server.name}`, () => {
    before(() => mkdir(work.file(server.name)))

    test('login with a wrong password is refused, with the right one accepted', async () => {
      const login = [
        'skopeo',
        'login',
        ...trust(),
        '--authfile',
        work.file(server.name, 'login.json'),
        '-u',
        user,
        '--password-stdin',
        server.host,
      ]
      assert.match((await work.runRefused(login, { input: 'wrong' })).output, /invalid username\/password|unauthorized/iu)
      assert.match((await work.run(login, { input: password })).output, /Login Succeeded/u)
    })

    test('without credentials nothing is told about a repository', async () => {
      await pushImage(server.direct, 'skopeo/private', '1')
      const refusal = await work.runRefused(['skopeo', 'inspect', '--no-creds', ...trust(), reference('private:1')])
      assert.match(refusal.output, /unauthorized|authentication required/iu)
    })

    test('an image copied out and into another repository keeps its digest and every byte', async () => {
      const { descriptor, layers } = await pushRunnableImage(server.direct, 'skopeo/source', '1')
      await skopeo('copy', '--preserve-digests', ...trust('src-'), reference('source:1'), inLayout('copy:1'))
      await skopeo('copy', '--preserve-digests', ...trust('dest-'), inLayout('copy:1'), reference('target:1'))
      assert.equal(await server.direct.digestOf('skopeo/target', '1'), descriptor.digest)
      for (const layer of layers) {
        assert.deepEqual(
          await server.direct.pullBlob('skopeo/target', layer.digest),
          await server.direct.pullBlob('skopeo/source', layer.digest),
        )
      }
    })

    test('a copy between repositories of the registry mounts the blobs', async () => {
      await pushRunnableImage(server.direct, 'skopeo/mount/source', '1')
      const copied = await skopeo(
        '--debug',
        'copy',
        ...trust('src-'),
        ...trust('dest-'),
        reference('mount/source:1'),
        reference('mount/target:1'),
      )
      assert.match(copied.output, /Mount of .* succeeded|Trying to mount|mounted/iu)
      assert.equal(await server.direct.digestOf('skopeo/mount/target', '1'), await server.direct.digestOf('skopeo/mount/source', '1'))
    })

    test('copy --all brings every platform and attached manifest of an index, with the same digests', async () => {
      const index = await pushMultiPlatform(server, 'skopeo/multi')
      await skopeo(
        'copy',
        '--all',
        '--preserve-digests',
        ...trust('src-'),
        ...trust('dest-'),
        reference('multi:all'),
        reference('copied/multi:all'),
      )
      await assertSameIndex(server, 'skopeo/copied/multi', index)
    })

    test('an image is converted on the way to Docker schema 2 and back to OCI', async () => {
      await pushRunnableImage(server.direct, 'skopeo/formats', 'oci')
      for (const [format, mediaType] of [
        ['v2s2', 'application/vnd.docker.distribution.manifest.v2+json'],
        ['oci', 'application/vnd.oci.image.manifest.v1+json'],
      ] as const) {
        await skopeo(
          'copy',
          '--format',
          format,
          ...trust('src-'),
          ...trust('dest-'),
          reference('formats:oci'),
          reference(`formats:to-${format}`),
        )
        const { descriptor } = await server.direct.pullManifest('skopeo/formats', `to-${format}`)
        assert.equal(descriptor.mediaType, mediaType)
      }
    })

    test('list-tags lists every tag in order, past the first page', async () => {
      const { bytes } = await pushImage(server.direct, 'skopeo/tags', 'v0')
      const tags = Array.from({ length: 120 }, (_, index) => `v${String(index).padStart(3, '0')}`)
      for (const tag of tags) await server.direct.pushManifest('skopeo/tags', tag, bytes)
      const listed = JSON.parse((await skopeo('list-tags', ...trust(), reference('tags'))).stdout) as { Tags: string[] }
      assert.deepEqual(listed.Tags, ['v0', ...tags].toSorted())
    })

    test('inspect shows the digest, the raw manifest and the config as they were pushed', async () => {
      const { descriptor, bytes } = await pushImage(server.direct, 'skopeo/inspected', '1')
      const inspected = JSON.parse((await skopeo('inspect', ...trust(), reference('inspected:1'))).stdout) as {
        Digest: string
        RepoTags: string[]
      }
      assert.deepEqual([inspected.Digest, inspected.RepoTags], [descriptor.digest, ['1']])
      assert.equal((await skopeo('inspect', '--raw', ...trust(), reference('inspected:1'))).stdout, bytes.toString())
      assert.match((await skopeo('inspect', '--config', ...trust(), reference('inspected:1'))).stdout, /"architecture":\s*"amd64"/u)
    })

    test('delete takes the manifest and every tag of it away', async () => {
      const { bytes, descriptor } = await pushImage(server.direct, 'skopeo/deleted', '1')
      await server.direct.pushManifest('skopeo/deleted', '2', bytes)
      await skopeo('delete', ...trust(), reference('deleted:1'))
      assert.deepEqual(await Promise.all(['1', '2', descriptor.digest].map((each) => server.direct.digestOf('skopeo/deleted', each))), [
        undefined,
        undefined,
        undefined,
      ])
      assert.match((await work.runRefused(['skopeo', 'inspect', ...trust(), reference('deleted:1')])).output, /manifest unknown/iu)
      await pushImage(server.direct, 'skopeo/deleted', '1')
      await skopeo('inspect', ...trust(), reference('deleted:1'))
    })

    test('sync mirrors a repository with all tags to a directory and back', async () => {
      const pushed = await Promise.all(['1', '2'].map((tag) => pushImage(server.direct, 'skopeo/synced', tag)))
      await skopeo(
        'sync',
        ...trust('src-'),
        '--src',
        'docker',
        '--dest',
        'dir',
        `${server.host}/skopeo/synced`,
        work.file(server.name, 'sync'),
      )
      await skopeo(
        'sync',
        ...trust('dest-'),
        '--src',
        'dir',
        '--dest',
        'docker',
        work.file(server.name, 'sync'),
        `${server.host}/skopeo/back`,
      )
      const found = await Promise.all(['1', '2'].map((tag) => server.direct.digestOf('skopeo/back/synced', tag)))
      assert.deepEqual(
        found,
        pushed.map(({ descriptor }) => descriptor.digest),
      )
    })

    test('an artifact without platform and config passes through a layout unchanged', async () => {
      const artifact = await pushArtifact(server.direct, 'skopeo/artifact', {
        artifactType: 'application/vnd.example.sbom',
        content: Buffer.from('{"sbom":1}'),
        tag: '1',
      })
      await skopeo('copy', '--preserve-digests', ...trust('src-'), reference('artifact:1'), inLayout('artifact:1'))
      await skopeo('copy', '--preserve-digests', ...trust('dest-'), inLayout('artifact:1'), reference('artifact:2'))
      assert.equal(await server.direct.digestOf('skopeo/artifact', '2'), artifact.descriptor.digest)
    })

    test('umoci makes and changes an image that skopeo pushes and brings back', async () => {
      const layout = work.file(server.name, 'umoci')
      await work.run(['umoci', 'init', '--layout', layout])
      await work.run(['umoci', 'new', '--image', `${layout}:base`])
      await work.run(['umoci', 'unpack', '--image', `${layout}:base`, `${layout}-bundle`])
      await mkdir(dirname(`${layout}-bundle/rootfs/etc/name`), { recursive: true })
      await writeFile(`${layout}-bundle/rootfs/etc/name`, `umoci over ${server.name}`)
      await work.run(['umoci', 'repack', '--image', `${layout}:base`, `${layout}-bundle`])
      await work.run(['umoci', 'config', '--image', `${layout}:base`, '--config.cmd', '/bin/sh'])
      await skopeo('copy', '--preserve-digests', ...trust('dest-'), `oci:${layout}:base`, reference('umoci:base'))
      await skopeo('copy', '--preserve-digests', ...trust('src-'), reference('umoci:base'), `oci:${layout}-back:base`)
      await work.run(['umoci', 'unpack', '--image', `${layout}-back:base`, `${layout}-back-bundle`])
      assert.equal((await work.run(['cat', `${layout}-back-bundle/rootfs/etc/name`])).stdout, `umoci over ${server.name}`)
    })
  })
}

/** An index of two platforms and, as BuildKit writes it, an attestation of the first. */
async function pushMultiPlatform(server: Server, repository: string): Promise<PushedManifest> {
  const images = await Promise.all(
    ['amd64', 'arm64'].map((architecture) =>
      pushImage(server.direct, repository, undefined, { architecture, files: { arch: architecture } }),
    ),
  )
  const [first, second] = images.map(({ descriptor }, index) => ({
    ...descriptor,
    platform: { os: 'linux', architecture: ['amd64', 'arm64'][index] },
  }))
  assert.ok(first !== undefined && second !== undefined)
  const attestation = await pushImage(server.direct, repository, undefined, {
    architecture: 'unknown',
    os: 'unknown',
    files: { attested: first.digest },
  })
  const annotations = { 'vnd.docker.reference.type': 'attestation-manifest', 'vnd.docker.reference.digest': first.digest }
  const platform = { os: 'unknown', architecture: 'unknown' }
  return await pushIndex(server.direct, repository, 'all', [first, second, { ...attestation.descriptor, annotations, platform }])
}

async function assertSameIndex(server: Server, repository: string, expected: PushedManifest) {
  const found = await server.direct.pullManifest(repository, 'all')
  assert.equal(found.bytes.toString(), expected.bytes.toString())
  const { manifests } = JSON.parse(found.bytes.toString()) as { manifests: { digest: string }[] }
  for (const { digest } of manifests) assert.equal((await server.direct.pullManifest(repository, digest)).descriptor.digest, digest)
}
