/** Descriptors: media type, digest and size of content that lies elsewhere (image-spec descriptor.md), and the checks that their parts share with manifests. */
import { parseDigest, parseDigestAlgorithm, type Digest } from './digest.ts'
import { RegistryError } from './errors.ts'
import { excerpt } from './json.ts'
import { mediaTypeMaxLength } from './media-types.ts'

/** What an image runs on (image-spec image-index.md, "platform"), as far as the registry uses it. */
export interface Platform {
  /** Empty where the document names none. */
  readonly os: string
  readonly architecture: string
  readonly variant?: string
}

/** A descriptor whose parts were checked. Members that the registry does not use are not kept. */
export interface Descriptor {
  readonly mediaType: string
  readonly digest: Digest
  /** Bytes; a safe integer, zero or more. */
  readonly size: number
  readonly annotations?: Readonly<Record<string, string>>
  readonly artifactType?: string
  readonly platform?: Platform
  readonly urls?: readonly string[]
}

/** An object of a parsed JSON document, its values unknown. */
export type JsonObject = Readonly<Record<string, unknown>>

/** Names that the specification gives a meaning, each under its {@link fold} form. */
export type KnownNames = ReadonlyMap<string, string>

const descriptorNames = knownNames(['mediaType', 'digest', 'size', 'annotations', 'artifactType', 'platform', 'urls'])

/** `path` names the place in the document, for the reason. Throws `MANIFEST_INVALID`. Null stands for absent, as Go's encoder writes it. */
export function parseDescriptor(value: unknown, path: string): Descriptor {
  const fields = parseObject(value, path)
  refuseCaseVariants(fields, descriptorNames, path)
  const mediaType = parseMediaType(fields.mediaType, `${path}.mediaType`)
  if (mediaType === undefined) throw refusal(`${path} has no mediaType`)
  const annotations = parseAnnotations(fields.annotations, `${path}.annotations`)
  const artifactType = parseMediaType(fields.artifactType, `${path}.artifactType`)
  const platform = parsePlatform(fields.platform, `${path}.platform`)
  const urls = parseUrls(fields.urls, `${path}.urls`)
  return {
    mediaType,
    digest: parseDigestField(fields.digest, path),
    size: parseSize(fields.size, path),
    ...(annotations && { annotations }),
    ...(artifactType !== undefined && { artifactType }),
    ...(platform && { platform }),
    ...(urls && { urls }),
  }
}

/** The error for a document that breaks a rule of the specification. */
export function refusal(reason: string): RegistryError {
  return new RegistryError('MANIFEST_INVALID', reason)
}

/** The value as an object; throws `MANIFEST_INVALID` for anything else. */
export function parseObject(value: unknown, path: string): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refusal(`${path} is not an object`)
  return value as JsonObject
}

/** Undefined if absent or empty. Free text within bounds: descriptors name types that RFC 6838 never heard of. */
export function parseMediaType(value: unknown, path: string): string | undefined {
  const text = parseText(value, path)
  if (text === undefined || text === '') return undefined
  if (text.length > mediaTypeMaxLength) throw refusal(`${path} is longer than ${mediaTypeMaxLength} characters`)
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(text)) throw refusal(`${path} holds control characters`)
  return text
}

/** Undefined if absent. */
export function parseAnnotations(value: unknown, path: string): Readonly<Record<string, string>> | undefined {
  if (value === undefined || value === null) return undefined
  const annotations = parseObject(value, path)
  for (const name in annotations) {
    if (typeof annotations[name] !== 'string') throw refusal(`${path}: the value of ${excerpt(name)} is not a string`)
  }
  return annotations as Readonly<Record<string, string>>
}

/** For {@link refuseCaseVariants}. */
export function knownNames(names: readonly string[]): KnownNames {
  return new Map(names.map((name) => [fold(name), name]))
}

/**
 * Refuses `Layers` beside or instead of `layers`: Go, which most clients are written in, matches names without regard to case (and takes
 * `ſ` for `s`), so such a document says one thing here and another there.
 */
export function refuseCaseVariants(fields: JsonObject, names: KnownNames, path: string): void {
  for (const name in fields) {
    const known = names.get(fold(name))
    if (known !== undefined && known !== name) throw refusal(`${path} has ${excerpt(name)} where ${excerpt(known)} is meant`)
  }
}

// Upper case first brings `ſ` to S, lower case then the Kelvin sign to k.
function fold(name: string): string {
  return name.toUpperCase().toLowerCase()
}

function parseText(value: unknown, path: string): string | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'string') throw refusal(`${path} is not a string`)
  return value
}

function parseDigestField(value: unknown, path: string): Digest {
  if (value === undefined || value === null) throw refusal(`${path} has no digest`)
  if (typeof value !== 'string') throw refusal(`${path}.digest is not a string`)
  const digest = parseDigest(value)
  if (digest === undefined) throw refusal(`${path}.digest ${excerpt(value)}: ${digestProblem(value)}`)
  return digest
}

function digestProblem(text: string): string {
  const colon = text.indexOf(':')
  if (colon === -1) return 'is not of the form algorithm:hex'
  if (parseDigestAlgorithm(text.slice(0, colon)) === undefined) return 'the algorithm is neither sha256 nor sha512'
  if (/^[0-9a-fA-F]+$/.test(text.slice(colon + 1)) && /[A-F]/.test(text)) return 'hex digits must be in lower case'
  return 'has the wrong number of hex digits, or something else than them'
}

function parseSize(value: unknown, path: string): number {
  if (value === undefined || value === null) throw refusal(`${path} has no size`)
  if (typeof value !== 'number') throw refusal(`${path}.size is not a number`)
  if (!Number.isSafeInteger(value) || value < 0) throw refusal(`${path}.size is not a whole number from 0 to ${Number.MAX_SAFE_INTEGER}`)
  // Minus zero is a safe integer too, but SQLite would store it as a float.
  return Math.abs(value)
}

function parsePlatform(value: unknown, path: string): Platform | undefined {
  if (value === undefined || value === null) return undefined
  const fields = parseObject(value, path)
  const variant = parseText(fields.variant, `${path}.variant`)
  return {
    os: parseText(fields.os, `${path}.os`) ?? '',
    architecture: parseText(fields.architecture, `${path}.architecture`) ?? '',
    ...(variant !== undefined && { variant }),
  }
}

function parseUrls(value: unknown, path: string): readonly string[] | undefined {
  if (value === undefined || value === null) return undefined
  if (!Array.isArray(value) || !value.every((url) => typeof url === 'string')) throw refusal(`${path} is not an array of strings`)
  return value as readonly string[]
}
