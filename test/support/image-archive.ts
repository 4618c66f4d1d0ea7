/** Archives of images as tools write them: `docker save` of old and new, skopeo, image layouts. */
import { gzipSync } from 'node:zlib'
import { digestOfBytes, mediaTypes, type Descriptor } from './registry-client.ts'
import { tarEntries, type Entry } from './tar-entries.ts'

/** A layer's archive with one file. */
export function layerOf(name: string, content = name): Buffer {
  return tarEntries([{ path: name, content }])
}

/** The config of an image of these layers, unpacked. */
export function configOf(layers: readonly Uint8Array[], more: Readonly<Record<string, unknown>> = {}): Buffer {
  const rootfs = { type: 'layers', diff_ids: layers.map((layer) => digestOfBytes(layer)) }
  return Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', config: {}, rootfs, ...more }))
}

const hex = (bytes: Uint8Array) => digestOfBytes(bytes).slice(7)

/** As Docker wrote it before version 25: a directory for each layer, and the manifest at the end. */
export function dockerSave(images: readonly { readonly layers: readonly Buffer[]; readonly tags?: readonly string[] }[]): Entry[] {
  const entries: Entry[] = []
  const manifest = images.map(({ layers, tags }) => {
    const config = configOf(layers)
    const names = layers.map((layer) => `${hex(Buffer.from(`id of ${hex(layer)}`))}/layer.tar`)
    for (const [index, layer] of layers.entries()) {
      const directory = names[index]?.slice(0, -'layer.tar'.length) ?? ''
      entries.push(
        { path: directory, type: '5' },
        { path: `${directory}VERSION`, content: '1.0' },
        { path: `${directory}json`, content: '{}' },
      )
      entries.push({ path: names[index] ?? '', content: layer })
    }
    entries.push({ path: `${hex(config)}.json`, content: config })
    return { Config: `${hex(config)}.json`, RepoTags: tags ?? null, Layers: names }
  })
  return [...entries, { path: 'manifest.json', content: JSON.stringify(manifest) }, { path: 'repositories', content: '{}' }]
}

/** An image in a layout. */
export interface LayoutImage {
  readonly layers: readonly Buffer[]
  readonly name?: string
  readonly platform?: Readonly<Record<string, string>>
}

/** The blobs of an image, and what its manifest is described by. */
export function layoutImage({ layers, name, platform }: LayoutImage): {
  readonly blobs: Buffer[]
  readonly descriptor: Descriptor
  readonly manifest: Buffer
} {
  const config = configOf(layers, platform)
  const packed = layers.map((layer) => gzipSync(layer))
  const describe = (mediaType: string, bytes: Uint8Array) => ({ mediaType, digest: digestOfBytes(bytes), size: bytes.length })
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.manifest,
      config: describe(mediaTypes.config, config),
      layers: packed.map((bytes) => describe(mediaTypes.gzipLayer, bytes)),
    }),
  )
  const annotations = name === undefined ? {} : { annotations: { 'org.opencontainers.image.ref.name': name } }
  const descriptor = { ...describe(mediaTypes.manifest, manifest), ...(platform && { platform }), ...annotations }
  return { blobs: [...packed, config, manifest], descriptor, manifest }
}

/** A layout of blobs; `index` is what its index.json lists. */
export function layout(blobs: readonly Buffer[], index: readonly object[]): Entry[] {
  return [
    { path: 'blobs/', type: '5' },
    { path: 'blobs/sha256/', type: '5' },
    ...blobs.map((bytes) => ({ path: `blobs/sha256/${hex(bytes)}`, content: bytes })),
    { path: 'index.json', content: JSON.stringify({ schemaVersion: 2, manifests: index }) },
    { path: 'oci-layout', content: '{"imageLayoutVersion":"1.0.0"}' },
  ]
}
