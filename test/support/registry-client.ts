import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { sendRequest } from './http-client.ts'
import type { HttpRequest, HttpResponse } from './http-client.ts'
import { tarOf } from './tar.ts'

export const mediaTypes = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  index: 'application/vnd.oci.image.index.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
  gzipLayer: 'application/vnd.oci.image.layer.v1.tar+gzip',
  empty: 'application/vnd.oci.empty.v1+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerManifestList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayer: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
} as const

const everyManifest = [mediaTypes.manifest, mediaTypes.index, mediaTypes.dockerManifest, mediaTypes.dockerManifestList].join(', ')

export interface Descriptor {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
  readonly [field: string]: unknown
}

/** A manifest as it is stored: its bytes and what describes them. */
export interface PushedManifest {
  readonly descriptor: Descriptor
  readonly bytes: Buffer
}

export interface PushedImage extends PushedManifest {
  readonly config: Descriptor
  readonly layers: readonly Descriptor[]
}

/** Plain requests of the distribution API to one registry. Every helper that pushes throws unless it got 201. */
export interface RegistryClient {
  send(path: string, request?: HttpRequest): Promise<HttpResponse>
  pushBlob(repository: string, bytes: Uint8Array, mediaType?: string): Promise<Descriptor>
  /** Stores the manifest at a tag, or at its digest when the reference is undefined. */
  pushManifest(repository: string, reference: string | undefined, manifest: object | Buffer): Promise<PushedManifest>
  pullManifest(repository: string, reference: string): Promise<PushedManifest>
  pullBlob(repository: string, digest: string): Promise<Buffer>
  /** The digest that a tag points at now, or undefined. */
  digestOf(repository: string, reference: string): Promise<string | undefined>
}

/** The digest of some bytes, as the specification writes it. */
export function digestOfBytes(bytes: Uint8Array, algorithm: 'sha256' | 'sha512' = 'sha256'): string {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`
}

/** A client for the registry at `url`; `authorization`, `userAgent` and `ca` go with every request. */
export function registryClient(
  url: string,
  options: { readonly authorization?: string; readonly userAgent?: string; readonly ca?: string } = {},
): RegistryClient {
  const send: RegistryClient['send'] = (path, request = {}) => {
    const authorization = options.authorization === undefined ? {} : { authorization: options.authorization }
    const agent = options.userAgent === undefined ? {} : { 'user-agent': options.userAgent }
    const trust = options.ca === undefined ? {} : { ca: options.ca }
    return sendRequest(new URL(path, url), { ...request, ...trust, headers: { ...authorization, ...agent, ...request.headers } })
  }
  const pullManifest: RegistryClient['pullManifest'] = async (repository, reference) => {
    const answer = await send(`/v2/${repository}/manifests/${reference}`, { headers: { accept: everyManifest } })
    const { body, headers } = expectStatus(answer, 200, `pull of manifest ${repository} ${reference}`)
    return { bytes: body, descriptor: { mediaType: headers['content-type'] ?? '', digest: digestOfBytes(body), size: body.length } }
  }
  return {
    send,
    pullManifest,
    pushBlob: async (repository, bytes, mediaType = 'application/octet-stream') => {
      const digest = digestOfBytes(bytes)
      const started = expectStatus(
        await send(`/v2/${repository}/blobs/uploads/`, { method: 'POST', body: '' }),
        202,
        `upload to ${repository}`,
      )
      const place = new URL(started.headers.location ?? '', url)
      place.searchParams.set('digest', digest)
      const headers = { 'content-type': 'application/octet-stream' }
      expectStatus(await send(place.href, { method: 'PUT', body: bytes, headers }), 201, `push of blob ${digest}`)
      return { mediaType, digest, size: bytes.length }
    },
    pushManifest: async (repository, reference, manifest) => {
      const bytes = Buffer.isBuffer(manifest) ? manifest : Buffer.from(JSON.stringify(manifest))
      const { mediaType } = JSON.parse(bytes.toString()) as { mediaType: string }
      const digest = digestOfBytes(bytes)
      const path = `/v2/${repository}/manifests/${reference ?? digest}`
      expectStatus(
        await send(path, { method: 'PUT', body: bytes, headers: { 'content-type': mediaType } }),
        201,
        `push of manifest ${path}`,
      )
      return { bytes, descriptor: { mediaType, digest, size: bytes.length } }
    },
    pullBlob: async (repository, digest) =>
      expectStatus(await send(`/v2/${repository}/blobs/${digest}`), 200, `pull of blob ${digest}`).body,
    digestOf: async (repository, reference) => {
      const answer = await send(`/v2/${repository}/manifests/${reference}`, { method: 'HEAD', headers: { accept: everyManifest } })
      if (answer.status === 404) return undefined
      const header = expectStatus(answer, 200, `HEAD of manifest ${repository} ${reference}`).headers['docker-content-digest']
      return Array.isArray(header) ? header[0] : header
    },
  }
}

function expectStatus(answer: HttpResponse, status: number, what: string): HttpResponse {
  if (answer.status !== status)
    throw new Error(`${what}: expected ${status}, got ${answer.status} ${answer.body.toString().slice(0, 1000)}`)
  return answer
}

export interface ImageContent {
  readonly files?: Readonly<Record<string, Uint8Array | string>>
  readonly architecture?: string
  readonly os?: string
  /** Docker's schema 2 media types in place of OCI's. */
  readonly docker?: boolean
  /** The command that a container of the image runs. */
  readonly command?: readonly string[]
  readonly subject?: Descriptor
  readonly annotations?: Readonly<Record<string, string>>
}

/** Pushes an OCI image with one gzip layer per call of its content; to its digest alone when `tag` is undefined. */
export async function pushImage(
  client: RegistryClient,
  repository: string,
  tag: string | undefined,
  content: ImageContent = {},
): Promise<PushedImage> {
  const archive = tarOf(content.files ?? { 'etc/name': `${repository}:${tag}\n` })
  const platform = { architecture: content.architecture ?? 'amd64', os: content.os ?? 'linux' }
  const config = {
    ...platform,
    config: content.command === undefined ? {} : { Cmd: content.command },
    rootfs: { type: 'layers', diff_ids: [digestOfBytes(archive)] },
  }
  const layer = await client.pushBlob(
    repository,
    gzipSync(archive),
    content.docker === true ? mediaTypes.dockerLayer : mediaTypes.gzipLayer,
  )
  const configDescriptor = await client.pushBlob(
    repository,
    Buffer.from(JSON.stringify(config)),
    content.docker === true ? mediaTypes.dockerConfig : mediaTypes.config,
  )
  const manifest = {
    schemaVersion: 2,
    mediaType: content.docker === true ? mediaTypes.dockerManifest : mediaTypes.manifest,
    config: configDescriptor,
    layers: [layer],
    ...(content.subject === undefined ? {} : { subject: content.subject }),
    ...(content.annotations === undefined ? {} : { annotations: content.annotations }),
  }
  const pushed = await client.pushManifest(repository, tag, manifest)
  return { ...pushed, config: configDescriptor, layers: [layer] }
}

/** Pushes an artifact (an image manifest with the empty config) that may refer to a subject. */
export async function pushArtifact(
  client: RegistryClient,
  repository: string,
  artifact: {
    readonly artifactType: string
    readonly content: Uint8Array
    readonly tag?: string
    readonly subject?: Descriptor
    readonly annotations?: Readonly<Record<string, string>>
  },
): Promise<PushedImage> {
  const config = await client.pushBlob(repository, Buffer.from('{}'), mediaTypes.empty)
  const layer = await client.pushBlob(repository, artifact.content, artifact.artifactType)
  const { artifactType, subject, annotations } = artifact
  const optional = { ...(subject === undefined ? {} : { subject }), ...(annotations === undefined ? {} : { annotations }) }
  const manifest = { schemaVersion: 2, mediaType: mediaTypes.manifest, artifactType, config, layers: [layer], ...optional }
  const pushed = await client.pushManifest(repository, artifact.tag, manifest)
  return { ...pushed, config, layers: [layer] }
}

/** Pushes an index over manifests that are there already. */
export async function pushIndex(
  client: RegistryClient,
  repository: string,
  tag: string | undefined,
  manifests: readonly Descriptor[],
): Promise<PushedManifest> {
  return await client.pushManifest(repository, tag, { schemaVersion: 2, mediaType: mediaTypes.index, manifests })
}
