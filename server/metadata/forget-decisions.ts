/** What runs of retention decided about what is deleted for good is forgotten with it: it names tags and digests. */
import { sql } from 'kysely'
import { digestToBytes, type Digest } from '#oci/digest.ts'
import type { ForgottenTag } from './forget-history.ts'
import type { Transactor } from './metadata.ts'

/** Forgets up to `limit` decisions about a repository, of whatever run; gives how many there were. */
export async function forgetDecisionsAbout(
  tx: Transactor,
  { repositoryId, limit }: { readonly repositoryId: number; readonly limit: number },
): Promise<number> {
  const { numDeletedRows } = await tx
    .deleteFrom('retention_decisions')
    .where('id', 'in', (eb) => eb.selectFrom('retention_decisions').select('id').where('repository_id', '=', repositoryId).limit(limit))
    .executeTakeFirst()
  return Number(numDeletedRows)
}

/** A manifest, or a tag with what it pointed at, of a live repository's trash. */
export interface ForgottenContent {
  readonly repositoryId: number
  readonly kind: 'tag' | 'manifest'
  readonly digest: Digest
  readonly tags: readonly ForgottenTag[]
}

/**
 * Forgets up to `limit` decisions about what is not there any more: about the manifest by whatever tag, and about the tags with whatever they pointed at, which their history
 * tells; of a tag that was pushed again, what runs from before decided about it as it was then. Gives how many there were.
 */
export async function forgetDecisionsOf(
  tx: Transactor,
  { repositoryId, kind, digest, tags }: ForgottenContent,
  limit: number,
): Promise<number> {
  const bytes = digestToBytes(digest)
  let forgotten = 0
  if (kind === 'manifest') {
    const { numAffectedRows } = await sql`delete from retention_decisions where id in (
      select d.id from retention_decisions d where d.repository_id = ${repositoryId} and d.digest = ${bytes}
        and not exists (select 1 from manifests m where m.repository_id = d.repository_id and m.digest = d.digest) limit ${limit})`.execute(
      tx,
    )
    forgotten += Number(numAffectedRows ?? 0)
  }
  for (const { tag, until } of tags) {
    if (forgotten >= limit) break
    const { numAffectedRows } = await sql`delete from retention_decisions where id in (
      select d.id from retention_decisions d where d.repository_id = ${repositoryId} and d.tag = ${tag} and (d.digest = ${bytes} or d.digest in (
          select h.digest from tag_history h where h.repository_id = ${repositoryId} and h.name = ${tag} and h.digest is not null))
        and (not exists (select 1 from tags t where t.repository_id = ${repositoryId} and t.name = ${tag})
          or exists (select 1 from retention_runs r where r.id = d.run_id and r.started_at <= ${until})) limit ${limit - forgotten})`.execute(
      tx,
    )
    forgotten += Number(numAffectedRows ?? 0)
  }
  return forgotten
}
