/**
 * A data directory in registry:2's layout, written directly: 10,000 tags in one repository, 5,000 repositories, one image with a config of
 * 5 KB and a layer of 256 MiB. Both servers start over a copy of the same bytes, so nothing depends on who pushed it.
 */
import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Seed {
  readonly manifestDigest: string
  readonly configDigest: string
  readonly layerDigest: string
  readonly layerBytes: number
}

const tagCount = 10_000
const repositoryCount = 5_000
const mediaType = 'application/vnd.docker.distribution.manifest.v2+json'

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function write(path: string, content: Uint8Array | string): void {
  mkdirSync(join(path, '..'), { recursive: true })
  writeFileSync(path, content)
}

/** Writes the layout below `root` (`docker/registry/v2/…`). */
export function seedRegistry2(root: string): Seed {
  const base = join(root, 'docker/registry/v2')
  const putBlob = (bytes: Buffer): string => {
    const hex = sha256(bytes)
    write(join(base, 'blobs/sha256', hex.slice(0, 2), hex, 'data'), bytes)
    return hex
  }
  const config = putBlob(Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', filler: randomBytes(2500).toString('hex') })))
  const layerBytes = 256 << 20
  const layer = putBlob(Buffer.alloc(layerBytes, randomBytes(1 << 20)))
  const manifestOf = (n: number): Buffer =>
    Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType,
        config: { mediaType: 'application/vnd.docker.container.image.v1+json', size: 5060, digest: `sha256:${config}` },
        layers: [{ mediaType: 'application/vnd.docker.image.rootfs.diff.tar.gzip', size: layerBytes, digest: `sha256:${layer}` }],
        annotations: { n: String(n) },
      }),
    )
  const addRepository = (name: string, tags: readonly string[], manifest: string): void => {
    const repository = join(base, 'repositories', name)
    for (const blob of [config, layer]) write(join(repository, '_layers/sha256', blob, 'link'), `sha256:${blob}`)
    write(join(repository, '_manifests/revisions/sha256', manifest, 'link'), `sha256:${manifest}`)
    for (const tag of tags) {
      write(join(repository, '_manifests/tags', tag, 'current/link'), `sha256:${manifest}`)
      write(join(repository, '_manifests/tags', tag, 'index/sha256', manifest, 'link'), `sha256:${manifest}`)
    }
  }
  const manifest = putBlob(manifestOf(0))
  const tags = Array.from({ length: tagCount }, (_, i) => `v${String(i).padStart(5, '0')}`)
  addRepository('bench/tags', tags, manifest)
  addRepository('bench/image', ['latest'], manifest)
  for (let i = 0; i < repositoryCount; i++) addRepository(`many/repo-${String(i).padStart(4, '0')}`, ['latest'], manifest)
  return { manifestDigest: `sha256:${manifest}`, configDigest: `sha256:${config}`, layerDigest: `sha256:${layer}`, layerBytes }
}
