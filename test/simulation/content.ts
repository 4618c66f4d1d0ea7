/** What clients of the simulation push: a few blobs and manifests, the same in every run, so that they meet each other. */
import { digestOf, type Digest } from '#oci/digest.ts'
import type { RepositoryName, Tag } from '#oci/reference.ts'

const ociManifest = 'application/vnd.oci.image.manifest.v1+json'
const ociIndex = 'application/vnd.oci.image.index.v1+json'

export interface SimBlob {
  readonly bytes: Buffer
  readonly digest: Digest
}

export interface SimManifest {
  readonly name: string
  readonly bytes: Buffer
  readonly mediaType: string
  readonly digest: Digest
  /** Indexes of {@link blobs} that it needs. */
  readonly blobs: readonly number[]
  /** Indexes of {@link manifests} that it lists, which must be there before. */
  readonly children: readonly number[]
  /** A tag that clients put on it by themselves: cosign's. */
  readonly ownTag?: Tag
}

function sample(sizeBytes: number, seed: number): Buffer {
  const bytes = Buffer.alloc(sizeBytes)
  let state = seed >>> 0
  for (let index = 0; index < sizeBytes; index++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    bytes[index] = state >>> 24
  }
  return bytes
}

function blobOf(bytes: Buffer): SimBlob {
  return { bytes, digest: digestOf(bytes) }
}

/** The first is the empty config of artifacts, the last is larger than what the store writes at once. */
export const blobs: readonly SimBlob[] = [
  blobOf(Buffer.from('{}')),
  blobOf(sample(150, 1)),
  blobOf(sample(400, 2)),
  blobOf(sample(900, 3)),
  blobOf(sample(2_000, 4)),
  blobOf(Buffer.alloc(0)),
  blobOf(sample(70_000, 5)),
]

const blobAt = (index: number): SimBlob => blobs[index] as SimBlob
const descriptor = (index: number) => ({
  mediaType: 'application/vnd.oci.image.layer.v1.tar',
  digest: blobAt(index).digest,
  size: blobAt(index).bytes.length,
})

function image(
  name: string,
  [config = 0, ...layers]: readonly number[],
  more: { readonly subject?: SimManifest; readonly ownTag?: Tag } = {},
): SimManifest {
  const { subject, ownTag } = more
  const body = {
    schemaVersion: 2,
    mediaType: ociManifest,
    ...(subject !== undefined && { artifactType: `application/vnd.simulated.${name}` }),
    config: { ...descriptor(config), mediaType: 'application/vnd.oci.empty.v1+json' },
    layers: layers.map(descriptor),
    ...(subject !== undefined && { subject: { mediaType: subject.mediaType, digest: subject.digest, size: subject.bytes.length } }),
    annotations: { name },
  }
  const bytes = Buffer.from(JSON.stringify(body))
  const used = [...new Set([config, ...layers])]
  return {
    name,
    bytes,
    mediaType: ociManifest,
    digest: digestOf(bytes),
    blobs: used,
    children: [],
    ...(ownTag !== undefined && { ownTag }),
  }
}

function index(name: string, children: readonly number[], of: readonly SimManifest[]): SimManifest {
  const listed = children.map((child) => of[child] as SimManifest)
  const body = {
    schemaVersion: 2,
    mediaType: ociIndex,
    manifests: listed.map(({ mediaType, digest, bytes }) => ({ mediaType, digest, size: bytes.length })),
    annotations: { name },
  }
  const bytes = Buffer.from(JSON.stringify(body))
  return { name, bytes, mediaType: ociIndex, digest: digestOf(bytes), blobs: [], children }
}

function allManifests(): readonly SimManifest[] {
  const images = [image('a', [0, 1, 2]), image('b', [0, 2, 3]), image('c', [1, 3]), image('d', [2, 4, 5]), image('e', [0, 6])]
  const [first, second] = images as [SimManifest, SimManifest]
  const both = index('index-ab', [0, 1], images)
  const signature = image('signature', [0, 4], { ownTag: first.digest.replace(':', '-').concat('.sig') as Tag })
  const referrers = [
    image('sbom-of-a', [0, 3], { subject: first }),
    image('sbom-of-index', [0, 2], { subject: both }),
    image('sbom-of-b', [0, 1], { subject: second }),
  ]
  return [...images, both, index('index-cd', [2, 3], images), signature, ...referrers]
}

/** Images, then indexes over them, a signature, and referrers. */
export const manifests: readonly SimManifest[] = allManifests()

export const repositories = ['team/app', 'team/web', 'team/sub/app', 'solo'] as RepositoryName[]
/** Projects, of which the second lies in the first; `solo` is in the default project. */
export const projects = ['team', 'team/sub'] as const
export const tags = ['latest', 'v1', 'stable'] as Tag[]

const blobByDigest = new Map(blobs.map((blob) => [blob.digest, blob]))
/** The blob of that digest; undefined for what no client pushes. */
export const blobWith = (digest: Digest): SimBlob | undefined => blobByDigest.get(digest)
