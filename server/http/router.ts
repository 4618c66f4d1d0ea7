/**
 * Which resource a path names.
 *
 * The problem: repository names contain slashes, and may contain `blobs` or `manifests` as parts. The way: the path is read from its right
 * end, where the fixed words stand. The name, digest, tag and id that are cut out are parsed by their own grammars, all linear, and nothing
 * is ever decoded or normalised: `..`, `%2e`, a backslash or a double slash fit no grammar. The one exception is `%3A`, by which some clients write
 * the colon of a digest. To add a resource, add a member to {@link Route} and a case here.
 */
import { parseDigest, type Digest } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import { parseRepositoryName, parseTag, type RepositoryName, type Tag } from '#oci/reference.ts'

/** A tag or a digest (distribution-spec `<tag-or-digest>`). */
type Reference = { readonly kind: 'tag'; readonly tag: Tag } | { readonly kind: 'digest'; readonly digest: Digest }

export interface BaseRoute {
  readonly kind: 'base'
}
export interface CatalogRoute {
  readonly kind: 'catalog'
}
export interface TagsRoute {
  readonly kind: 'tags'
  readonly repository: RepositoryName
}
export interface ManifestRoute {
  readonly kind: 'manifest'
  readonly repository: RepositoryName
  readonly reference: Reference
}
export interface BlobRoute {
  readonly kind: 'blob'
  readonly repository: RepositoryName
  readonly digest: Digest
}
export interface UploadsRoute {
  readonly kind: 'uploads'
  readonly repository: RepositoryName
}
export interface UploadRoute {
  readonly kind: 'upload'
  readonly repository: RepositoryName
  readonly uploadId: string
}
export interface ReferrersRoute {
  readonly kind: 'referrers'
  readonly repository: RepositoryName
  readonly subject: Digest
}
/** A repository as a whole, which can only be deleted: `handle-request.ts` finds nothing here for any other method. */
export interface RepositoryRoute {
  readonly kind: 'repository'
  readonly repository: RepositoryName
}

export type Route =
  | BaseRoute
  | CatalogRoute
  | TagsRoute
  | ManifestRoute
  | BlobRoute
  | UploadsRoute
  | UploadRoute
  | ReferrersRoute
  | RepositoryRoute

/** Undefined: no such end point. Throws NAME_INVALID, DIGEST_INVALID or TAG_INVALID where the end point is clear and its parts are malformed. */
export function parseRoute(path: string, prefix: string): Route | undefined {
  const base = `${prefix}v2`
  if (!path.startsWith(base)) return undefined
  if (path.length === base.length) return { kind: 'base' }
  if (path.charCodeAt(base.length) !== slash) return undefined
  const rest = path.slice(base.length + 1)
  if (rest === '') return { kind: 'base' }
  if (rest === '_catalog') return { kind: 'catalog' }
  return parseUploads(rest) ?? parseResource(rest) ?? parseRepository(rest)
}

const slash = 47
const uploadId = /^[A-Za-z0-9_-]{1,128}$/

function parseUploads(rest: string): Route | undefined {
  const start = withoutEnd(rest, '/blobs/uploads/') ?? withoutEnd(rest, '/blobs/uploads')
  if (start !== undefined) return { kind: 'uploads', repository: nameOf(start) }
  const idAt = rest.lastIndexOf('/') + 1
  const name = withoutEnd(rest.slice(0, idAt), '/blobs/uploads/')
  if (name === undefined) return undefined
  const id = rest.slice(idAt)
  const repository = nameOf(name)
  if (!uploadId.test(id)) throw new RegistryError('BLOB_UPLOAD_UNKNOWN')
  return { kind: 'upload', repository, uploadId: id }
}

function parseResource(rest: string): Route | undefined {
  const lastAt = rest.lastIndexOf('/')
  const last = rest.slice(lastAt + 1)
  const wordAt = rest.lastIndexOf('/', lastAt - 1)
  if (last === '' || lastAt <= 0 || wordAt <= 0) return undefined
  const name = rest.slice(0, wordAt)
  switch (rest.slice(wordAt + 1, lastAt)) {
    case 'blobs':
      return { kind: 'blob', repository: nameOf(name), digest: digestOf(last) }
    case 'manifests':
      return { kind: 'manifest', repository: nameOf(name), reference: referenceOf(last) }
    case 'referrers':
      return { kind: 'referrers', repository: nameOf(name), subject: digestOf(last) }
    case 'tags':
      return last === 'list' ? { kind: 'tags', repository: nameOf(name) } : undefined
    default:
      return undefined
  }
}

const resourceWords = new Set(['tags', 'manifests', 'blobs', 'referrers'])

/**
 * `<name>` or `<name>/`. A path that ends like a resource, with its last part or its repository forgotten or a slash too many (`x/manifests/`,
 * `x/manifests/v1/`, `x/tags/list/`), is no repository: a slip must not delete one that happens to be called so.
 */
function parseRepository(rest: string): RepositoryRoute | undefined {
  const repository = parseRepositoryName(withoutEnd(rest, '/') ?? rest)
  if (repository === undefined) return undefined
  const [last = '', word = '', outer = ''] = repository.split('/').toReversed()
  const isCutResource = resourceWords.has(last) || resourceWords.has(word) || (outer === 'blobs' && word === 'uploads')
  return isCutResource ? undefined : { kind: 'repository', repository }
}

function withoutEnd(text: string, end: string): string | undefined {
  return text.endsWith(end) ? text.slice(0, -end.length) : undefined
}

function nameOf(text: string): RepositoryName {
  const name = parseRepositoryName(text)
  if (name === undefined) throw new RegistryError('NAME_INVALID')
  return name
}

function digestOf(text: string): Digest {
  const digest = parseDigest(text.includes('%') ? text.replace(/%3a/i, ':') : text)
  if (digest === undefined) throw new RegistryError('DIGEST_INVALID', undefined, { message: malformedDigest })
  return digest
}

/** Said of a digest in a path or query that cannot name anything here. */
export const malformedDigest = 'digest is malformed, or its algorithm is not one of sha256 and sha512'

function referenceOf(text: string): Reference {
  if (text.includes(':') || /^[a-z0-9+._-]+%3a/i.test(text)) return { kind: 'digest', digest: digestOf(text) }
  const tag = parseTag(text)
  if (tag === undefined) throw new RegistryError('TAG_INVALID', undefined, { message: 'tag is malformed' })
  return { kind: 'tag', tag }
}
