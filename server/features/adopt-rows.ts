/**
 * The transactions of an adoption. Each is whole for one batch of one repository, and may run again: what is there stays, what is not is added.
 * What Berth has of its own (a blob pushed again, a tag that was moved or deleted here) is never replaced.
 */
import { digestFromBytes, digestToBytes, type Digest } from '#oci/digest.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { blobsOfRepository } from '#metadata/blobs.ts'
import { inChunks } from '#metadata/in-chunks.ts'
import { insertManifest, insertReferences } from '#metadata/manifests.ts'
import type { Transactor } from '#metadata/metadata.ts'
import { putSetting } from '#metadata/settings.ts'
import { noteFinding, resolveFindingsAt } from '#metadata/scrub-findings.ts'
import { transaction } from '#metadata/transaction.ts'
import { blobEntered, blobResized, linkCounts, manifestEntered, manifestRepeated } from '#metadata/usage.ts'
import { sumBlobSizes } from '#metadata/usage-blobs.ts'
import { afterWait } from '#metadata/write-wait.ts'
import { ensureRepository } from '#registry/ensure-repository.ts'
import { findingOfDamage } from '#registry/quarantine-blob.ts'
import type { FoundManifest } from '#registry/found-manifest.ts'

/** A blob of the directory. */
export interface FoundBlob {
  readonly digest: Digest
  readonly key: string
  readonly sizeBytes: number
  readonly state: 'live' | 'quarantined'
  /** Whether all its bytes were read to know the state. */
  readonly isChecked: boolean
}

/** A blob that a manifest needs and that its repository does not have. */
export interface MissingReference {
  readonly manifest: Digest
  readonly blob: Digest
}

/** Who set a tag, in its history, when an import did. No user has this name: Basic credentials end a name at the colon. */
export const importActor = 'system:import'

/** The row of the repository, made when it is not there. */
export function repositoryOf(tx: Transactor, repository: RepositoryName, now: number): Promise<number> {
  return ensureRepository(tx, { repository, now, actor: { name: importActor, requestId: '' } })
}

async function leavingKeys(tx: Transactor, store: string, blobs: readonly FoundBlob[]): Promise<Set<string>> {
  const leaving = new Set<string>()
  for (const chunk of inChunks(blobs.map((blob) => blob.key))) {
    const rows = await tx.selectFrom('blob_deletions').select('key').where('store', '=', store).where('key', 'in', chunk).execute()
    for (const row of rows) leaving.add(row.key)
  }
  return leaving
}

interface BlobRow {
  readonly id: number
  readonly digest: Buffer
  readonly state: 'live' | 'quarantined'
  readonly size_bytes: number
  readonly store: string
  readonly key: string
}

/** What the directory shows now, for a row whose bytes are in the directory; undefined when the row says so already. */
function changeOf(row: BlobRow, found: FoundBlob): { state: 'live' | 'quarantined'; size_bytes: number } | undefined {
  const isHealed = row.state === 'quarantined' && found.state === 'live' && found.isChecked
  const isSpoiled = row.state === 'live' && found.state === 'quarantined'
  const isResized = row.state === 'live' && found.state === 'live' && row.size_bytes !== found.sizeBytes
  return isHealed || isSpoiled || isResized ? { state: found.state, size_bytes: found.sizeBytes } : undefined
}

/** Brings rows of blobs that were known already up to date, and gives the ids of all. */
async function refreshBlobs(
  tx: Transactor,
  { store, now }: Pick<BlobsInput, 'store' | 'now'>,
  blobs: readonly FoundBlob[],
): Promise<number[]> {
  const byDigest = new Map(blobs.map((blob) => [blob.digest, blob]))
  const ids: number[] = []
  for (const chunk of inChunks(blobs)) {
    const rows: BlobRow[] = await tx
      .selectFrom('blobs')
      .select(['id', 'digest', 'state', 'size_bytes', 'store', 'key'])
      .where(
        'digest',
        'in',
        chunk.map((blob) => digestToBytes(blob.digest)),
      )
      .execute()
    for (const row of rows) {
      ids.push(row.id)
      const found = byDigest.get(digestFromBytes(row.digest))
      if (found === undefined || row.store !== store || row.key !== found.key) continue
      const change = changeOf(row, found)
      // One that was added a moment ago in this state is news as well.
      await noteState(tx, { ...row, state: change?.state ?? row.state }, now)
      if (change === undefined) continue
      await tx.updateTable('blobs').set(change).where('id', '=', row.id).execute()
      await blobResized(tx, row.id, change.size_bytes - row.size_bytes)
    }
  }
  return ids
}

/** Keeps scrub's findings in step with what an adoption sees: what is in quarantine is among them, and nothing else of these bytes. */
async function noteState(tx: Transactor, { id: blobId, size_bytes: sizeBytes, store, key, ...row }: BlobRow, now: number): Promise<void> {
  if (row.state === 'live') return await resolveFindingsAt(tx, { store, key }, now)
  const blob = { blobId, sizeBytes, store, key, digest: digestFromBytes(row.digest) }
  await noteFinding(tx, await findingOfDamage(tx, blob, 'wrong digest'), { now, since: now })
}

/** Makes the blobs pullable from the repository, referenced by its manifests that came before them, and counted. */
async function linkBlobs(tx: Transactor, repositoryId: number, input: { blobIds: readonly number[]; now: number }): Promise<void> {
  for (const chunk of inChunks(input.blobIds)) {
    const links = await tx
      .insertInto('repository_blobs')
      .values(chunk.map((blobId) => ({ repository_id: repositoryId, blob_id: blobId, created_at: input.now, is_counted: 1 })))
      .onConflict((conflict) =>
        conflict.columns(['repository_id', 'blob_id']).doUpdateSet({ is_counted: 1 }).where('repository_blobs.is_counted', '=', 0),
      )
      .returning('blob_id')
      .execute()
    const waiting = await tx
      .insertInto('manifest_blobs')
      .columns(['manifest_id', 'blob_id', 'repository_id'])
      .expression((eb) =>
        eb
          .selectFrom('blobs as b')
          .innerJoin('manifest_children as mc', 'mc.child_digest', 'b.digest')
          .innerJoin('manifests as m', 'm.id', 'mc.manifest_id')
          .select(['mc.manifest_id', 'b.id as blob_id', 'm.repository_id'])
          .where('b.id', 'in', chunk)
          .where('m.repository_id', '=', repositoryId),
      )
      .onConflict((conflict) => conflict.columns(['manifest_id', 'blob_id']).doNothing())
      .returning('blob_id')
      .execute()
    const sizes = await tx.selectFrom('blobs').select(['id', 'size_bytes']).where('id', 'in', chunk).execute()
    const sizeOf = new Map(sizes.map((row) => [row.id, row.size_bytes]))
    const blobs = links.map(({ blob_id: blobId }) => ({ blobId, sizeBytes: sizeOf.get(blobId) ?? 0 }))
    const logicalBytes = waiting.reduce((sum, row) => sum + (sizeOf.get(row.blob_id) ?? 0), 0)
    await linkCounts(tx, { repositoryId, blobs, logicalBytes })
  }
}

/** One batch of blobs for one repository, all of one store. Instants are milliseconds. */
export interface BlobsInput {
  readonly repository: RepositoryName
  readonly store: string
  readonly now: number
  readonly leaseUntil: number
  /** Each digest once. */
  readonly blobs: readonly FoundBlob[]
}

/** Adds blobs of one repository; `leaving` are those whose bytes garbage collection is about to delete. */
export const addBlobs = transaction(
  import.meta.url,
  'adopt-rows/add-blobs',
  async (
    tx,
    { repository, store, now, leaseUntil, blobs }: BlobsInput,
  ): Promise<{ added: number; bytes: number; leaving: readonly Digest[] }> => {
    const repositoryId = await repositoryOf(tx, repository, now)
    const leaving = await leavingKeys(tx, store, blobs)
    // In one order everywhere, so that two transactions that insert the same blobs wait for each other and never deadlock.
    const staying = blobs.filter((blob) => !leaving.has(blob.key)).toSorted((a, b) => (a.digest < b.digest ? -1 : 1))
    let [added, bytes] = [0, 0]
    for (const chunk of inChunks(staying)) {
      const rows = await tx
        .insertInto('blobs')
        .values(
          chunk.map((blob) => ({
            digest: digestToBytes(blob.digest),
            size_bytes: blob.sizeBytes,
            state: blob.state,
            lease_until: afterWait(tx, leaseUntil),
            store,
            key: blob.key,
            created_at: now,
          })),
        )
        .onConflict((conflict) => conflict.column('digest').doNothing())
        .returning('size_bytes')
        .execute()
      added += rows.length
      for (const row of rows) bytes += row.size_bytes
    }
    await blobEntered(tx, bytes, added)
    await linkBlobs(tx, repositoryId, { blobIds: await refreshBlobs(tx, { store, now }, staying), now })
    return { added, bytes, leaving: blobs.filter((blob) => leaving.has(blob.key)).map((blob) => blob.digest) }
  },
)

/** One batch of manifests for one repository. `now` is in milliseconds. */
export interface ManifestsInput {
  readonly repository: RepositoryName
  readonly now: number
  readonly manifests: readonly FoundManifest[]
}

/** Adds manifests of one repository with what they reference. A blob that is not there becomes a reference as soon as it is. */
export const addManifests = transaction(
  import.meta.url,
  'adopt-rows/add-manifests',
  async (tx, { repository, now, manifests }: ManifestsInput): Promise<{ added: number; missing: readonly MissingReference[] }> => {
    const repositoryId = await repositoryOf(tx, repository, now)
    const wanted = new Set(manifests.flatMap((manifest) => manifest.blobs.map((blob) => blob.digest)))
    const blobIds = await blobsOfRepository(tx, repositoryId, [...wanted])
    const missing: MissingReference[] = []
    let added = 0
    for (const manifest of manifests) {
      const { digest, mediaType, artifactType, subject, annotations, payload } = manifest
      const row = { repositoryId, digest, mediaType, artifactType, subject, annotations, payload, now: manifest.modifiedAt }
      const { manifestId, isNew, grownBytes } = await insertManifest(tx, row)
      if (isNew) added++
      const here = manifest.blobs.flatMap((blob) => blobIds.get(blob.digest) ?? [])
      const absent = manifest.blobs.filter((blob) => !blobIds.has(blob.digest))
      const digests = new Set([...manifest.children, ...absent.map((blob) => blob.digest)])
      const ids = { repositoryId, manifestId }
      const needed = await insertReferences(tx, ids, { blobIds: [...new Set(here)], digests: [...digests] })
      if (isNew) await manifestEntered(tx, ids)
      else {
        const logicalBytes = grownBytes + (await sumBlobSizes(tx, needed))
        await manifestRepeated(tx, ids, { bytes: grownBytes, manifestBytes: grownBytes, logicalBytes })
      }
      for (const blob of absent) if (!blob.isOptional) missing.push({ manifest: digest, blob: blob.digest })
    }
    return { added, missing }
  },
)

/** What reading a blob's bytes showed, if they are still at `key`. */
export const markBlob = transaction(
  import.meta.url,
  'adopt-rows/mark-blob',
  async (
    tx,
    input: {
      readonly blobId: number
      readonly key: string
      readonly state: 'live' | 'quarantined'
      readonly sizeBytes: number
      readonly now: number
    },
  ): Promise<void> => {
    const blob = await tx
      .selectFrom('blobs')
      .select(['id', 'digest', 'state', 'size_bytes', 'store', 'key'])
      .where('id', '=', input.blobId)
      .where('key', '=', input.key)
      .executeTakeFirst()
    if (blob === undefined) return
    await blobResized(tx, input.blobId, input.sizeBytes - blob.size_bytes)
    await tx
      .updateTable('blobs')
      .set({ state: input.state, size_bytes: input.sizeBytes })
      .where('id', '=', input.blobId)
      .where('key', '=', input.key)
      .execute()
    await noteState(tx, { ...blob, state: input.state, size_bytes: input.sizeBytes }, input.now)
  },
)

/** Keeps how far the adoption came. */
export const saveAdoption = transaction(
  import.meta.url,
  'adopt-rows/save-adoption',
  (tx, input: { readonly name: string; readonly value: unknown }): Promise<void> => putSetting(tx, input.name, input.value),
)
