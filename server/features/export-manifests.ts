/** Exporting the manifests and tags of one repository: payloads as blobs, revisions and tags as links. */
import { digestFromBytes, digestOf, digestAlgorithm, type Digest } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import { parseManifest } from '#oci/manifest.ts'
import { isManifestMediaType } from '#oci/media-types.ts'
import type { RepositoryName, Tag } from '#oci/reference.ts'
import { mapLimited } from '#lib/map-limited.ts'
import { layoutBlobKey, revisionLinkPath, tagIndexLinkPath, tagLinkPath } from './registry2-layout.ts'
import { writeBytes } from './export-files.ts'
import type { ExportedRepository } from './export-run.ts'

/** Few: a payload may have megabytes. */
const manifestsInPage = 32
const tagsInPage = 500
const filesAtOnce = 8

/** The media type that registry:2 serves these bytes as; undefined for those that it does not serve. */
function servedMediaType(payload: Buffer): string | undefined {
  try {
    const { mediaType } = parseManifest(payload, '')
    return isManifestMediaType(mediaType) ? mediaType : undefined
  } catch (error) {
    if (error instanceof RegistryError) return undefined
    throw error
  }
}

interface ManifestRow {
  readonly digest: Digest
  readonly mediaType: string
  readonly payload: Buffer
}

async function exportManifest({ run, name, problems }: ExportedRepository, { digest, mediaType, payload }: ManifestRow): Promise<void> {
  run.signal.throwIfAborted()
  const repository = name as RepositoryName
  if (digestOf(payload, digestAlgorithm(digest)) !== digest) {
    problems.add('manifest-corrupt', digest)
    return
  }
  const served = servedMediaType(payload)
  if (served === undefined) problems.add('type-unserved', `${digest}: ${mediaType}`)
  else if (served !== mediaType) problems.add('type-changed', `${digest}: ${mediaType}`)
  await writeBytes(run.directory, layoutBlobKey(digest), payload)
  await writeBytes(run.directory, revisionLinkPath(repository, digest), Buffer.from(digest))
  run.count({ manifests: 1 })
}

/** Row of the newest manifest; what comes later is for the next round. */
export async function newestManifest({ run, id }: ExportedRepository): Promise<number> {
  const row = await run.reader
    .selectFrom('manifests')
    .select((eb) => eb.fn.max('id').as('id'))
    .where('repository_id', '=', id)
    .executeTakeFirst()
  return row?.id ?? 0
}

/** The repository's manifests of the rows from `afterId` (exclusive) to `upToId`. */
export async function exportManifests(repository: ExportedRepository, afterId: number, upToId: number): Promise<void> {
  let lastId = afterId
  for (;;) {
    const rows = await repository.run.reader
      .selectFrom('manifests')
      .select(['id', 'digest', 'media_type', 'payload'])
      .where('repository_id', '=', repository.id)
      .where('id', '>', lastId)
      .where('id', '<=', upToId)
      .orderBy('id')
      .limit(manifestsInPage)
      .execute()
    const page = rows.map((row) => ({ digest: digestFromBytes(row.digest), mediaType: row.media_type, payload: Buffer.from(row.payload) }))
    await mapLimited(page, filesAtOnce, (manifest) => exportManifest(repository, manifest))
    lastId = rows.at(-1)?.id ?? lastId
    if (rows.length < manifestsInPage) return
  }
}

async function exportTag({ run, name }: ExportedRepository, tag: { readonly name: Tag; readonly digest: Digest }): Promise<void> {
  const repository = name as RepositoryName
  const text = Buffer.from(tag.digest)
  await writeBytes(run.directory, tagIndexLinkPath(repository, tag.name, tag.digest), text)
  await writeBytes(run.directory, tagLinkPath(repository, tag.name), text)
}

/** Tags of manifests that are exported (rows up to `upToId`); `beyond`: those that point at later ones. */
export async function exportTags(
  repository: ExportedRepository,
  upToId: number,
): Promise<{ readonly written: number; readonly beyond: number }> {
  let [lastId, written, beyond] = [0, 0, 0]
  for (;;) {
    repository.run.signal.throwIfAborted()
    const rows = await repository.run.reader
      .selectFrom('tags as t')
      .innerJoin('manifests as m', 'm.id', 't.manifest_id')
      .select(['t.id', 't.name', 't.manifest_id', 'm.digest'])
      .where('t.repository_id', '=', repository.id)
      .where('t.id', '>', lastId)
      .orderBy('t.id')
      .limit(tagsInPage)
      .execute()
    const tags = rows
      .filter((row) => row.manifest_id <= upToId)
      .map((row) => ({ name: row.name as Tag, digest: digestFromBytes(row.digest) }))
    await mapLimited(tags, filesAtOnce, (tag) => exportTag(repository, tag))
    written += tags.length
    beyond += rows.length - tags.length
    lastId = rows.at(-1)?.id ?? lastId
    if (rows.length < tagsInPage) return { written, beyond }
  }
}
