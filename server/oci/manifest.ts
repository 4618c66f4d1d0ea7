/**
 * Manifests: the documents that name everything else (image-spec manifest.md, image-index.md; Docker's schema 2 and manifest lists).
 *
 * The problem: a registry takes any media type, and yet must know what each document references, or its garbage collector eats somebody's
 * layers; and a document that two readers read differently hides content from one of them (GHSA-qq97-vm5h-rrhg). The way: {@link parseManifest}
 * turns bytes into one plain shape, by the fields and not by the media type, and refuses whatever is ambiguous with a reason that says where.
 * Nothing in this room does I/O. To know one more media type, add it to media-types.ts; to read one more field, add it to
 * {@link Manifest} and to `manifestNames`.
 */
import {
  knownNames,
  parseAnnotations,
  parseDescriptor,
  parseMediaType,
  parseObject,
  refusal,
  refuseCaseVariants,
  type Descriptor,
  type JsonObject,
} from './descriptor.ts'
import { RegistryError } from './errors.ts'
import { excerpt, parseStrictJson } from './json.ts'
import { isIndexMediaType, isManifestMediaType, isSchema1MediaType, isWellFormedMediaType, ociIndex, ociManifest } from './media-types.ts'

/** What a document references, whatever its media type. Plain data: it crosses threads. */
export interface Manifest {
  readonly kind: 'manifest' | 'index'
  /** The type it was pushed as, and is served as. */
  readonly mediaType: string
  /** Resolved: the document's own, else its config's media type; undefined for an index without one. */
  readonly artifactType: string | undefined
  readonly subject: Descriptor | undefined
  readonly annotations: Readonly<Record<string, string>>
  readonly config: Descriptor | undefined
  /** Blobs, in the order of the document. */
  readonly layers: readonly Descriptor[]
  /** Entries of an index. Those of no manifest media type are blobs (BuildKit keeps its caches so). */
  readonly children: readonly Descriptor[]
}

/** Layers of a manifest, or children of an index. */
export const descriptorsMax = 10_000

const manifestNames = knownNames([
  'schemaVersion',
  'mediaType',
  'artifactType',
  'config',
  'layers',
  'manifests',
  'subject',
  'annotations',
  'fsLayers',
])

/** Annotations of a document in all: many small maps with names of their own are slow to build, and are built twice. */
export const annotationsMax = 30_000

/**
 * Reads a document as pushed. `contentType` is the header without parameters, '' when the client sent none. Throws `MANIFEST_INVALID`, and
 * `MANIFEST_UNVERIFIED` for schema 1, with the reason as detail.
 */
export function parseManifest(bytes: Uint8Array, contentType: string): Manifest {
  if (isSchema1MediaType(contentType)) throw schema1Refusal()
  const body = parseObject(parseStrictJson(bytes), 'the document')
  const mediaType = mediaTypeOf(body, contentType)
  if (isManifestMediaType(mediaType)) {
    refuseCaseVariants(body, manifestNames, 'the document')
    if (body.schemaVersion !== 2) throw refusal(`schemaVersion is not 2, which ${mediaType} requires`)
  }
  const kind = kindOf(body, mediaType)
  const artifactType = parseMediaType(body.artifactType, 'artifactType')
  const subject = parseOptionalDescriptor(body.subject, 'subject')
  const annotations = parseAnnotations(body.annotations, 'annotations') ?? {}
  const references = kind === 'index' ? parseIndexReferences(body) : parseManifestReferences(body, mediaType)
  const manifest = { kind, mediaType, artifactType: artifactType ?? references.config?.mediaType, subject, annotations, ...references }
  refuseTooManyAnnotations(manifest)
  return manifest
}

type References = Pick<Manifest, 'config' | 'layers' | 'children'>

function parseIndexReferences(body: JsonObject): References {
  return { config: undefined, layers: [], children: parseDescriptors(body.manifests, 'manifests') }
}

function parseManifestReferences(body: JsonObject, mediaType: string): References {
  const config = parseOptionalDescriptor(body.config, 'config')
  const layers = parseDescriptors(body.layers, 'layers')
  if (!isManifestMediaType(mediaType)) {
    // `blobs` are the layers of the artifact manifest in OCI 1.1's drafts; a well-known type that has the field means nothing by it.
    return { config, layers: layers.concat(parseDescriptors(body.blobs, 'blobs')), children: [] }
  }
  if (config === undefined) throw refusal(`config is missing, which ${mediaType} requires`)
  return { config, layers, children: [] }
}

function refuseTooManyAnnotations(manifest: Manifest): void {
  let count = Object.keys(manifest.annotations).length
  for (const { annotations } of [...manifest.layers, ...manifest.children]) {
    if (annotations !== undefined) count += Object.keys(annotations).length
  }
  if (count > annotationsMax) throw refusal(`the document has ${count} annotations, more than the ${annotationsMax} that are accepted`)
}

function schema1Refusal(): RegistryError {
  const reason = 'schema 1 manifests are not accepted: push again with a client that writes Docker schema 2 or OCI manifests'
  return new RegistryError('MANIFEST_UNVERIFIED', reason, { message: reason })
}

function mediaTypeOf(body: JsonObject, contentType: string): string {
  const inBody = parseMediaType(body.mediaType, 'mediaType')
  if (inBody !== undefined && contentType !== '' && inBody !== contentType) {
    throw refusal(`mediaType is ${excerpt(inBody)}, but the Content-Type is ${excerpt(contentType)}`)
  }
  const stated = inBody ?? contentType
  if (isSchema1(body, stated)) throw schema1Refusal()
  const mediaType = stated === '' ? sniffMediaType(body) : stated
  if (mediaType === undefined) throw refusal('the document states no media type: send a Content-Type or a mediaType')
  if (!isWellFormedMediaType(mediaType)) throw refusal(`the media type ${excerpt(mediaType)} is not of the form type/subtype (RFC 6838)`)
  return mediaType
}

/** A custom type may have a schemaVersion or fsLayers of its own; of the others, these tell Docker's first schema. */
function isSchema1(body: JsonObject, mediaType: string): boolean {
  if (isSchema1MediaType(mediaType)) return true
  const isCustom = mediaType !== '' && mediaType !== 'application/json' && !isManifestMediaType(mediaType)
  return !isCustom && (body.schemaVersion === 1 || Object.hasOwn(body, 'fsLayers'))
}

/** As registry:2 does for documents without a type, which the first OCI clients wrote. */
function sniffMediaType(body: JsonObject): string | undefined {
  if (Object.hasOwn(body, 'manifests')) return ociIndex
  return Object.hasOwn(body, 'config') || Object.hasOwn(body, 'layers') ? ociManifest : undefined
}

/** A field counts as there even when it is null: containerd and distribution judge so too. */
function kindOf(body: JsonObject, mediaType: string): Manifest['kind'] {
  const wellKnown = isManifestMediaType(mediaType)
  const isIndex = wellKnown ? isIndexMediaType(mediaType) : Object.hasOwn(body, 'manifests')
  const manifestFields = wellKnown ? ['config', 'layers'] : ['config', 'layers', 'blobs']
  const foreign = (isIndex ? manifestFields : ['manifests']).find((name) => Object.hasOwn(body, name))
  if (foreign !== undefined) throw refusal(`the document is ambiguous: ${isIndex ? 'an index' : 'a manifest'} cannot have ${foreign}`)
  if (isIndex && !Object.hasOwn(body, 'manifests')) throw refusal(`manifests is missing, which ${mediaType} requires`)
  return isIndex ? 'index' : 'manifest'
}

function parseDescriptors(value: unknown, path: string): Descriptor[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) throw refusal(`${path} is not an array`)
  if (value.length > descriptorsMax) throw refusal(`${path} has ${value.length} entries, more than the ${descriptorsMax} that are accepted`)
  return value.map((entry, index) => parseDescriptor(entry, `${path}[${index}]`))
}

function parseOptionalDescriptor(value: unknown, path: string): Descriptor | undefined {
  return value === undefined || value === null ? undefined : parseDescriptor(value, path)
}
