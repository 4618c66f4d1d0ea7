/** Which image a reference means: the manifest itself, or the one of an index that is for a platform. */
import type { Descriptor, Platform } from '#oci/descriptor.ts'
import type { Digest } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import type { Manifest } from '#oci/manifest.ts'
import { isManifestMediaType } from '#oci/media-types.ts'
import { parseTag, type RepositoryName, type Tag } from '#oci/reference.ts'
import { parseDigest } from '#oci/digest.ts'
import { resourceUnknown } from '#oci/resource-unknown.ts'
import { pullManifest, type PulledManifest } from '#registry/pull-manifest.ts'
import type { Actor, Registry } from '#registry/registry.ts'

/** A manifest with what it says. */
export interface ReadManifest extends PulledManifest {
  readonly manifest: Manifest
}

/** What is wanted: `platform` as os/architecture[/variant]. */
export interface ImageWanted {
  readonly repository: RepositoryName
  readonly reference: string
  readonly platform?: string | undefined
  readonly actor: Actor
}

/** The manifest of one image, and what the reference itself led to. */
export interface ChosenImage {
  readonly asked: ReadManifest
  readonly image: ReadManifest
  /** Where the reference is one. */
  readonly tag: Tag | undefined
  /** Of the index's entry, where it was one. */
  readonly platform: Platform | undefined
}

/** Indexes may list indexes; nobody has more of them in each other. */
const depthMax = 4

/** Throws RESOURCE_UNKNOWN, REQUEST_INVALID for a platform that makes no sense or is not there, and what the admission checks throw. */
export async function chooseImage(registry: Registry, wanted: ImageWanted): Promise<ChosenImage> {
  const { reference } = wanted
  const platform = wanted.platform === undefined ? undefined : parsePlatform(wanted.platform)
  const digest = parseDigest(reference)
  const tag = digest === undefined ? parseTag(reference) : undefined
  const asked = await readManifest(registry, wanted, { digest, tag })
  let image = asked
  let found: Platform | undefined
  for (let depth = 0; image.manifest.kind === 'index'; depth++) {
    const child = depth < depthMax ? await childFor(registry, { ...wanted, platform }, image) : undefined
    if (child === undefined) throw noneThere(reference, platform, image.manifest)
    found = child.platform ?? found
    image = child.manifest
  }
  return { asked, image, tag, platform: found }
}

/** Reads the manifest, with what it says. Throws RESOURCE_UNKNOWN for one that is not there. */
export async function readManifest(
  registry: Registry,
  { repository, reference, actor }: Pick<ImageWanted, 'repository' | 'reference' | 'actor'>,
  { digest, tag }: { readonly digest?: Digest | undefined; readonly tag?: Tag | undefined },
): Promise<ReadManifest> {
  if (digest === undefined && tag === undefined) throw resourceUnknown('manifest', reference)
  try {
    const wanted = digest === undefined ? ({ kind: 'tag', tag: tag as Tag } as const) : ({ kind: 'digest', digest } as const)
    const pulled = await pullManifest(registry, repository, wanted, actor)
    return { ...pulled, manifest: await registry.context.parser.parse(pulled.bytes, pulled.mediaType) }
  } catch (error) {
    if (error instanceof RegistryError && error.code === 'MANIFEST_UNKNOWN') throw resourceUnknown('manifest', reference)
    throw error
  }
}

/** Whether the entry of an index is an image for people to run: BuildKit keeps attestations beside them, for no platform. */
export function isRunnable({ mediaType, platform, annotations }: Descriptor): boolean {
  if (!isManifestMediaType(mediaType) || annotations?.['vnd.docker.reference.type'] !== undefined) return false
  return platform?.os !== 'unknown'
}

async function childFor(
  registry: Registry,
  wanted: Pick<ImageWanted, 'repository' | 'actor'> & { readonly platform: Platform | undefined },
  { manifest }: ReadManifest,
): Promise<{ readonly manifest: ReadManifest; readonly platform: Platform | undefined } | undefined> {
  const runnable = manifest.children.filter(isRunnable)
  // The most usual one first: what is asked without a platform is for people who look.
  const inOrder =
    wanted.platform === undefined
      ? [
          ...runnable.filter(({ platform }) => isPlatform(platform, usual)),
          ...runnable.filter(({ platform }) => !isPlatform(platform, usual)),
        ]
      : runnable.filter(({ platform }) => platform === undefined || isPlatform(platform, wanted.platform))
  for (const { digest, platform } of inOrder) {
    try {
      return { manifest: await readManifest(registry, { ...wanted, reference: digest }, { digest }), platform }
    } catch (error) {
      // An index may list what was never pushed.
      if (!(error instanceof RegistryError) || error.code !== 'RESOURCE_UNKNOWN') throw error
    }
  }
  return undefined
}

const usual: Platform = { os: 'linux', architecture: 'amd64' }

/** Without a variant any will do. */
function isPlatform(platform: Platform | undefined, wanted: Platform | undefined): boolean {
  if (platform === undefined || wanted === undefined) return false
  const { os, architecture, variant } = wanted
  return platform.os === os && platform.architecture === architecture && (variant === undefined || platform.variant === variant)
}

/** `linux/arm64/v8`. Throws REQUEST_INVALID. */
function parsePlatform(text: string): Platform {
  const [os, architecture, variant, ...more] = text.split('/')
  if (os === undefined || os === '' || architecture === undefined || architecture === '' || variant === '' || more.length > 0)
    throw new RegistryError(
      'REQUEST_INVALID',
      { platform: text.slice(0, 100) },
      { message: 'a platform is os/architecture or os/architecture/variant' },
    )
  return { os, architecture, ...(variant !== undefined && { variant }) }
}

/** `linux/arm64/v8`. */
export function platformText({ os, architecture, variant }: Platform): string {
  return [os, architecture, variant].filter((part) => part !== undefined && part !== '').join('/')
}

function noneThere(reference: string, platform: Platform | undefined, { children }: Manifest): RegistryError {
  const named = children.filter(isRunnable).flatMap((child) => (child.platform === undefined ? [] : [platformText(child.platform)]))
  const there = [...new Set(named)].slice(0, 20)
  const wanted = platform === undefined ? 'no image' : `no image for ${platformText(platform)}`
  const listed = there.length === 0 ? '' : `; it lists ${there.join(', ')}`
  return new RegistryError('REQUEST_INVALID', { platforms: there }, { message: `${reference} has ${wanted} that is here${listed}` })
}
