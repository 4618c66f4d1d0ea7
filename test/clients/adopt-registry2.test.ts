import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { startDaemon, type Daemon } from '../support/daemon.ts'
import { freePort } from '../support/free-port.ts'
import { sendRequest } from '../support/http-client.ts'
import { mediaTypes, pushArtifact, pushImage, pushIndex, registryClient, type RegistryClient } from '../support/registry-client.ts'
import { run } from '../support/run-command.ts'
import { startBerth } from '../support/start-berth.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const berth = fileURLToPath(new URL('../../bin/berth.mjs', import.meta.url))

/** What stops registry:2 or changes what it is told. */
const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(?:AWS_CA_BUNDLE|REGISTRY_.*)$/u.test(name)))

interface Registry2 extends AsyncDisposable {
  readonly client: RegistryClient
  readonly configFile: string
}

/** Debian's docker-registry on a data directory. */
async function startRegistry2(dataDir: string, work: string): Promise<Registry2> {
  const port = await freePort()
  const configFile = join(work, `registry2-${port}.yml`)
  const config = {
    version: 0.1,
    log: { level: 'warn' },
    storage: { filesystem: { rootdirectory: dataDir }, delete: { enabled: true } },
    http: { addr: `127.0.0.1:${port}` },
  }
  await writeFile(configFile, JSON.stringify(config))
  const url = `http://127.0.0.1:${port}`
  const answers = async () => {
    try {
      return (await sendRequest(`${url}/v2/`, { timeoutMs: 2000 })).status === 200
    } catch {
      return false
    }
  }
  const daemon: Daemon = await startDaemon(['docker-registry', 'serve', configFile], answers, { env: environment })
  // registry:2 dies by SIGTERM; that is its orderly end.
  return { client: registryClient(url), configFile, [Symbol.asyncDispose]: () => daemon.kill9() }
}

/** Everything that a pull of these references gives, by digest: what must be the same from every registry. */
class Inventory {
  readonly #references: { readonly repository: string; readonly reference: string; readonly digest: string; readonly mediaType: string }[] =
    []
  readonly #blobs: { readonly repository: string; readonly digest: string; readonly sha256: string }[] = []

  async add(client: RegistryClient, repository: string, reference: string): Promise<string> {
    const { descriptor, bytes } = await client.pullManifest(repository, reference)
    this.#references.push({ repository, reference, digest: descriptor.digest, mediaType: descriptor.mediaType })
    this.#references.push({ repository, reference: descriptor.digest, digest: descriptor.digest, mediaType: descriptor.mediaType })
    const document = JSON.parse(bytes.toString()) as {
      config?: { digest: string }
      layers?: { digest: string }[]
      manifests?: { digest: string }[]
    }
    for (const { digest } of [...(document.config === undefined ? [] : [document.config]), ...(document.layers ?? [])]) {
      const blob = await client.pullBlob(repository, digest)
      this.#blobs.push({ repository, digest, sha256: createHash('sha256').update(blob).digest('hex') })
    }
    for (const child of document.manifests ?? []) await this.add(client, repository, child.digest)
    return descriptor.digest
  }

  async check(client: RegistryClient): Promise<void> {
    for (const { repository, reference, digest, mediaType } of this.#references) {
      const { descriptor } = await client.pullManifest(repository, reference)
      assert.deepEqual([descriptor.digest, descriptor.mediaType], [digest, mediaType], `${repository} ${reference}`)
    }
    for (const { repository, digest, sha256 } of this.#blobs) {
      const bytes = await client.pullBlob(repository, digest)
      assert.equal(createHash('sha256').update(bytes).digest('hex'), sha256, `${repository} ${digest}`)
    }
  }
}

async function pushBySha512(client: RegistryClient, repository: string, bytes: Buffer): Promise<string> {
  const digest = `sha512:${createHash('sha512').update(bytes).digest('hex')}`
  const started = await client.send(`/v2/${repository}/blobs/uploads/`, { method: 'POST', body: '' })
  const place = new URL(started.headers.location ?? '')
  place.searchParams.set('digest', digest)
  assert.equal((await client.send(place.href, { method: 'PUT', body: bytes })).status, 201)
  return digest
}

async function pushManifestBySha512(client: RegistryClient, repository: string, tag: string): Promise<string> {
  const config = await client.pushBlob(repository, Buffer.from('{}'), mediaTypes.config)
  const body = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.manifest, config, layers: [], annotations: { tag } }))
  const digest = `sha512:${createHash('sha512').update(body).digest('hex')}`
  const path = `/v2/${repository}/manifests/${digest}?tag=${tag}`
  assert.equal((await client.send(path, { method: 'PUT', body, headers: { 'content-type': mediaTypes.manifest } })).status, 201)
  return digest
}

/** Images of every kind, pushed to registry:2. */
async function fillRegistry2(client: RegistryClient): Promise<Inventory> {
  const inventory = new Inventory()
  await pushImage(client, 'busybox', 'latest', { docker: true })
  const [arm, amd] = [
    await pushImage(client, 'team/multi', undefined, { architecture: 'arm64' }),
    await pushImage(client, 'team/multi', undefined),
  ]
  const index = await pushIndex(client, 'team/multi', 'latest', [arm.descriptor, amd.descriptor])
  await pushArtifact(client, 'team/multi', {
    artifactType: 'application/vnd.dev.cosign.simplesigning.v1+json',
    content: Buffer.from('a signature'),
    tag: `sha256-${index.descriptor.digest.slice(7)}.sig`,
    subject: index.descriptor,
  })
  const untagged = await pushImage(client, 'team/multi', undefined, { files: { 'etc/untagged': 'yes' } })
  const bytes = Buffer.from('a layer named by sha512')
  const digest = await pushBySha512(client, 'team/sha512', bytes)
  const config = await client.pushBlob('team/sha512', Buffer.from('{}'), mediaTypes.config)
  const layers = [{ mediaType: mediaTypes.layer, digest, size: bytes.length }]
  await client.pushManifest('team/sha512', 'v1', { schemaVersion: 2, mediaType: mediaTypes.manifest, config, layers })
  for (const [repository, reference] of [
    ['busybox', 'latest'],
    ['team/multi', 'latest'],
    ['team/multi', `sha256-${index.descriptor.digest.slice(7)}.sig`],
    ['team/multi', untagged.descriptor.digest],
    ['team/sha512', 'v1'],
  ] as const)
    await inventory.add(client, repository, reference)
  return inventory
}

/** A half upload, a link that a crash emptied, and an image whose layer is lost. */
async function breakSome(client: RegistryClient, dataDir: string): Promise<void> {
  const started = await client.send('/v2/team/half/blobs/uploads/', { method: 'POST', body: '' })
  const half = await client.send(new URL(started.headers.location ?? '').href, { method: 'PATCH', body: Buffer.from('half of a layer') })
  assert.equal(half.status, 202)
  const layout = join(dataDir, 'docker/registry/v2')
  const lost = await pushImage(client, 'team/lost', 'v1', { files: { 'etc/lost': 'lost' } })
  const hex = lost.layers[0]?.digest.slice(7) ?? ''
  await rm(join(layout, 'blobs/sha256', hex.slice(0, 2), hex), { recursive: true })
  await pushImage(client, 'team/emptied', 'v1', { files: { 'etc/emptied': 'emptied' } })
  await writeFile(join(layout, 'repositories/team/emptied/_manifests/tags/v1/current/link'), '')
}

/** Content of every file of the layout. */
async function layoutFiles(dataDir: string): Promise<Map<string, string>> {
  const root = join(dataDir, 'docker')
  const entries = await readdir(root, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  return new Map(await Promise.all(files.map(async (file) => [file, (await readFile(file)).toString('base64')] as const)))
}

test('registry:2 → Berth in place → registry:2 again: every image keeps its digests on the whole way', { timeout: 180_000 }, async () => {
  await using work = await temporaryDirectory('adopt-registry2')
  const dataDir = join(work.path, 'data')
  const exported = join(work.path, 'exported')
  let inventory: Inventory
  let bySha512: string
  {
    await using old = await startRegistry2(dataDir, work.path)
    inventory = await fillRegistry2(old.client)
    await breakSome(old.client, dataDir)
    await inventory.check(old.client)
  }
  const before = await layoutFiles(dataDir)
  {
    await using server = await startBerth({ dataDir })
    const client = registryClient(server.url)
    await inventory.check(client)
    assert.equal(await client.digestOf('team/emptied', 'v1'), undefined)
    assert.notEqual(await client.digestOf('team/lost', 'v1'), undefined)
    assert.deepEqual(await layoutFiles(dataDir), before)

    // The lost layer is pushed again, and the image is whole.
    await pushImage(client, 'team/lost', 'v1', { files: { 'etc/lost': 'lost' } })
    const repaired = await client.pullManifest('team/lost', 'v1')
    const { layers } = JSON.parse(repaired.bytes.toString()) as { layers: { digest: string }[] }
    assert.ok((await client.pullBlob('team/lost', layers[0]?.digest ?? '')).length > 0)

    const fresh = await pushImage(client, 'team/fresh', undefined, { files: { 'etc/fresh': 'fresh' }, architecture: 'riscv64' })
    await pushIndex(client, 'team/fresh', 'v1', [fresh.descriptor])
    await pushImage(client, 'team/multi', 'stable', { files: { 'etc/stable': 'stable' } })
    for (const [repository, reference] of [
      ['team/lost', 'v1'],
      ['team/fresh', 'v1'],
      ['team/multi', 'stable'],
    ] as const)
      await inventory.add(client, repository, reference)
    bySha512 = await pushManifestBySha512(client, 'team/fresh', 'sha512')
    const { stdout } = await run([process.execPath, berth, 'export', '--layout', 'registry2', exported, server.configFile], {
      env: environment as Record<string, string>,
    })
    assert.match(stdout, /blobs +\d+ hard-linked, 0 copied/u)
  }
  {
    await using again = await startRegistry2(exported, work.path)
    await inventory.check(again.client)
    for (const reference of ['sha512', bySha512]) assert.equal(await again.client.digestOf('team/fresh', reference), bySha512)
    await run(['docker-registry', 'garbage-collect', again.configFile], { env: environment as Record<string, string> })
  }
  // What the old registry deems garbage in the export is nothing that an image needs.
  {
    await using again = await startRegistry2(exported, work.path)
    await inventory.check(again.client)
    assert.equal(await again.client.digestOf('team/fresh', 'sha512'), bySha512)
  }
  // The old registry can still serve its own directory.
  await using old = await startRegistry2(dataDir, work.path)
  assert.notEqual(await old.client.digestOf('team/multi', 'latest'), undefined)
})
