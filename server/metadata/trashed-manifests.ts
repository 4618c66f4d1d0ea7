/** Manifests on their way into the trash and back: rows keep their ids, and with them what people put on them. */
import { sql } from 'kysely'
import { digestFromBytes, digestToBytes, type Digest } from '#oci/digest.ts'
import type { Tag } from '#oci/reference.ts'
import { numberList } from './dialect.ts'
import { findTwin } from './hidden-repositories.ts'
import { inChunks } from './in-chunks.ts'
import type { Reader, Transactor } from './metadata.ts'

/** Gives the manifest, and what it needs, to another repository. */
export async function moveManifest(tx: Transactor, manifestId: number, repositoryId: number): Promise<void> {
  await tx.updateTable('manifests').set({ repository_id: repositoryId }).where('id', '=', manifestId).execute()
  await tx.updateTable('manifest_blobs').set({ repository_id: repositoryId }).where('manifest_id', '=', manifestId).execute()
}

/** Makes all blobs of the manifest pullable from its repository again. Links that are there stay; none of those that are made counts yet. */
export async function relinkBlobs(
  tx: Transactor,
  manifest: { readonly manifestId: number; readonly repositoryId: number; readonly now: number },
): Promise<void> {
  await tx
    .insertInto('repository_blobs')
    .columns(['repository_id', 'blob_id', 'created_at', 'is_counted'])
    .expression((eb) =>
      eb
        .selectFrom('manifest_blobs')
        .select((of) => [
          of.val(manifest.repositoryId).as('repository_id'),
          'blob_id',
          of.val(manifest.now).as('created_at'),
          of.lit(0).as('is_counted'),
        ])
        .where('manifest_id', '=', manifest.manifestId),
    )
    .onConflict((conflict) => conflict.columns(['repository_id', 'blob_id']).doNothing())
    .execute()
}

/** A manifest by its row. */
export interface ManifestPlace {
  readonly manifestId: number
  readonly repositoryId: number
  readonly digest: Digest
}

/** Undefined when it is gone. */
export async function manifestPlace(tx: Transactor, manifestId: number): Promise<ManifestPlace | undefined> {
  const row = await tx.selectFrom('manifests').select(['id', 'repository_id', 'digest']).where('id', '=', manifestId).executeTakeFirst()
  return row && { manifestId: row.id, repositoryId: row.repository_id, digest: digestFromBytes(row.digest) }
}

/** Manifests of the trash that a manifest lists. */
export async function trashedChildren(tx: Transactor, twinId: number, manifestId: number): Promise<readonly number[]> {
  const rows = await tx
    .selectFrom('manifest_children as mc')
    .innerJoin('manifests as m', (join) => join.onRef('m.digest', '=', 'mc.child_digest').on('m.repository_id', '=', twinId))
    .select('m.id')
    .where('mc.manifest_id', '=', manifestId)
    .execute()
  return rows.map(({ id }) => id)
}

/** Manifests of the trash whose subject is the digest, and that went with it or after it. */
export async function trashedReferrers(
  tx: Transactor,
  twinId: number,
  subject: { readonly digest: Digest; readonly since: number },
): Promise<readonly number[]> {
  const rows = await tx
    .selectFrom('manifests as m')
    .innerJoin('trash as t', (join) => join.onRef('t.manifest_id', '=', 'm.id').on('t.kind', '=', 'manifest'))
    .select('m.id')
    .where('m.repository_id', '=', twinId)
    .where('m.subject_digest', '=', digestToBytes(subject.digest))
    .where('t.deleted_at', '>=', subject.since)
    .execute()
  return rows.map(({ id }) => id)
}

/** What live manifests of the repository need and nobody can pull: manifests that they list and that are not here, and blobs that are damaged. */
export async function missingFrom(tx: Transactor, repositoryId: number, manifestIds: readonly number[]): Promise<readonly Digest[]> {
  const missing = new Set<Digest>()
  for (const ids of inChunks(manifestIds)) {
    const children = await tx
      .selectFrom('manifest_children as mc')
      .leftJoin('manifests as m', (join) => join.onRef('m.digest', '=', 'mc.child_digest').on('m.repository_id', '=', repositoryId))
      .select('mc.child_digest as digest')
      .where('mc.manifest_id', 'in', ids)
      .where('m.id', 'is', null)
      .execute()
    const blobs = await tx
      .selectFrom('manifest_blobs as mb')
      .innerJoin('blobs as b', 'b.id', 'mb.blob_id')
      .select('b.digest')
      .where('mb.manifest_id', 'in', ids)
      .where('b.state', '=', 'quarantined')
      .execute()
    for (const { digest } of [...children, ...blobs]) missing.add(digestFromBytes(digest))
  }
  return [...missing]
}

/** Manifests, live or in the trash of the same repository, that list this one, which is in the trash and not live as well. */
export async function needersOfTrashed(reader: Reader, { repositoryId, digest }: TrashedDigest): Promise<readonly Digest[]> {
  const twinId = await findTwin(reader, repositoryId)
  const places = twinId === undefined ? [repositoryId] : [repositoryId, twinId]
  const rows = await reader
    .selectFrom('manifest_children as mc')
    .innerJoin('manifests as m', 'm.id', 'mc.manifest_id')
    .select('m.digest')
    .distinct()
    .where('mc.child_digest', '=', digestToBytes(digest))
    .where('m.repository_id', 'in', places)
    .where((eb) =>
      eb.not(
        eb.exists(
          eb
            .selectFrom('manifests as live')
            .select('live.id')
            .where('live.repository_id', '=', repositoryId)
            .where('live.digest', '=', digestToBytes(digest)),
        ),
      ),
    )
    .execute()
  return rows.map((row) => digestFromBytes(row.digest))
}

interface TrashedDigest {
  /** The live one that it came from. */
  readonly repositoryId: number
  readonly digest: Digest
}

/** What the manifest stands for: its document, and its blobs each once. */
export async function manifestBytes(tx: Transactor, manifestId: number): Promise<number> {
  const { rows } = await sql<{ bytes: number | string | null }>`
    select m.size_bytes + coalesce((select sum(b.size_bytes) from manifest_blobs mb join blobs b on b.id = mb.blob_id where mb.manifest_id = m.id), 0)
      as bytes from manifests m where m.id = ${manifestId}`.execute(tx)
  return Number(rows[0]?.bytes ?? 0)
}

/** Where each of the digests is: in the repository (`here`), in its trash, or in neither (absent). */
export async function placesOfDigests(
  reader: Reader | Transactor,
  place: { readonly repositoryId: number; readonly twinId: number | undefined },
  digests: readonly Digest[],
): Promise<ReadonlyMap<Digest, 'here' | 'trash'>> {
  if (digests.length === 0) return new Map()
  const repositoryIds = place.twinId === undefined ? [place.repositoryId] : [place.repositoryId, place.twinId]
  const rows = await reader
    .selectFrom('manifests')
    .select(['repository_id', 'digest'])
    .where('repository_id', 'in', repositoryIds)
    .where('digest', 'in', digests.map(digestToBytes))
    .execute()
  const places = new Map<Digest, 'here' | 'trash'>()
  for (const row of rows) {
    const digest = digestFromBytes(row.digest)
    if (places.get(digest) !== 'here') places.set(digest, row.repository_id === place.repositoryId ? 'here' : 'trash')
  }
  return places
}

/** The tag as its history left it: where it points now is not told here. */
export interface LastChange {
  readonly id: number
  /** Undefined: it was deleted. */
  readonly digest: Digest | undefined
  readonly previousDigest: Digest | undefined
  readonly at: number
}

/** The last change of a tag, or the one of that id; undefined when there is none of this tag. `fromSomething`: the last before which it pointed anywhere. */
export async function changeOfTag(
  tx: Transactor,
  tag: { readonly repositoryId: number; readonly name: Tag },
  id?: number | 'fromSomething',
): Promise<LastChange | undefined> {
  const row = await tx
    .selectFrom('tag_history')
    .select(['id', 'digest', 'previous_digest', 'at'])
    .where('repository_id', '=', tag.repositoryId)
    .where('name', '=', tag.name)
    .$if(typeof id === 'number', (query) => query.where('id', '=', Number(id)))
    .$if(id === 'fromSomething', (query) => query.where('previous_digest', 'is not', null))
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst()
  return (
    row && {
      id: row.id,
      digest: row.digest === null ? undefined : digestFromBytes(row.digest),
      previousDigest: row.previous_digest === null ? undefined : digestFromBytes(row.previous_digest),
      at: row.at,
    }
  )
}

/** Bytes of the repositories as they were counted, blobs that several of them share once for each. */
export async function repositoryBytes(tx: Transactor, repositoryIds: readonly number[]): Promise<number> {
  const ids = numberList(tx, repositoryIds)
  const { rows } = await sql<{ bytes: number | string | null }>`
    select sum(bytes) as bytes from (
      select bytes from usage_totals where scope = 'repository' and scope_id in ${ids}
      union all select bytes from usage_changes where scope = 'repository' and scope_id in ${ids}) as counted`.execute(tx)
  return Number(rows[0]?.bytes ?? 0)
}
