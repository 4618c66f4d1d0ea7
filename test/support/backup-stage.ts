/** What tests of backups share: a registry with images, places to restore into, and the proof that all is there again. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { postgresUrlFor, testDialect } from '#metadata/test-postgres.ts'
import { mediaTypes, pushImage, registryClient, type RegistryClient } from './registry-client.ts'
import { startBerth, type RunningBerth } from './start-berth.ts'
import { temporaryDirectory } from './temporary-directory.ts'

/** An image as it was pushed, with the bytes of a layer. */
export interface StagedImage {
  readonly repository: string
  readonly tag: string
  readonly digest: string
  readonly layer: { readonly digest: string; readonly bytes: Buffer }
}

/** Pushes an image of one random layer. */
export async function pushStaged(client: RegistryClient, repository: string, tag: string, layerBytes = 100_000): Promise<StagedImage> {
  const bytes = randomBytes(layerBytes)
  const layer = await client.pushBlob(repository, bytes, mediaTypes.layer)
  const config = await client.pushBlob(repository, Buffer.from(JSON.stringify({ tag, salt: layer.digest })), mediaTypes.config)
  const manifest = { schemaVersion: 2, mediaType: mediaTypes.manifest, config, layers: [layer] }
  const { descriptor } = await client.pushManifest(repository, tag, manifest)
  return { repository, tag, digest: descriptor.digest, layer: { digest: layer.digest, bytes } }
}

/** Images in several repositories, one with a deleted tag. */
export async function fill(client: RegistryClient): Promise<StagedImage[]> {
  const images: StagedImage[] = []
  for (const [repository, tag] of [
    ['library/app', 'v1'],
    ['library/app', 'v2'],
    ['team/deep/tool', 'latest'],
  ] as const)
    images.push(await pushStaged(client, repository, tag))
  await pushImage(client, 'library/gone', 'v1')
  const { status } = await client.send('/v2/library/gone/manifests/v1', { method: 'DELETE' })
  assert.equal(status, 202)
  return images
}

/** Every image is there by tag and digest, byte for byte. */
export async function assertThere(client: RegistryClient, images: readonly StagedImage[]): Promise<void> {
  for (const { repository, tag, digest, layer } of images) {
    assert.equal(await client.digestOf(repository, tag), digest, `${repository}:${tag}`)
    assert.equal((await client.pullManifest(repository, digest)).descriptor.digest, digest)
    assert.ok(layer.bytes.equals(await client.pullBlob(repository, layer.digest)), `${repository}: ${layer.digest}`)
  }
}

/** A place for a registry that is not there yet, with the configuration that commands and a server share. */
export interface TargetPlace extends AsyncDisposable {
  readonly path: string
  readonly dataDir: string
  readonly configFile: string
  /** Starts a server there. */
  start(): Promise<RunningBerth>
}

/** `more` is laid over its configuration. */
export async function makeTarget(more: Readonly<Record<string, unknown>> = {}): Promise<TargetPlace> {
  const place = await temporaryDirectory('backup-target')
  const dataDir = join(place.path, 'data')
  // The database that stands for a directory goes with it.
  await mkdir(dataDir)
  const database = testDialect === 'postgres' ? { database: { url: await postgresUrlFor(join(dataDir, 'berth.db')) } } : {}
  const keyfile = join(place.path, 'berth.key')
  const config = { version: 0.1, storage: { filesystem: { rootdirectory: dataDir } }, secrets: { keyfile }, ...database, ...more }
  const configFile = join(place.path, 'config.yml')
  await writeFile(configFile, JSON.stringify(config))
  return {
    path: place.path,
    dataDir,
    configFile,
    start: () => startBerth({ dataDir, config: { secrets: { keyfile }, ...more } }),
    [Symbol.asyncDispose]: () => place[Symbol.asyncDispose](),
  }
}

/** A client without a credential. */
export function clientOf(berth: RunningBerth): RegistryClient {
  return registryClient(berth.url)
}
