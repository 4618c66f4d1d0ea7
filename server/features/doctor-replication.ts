/** Whether a failover of PostgreSQL keeps what was acknowledged. */
import { sql } from 'kysely'
import type { Reader } from '#metadata/metadata.ts'
import { fine, warning, type Diagnosis } from './doctor-check.ts'

interface ReplicationRow {
  readonly standbys: number
  readonly names: string
}

/** What every role may ask: how many follow, and whether a commit waits for any of them. */
export async function checkReplication(reader: Reader): Promise<readonly Diagnosis[]> {
  const { rows } = await sql<ReplicationRow>`select (select count(*) from pg_stat_replication) as standbys,
    current_setting('synchronous_standby_names') as names`.execute(reader)
  const { standbys = 0, names = '' } = rows[0] ?? {}
  if (standbys === 0) return []
  const follow = standbys === 1 ? 'a standby follows' : `${standbys} standbys follow`
  if (names !== '') return [fine('database', `${follow}, and commits wait for a synchronous one`)]
  const none = standbys === 1 ? 'it is not synchronous' : 'none of them is synchronous'
  const advice = 'a failover may lose pushes that were acknowledged; set synchronous_standby_names, or synchronous_mode of Patroni'
  return [warning('database', `${follow} and ${none}: ${advice}`)]
}
