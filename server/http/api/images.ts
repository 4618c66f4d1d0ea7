/** Serves api/routes/images.ts. */
import type { Permission } from '#api/permissions.ts'
import * as routes from '#api/routes/images.ts'
import { archiveImage } from '#features/image-archive.ts'
import { chooseImage } from '#features/image-choose.ts'
import { compareImages } from '#features/image-compare.ts'
import { takeTurn } from '#features/image-contents.ts'
import { importArchive } from '#features/image-import.ts'
import { listImageFiles, readImageFile, type ListedFile } from '#features/image-files.ts'
import { actorOf, bodyLength, closeSignal, type Exchange } from '#http/exchange.ts'
import { isInReach } from '#http/gate.ts'
import { imagePartsOf } from '#http/image-parts.ts'
import { originOf } from '#http/locations.ts'
import { noteFileRead, notePull } from '#http/note-pull.ts'
import { noteQuotaRefusal } from '#http/note-refusal.ts'
import { readBody, refuseEncodedBody } from '#http/request-body.ts'
import { RegistryError } from '#oci/errors.ts'
import { parseTag, type RepositoryName } from '#oci/reference.ts'
import { repositoryExists } from '#registry/find-repository.ts'
import { instantOf } from './page-body.ts'
import { guard } from './guard.ts'
import { writeCursor, type PageWanted } from './pages.ts'
import { sentStream } from './sent-stream.ts'
import { serve, type ApiCall, type ServedRoute } from './serve-route.ts'

/** RFC 3339 has years of four digits; archives state any. */
const firstSecond = Date.UTC(1, 0, 1) / 1000
const lastSecond = Date.UTC(9999, 11, 31) / 1000

function fileBody({ modifiedAt, linkTarget, ...file }: ListedFile) {
  const seconds = Math.max(firstSecond, Math.min(lastSecond, modifiedAt))
  return { ...file, modifiedAt: instantOf(seconds * 1000), ...(linkTarget !== undefined && { linkTarget }) }
}

/** Where the next page begins, in a list that is the same for as long as the manifest is. Throws REQUEST_INVALID when a tag was moved in between. */
function placeOf({ after }: PageWanted, digest: string): number {
  if (after === undefined) return 0
  if (after.value === digest) return after.id
  throw new RegistryError(
    'REQUEST_INVALID',
    { cursor: 'of another manifest' },
    { message: 'the tag was moved since the first page: begin again' },
  )
}

/** RFC 6266, for any name: what is no letter or digit is encoded, and old clients get underscores. */
function attachment(name: string): string {
  const plain = name.replaceAll(/[^A-Za-z0-9._-]/g, '_').slice(0, 200)
  const encoded = encodeURIComponent(name.toWellFormed()).replaceAll(
    /['()*]/g,
    (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`,
  )
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`
}

/** What comes out of an image is whatever somebody put in: it is saved, never shown, and runs nothing. */
export function untrusted(name: string): Record<string, string> {
  return {
    'Content-Disposition': attachment(name),
    'Content-Security-Policy': "sandbox; default-src 'none'",
    'Cross-Origin-Resource-Policy': 'same-origin',
  }
}

/** As a client would call it: with the host that it reached the registry by. */
function imageName(exchange: Exchange, repository: string): string {
  const origin = originOf(exchange)
  return origin === undefined ? repository : `${new URL(origin).host}/${repository}`
}

function viewerOf(exchange: Exchange) {
  return { actor: actorOf(exchange), signal: closeSignal(exchange) }
}

type ImportCall = ApiCall<typeof routes.importImages>

async function takeArchive({ parts, repository, project, principal, query, exchange }: ImportCall) {
  const { registry, access, config } = parts
  const { imports, metrics } = imagePartsOf(parts)
  const may = (permission: Permission) => access.may(principal, permission, { repository })
  if (!(await may('repository:create')) && !(await repositoryExists(registry, repository)))
    throw new RegistryError('DENIED', { permission: 'repository:create' })
  const tag = query.tag === undefined ? undefined : parseTag(query.tag)
  if (query.tag !== undefined && tag === undefined)
    throw new RegistryError('TAG_INVALID', { tag: query.tag }, { message: 'tag is malformed' })
  refuseEncodedBody(exchange.request)
  const tags = { tag, mayCreateTags: await may('tag:create'), mayMoveTags: await may('tag:update') }
  const body = { body: readBody(exchange), contentLength: bodyLength(exchange.request), archiveBytes: config.contents.archiveBytes }
  using _turn = await takeTurn(imports, closeSignal(exchange), 'too many archives are being imported at the moment')
  const before = exchange.notes.receivedBytes
  const tell = (outcome: Parameters<typeof metrics.imported>[0]) => metrics.imported(outcome, exchange.notes.receivedBytes - before)
  try {
    const images = await importArchive(registry, { repository, ...viewerOf(exchange), ...body }, tags)
    tell('taken')
    for (const _image of images) parts.traffic?.pushed(project.id)
    return images
  } catch (error) {
    noteQuotaRefusal(exchange, error)
    tell(error instanceof RegistryError && error.status < 500 ? 'refused' : 'failed')
    throw error
  }
}

type CompareCall = ApiCall<typeof routes.compareImages>

/** The repository of the second image; who may not pull there is told what the guard of a route would tell. */
async function otherRepository({ exchange, principal, repository, query }: CompareCall): Promise<RepositoryName> {
  if (query.toRepository === undefined) return repository
  const demand = { permission: 'repository:pull', on: 'repository' } as const
  const { project, repository: other } = await guard(exchange, principal, demand, { repository: query.toRepository })
  if (!(await isInReach(exchange, project))) throw new RegistryError('ADDRESS_DENIED')
  return other ?? repository
}

async function comparison(call: CompareCall) {
  const { parts, repository, query, exchange, page } = call
  const { contents, comparisons } = imagePartsOf(parts)
  const other = await otherRepository(call)
  const { platform } = query
  const viewer = viewerOf(exchange)
  // Whether they are there, and are let out, is asked each time.
  const from = await chooseImage(parts.registry, { repository, reference: query.from, platform, ...viewer })
  const to = await chooseImage(parts.registry, { repository: other, reference: query.to, platform, ...viewer })
  const key = `${repository}@${from.image.digest} ${other}@${to.image.digest}`
  const sides = [
    { image: from, viewer: { repository, ...viewer } },
    { image: to, viewer: { repository: other, ...viewer } },
  ] as const
  const found = comparisons.get(key) ?? (await compareImages(contents, ...sides))
  // What could not be read may be there again.
  if (found.unreadable.length === 0) comparisons.set(key, found)
  const place = `${found.from.digest} ${found.to.digest}`
  return { found, offset: placeOf(page, place), place, repositories: { from: repository, to: other } }
}

/** Members that are undefined are left out, as the contract has it. */
function defined<Value extends object>(value: Value): Defined<Value> {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as Defined<Value>
}

type Defined<Value> = { [Key in keyof Value as undefined extends Value[Key] ? never : Key]: Value[Key] } & {
  [Key in keyof Value as undefined extends Value[Key] ? Key : never]?: Exclude<Value[Key], undefined>
}

/** Images and what is in them. */
export const imageRoutes: readonly ServedRoute[] = [
  serve(routes.listImageFiles, async ({ parts, repository, params, query, page, exchange }) => {
    const { path = '/', platform, layer } = query
    const wanted = { repository, reference: params.reference, path, platform, layer, ...viewerOf(exchange) }
    const { contents } = imagePartsOf(parts)
    // A cursor is of a manifest, which is known when the list is there.
    const offset = page.after?.id ?? 0
    const { limit, isDescending } = page
    const sort = page.column === 'sizeBytes' || page.column === 'modifiedAt' ? page.column : 'name'
    const found = await listImageFiles(contents, wanted, { offset, limit, sort, isDescending })
    placeOf(page, found.digest)
    const end = offset + found.items.length
    const next = end < found.count ? { value: found.digest, id: end } : undefined
    const { digest, count, isOpaque } = found
    const rest = { ...(found.platform !== undefined && { platform: found.platform }), unreadable: [...found.unreadable] }
    return {
      body: { digest, path: found.path, items: found.items.map(fileBody), count, isOpaque, ...rest, next: next as unknown as string },
    }
  }),
  serve(routes.readImageFile, async ({ parts, repository, project, params, query, exchange }) => {
    const { path, platform, layer, offset = 0, limit } = query
    const wanted = { repository, reference: params.reference, path, platform, layer, ...viewerOf(exchange) }
    const { contents } = imagePartsOf(parts)
    const file = await readImageFile(contents, wanted, { offset, limit })
    const stream = await sentStream(exchange, file.read())
    if (exchange.request.method !== 'HEAD')
      noteFileRead(exchange, project, { repository, digest: file.digest, tag: file.tag, path: file.path })
    const headers = {
      'Content-Type': 'application/octet-stream',
      'Content-Length': String(file.lengthBytes),
      'X-File-Size': String(file.sizeBytes),
      ...untrusted(file.name),
    }
    return { body: undefined, stream, headers }
  }),
  serve(routes.compareImages, async (call) => {
    const { found, offset, place, repositories } = await comparison(call)
    const end = Math.min(offset + call.page.limit, found.files.items.length)
    const next = end < found.files.items.length ? { value: place, id: end } : undefined
    const body = {
      from: defined({ repository: repositories.from, ...found.from }),
      to: defined({ repository: repositories.to, ...found.to }),
      layers: [...found.layers],
      config: found.config.map(defined),
      configProblems: [...found.configProblems],
      files: {
        ...found.files,
        items: found.files.items.slice(offset, end).map((item) => ({ ...defined(item), aspects: [...item.aspects] })),
      },
      packages: found.packages.map(defined),
      unreadPackages: [...found.unreadPackages],
      unreadable: [...found.unreadable],
      ...(next !== undefined && { next: writeCursor(routes.compareImages, call.query, next) }),
    }
    return { body }
  }),
  serve(routes.exportImage, async ({ parts, repository, project, params, query, exchange }) => {
    const { format = 'docker', platform } = query
    const { reference } = params
    const name = imageName(exchange, repository)
    const archive = await archiveImage(parts.registry, { repository, reference, platform, format, name, ...viewerOf(exchange) })
    const stream = await sentStream(exchange, archive.read())
    const { manifestId, digest } = archive.asked.asked
    exchange.notes.project = project
    if (exchange.request.method !== 'HEAD') notePull(exchange, { repository, manifestId, digest, tag: archive.asked.tag })
    const file = `${repository.replaceAll('/', '-')}-${(archive.asked.tag ?? digest.slice(7, 19)).replace(/^[.-]+/, '')}.tar`
    const headers = { 'Content-Type': 'application/x-tar', 'Content-Length': String(archive.lengthBytes), ...untrusted(file) }
    return { body: undefined, stream, headers }
  }),
  serve(routes.importImages, async (call) => {
    const images = await takeArchive(call)
    const location = `/repositories/${encodeURIComponent(call.repository)}/manifests/${images[0]?.digest ?? ''}`
    const body = {
      images: images.map(({ tags, missingPlatforms, ...image }) => ({
        ...image,
        tags: [...tags],
        missingPlatforms: [...missingPlatforms],
      })),
    }
    return { body, location }
  }),
]
