/** Packages that an image has installed, by the databases of its package manager, as far as they are text: dpkg's and apk's. */
import { breathe } from '#lib/sort-gently.ts'
import { RegistryError } from '#oci/errors.ts'
import type { Descriptor } from '#oci/descriptor.ts'
import type { ImageContents, Viewer } from './image-contents.ts'
import { readSmallFile, requireFile } from './image-files.ts'
import { listDirectory, resolvePath, type ImageView } from './image-view.ts'

/** `deb` of dpkg, `apk` of Alpine. */
export type PackageType = 'deb' | 'apk'

/** What is installed. */
export interface InstalledPackages {
  /** Versions by type and name; several of one name are possible. */
  readonly versions: ReadonlyMap<string, readonly string[]>
  /** Databases that are there and were not read. */
  readonly unread: readonly { readonly path: string; readonly reason: string }[]
}

/** An image that was put together. */
export interface ViewedImage {
  readonly view: ImageView
  readonly layers: readonly Descriptor[]
  readonly viewer: Viewer
}

const databaseBytesMax = 32 * 1024 * 1024
const packagesMax = 50_000
const partsMax = 5_000
const fieldLengthMax = 500

const dpkgStatus = '/var/lib/dpkg/status'
const dpkgParts = '/var/lib/dpkg/status.d'
const apkDatabases = ['/lib/apk/db/installed', '/usr/lib/apk/db/installed']
const rpmDatabases = [
  '/var/lib/rpm/rpmdb.sqlite',
  '/usr/lib/sysimage/rpm/rpmdb.sqlite',
  '/var/lib/rpm/Packages',
  '/var/lib/rpm/Packages.db',
  '/usr/lib/sysimage/rpm/Packages.db',
]

/** Where any of a manager's records are, for who asks whether two images can differ in them. */
export const packagePlaces: readonly string[] = [dpkgStatus, dpkgParts, ...apkDatabases, ...rpmDatabases]

/** Reads all that are there. Throws UNAVAILABLE and the like, and nothing for what is in the image. */
export async function installedPackages(contents: ImageContents, image: ViewedImage): Promise<InstalledPackages> {
  const versions = new Map<string, string[]>()
  const unread: { readonly path: string; readonly reason: string }[] = []
  const readOne = async (path: string, type: PackageType) => {
    if (!isThere(image.view, path)) return
    try {
      for await (const { name, version } of packagesOf(await read(contents, image, path), type)) {
        if (versions.size >= packagesMax)
          throw new RegistryError('CONTENT_UNREADABLE', undefined, { message: `it has more than ${packagesMax} packages` })
        add(versions, `${type} ${name}`, version)
      }
    } catch (error) {
      if (!(error instanceof RegistryError) || error.status >= 500) throw error
      unread.push({ path, reason: error.message })
    }
  }
  await readOne(dpkgStatus, 'deb')
  for (const path of await partsOf(image.view)) await readOne(path, 'deb')
  for (const path of apkDatabases) await readOne(path, 'apk')
  for (const path of rpmDatabases) if (isThere(image.view, path)) unread.push({ path, reason: 'databases of RPM are not read' })
  return { versions, unread }
}

function isThere(view: ImageView, path: string): boolean {
  const { found } = resolvePath(view, path)
  return found !== undefined && found.kind === 'other'
}

async function read(contents: ImageContents, { view, layers, viewer }: ViewedImage, path: string): Promise<string> {
  const { seen } = requireFile(view, path)
  const bytes = await readSmallFile(contents, { view, seen, layers }, { viewer, limitBytes: databaseBytesMax })
  if (bytes !== undefined) return bytes.toString('utf8')
  throw new RegistryError('CONTENT_UNREADABLE', undefined, { message: `it is larger than ${databaseBytesMax} bytes` })
}

/** Images without a shell keep one file for each package (Bazel's rules of distroless). */
async function partsOf(view: ImageView): Promise<readonly string[]> {
  const { found } = resolvePath(view, dpkgParts)
  if (found?.kind !== 'directory') return []
  const parts = await listDirectory(found, breathe)
  return parts
    .map(({ node }) => node.name)
    .filter((name) => !name.endsWith('.md5sums'))
    .slice(0, partsMax)
    .map((name) => `${dpkgParts}/${name}`)
}

function add(versions: Map<string, string[]>, key: string, version: string): void {
  const known = versions.get(key)
  if (known === undefined) versions.set(key, [version])
  else if (known.length < 20) known.push(version)
}

interface Package {
  readonly name: string
  readonly version: string
}

const fields = {
  deb: { name: 'Package: ', version: 'Version: ' },
  apk: { name: 'P:', version: 'V:' },
} as const

/** Paragraphs of fields; dpkg keeps some of packages that were removed. */
async function* packagesOf(text: string, type: PackageType): AsyncGenerator<Package, void, void> {
  let found = { name: '', version: '', isInstalled: true }
  let lines = 0
  for (const line of linesOf(text)) {
    if (++lines % 20_000 === 0) await breathe()
    if (line !== '') note(found, line, type)
    else {
      if (found.name !== '' && found.version !== '' && found.isInstalled) yield found
      found = { name: '', version: '', isInstalled: true }
    }
  }
}

/** With an empty one at the end. */
function* linesOf(text: string): Generator<string, void, void> {
  for (let at = 0; at < text.length;) {
    const end = text.indexOf('\n', at)
    yield text.slice(at, end === -1 ? text.length : end)
    at = end === -1 ? text.length : end + 1
  }
  yield ''
}

function note(found: { name: string; version: string; isInstalled: boolean }, line: string, type: PackageType): void {
  const { name, version } = fields[type]
  if (line.startsWith(name)) found.name = line.slice(name.length, fieldLengthMax)
  else if (line.startsWith(version)) found.version = line.slice(version.length, fieldLengthMax)
  else if (type === 'deb' && line.startsWith('Status: ')) found.isInstalled = line.endsWith(' installed')
}
