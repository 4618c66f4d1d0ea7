/**
 * What must hold whenever nobody writes: one checker for all tests, over the database and the store themselves, not over the verbs that it judges.
 *
 * I1 every blob that a manifest needs is there with matching digest · I3 every tag resolves, and its history ends at what it points at ·
 * I4 every blob and manifest hashes to its digest · I5 the store holds the keys of the rows, those that wait for deletion, and uploads with a row,
 * nothing else · I6 what is counted is what there is · I7 what is there has its events · I8 no former name leads away from what has the name.
 */
import { sql } from 'kysely'
import { readdir } from 'node:fs/promises'
import { join, relative } from 'node:path'
import type { BlobKey, BlobStore } from '#blobs/blob-store.ts'
import type { Stores } from '#blobs/stores.ts'
import type { Metadata, Reader } from '#metadata/metadata.ts'
import { verifyUsage } from '#metadata/usage-verify.ts'
import { createDigestHash, digestAlgorithm, digestFromBytes, digestOf, digestOfHash, parseDigest, type Digest } from '#oci/digest.ts'
import { isNonDistributable } from '#oci/media-types.ts'
import { readOpenBlob } from '#registry/read-open-blob.ts'

export interface InvariantsInput {
  readonly metadata: Pick<Metadata, 'reader'>
  readonly store: BlobStore
  /** Where blobs may be beside it. */
  readonly stores?: Stores | undefined
  /** Of a filesystem store, to find keys that nobody knows. */
  readonly rootDirectory?: string
  /** Blobs may be in quarantine: the test damaged them itself. */
  readonly quarantineIsFine?: boolean
  /** Uploads of the store may be without a row: a push in one request was killed. */
  readonly orphanUploadsAreFine?: boolean
}

/** A sentence for each thing that is wrong; empty when all is well. */
export async function checkInvariants(input: InvariantsInput): Promise<string[]> {
  const { reader } = input.metadata
  const violations: string[] = []
  const report = (violation: string) => violations.push(violation)
  await checkBlobs(input, report)
  await checkManifests(reader, report)
  await checkReferences(reader, input.quarantineIsFine === true, report)
  await checkTags(reader, report)
  await checkTrash(reader, report)
  await checkKeys(input, report)
  await checkUploads(input, report)
  await checkUsage(reader, report)
  await checkEvents(reader, report)
  await checkQueue(reader, report)
  await checkRedirects(reader, report)
  return violations
}

/** Judged by the rows alone: a repository lies at no former name, and the nearest of what stands above it is a project. */
export async function checkRedirects(reader: Reader, report: Report): Promise<void> {
  const redirects = await reader.selectFrom('name_redirects').selectAll().execute()
  if (redirects.length === 0) return
  const projects = new Set((await reader.selectFrom('projects').select('name').execute()).map(({ name }) => name))
  const led = (kind: string) => new Map(redirects.filter((row) => row.kind === kind).map((row) => [row.old_name, row.name]))
  const [ledProjects, ledRepositories] = [led('project'), led('repository')]
  for (const name of projects) if (ledProjects.has(name)) report(`I8: the project ${name} leads to ${ledProjects.get(name)}`)
  for (const { name } of await reader.selectFrom('repositories').select('name').where('name', '>=', '0').execute()) {
    if (ledRepositories.has(name)) report(`I8: the repository ${name} leads to ${ledRepositories.get(name)}`)
    const parts = name.split('/')
    const above = parts.map((_, index) => parts.slice(0, index).join('/')).toReversed()
    const nearest = above.find((prefix) => projects.has(prefix) || ledProjects.has(prefix))
    if (nearest !== undefined && !projects.has(nearest)) report(`I8: the repository ${name} is below ${nearest}, which leads elsewhere`)
  }
}

type Report = (violation: string) => void

async function checkUsage(reader: Reader, report: Report): Promise<void> {
  const { faults } = await verifyUsage(reader)
  for (const { scope, id, counter, counted, actual } of faults)
    report(`I6: ${scope} ${id} counts ${counted} ${counter} where ${actual} are`)
}

async function checkBlobs({ metadata, store: primary, stores }: InvariantsInput, report: Report): Promise<void> {
  const blobs = await metadata.reader.selectFrom('blobs').selectAll().where('state', '=', 'live').execute()
  for (const blob of blobs) {
    const digest = digestFromBytes(blob.digest)
    const store = blob.store === primary.name ? primary : stores?.all.get(blob.store)
    if (store === undefined) report(`I5: blob ${digest} is in a store named ${blob.store}`)
    if (store === undefined) continue
    const found = await hashOf(store, blob.key, digest)
    if (found === undefined) report(`I1: blob ${digest} has a live row and no bytes at ${blob.key}`)
    else if (found.sizeBytes !== blob.size_bytes) report(`I4: blob ${digest} has ${found.sizeBytes} bytes, its row says ${blob.size_bytes}`)
    else if (found.digest !== digest) report(`I4: blob ${digest} hashes to ${found.digest}`)
  }
}

async function hashOf(store: BlobStore, key: string, digest: Digest): Promise<{ digest: Digest; sizeBytes: number } | undefined> {
  const open = await store.open(key as BlobKey, { direct: true })
  if (open === undefined) return undefined
  const algorithm = digestAlgorithm(digest)
  const hash = createDigestHash(algorithm)
  let sizeBytes = 0
  for await (const piece of readOpenBlob(open, new AbortController().signal)) {
    hash.update(piece)
    sizeBytes += piece.length
  }
  return { digest: digestOfHash(algorithm, hash), sizeBytes }
}

interface Named {
  readonly mediaType?: string
  readonly digest?: string
  readonly urls?: readonly string[]
}

interface Document {
  readonly config?: Named
  readonly layers?: readonly Named[]
  readonly manifests?: readonly Named[]
  readonly subject?: Named
}

async function checkManifests(reader: Reader, report: Report): Promise<void> {
  const manifests = await reader.selectFrom('manifests').selectAll().execute()
  for (const manifest of manifests) {
    const digest = digestFromBytes(manifest.digest)
    const actual = digestOf(manifest.payload, digestAlgorithm(digest))
    if (actual !== digest) report(`I4: manifest ${digest} hashes to ${actual}`)
    if (manifest.payload.length !== manifest.size_bytes)
      report(`I4: manifest ${digest} has ${manifest.payload.length} bytes, its row says ${manifest.size_bytes}`)
    await checkNames(reader, { ...manifest, digest }, report)
  }
}

/** Everything that the document names is known by id, or by digest at least. */
async function checkNames(
  reader: Reader,
  manifest: { readonly id: number; readonly digest: Digest; readonly payload: Buffer; readonly subject_digest: Buffer | null },
  report: Report,
): Promise<void> {
  const document = JSON.parse(Buffer.from(manifest.payload).toString()) as Document
  const { byId, byDigest } = await referencesOf(reader, manifest.id)
  for (const digest of digestsOf([document.config, ...(document.layers ?? []), ...(document.manifests ?? [])])) {
    if (!byId.has(digest) && !byDigest.has(digest)) report(`I1: manifest ${manifest.digest} names ${digest}, its references do not`)
  }
  const needed = manifest.subject_digest === null ? (document.layers ?? []).filter((layer) => !mayBeElsewhere(layer)) : []
  for (const digest of digestsOf(needed)) {
    if (!byId.has(digest)) report(`I1: manifest ${manifest.digest} needs ${digest}, which is not here`)
  }
  const subject = manifest.subject_digest === null ? undefined : digestFromBytes(manifest.subject_digest)
  if (subject !== digestsOf([document.subject])[0]) report(`I1: manifest ${manifest.digest} has another subject than its row`)
}

function digestsOf(named: readonly (Named | undefined)[]): Digest[] {
  return named.map((each) => parseDigest(each?.digest ?? '')).filter((digest) => digest !== undefined)
}

function mayBeElsewhere(layer: Named): boolean {
  return isNonDistributable(layer.mediaType ?? '') || (layer.urls?.length ?? 0) > 0
}

async function referencesOf(reader: Reader, manifestId: number): Promise<{ byId: Set<Digest>; byDigest: Set<Digest> }> {
  const blobs = await reader
    .selectFrom('manifest_blobs as mb')
    .innerJoin('blobs as b', 'b.id', 'mb.blob_id')
    .select('b.digest')
    .where('mb.manifest_id', '=', manifestId)
    .execute()
  const children = await reader.selectFrom('manifest_children').select('child_digest').where('manifest_id', '=', manifestId).execute()
  return {
    byId: new Set(blobs.map((row) => digestFromBytes(row.digest))),
    byDigest: new Set(children.map((row) => digestFromBytes(row.child_digest))),
  }
}

async function checkReferences(reader: Reader, quarantineIsFine: boolean, report: Report): Promise<void> {
  const rows = await reader
    .selectFrom('manifest_blobs as mb')
    .innerJoin('manifests as m', 'm.id', 'mb.manifest_id')
    .innerJoin('repositories as r', 'r.id', 'm.repository_id')
    .leftJoin('blobs as b', 'b.id', 'mb.blob_id')
    .leftJoin('repository_blobs as rb', (join) =>
      join.onRef('rb.blob_id', '=', 'mb.blob_id').onRef('rb.repository_id', '=', 'm.repository_id'),
    )
    .select(['m.digest', 'mb.blob_id', 'b.state', 'b.id', 'rb.id as link_id', 'r.trash_of', 'r.name'])
    .execute()
  for (const row of rows) {
    const what = `manifest ${digestFromBytes(row.digest)} needs blob #${row.blob_id}`
    if (row.id === null) report(`I1: ${what}, whose row is gone`)
    else if (row.state !== 'live' && !quarantineIsFine) report(`I1: ${what}, which is ${row.state}`)
    // What is in the trash by itself gets its links back when it is restored.
    const mayLackLink = row.trash_of !== null || row.name.startsWith('!')
    if (row.link_id === null && !mayLackLink) report(`I1: ${what}, which is not in its repository`)
  }
}

async function checkTags(reader: Reader, report: Report): Promise<void> {
  const tags = await reader
    .selectFrom('tags as t')
    .leftJoin('manifests as m', 'm.id', 't.manifest_id')
    .select(['t.name', 't.repository_id', 'm.repository_id as manifest_repository_id', 'm.digest'])
    .execute()
  const current = new Map<string, string>()
  for (const tag of tags) {
    if (tag.digest === null) report(`I3: tag ${tag.name} points at nothing`)
    else current.set(`${tag.repository_id} ${tag.name}`, digestFromBytes(tag.digest))
    if (tag.digest !== null && tag.manifest_repository_id !== tag.repository_id)
      report(`I3: tag ${tag.name} points into another repository`)
  }
  await checkHistory(reader, current, report)
}

/** Each change of a tag begins where the last one ended, and the last one ends at what the tag points at. */
async function checkHistory(reader: Reader, current: ReadonlyMap<string, string>, report: Report): Promise<void> {
  const changes = await reader.selectFrom('tag_history').selectAll().orderBy('id').execute()
  const last = new Map<string, string | undefined>()
  for (const change of changes) {
    const tag = `${change.repository_id} ${change.name}`
    const previous = change.previous_digest === null ? undefined : digestFromBytes(change.previous_digest)
    if (last.get(tag) !== previous) report(`I3: the history of tag ${tag} breaks at #${change.id}`)
    last.set(tag, change.digest === null ? undefined : digestFromBytes(change.digest))
  }
  for (const [tag, digest] of current) if (last.get(tag) !== digest) report(`I3: the history of tag ${tag} ends elsewhere`)
  for (const [tag, digest] of last)
    if (digest !== undefined && !current.has(tag)) report(`I3: tag ${tag} is gone without a word in its history`)
}

/** What the trash says is there to be restored is there, what is hidden is in the trash, and nothing that is hidden has a name. */
async function checkTrash(reader: Reader, report: Report): Promise<void> {
  const rows = await trashRows(reader)
  for (const row of rows) {
    const what = `row #${row.id} (${row.kind}) of the trash`
    if (row.project === null) report(`trash: ${what} has no project`)
    if (row.expires_at <= row.deleted_at) report(`trash: ${what} ends before it begins`)
    // Of a repository that is being emptied the rows go with it.
    if (row.name?.startsWith('!') !== true && !isRestorable(row)) report(`trash: ${what} is about nothing that is in the trash`)
  }
  await checkHiddenRepositories(reader, report)
  await checkTrashedManifests(reader, report)
}

function trashRows(reader: Reader) {
  return reader
    .selectFrom('trash as t')
    .leftJoin('manifests as m', 'm.id', 't.manifest_id')
    .leftJoin('repositories as r', 'r.id', 't.repository_id')
    .leftJoin('repositories as twin', 'twin.trash_of', 't.repository_id')
    .leftJoin('projects as p', 'p.id', 't.project_id')
    .select(['t.id', 't.kind', 't.manifest_id', 'm.repository_id as home', 'twin.id as twin', 'r.id as repository', 'r.name'])
    .select(['p.id as project', 'p.name as project_name', 'p.trashed_name', 't.expires_at', 't.deleted_at'])
    .execute()
}

function isRestorable(row: Awaited<ReturnType<typeof trashRows>>[number]): boolean {
  if (row.kind === 'manifest') return row.home !== null && row.home === row.twin
  if (row.kind === 'tag') return row.home !== null && (row.home === row.repository || row.home === row.twin)
  if (row.kind === 'repository') return row.name === `$${row.repository}`
  return row.project_name === `$${row.project}` && row.trashed_name !== ''
}

async function checkHiddenRepositories(reader: Reader, report: Report): Promise<void> {
  const hidden = await reader
    .selectFrom('repositories as r')
    .leftJoin('repositories as owner', 'owner.id', 'r.trash_of')
    .leftJoin('trash as t', (join) => join.onRef('t.repository_id', '=', 'r.id').on('t.kind', '=', 'repository'))
    .select(['r.id', 'r.name', 'r.trash_of', 'r.trashed_name', 'owner.name as owner', 't.id as row'])
    .execute()
  for (const { id, name, trash_of: twinOf, trashed_name: trashedName, owner, row } of hidden) {
    if (name.startsWith('#') !== (twinOf !== null)) report(`trash: repository ${name} is half a twin`)
    if (twinOf !== null && (owner === null || owner.startsWith('!'))) report(`trash: ${name} is the twin of nothing`)
    if (name === `$${id}` && row === null) report(`trash: repository ${name} is in no row of the trash`)
    if ((name === `$${id}`) !== (trashedName !== '')) report(`trash: repository ${name} was called ${JSON.stringify(trashedName)}`)
  }
}

async function checkTrashedManifests(reader: Reader, report: Report): Promise<void> {
  const manifests = await reader
    .selectFrom('manifests as m')
    .innerJoin('repositories as r', 'r.id', 'm.repository_id')
    .leftJoin('trash as t', (join) => join.onRef('t.manifest_id', '=', 'm.id').on('t.kind', '=', 'manifest'))
    .select(['m.id', 't.id as row', 'r.trash_of', 'r.name'])
    .where((eb) => eb.or([eb('r.trash_of', 'is not', null), eb('t.id', 'is not', null)]))
    .execute()
  for (const { id, row, trash_of: twinOf, name } of manifests) {
    if (row === null) report(`trash: manifest #${id} is in the trash without a row`)
    if (twinOf === null && !name.startsWith('!')) report(`trash: manifest #${id} is live and in the trash`)
  }
  const strays = await reader
    .selectFrom('manifest_blobs as mb')
    .innerJoin('manifests as m', 'm.id', 'mb.manifest_id')
    .select('mb.manifest_id')
    .whereRef('mb.repository_id', '<>', 'm.repository_id')
    .execute()
  for (const { manifest_id: id } of strays) report(`trash: blobs of manifest #${id} say another repository than it`)
}

async function checkKeys({ metadata, store, rootDirectory }: InvariantsInput, report: Report): Promise<void> {
  const { reader } = metadata
  const blobs = await reader.selectFrom('blobs').select(['digest', 'key']).where('store', '=', store.name).execute()
  const leaving = await reader.selectFrom('blob_deletions').select('key').where('store', '=', store.name).execute()
  const known = new Set([...blobs, ...leaving].map(({ key }) => key))
  for (const key of await keysIn(rootDirectory)) if (!known.has(key)) report(`I5: nobody knows the key ${key}`)
}

/** Keys below a filesystem store's own directory; registry:2's beside it stay readable by registry:2, whatever their rows say. */
async function keysIn(rootDirectory: string | undefined): Promise<string[]> {
  if (rootDirectory === undefined) return []
  const entries = await readdir(join(rootDirectory, 'blobs'), { recursive: true, withFileTypes: true }).catch(() => [])
  return entries
    .filter((entry) => entry.isFile() && entry.name !== '.berth-store')
    .map((entry) => relative(rootDirectory, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
}

async function checkUploads({ metadata, store, stores, orphanUploadsAreFine }: InvariantsInput, report: Report): Promise<void> {
  const sessions = await metadata.reader.selectFrom('upload_sessions').select('upload_id').execute()
  const known = new Set(sessions.map((session) => session.upload_id))
  for (const each of stores?.all.values() ?? [store]) {
    for await (const { uploadId } of each.listUploads()) {
      if (!known.has(uploadId) && orphanUploadsAreFine !== true) report(`I5: upload ${uploadId} of the store has no row`)
    }
  }
}

async function checkEvents(reader: Reader, report: Report): Promise<void> {
  const imported = new Set(
    (await reader.selectFrom('tag_history').select('repository_id').where('actor', 'like', 'system:%').execute()).map(
      (row) => row.repository_id,
    ),
  )
  for (const id of await restoredWhole(reader)) imported.add(id)
  for (const id of await madeBySystem(reader)) imported.add(id)
  const manifests = await reader
    .selectFrom('manifests as m')
    .innerJoin('repositories as r', 'r.id', 'm.repository_id')
    .select(['m.digest', 'm.repository_id', 'r.name'])
    .select((eb) =>
      eb
        .selectFrom('events as e')
        .select((count) => count.fn.countAll<number>().as('events'))
        .where('e.action', '=', 'manifest.pushed')
        .whereRef('e.repository', '=', 'r.name')
        .whereRef('e.digest', '=', 'm.digest')
        .as('events'),
    )
    .where('r.name', '>=', '0')
    .execute()
  for (const row of manifests) {
    if (Number(row.events) === 0 && !imported.has(row.repository_id))
      report(`I7: no event tells of manifest ${digestFromBytes(row.digest)} in ${row.name}`)
  }
  await checkTagEvents(reader, imported, report)
}

/** Repositories that came back from the trash as a whole: the last events of their names may speak of others that were called so meanwhile. */
async function restoredWhole(reader: Reader): Promise<number[]> {
  const restored = await reader
    .selectFrom('events')
    .select('target')
    .where('action', '=', 'trash.restored')
    .where((eb) => eb.or([eb('target', 'like', 'repository:%'), eb('target', 'like', 'project:%')]))
    .execute()
  const names = restored.map(({ target }) => target.slice(target.indexOf(':') + 1))
  const repositories = await reader.selectFrom('repositories').select(['id', 'name']).execute()
  return repositories.filter(({ name }) => names.some((each) => name === each || name.startsWith(`${each}/`))).map(({ id }) => id)
}

/** Repositories that an import or a recovery made, with what was in them. */
async function madeBySystem(reader: Reader): Promise<number[]> {
  const rows = await reader
    .selectFrom('events as e')
    .innerJoin('repositories as r', 'r.name', 'e.repository')
    .select('r.id')
    .where('e.action', '=', 'repository.created')
    .where('e.actor', 'like', 'system:%')
    .execute()
  return rows.map(({ id }) => id)
}

/** The last event of a tag tells where it points. */
async function checkTagEvents(reader: Reader, imported: ReadonlySet<number>, report: Report): Promise<void> {
  const events = await reader
    .selectFrom('events')
    .select(['action', 'repository', 'tag', 'digest'])
    .where('action', 'in', ['tag.moved', 'tag.deleted'])
    .orderBy('id')
    .execute()
  const told = new Map<string, string | undefined>()
  for (const event of events) {
    const digest = event.action === 'tag.moved' && event.digest !== null ? digestFromBytes(event.digest) : undefined
    told.set(`${event.repository}:${event.tag}`, digest)
  }
  const tags = await reader
    .selectFrom('tags as t')
    .innerJoin('manifests as m', 'm.id', 't.manifest_id')
    .innerJoin('repositories as r', 'r.id', 't.repository_id')
    .select(['t.name', 't.repository_id', 'r.name as repository', 'm.digest'])
    .where('r.name', '>=', '0')
    .execute()
  for (const tag of tags) {
    if (imported.has(tag.repository_id)) continue
    const digest = digestFromBytes(tag.digest)
    if (told.get(`${tag.repository}:${tag.name}`) !== digest)
      report(`I7: no event tells that ${tag.repository}:${tag.name} points at ${digest}`)
  }
}

/** What nothing holds is on the review queue, or its bytes would stay for ever: blobs that are nowhere, and those of repositories that do not need them. */
async function checkQueue(reader: Reader, report: Report): Promise<void> {
  const { rows: blobs } = await sql<{ digest: Buffer }>`select b.digest from blobs b
    where not exists (select 1 from manifest_blobs mb where mb.blob_id = b.id) and not exists (select 1 from repository_blobs rb where rb.blob_id = b.id)
      and not exists (select 1 from garbage_reviews g where g.kind = 'blob' and g.target_id = b.id)`.execute(reader)
  for (const { digest } of blobs) report(`I5: blob ${digestFromBytes(digest)} is unreferenced and nobody will look at it`)
  // What an import brought is looked at when somebody asks for it; what is being emptied is on its way.
  const { rows: links } = await sql<{ digest: Buffer; name: string }>`
    select b.digest, r.name from repository_blobs rb join blobs b on b.id = rb.blob_id join repositories r on r.id = rb.repository_id
      where r.name >= '#' and not exists (select 1 from manifest_blobs mb where mb.blob_id = rb.blob_id and mb.repository_id = rb.repository_id)
        and not exists (select 1 from garbage_reviews g where g.kind = 'link' and g.target_id = rb.id)
        and not exists (select 1 from tag_history h where h.repository_id = r.id and h.actor like 'system:%')`.execute(reader)
  for (const { digest, name } of links) report(`I5: nothing in ${name} needs blob ${digestFromBytes(digest)} and nobody will look at it`)
}
