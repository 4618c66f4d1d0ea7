/** Images of any layers, good or bad, pushed to a registry. */
import { gzipSync } from 'node:zlib'
import { digestOfBytes, mediaTypes, type Descriptor, type PushedImage, type RegistryClient } from './registry-client.ts'
import { tarEntries, type Entry } from './tar-entries.ts'

/** A layer as its entries, or as bytes that need be none. `missing`: it is described, and not pushed. */
export type Layer =
  | readonly Entry[]
  | { readonly bytes: Uint8Array; readonly mediaType?: string; readonly missing?: boolean; readonly diffId?: string }

/** Pushes an image of the layers, lowest first. `config` goes into the config of what runs. */
export async function pushLayers(
  client: RegistryClient,
  { repository, tag }: { readonly repository: string; readonly tag: string | undefined },
  layers: readonly Layer[],
  config: Readonly<Record<string, unknown>> = {},
): Promise<PushedImage> {
  const descriptors: Descriptor[] = []
  const diffIds: string[] = []
  for (const layer of layers) {
    const isPlain = 'bytes' in layer
    const archive = isPlain ? layer.bytes : tarEntries(layer)
    const bytes = isPlain ? layer.bytes : gzipSync(archive)
    const mediaType = isPlain ? (layer.mediaType ?? mediaTypes.layer) : mediaTypes.gzipLayer
    diffIds.push(isPlain ? (layer.diffId ?? digestOfBytes(archive)) : digestOfBytes(archive))
    if (isPlain && layer.missing === true)
      descriptors.push({ mediaType, digest: digestOfBytes(bytes), size: bytes.length, urls: ['https://elsewhere.example/layer'] })
    else descriptors.push(await client.pushBlob(repository, Buffer.from(bytes), mediaType))
  }
  const document = { architecture: 'amd64', os: 'linux', config, rootfs: { type: 'layers', diff_ids: diffIds } }
  const configDescriptor = await client.pushBlob(repository, Buffer.from(JSON.stringify(document)), mediaTypes.config)
  const manifest = { schemaVersion: 2, mediaType: mediaTypes.manifest, config: configDescriptor, layers: descriptors }
  const pushed = await client.pushManifest(repository, tag, manifest)
  return { ...pushed, config: configDescriptor, layers: descriptors }
}
