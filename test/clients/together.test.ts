import assert from 'node:assert/strict'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { randomBytes } from 'node:crypto'
import { digestOfBytes, mediaTypes } from '../support/registry-client.ts'
import { tarOf } from '../support/tar.ts'
import { authFile, plain } from './servers.ts'
import { openWorkplace, pushRunnableImage } from './workplace.ts'
import type { Workplace } from './workplace.ts'

let work: Workplace

before(async () => {
  work = await openWorkplace('together', (file) => ({ REGISTRY_AUTH_FILE: file('auth.json') }))
  await writeFile(work.file('auth.json'), authFile([plain]))
})
after(() => work?.[Symbol.asyncDispose]())

const skopeo = (...args: string[]) =>
  work.run(['skopeo', '--insecure-policy', 'copy', '--preserve-digests', '--src-tls-verify=false', '--dest-tls-verify=false', ...args])
const reference = (name: string) => `docker://${plain.host}/together/${name}`

test('eight clients that push the same image at once all succeed, and it is one image', async () => {
  const { descriptor } = await pushRunnableImage(plain.direct, 'together/source', '1')
  await work.run([
    'skopeo',
    '--insecure-policy',
    'copy',
    '--preserve-digests',
    '--src-tls-verify=false',
    reference('source:1'),
    `dir:${work.file('image')}`,
  ])
  const tags = Array.from({ length: 8 }, (_, index) => `t${index}`)
  // Four of them into one repository, by one tag: the same manifest, blob and tag at the same time.
  const targets = tags.map((tag, index) => reference(index < 4 ? 'same:1' : `apart/${tag}:1`))
  await Promise.all(targets.map((target) => skopeo(`dir:${work.file('image')}`, target)))
  assert.equal(await plain.direct.digestOf('together/same', '1'), descriptor.digest)
  for (const tag of tags.slice(4)) assert.equal(await plain.direct.digestOf(`together/apart/${tag}`, '1'), descriptor.digest)
})

test('an image of 64 MiB in four layers comes back with every byte, while others pull it too', async () => {
  await pushLargeImage('large')
  const pulls = ['a', 'b', 'c'].map((name) => skopeo(reference('large:1'), `dir:${work.file(name)}`))
  await Promise.all(pulls)
  const { bytes } = await plain.direct.pullManifest('together/large', '1')
  const { layers } = JSON.parse(bytes.toString()) as { layers: { digest: string; size: number }[] }
  for (const { digest } of layers) {
    const pulled = await readFile(work.file('a', digest.replace('sha256:', '')))
    assert.equal(digestOfBytes(pulled), digest)
  }
})

async function pushLargeImage(repository: string) {
  const archives = Array.from({ length: 4 }, (_, index) => tarOf({ [`file${index}`]: randomBytes(16 * 1024 * 1024) }))
  const layers = archives.map((archive) => gzipSync(archive, { level: 0 }))
  const directory = work.file('made')
  await mkdir(directory)
  const config = Buffer.from(
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      config: {},
      rootfs: { type: 'layers', diff_ids: archives.map((archive) => digestOfBytes(archive)) },
    }),
  )
  const describe = (bytes: Buffer, mediaType: string) => ({ mediaType, digest: digestOfBytes(bytes), size: bytes.length })
  const manifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: describe(config, mediaTypes.config),
    layers: layers.map((layer) => describe(layer, mediaTypes.gzipLayer)),
  }
  // The `dir` transport of containers/image: blobs by their hash, a manifest, a version.
  for (const blob of [config, ...layers]) await writeFile(`${directory}/${digestOfBytes(blob).replace('sha256:', '')}`, blob)
  await writeFile(`${directory}/manifest.json`, JSON.stringify(manifest))
  await writeFile(`${directory}/version`, 'Directory Transport Version: 1.1\n')
  await skopeo(`dir:${directory}`, reference(`${repository}:1`))
}
