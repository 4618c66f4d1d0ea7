import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { after, before, describe, test } from 'node:test'
import type { PushedImage } from '../support/registry-client.ts'
import { startDockerEngine, type DockerEngine } from './docker-engine.ts'
import { password, plain, user } from './servers.ts'
import { openWorkplace, pushRunnableImage } from './workplace.ts'
import type { Workplace } from './workplace.ts'

let work: Workplace
let engine: DockerEngine
let image: PushedImage

const api = (repository: string, rest: string) => `/api/v1/repositories/${encodeURIComponent(repository)}/${rest}`

async function download(name: string, query: string): Promise<string> {
  const answer = await plain.direct.send(api('archives/source', `manifests/1/archive${query}`))
  assert.equal(answer.status, 200, answer.body.toString().slice(0, 500))
  const file = work.file(name)
  await writeFile(file, answer.body)
  return file
}

async function upload(repository: string, file: string): Promise<{ readonly digest: string; readonly tags: readonly string[] }> {
  const body = await readFile(file)
  const answer = await plain.direct.send(api(repository, 'import'), {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/x-tar' },
  })
  assert.equal(answer.status, 201, answer.body.toString())
  const [made] = (JSON.parse(answer.body.toString()) as { images: { digest: string; tags: string[] }[] }).images
  assert.ok(made !== undefined)
  return made
}

async function docker(...args: string[]): Promise<string> {
  return (await engine.work.run(['/usr/bin/docker', ...args])).stdout.trim()
}

before(async () => {
  engine = await startDockerEngine([])
  work = await openWorkplace('archives', (file) => ({ CONTAINERS_STORAGE_CONF: file('storage.conf') }))
  await writeFile(
    work.file('storage.conf'),
    `[storage]\ndriver = "vfs"\ngraphroot = "${work.file('root')}"\nrunroot = "${work.file('runroot')}"\n`,
  )
  image = await pushRunnableImage(plain.direct, 'archives/source', '1', { greeting: 'from an archive' })
})
after(async () => {
  await engine?.[Symbol.asyncDispose]()
  await work?.[Symbol.asyncDispose]()
})

describe('archives that Berth writes', () => {
  test('are read by skopeo in both forms, with the same config and layers', async () => {
    const docker = await download('docker.tar', '')
    const inspected = await work.run(['skopeo', 'inspect', '--config', '--raw', `docker-archive:${docker}`])
    assert.deepEqual(
      JSON.parse(inspected.stdout),
      JSON.parse((await plain.direct.pullBlob('archives/source', image.config.digest)).toString()),
    )
    await work.run(['skopeo', '--insecure-policy', 'copy', `docker-archive:${docker}`, `dir:${work.file('from-docker')}`])
    const oci = await download('oci.tar', '?format=oci')
    await work.run(['skopeo', '--insecure-policy', 'copy', '--preserve-digests', `oci-archive:${oci}`, `oci:${work.file('layout')}:1`])
    const index = JSON.parse(await readFile(work.file('layout', 'index.json'), 'utf8')) as { manifests: { digest: string }[] }
    assert.equal(index.manifests[0]?.digest, image.descriptor.digest)
  })

  test('are loaded by podman in both forms, under their names', async () => {
    for (const query of ['', '?format=oci']) {
      const loaded = await work.run(['podman', 'load', '-i', await download('podman.tar', query)])
      assert.match(loaded.output, /Loaded image/iu)
      const listed = await work.run(['podman', 'images', '--format', '{{.Repository}}:{{.Tag}}'])
      assert.ok(listed.stdout.includes(`${plain.host}/archives/source:1`), listed.stdout)
      await work.run(['podman', 'rmi', '--all', '--force'])
    }
  })

  test('are loaded by docker, which runs what is in them', async () => {
    const loaded = await docker('load', '-i', await download('docker.tar', ''))
    assert.ok(loaded.includes(`${plain.host}/archives/source:1`), loaded)
    assert.equal(await docker('run', '--rm', '--network', 'none', `${plain.host}/archives/source:1`), 'from an archive')
  })
})

describe('archives that Berth takes', () => {
  test('are those of skopeo in both forms', async () => {
    const source = await download('oci.tar', '?format=oci')
    for (const form of ['docker-archive', 'oci-archive']) {
      const file = work.file(`${form}.tar`)
      const target = form === 'docker-archive' ? `${form}:${file}:skopeo:1` : `${form}:${file}:1`
      await work.run(['skopeo', '--insecure-policy', 'copy', `oci-archive:${source}`, target])
      const made = await upload(`archives/${form}`, file)
      assert.deepEqual(made.tags, ['1'])
      const config = (await plain.direct.pullManifest(`archives/${form}`, '1')).bytes.toString()
      assert.ok(config.includes(image.config.digest), 'the config is the same')
    }
  })

  test('are those of podman save, in both forms', async () => {
    await work.run(['podman', 'load', '-i', await download('podman.tar', '')])
    for (const form of ['docker-archive', 'oci-archive']) {
      const file = work.file(`podman-${form}.tar`)
      await work.run(['podman', 'save', '--format', form, '-o', file, `${plain.host}/archives/source:1`])
      assert.deepEqual((await upload(`archives/podman-${form}`, file)).tags, ['1'])
      await work.run([
        'skopeo',
        '--insecure-policy',
        'copy',
        '--src-tls-verify=false',
        '--src-creds',
        `${user}:${password}`,
        `docker://${plain.host}/archives/podman-${form}:1`,
        `dir:${work.file(`back-${form}`)}`,
      ])
    }
  })

  test('are those of docker save', async () => {
    await docker('load', '-i', await download('docker.tar', ''))
    const file = work.file('saved.tar')
    await docker('save', '-o', file, `${plain.host}/archives/source:1`)
    assert.deepEqual((await upload('archives/docker-save', file)).tags, ['1'])
  })
})
