/** The config of an image, read by the registry itself: for who looks at an image, and for what it says of its tags. */
import type { Descriptor } from '#oci/descriptor.ts'
import { RegistryError } from '#oci/errors.ts'
import type { ImageConfig } from '#oci/image-config.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { pullBlob } from './pull-blob.ts'
import { readOpenBlob } from './read-open-blob.ts'
import type { Actor, BlobContent, Registry } from './registry.ts'

/** A larger config is told as unreadable: those of real images have some 10 KiB. */
const configBytesMax = 1024 * 1024

const imageConfigs: ReadonlySet<string> = new Set([
  'application/vnd.oci.image.config.v1+json',
  'application/vnd.docker.container.image.v1+json',
])

/** What came out: neither for what is no config of an image. */
export interface ReadConfig {
  readonly config?: ImageConfig | undefined
  readonly problem?: string | undefined
}

/** Reads the config that the descriptor names; why it cannot be read is told in `problem`. */
export async function readImageConfig(
  registry: Registry,
  repository: RepositoryName,
  { descriptor, actor }: { readonly descriptor: Descriptor | undefined; readonly actor: Actor },
): Promise<ReadConfig> {
  if (descriptor === undefined || !imageConfigs.has(descriptor.mediaType)) return {}
  if (descriptor.size > configBytesMax) return { problem: `it is larger than ${configBytesMax} bytes` }
  try {
    // Looking at it fetches nothing from elsewhere.
    const here = { ...registry, hooks: { ...registry.hooks, missingContent: [] } }
    const content = await pullBlob(here, repository, descriptor.digest, { ...actor, direct: true })
    const bytes = await readContent(content)
    return bytes === undefined
      ? { problem: `it is larger than ${configBytesMax} bytes, or not to be read here` }
      : { config: await registry.context.parser.parseConfig(bytes) }
  } catch (error) {
    if (error instanceof RegistryError && error.status < 500) return { problem: reasonOf(error) }
    throw error
  }
}

function reasonOf({ code, detail, message }: RegistryError): string {
  if (code === 'BLOB_UNKNOWN') return 'it is not here'
  return typeof detail === 'string' ? detail : message
}

/** All bytes of a small blob; undefined for one that is larger than it was said to be, or that the store only redirects to. */
async function readContent(content: BlobContent): Promise<Uint8Array | undefined> {
  const { body, sizeBytes } = content
  if (body.kind === 'bytes') return body.bytes
  if (sizeBytes > configBytesMax || body.kind === 'redirect') {
    await content.close()
    return undefined
  }
  const open = body.kind === 'file' ? { kind: 'file' as const, handle: body.handle, sizeBytes } : { ...body, sizeBytes }
  const pieces: Uint8Array[] = []
  try {
    // Each piece is valid until the next is asked for.
    for await (const piece of readOpenBlob(open, new AbortController().signal)) pieces.push(Buffer.from(piece))
  } catch (error) {
    await content.readFailed(error)
    throw error
  }
  return Buffer.concat(pieces)
}
