/** What differs between two images: layers, config, files, packages, size. */
import type { Descriptor } from '#oci/descriptor.ts'
import type { Digest } from '#oci/digest.ts'
import type { ImageConfig } from '#oci/image-config.ts'
import { readImageConfig } from '#registry/read-image-config.ts'
import { platformText, type ChosenImage } from './image-choose.ts'
import { viewOf, type ImageContents, type Viewer } from './image-contents.ts'
import { differenceOf, type FileDifference } from './image-difference.ts'
import { installedPackages, packagePlaces, type InstalledPackages, type ViewedImage } from './image-packages.ts'
import { resolvePath, type ImageView } from './image-view.ts'

/** An image, and the repository that it was found in for whom. */
export interface CompareSide {
  readonly image: ChosenImage
  readonly viewer: Viewer
}

/** One of the two. */
export interface ComparedImage {
  readonly digest: Digest
  readonly platform: string | undefined
  /** Of its config and layers, each once. */
  readonly sizeBytes: number
}

/** A member of a config that differs; `name` within a list or map: `PATH` of the environment. Absent: it is not there. */
export interface ConfigDifference {
  readonly field: string
  readonly name: string | undefined
  readonly from: string | undefined
  readonly to: string | undefined
}

/** A package that differs. */
export interface PackageDifference {
  readonly name: string
  readonly type: string
  readonly from: string | undefined
  readonly to: string | undefined
}

/** All that differs. */
export interface Comparison {
  readonly from: ComparedImage
  readonly to: ComparedImage
  readonly layers: readonly { readonly digest: Digest; readonly sizeBytes: number; readonly in: 'both' | 'from' | 'to' }[]
  readonly config: readonly ConfigDifference[]
  /** Why a config could not be read, which is then taken for an empty one. */
  readonly configProblems: readonly string[]
  readonly files: {
    readonly added: number
    readonly removed: number
    readonly changed: number
    readonly items: readonly FileDifference[]
    readonly isTruncated: boolean
  }
  readonly packages: readonly PackageDifference[]
  /** Databases of packages that are there and were not read, of either image. */
  readonly unreadPackages: readonly { readonly path: string; readonly reason: string }[]
  /** Layers that could not be read, of either image. */
  readonly unreadable: readonly { readonly layer: Digest; readonly reason: string }[]
}

/** The two may be of two repositories. Throws CONTENT_UNREADABLE, UNAVAILABLE. */
export async function compareImages(contents: ImageContents, from: CompareSide, to: CompareSide): Promise<Comparison> {
  const [before, after] = [from.image, to.image]
  const { signal } = to.viewer
  const views = { from: await viewed(contents, from), to: await viewed(contents, to) }
  const configs = { from: await configOf(contents, from), to: await configOf(contents, to) }
  const files = await differenceOf(views.from.view, views.to.view, signal)
  const packages = await packagesOf(contents, views)
  return {
    from: comparedOf(before),
    to: comparedOf(after),
    layers: layersOf(before.image.manifest.layers, after.image.manifest.layers),
    config: configDifferences(configs.from.config ?? empty, configs.to.config ?? empty),
    configProblems: [configs.from.problem, configs.to.problem].filter((problem) => problem !== undefined),
    files,
    ...packages,
    unreadable: unreadableOf(views.from.view, views.to.view),
  }
}

async function viewed(contents: ImageContents, { image, viewer }: CompareSide): Promise<ViewedImage> {
  const { layers } = image.image.manifest
  return { view: await viewOf(contents, layers, viewer), layers, viewer }
}

function comparedOf({ image, platform }: ChosenImage): ComparedImage {
  const { config, layers } = image.manifest
  const blobs = new Map([...(config === undefined ? [] : [config]), ...layers].map(({ digest, size }) => [digest, size]))
  const sizeBytes = [...blobs.values()].reduce((total, size) => total + size, 0)
  return { digest: image.digest, platform: platform === undefined ? undefined : platformText(platform), sizeBytes }
}

/** In the order of the later image, then those that it has no more. */
function layersOf(from: readonly Descriptor[], to: readonly Descriptor[]): Comparison['layers'] {
  const [before, after] = [from, to].map((layers) => new Map(layers.map(({ digest, size }) => [digest, size])))
  const kept = [...(after ?? [])].map(
    ([digest, sizeBytes]) => ({ digest, sizeBytes, in: before?.has(digest) === true ? 'both' : 'to' }) as const,
  )
  const gone = [...(before ?? [])]
    .filter(([digest]) => after?.has(digest) !== true)
    .map(([digest, sizeBytes]) => ({ digest, sizeBytes, in: 'from' }) as const)
  return [...kept, ...gone]
}

async function configOf({ registry }: ImageContents, { image, viewer }: CompareSide) {
  const { repository, actor } = viewer
  return await readImageConfig(registry, repository, { descriptor: image.image.manifest.config, actor })
}

const empty: ImageConfig = { entrypoint: [], cmd: [], env: [], ports: [], volumes: [], labels: {}, history: [] }
const texts = ['os', 'architecture', 'variant', 'created', 'author', 'user', 'workingDir', 'stopSignal'] as const
const commands = ['entrypoint', 'cmd'] as const

function configDifferences(from: ImageConfig, to: ImageConfig): readonly ConfigDifference[] {
  return [
    ...texts.map((field) => ({ field, name: undefined, from: from[field], to: to[field] })),
    ...commands.map((field) => ({ field, name: undefined, from: textOf(from[field]), to: textOf(to[field]) })),
    ...named('env', variables(from.env), variables(to.env)),
    ...named('ports', members(from.ports), members(to.ports)),
    ...named('volumes', members(from.volumes), members(to.volumes)),
    ...named('labels', new Map(Object.entries(from.labels)), new Map(Object.entries(to.labels))),
  ].filter((difference) => difference.from !== difference.to)
}

function textOf(list: readonly string[]): string | undefined {
  return list.length === 0 ? undefined : JSON.stringify(list)
}

function variables(env: readonly string[]): ReadonlyMap<string, string> {
  return new Map(env.map((each) => [each.replace(/=.*$/s, ''), each.replace(/^[^=]*=?/, '')]))
}

function members(list: readonly string[]): ReadonlyMap<string, string> {
  return new Map(list.map((each) => [each, '']))
}

function named(field: string, from: ReadonlyMap<string, string>, to: ReadonlyMap<string, string>): ConfigDifference[] {
  const names = [...new Set([...from.keys(), ...to.keys()])].toSorted()
  return names.map((name) => ({ field, name, from: from.get(name), to: to.get(name) }))
}

interface Views {
  readonly from: ViewedImage
  readonly to: ViewedImage
}

async function packagesOf(contents: ImageContents, { from, to }: Views): Promise<Pick<Comparison, 'packages' | 'unreadPackages'>> {
  // Nothing was installed or removed where their records are the same files of the same layers.
  if (packagePlaces.every((path) => sourceOf(from.view, path) === sourceOf(to.view, path))) return { packages: [], unreadPackages: [] }
  const [before, after] = [await installedPackages(contents, from), await installedPackages(contents, to)]
  const unread = new Map([...before.unread, ...after.unread].map((each) => [`${each.path} ${each.reason}`, each]))
  return { packages: packageDifferences(before, after), unreadPackages: [...unread.values()] }
}

/** Layers that what is at the path comes from. */
function sourceOf(view: ImageView, path: string): string {
  const { found, path: at } = resolvePath(view, path)
  if (found === undefined) return ''
  if (found.kind === 'blocked') return `blocked ${view.layers[found.layer]?.digest}`
  const layers = found.kind === 'directory' ? found.parts.map(({ layer }) => layer) : [found.layer]
  return [at, ...layers.map((layer) => view.layers[layer]?.digest)].join(' ')
}

function packageDifferences({ versions: from }: InstalledPackages, { versions: to }: InstalledPackages): readonly PackageDifference[] {
  const keys = [...new Set([...from.keys(), ...to.keys()])].toSorted()
  return keys
    .map((key) => {
      const space = key.indexOf(' ')
      return { name: key.slice(space + 1), type: key.slice(0, space), from: versionText(from.get(key)), to: versionText(to.get(key)) }
    })
    .filter((difference) => difference.from !== difference.to)
}

function versionText(versions: readonly string[] | undefined): string | undefined {
  return versions === undefined ? undefined : versions.toSorted().join(', ')
}

function unreadableOf(...views: readonly ImageView[]): Comparison['unreadable'] {
  const problems = new Map<Digest, string>()
  for (const { layers } of views) for (const { digest, problem } of layers) if (problem !== undefined) problems.set(digest, problem)
  return [...problems].map(([layer, reason]) => ({ layer, reason }))
}
