import { randomBytes } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { digestOfBytes, mediaTypes } from '../support/registry-client.ts'
import type { Descriptor, RegistryClient } from '../support/registry-client.ts'
import { tarOf } from '../support/tar.ts'

/** Blobs and manifests (children first; the last one is tagged) of one kind of content that registries must keep. */
export interface DataSet {
  readonly blobs: readonly Buffer[]
  readonly manifests: readonly Buffer[]
}

type Algorithm = 'sha256' | 'sha512'

/** Collects the blobs and manifests of a data set as descriptors refer to them. */
class Content {
  readonly blobs: Buffer[] = []
  readonly manifests: Buffer[] = []
  readonly algorithm: Algorithm
  constructor(algorithm: Algorithm = 'sha256') {
    this.algorithm = algorithm
  }

  blob(bytes: Buffer, mediaType: string, fields: object = {}): Descriptor {
    this.blobs.push(bytes)
    return { mediaType, digest: digestOfBytes(bytes, this.algorithm), size: bytes.length, ...fields }
  }

  manifest(document: { readonly mediaType: string; readonly [field: string]: unknown }): Descriptor {
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, ...document }))
    this.manifests.push(bytes)
    return { mediaType: document.mediaType, digest: digestOfBytes(bytes, this.algorithm), size: bytes.length }
  }

  image(fields: object = {}): Descriptor {
    const archive = tarOf({ random: randomBytes(300) })
    const layer = this.blob(gzipSync(archive), mediaTypes.gzipLayer)
    const rootfs = { type: 'layers', diff_ids: [digestOfBytes(archive)] }
    const config = this.blob(Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs })), mediaTypes.config)
    return this.manifest({ mediaType: mediaTypes.manifest, config, layers: [layer], ...fields })
  }

  artifact(fields: object = {}): Descriptor {
    const config = this.blob(Buffer.from('{}'), mediaTypes.empty)
    const layer = this.blob(randomBytes(100), 'application/vnd.example.content')
    return this.manifest({
      mediaType: mediaTypes.manifest,
      artifactType: 'application/vnd.example.artifact',
      config,
      layers: [layer],
      ...fields,
    })
  }

  index(manifests: readonly Descriptor[], fields: object = {}): Descriptor {
    return this.manifest({ mediaType: mediaTypes.index, manifests, ...fields })
  }
}

function dataSet(make: (content: Content) => void, algorithm?: Algorithm): () => DataSet {
  return () => {
    const content = new Content(algorithm)
    make(content)
    return content
  }
}

const annotations = { 'org.example.key': 'value' }
const absent = { mediaType: mediaTypes.manifest, digest: digestOfBytes(Buffer.from('absent')), size: 6 }

/** One of each kind of content that the conformance suite of the specification pushes, pulls and deletes. */
export const dataSets: Readonly<Record<string, () => DataSet>> = {
  image: dataSet((content) => void content.image()),
  'image of uncompressed layers': dataSet((content) => {
    const layer = content.blob(tarOf({ file: 'plain' }), mediaTypes.layer)
    content.manifest({
      mediaType: mediaTypes.manifest,
      config: content.blob(Buffer.from('{"os":"linux","architecture":"amd64"}'), mediaTypes.config),
      layers: [layer],
    })
  }),
  'manifest of 3.9 MB': dataSet((content) => {
    const large = Object.fromEntries(Array.from({ length: 390 }, (_, index) => [`org.example.${index}`, 'x'.repeat(10_000)]))
    content.image({ annotations: large })
  }),
  index: dataSet((content) => void content.index([content.image(), content.image()])),
  'index of an index': dataSet((content) => void content.index([content.index([content.image()])])),
  'empty index': dataSet((content) => void content.index([])),
  artifact: dataSet((content) => void content.artifact({ annotations })),
  'index of artifacts': dataSet(
    (content) => void content.index([content.artifact(), content.artifact()], { artifactType: 'application/vnd.example.list' }),
  ),
  'artifact without layers': dataSet((content) => {
    const config = content.blob(Buffer.from('{}'), mediaTypes.empty)
    content.manifest({ mediaType: mediaTypes.manifest, artifactType: 'application/vnd.example.bare', config, layers: [config] })
  }),
  'image without layers': dataSet((content) => {
    content.manifest({ mediaType: mediaTypes.manifest, config: content.blob(Buffer.from('{"os":"linux"}'), mediaTypes.config), layers: [] })
  }),
  'artifact with a subject': dataSet((content) => void content.artifact({ subject: content.image(), annotations })),
  'index with a subject': dataSet((content) => {
    const subject = content.image()
    content.index([content.artifact()], { subject, artifactType: 'application/vnd.example.index', annotations })
  }),
  'artifact whose subject is absent': dataSet((content) => void content.artifact({ subject: absent })),
  'descriptor with its data inside': dataSet((content) => {
    const config = content.blob(Buffer.from('{}'), mediaTypes.empty, { data: Buffer.from('{}').toString('base64') })
    content.manifest({ mediaType: mediaTypes.manifest, artifactType: 'application/vnd.example.data', config, layers: [config] })
  }),
  'layers that may not be distributed': dataSet((content) => {
    const layer = {
      ...absent,
      mediaType: 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
      urls: ['https://layers.example.test/1'],
    }
    content.manifest({
      mediaType: mediaTypes.manifest,
      config: content.blob(Buffer.from('{"os":"windows"}'), mediaTypes.config),
      layers: [layer],
    })
  }),
  'unknown fields': dataSet((content) => void content.image({ 'org.example.unknown': { nested: [1, 'two', null] }, annotations })),
  'everything by sha512': dataSet((content) => void content.index([content.image()]), 'sha512'),
  'attestation manifest of BuildKit': dataSet((content) => {
    const image = content.image()
    const attestation = content.image({ annotations: { 'in-toto.io/predicate-type': 'https://slsa.dev/provenance/v0.2' } })
    const reference = { 'vnd.docker.reference.type': 'attestation-manifest', 'vnd.docker.reference.digest': image.digest }
    content.index([image, { ...attestation, platform: { os: 'unknown', architecture: 'unknown' }, annotations: reference }])
  }),
  'cache index of BuildKit, whose children are blobs': dataSet((content) => {
    const layer = content.blob(gzipSync(tarOf({ cached: randomBytes(300) })), mediaTypes.gzipLayer, {
      annotations: { 'buildkit/createdat': '2026-01-01T00:00:00Z' },
    })
    content.index([layer, content.blob(Buffer.from('{"layers":[{"layer":0}]}'), 'application/vnd.buildkit.cacheconfig.v0')])
  }),
  'image of Docker schema 2': dataSet((content) => {
    const layer = content.blob(gzipSync(tarOf({ docker: randomBytes(300) })), mediaTypes.dockerLayer)
    const image = content.manifest({
      mediaType: mediaTypes.dockerManifest,
      config: content.blob(Buffer.from('{"os":"linux"}'), mediaTypes.dockerConfig),
      layers: [layer],
    })
    content.manifest({
      mediaType: mediaTypes.dockerManifestList,
      manifests: [{ ...image, platform: { os: 'linux', architecture: 'amd64' } }],
    })
  }),
}

/** Which algorithm a data set is addressed by. */
export function algorithmOf(name: string): Algorithm {
  return name.includes('sha512') ? 'sha512' : 'sha256'
}

/** Pushes the blobs of a data set, by its own algorithm. */
export async function pushBlobs(client: RegistryClient, repository: string, blobs: readonly Buffer[], algorithm: Algorithm): Promise<void> {
  for (const bytes of blobs) {
    const path = `/v2/${repository}/blobs/uploads/?digest=${digestOfBytes(bytes, algorithm)}`
    const { status, body } = await client.send(path, {
      method: 'POST',
      body: bytes,
      headers: { 'content-type': 'application/octet-stream' },
    })
    if (status !== 201) throw new Error(`POST ${path}: ${status} ${body.toString()}`)
  }
}
