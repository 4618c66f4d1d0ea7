/** Writes a data directory in registry:2's exact format, file by file, for tests that must not depend on the old registry being installed. */
import { createHash } from 'node:crypto'
import { mkdir, utimes, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

export const ociManifest = 'application/vnd.oci.image.manifest.v1+json'
export const ociIndex = 'application/vnd.oci.image.index.v1+json'
export const dockerManifest = 'application/vnd.docker.distribution.manifest.v2+json'

export interface Content {
  readonly digest: string
  readonly bytes: Buffer
}

export interface Image extends Content {
  readonly config: Content
  readonly layers: readonly Content[]
}

export function contentOf(value: Buffer | string | object): Content {
  const bytes = value instanceof Buffer ? value : Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))
  return { digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`, bytes }
}

export function descriptor(content: Content, mediaType: string): { mediaType: string; digest: string; size: number } {
  return { mediaType, digest: content.digest, size: content.bytes.length }
}

export class Registry2Directory {
  readonly root: string

  constructor(root: string) {
    this.root = root
  }

  path(...parts: string[]): string {
    return join(this.root, 'docker/registry/v2', ...parts)
  }

  blobPath(digest: string): string {
    const [algorithm = '', hex = ''] = digest.split(':')
    return this.path('blobs', algorithm, hex.slice(0, 2), hex, 'data')
  }

  async write(path: string, bytes: Buffer | string, at?: Date): Promise<void> {
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, bytes)
    if (at !== undefined) await utimes(path, at, at)
  }

  async blob(content: Content): Promise<Content> {
    await this.write(this.blobPath(content.digest), content.bytes)
    return content
  }

  linkPath(repository: string, kind: '_layers' | '_manifests/revisions', digest: string): string {
    return this.path('repositories', repository, kind, digest.replace(':', '/'), 'link')
  }

  tagPath(repository: string, tag: string): string {
    return this.path('repositories', repository, '_manifests/tags', tag)
  }

  /** A blob as `PUT …/blobs/uploads/` leaves it. */
  async layer(repository: string, content: Content): Promise<Content> {
    await this.write(this.linkPath(repository, '_layers', content.digest), content.digest)
    return await this.blob(content)
  }

  /** A blob that the client named by sha512: the bytes are under sha256, and both links say so. */
  async sha512Layer(repository: string, content: Content): Promise<string> {
    const digest = `sha512:${createHash('sha512').update(content.bytes).digest('hex')}`
    await this.layer(repository, content)
    await this.write(this.linkPath(repository, '_layers', digest), content.digest)
    return digest
  }

  /** A manifest as `PUT …/manifests/<digest>` leaves it. */
  async manifest(repository: string, document: object): Promise<Content> {
    const content = await this.blob(contentOf(document))
    await this.write(this.linkPath(repository, '_manifests/revisions', content.digest), content.digest)
    return content
  }

  async tag(repository: string, tag: string, digest: string, at?: Date): Promise<void> {
    await this.write(join(this.tagPath(repository, tag), 'index', digest.replace(':', '/'), 'link'), digest, at)
    await this.write(join(this.tagPath(repository, tag), 'current/link'), digest, at)
  }

  /** An image with a config and a layer of its own, untagged. */
  async image(repository: string, text: string, more: object = {}): Promise<Image> {
    const config = await this.layer(repository, contentOf({ architecture: 'amd64', os: 'linux', text }))
    const layer = await this.layer(repository, contentOf(`layer of ${text}`))
    const manifest = await this.manifest(repository, {
      schemaVersion: 2,
      mediaType: ociManifest,
      config: descriptor(config, 'application/vnd.oci.image.config.v1+json'),
      layers: [descriptor(layer, 'application/vnd.oci.image.layer.v1.tar')],
      ...more,
    })
    return { ...manifest, config, layers: [layer] }
  }
}
