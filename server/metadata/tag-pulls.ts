/** The tables `tag_pulls` and `manifest_pulls`: how often, and when last. Written in batches, off the path of pulls; so a minute behind. */
import { sql } from 'kysely'
import type { Tag } from '#oci/reference.ts'
import { inChunks } from './in-chunks.ts'
import type { Reader, Transactor } from './metadata.ts'

/** How often something was pulled, and when last, in milliseconds. What was never pulled has none. */
export interface PullCount {
  readonly pulls: number
  readonly lastPulledAt: number
}

/** Pulls of one manifest by one reference. */
export interface NotedPulls extends PullCount {
  readonly manifestId: number
  /** Undefined: by its digest. */
  readonly tag: Tag | undefined
}

/** Adds them to what is there; tags and manifests that are gone are passed over. */
export async function addPulls(tx: Transactor, noted: readonly NotedPulls[]): Promise<void> {
  for (const chunk of inChunks(perManifest(noted))) {
    const values = sql.join(
      chunk.map(({ manifestId, pulls, lastPulledAt }) => sql`(${int(manifestId)}, ${int(pulls)}, ${int(lastPulledAt)})`),
    )
    await sql`insert into manifest_pulls (manifest_id, pulls, last_pulled_at)
      select m.id, v.column2, v.column3 from (values ${values}) as v join manifests m on m.id = v.column1 where true
      on conflict (manifest_id) do update set pulls = manifest_pulls.pulls + excluded.pulls, ${later('manifest_pulls')}`.execute(tx)
  }
  for (const chunk of inChunks(noted.filter(({ tag }) => tag !== undefined))) {
    const values = sql.join(
      chunk.map((one) => sql`(${int(one.manifestId)}, ${int(one.pulls)}, ${int(one.lastPulledAt)}, cast(${one.tag} as text))`),
    )
    // A tag that moved since counts on: people pull the tag. One that moved twice is here twice, for two manifests.
    await sql`insert into tag_pulls (tag_id, pulls, last_pulled_at)
      select t.id, sum(v.column2), max(v.column3) from (values ${values}) as v join manifests m on m.id = v.column1
        join tags t on t.repository_id = m.repository_id and t.name = v.column4 where true group by t.id
      on conflict (tag_id) do update set pulls = tag_pulls.pulls + excluded.pulls, ${later('tag_pulls')}`.execute(tx)
  }
}

/** PostgreSQL takes a bare parameter in VALUES for text. */
const int = (value: number) => sql`cast(${value} as bigint)`

function later(table: 'tag_pulls' | 'manifest_pulls') {
  const kept = sql.ref(`${table}.last_pulled_at`)
  return sql`last_pulled_at = case when excluded.last_pulled_at > ${kept} then excluded.last_pulled_at else ${kept} end`
}

function perManifest(noted: readonly NotedPulls[]): NotedPulls[] {
  const sums = new Map<number, NotedPulls>()
  for (const one of noted) {
    const sum = sums.get(one.manifestId) ?? { ...one, pulls: 0 }
    sums.set(one.manifestId, { ...sum, pulls: sum.pulls + one.pulls, lastPulledAt: Math.max(sum.lastPulledAt, one.lastPulledAt) })
  }
  return [...sums.values()]
}

/** By id of the tag; a tag that was never pulled is absent. It keeps its count when it moves. */
export async function tagPullsOf(reader: Reader | Transactor, tagIds: readonly number[]): Promise<ReadonlyMap<number, PullCount>> {
  const counts = new Map<number, PullCount>()
  for (const ids of inChunks(tagIds)) {
    const rows = await reader.selectFrom('tag_pulls').select(['tag_id', 'pulls', 'last_pulled_at']).where('tag_id', 'in', ids).execute()
    for (const row of rows) counts.set(row.tag_id, { pulls: row.pulls, lastPulledAt: row.last_pulled_at })
  }
  return counts
}

/** By id of the manifest, pulled by whatever reference; one that was never pulled is absent. */
export async function manifestPullsOf(
  reader: Reader | Transactor,
  manifestIds: readonly number[],
): Promise<ReadonlyMap<number, PullCount>> {
  const counts = new Map<number, PullCount>()
  for (const ids of inChunks(manifestIds)) {
    const rows = await reader
      .selectFrom('manifest_pulls')
      .select(['manifest_id', 'pulls', 'last_pulled_at'])
      .where('manifest_id', 'in', ids)
      .execute()
    for (const row of rows) counts.set(row.manifest_id, { pulls: row.pulls, lastPulledAt: row.last_pulled_at })
  }
  return counts
}
