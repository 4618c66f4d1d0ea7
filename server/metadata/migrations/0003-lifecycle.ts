/**
 * Migration 3: what stays and what goes. Jobs and their schedules, trash, usage and quotas, immutable tags, retention, when things were pulled.
 *
 * Usage is counted from what is there: each link of a repository counts from the start, and garbage collection takes back what nothing needs.
 */
import { sql, type Kysely } from 'kysely'
import { builderFor, create, widen, type Builder } from './builder.ts'

async function createJobs(db: Kysely<unknown>, builder: Builder): Promise<void> {
  const { index } = builder
  await create(
    builder,
    'jobs',
    {
      kind: 'text',
      unique_key: 'text?',
      state: 'text',
      priority: 'int64',
      payload: 'text',
      cursor: 'text?',
      progress: 'text?',
      result: 'text?',
      error: 'text?',
      attempts: 'int64',
      attempts_max: 'int64',
      run_after: 'int64',
      fence: 'int64',
      worker: 'text',
      lease_until: 'int64',
      stop_requested: 'int64',
      project_id: 'int64?',
      created_by: 'text',
      created_at: 'int64',
      started_at: 'int64?',
      ended_at: 'int64?',
    },
    { project_id: ['projects', 'cascade'] },
  )
  // What can be claimed of a kind, in the order in which it is; and of what is under way, one a key.
  await sql`create index jobs_waiting on jobs (kind, priority desc, run_after, id) where state = 'waiting'`.execute(db)
  await sql`create index jobs_running on jobs (lease_until) where state = 'running'`.execute(db)
  await sql`create unique index jobs_unique_key on jobs (unique_key) where unique_key is not null and state in ('waiting', 'running')`.execute(
    db,
  )
  await index('jobs', ['kind', 'id'])
  await index('jobs', ['state', 'id'])
  await index('jobs', ['project_id', 'id'])
  await index('jobs', ['ended_at'])
  await create(builder, 'job_lines', { job_id: 'int64', at: 'int64', level: 'text', message: 'text' }, { job_id: ['jobs', 'cascade'] })
  await index('job_lines', ['job_id', 'id'])
  await create(builder, 'schedules', {
    name: 'text',
    kind: 'text',
    payload: 'text',
    cron: 'text',
    time_zone: 'text',
    is_enabled: 'int64',
    next_at: 'int64?',
    last_at: 'int64?',
    last_job_id: 'int64?',
    version: 'int64',
    updated_at: 'int64',
  })
  await index('schedules', ['name'], 'unique')
  await index('schedules', ['next_at'])
  await create(builder, 'leases', { name: 'text', holder: 'text', fence: 'int64', lease_until: 'int64' })
  await index('leases', ['name'], 'unique')
}

async function createTrash(db: Kysely<unknown>, builder: Builder): Promise<void> {
  const { index } = builder
  await widen(db, builder, 'repositories', { trashed_name: '', trash_of: undefined })
  await widen(db, builder, 'projects', { trashed_name: '' })
  await sql`create unique index repositories_trash_of on repositories (trash_of) where trash_of is not null`.execute(db)
  await create(
    builder,
    'trash',
    {
      kind: 'text',
      project_id: 'int64?',
      repository_id: 'int64?',
      manifest_id: 'int64?',
      project: 'text',
      repository: 'text',
      digest: 'bytes?',
      tags: 'text',
      size_bytes: 'int64',
      reason: 'text',
      deleted_by: 'text',
      deleted_at: 'int64',
      expires_at: 'int64',
    },
    { project_id: ['projects', 'cascade'], repository_id: ['repositories', 'cascade'], manifest_id: ['manifests', 'cascade'] },
  )
  await index('trash', ['expires_at'])
  await index('trash', ['deleted_at'])
  await index('trash', ['project_id', 'deleted_at'])
  await index('trash', ['repository_id', 'deleted_at'])
  await index('trash', ['manifest_id'])
  // A tag that is deleted over and over is in the trash once.
  await sql`create unique index trash_tag on trash (repository_id, tags) where kind = 'tag'`.execute(db)
  // Why it changed, where it was not a push or a delete that somebody asked for.
  await widen(db, builder, 'tag_history', { reason: '' })
  await widen(db, builder, 'garbage_reviews', { since: 0 })
  // Each kind is worked off by itself, and what of another is due is not in its way.
  await sql`drop index garbage_reviews_review_after`.execute(db)
  await index('garbage_reviews', ['kind', 'review_after'])
}

async function createUsage(db: Kysely<unknown>, builder: Builder): Promise<void> {
  const { index } = builder
  await widen(db, builder, 'repository_blobs', { is_counted: 0 })
  // A manifest's repository is known where its blobs are, so that "does another one here need it" is one look into an index.
  await widen(db, builder, 'manifest_blobs', { repository_id: 0 })
  await sql`update manifest_blobs set repository_id = (select m.repository_id from manifests m where m.id = manifest_blobs.manifest_id)`.execute(
    db,
  )
  await index('manifest_blobs', ['blob_id', 'repository_id'])
  // The one that it takes the place of.
  await db.schema.dropIndex('manifest_blobs_blob_id').execute()
  await create(
    builder,
    'project_blobs',
    { project_id: 'int64', blob_id: 'int64' },
    { project_id: ['projects', 'cascade'], blob_id: ['blobs', 'cascade'] },
  )
  await index('project_blobs', ['blob_id', 'project_id'], 'unique')
  await index('project_blobs', ['project_id'])
  const counters = {
    bytes: 'int64',
    manifest_bytes: 'int64',
    logical_bytes: 'int64',
    blobs: 'int64',
    manifests: 'int64',
    tags: 'int64',
    repositories: 'int64',
  } as const
  await create(builder, 'usage_totals', { scope: 'text', scope_id: 'int64', ...counters })
  await index('usage_totals', ['scope', 'scope_id'], 'unique')
  await create(builder, 'usage_changes', { scope: 'text', scope_id: 'int64', ...counters })
  await index('usage_changes', ['scope', 'scope_id'])
  await create(
    builder,
    'usage_recounts',
    { project_id: 'int64', requests: 'int64', provisional_bytes: 'int64', provisional_blobs: 'int64' },
    { project_id: ['projects', 'cascade'] },
  )
  await index('usage_recounts', ['project_id'], 'unique')
  await create(
    builder,
    'quotas',
    {
      project_id: 'int64',
      bytes_max: 'int64?',
      repositories_max: 'int64?',
      tags_max: 'int64?',
      warn_percent: 'int64',
      bytes_warned_at: 'int64?',
      repositories_warned_at: 'int64?',
      tags_warned_at: 'int64?',
      version: 'int64',
      updated_at: 'int64',
    },
    { project_id: ['projects', 'cascade'] },
  )
  await index('quotas', ['project_id'], 'unique')
  // What uploads under way have stored is added up for projects with a limit; most uploads come whole, and are never among them.
  await sql`create index upload_sessions_stored on upload_sessions (repository_id, offset_bytes) where offset_bytes > 0`.execute(db)
}

async function createRules(builder: Builder): Promise<void> {
  const { index } = builder
  const pattern = { repositories: 'text', tag_syntax: 'text', tags: 'text' } as const
  await create(
    builder,
    'immutable_rules',
    {
      project_id: 'int64',
      ...pattern,
      description: 'text',
      is_enabled: 'int64',
      version: 'int64',
      created_by: 'text',
      created_at: 'int64',
      updated_at: 'int64',
    },
    { project_id: ['projects', 'cascade'] },
  )
  await index('immutable_rules', ['project_id', 'created_at'])
}

async function createRetention(db: Kysely<unknown>, builder: Builder): Promise<void> {
  const { index } = builder
  await create(
    builder,
    'retention_policies',
    {
      project_id: 'int64',
      name: 'text',
      description: 'text',
      is_enabled: 'int64',
      repositories: 'text',
      rules: 'text',
      unmatched: 'text',
      may_empty: 'int64',
      schedule: 'text',
      time_zone: 'text',
      next_at: 'int64?',
      revision: 'int64',
      shown_revision: 'int64',
      version: 'int64',
      created_by: 'text',
      created_at: 'int64',
      updated_at: 'int64',
    },
    { project_id: ['projects', 'cascade'] },
  )
  await index('retention_policies', ['project_id', 'name'], 'unique')
  await sql`create index retention_policies_next_at on retention_policies (next_at) where next_at is not null`.execute(db)
  await create(
    builder,
    'retention_runs',
    {
      policy_id: 'int64',
      job_id: 'int64?',
      revision: 'int64',
      is_dry: 'int64',
      trigger: 'text',
      state: 'text',
      kept: 'int64',
      removed: 'int64',
      failed: 'int64',
      error: 'text?',
      started_by: 'text',
      started_at: 'int64',
      ended_at: 'int64?',
    },
    { policy_id: ['retention_policies', 'cascade'] },
  )
  await index('retention_runs', ['policy_id', 'id'])
  await create(
    builder,
    'retention_decisions',
    {
      run_id: 'int64',
      repository: 'text',
      tag: 'text',
      digest: 'bytes',
      action: 'text',
      rule: 'text',
      reason: 'text',
      tag_id: 'int64',
      pushed_at: 'int64',
    },
    { run_id: ['retention_runs', 'cascade'] },
  )
  await index('retention_decisions', ['run_id', 'repository', 'tag'])
  await index('retention_decisions', ['run_id', 'action', 'id'])
}

async function createTagFacts(db: Kysely<unknown>, builder: Builder): Promise<void> {
  const { index } = builder
  await widen(db, builder, 'tags', { expires_at: undefined })
  await sql`create index tags_expires_at on tags (expires_at) where expires_at is not null`.execute(db)
  await create(builder, 'tag_pulls', { tag_id: 'int64', pulls: 'int64', last_pulled_at: 'int64' }, { tag_id: ['tags', 'cascade'] })
  await index('tag_pulls', ['tag_id'], 'unique')
  await create(
    builder,
    'manifest_pulls',
    { manifest_id: 'int64', pulls: 'int64', last_pulled_at: 'int64' },
    { manifest_id: ['manifests', 'cascade'] },
  )
  await index('manifest_pulls', ['manifest_id'], 'unique')
}

async function createScrub(db: Kysely<unknown>, builder: Builder): Promise<void> {
  const { index } = builder
  await create(builder, 'scrub_findings', {
    kind: 'text',
    store: 'text',
    key: 'text',
    digest: 'bytes?',
    size_bytes: 'int64',
    detail: 'text',
    found_at: 'int64',
    seen_at: 'int64',
    resolved_at: 'int64?',
  })
  await index('scrub_findings', ['store', 'key', 'kind'], 'unique')
  await index('scrub_findings', ['found_at'])
  await index('scrub_findings', ['resolved_at', 'kind'])
  // Whether a key waits for its deletion is asked for each that no blob's row names.
  await index('blob_deletions', ['store', 'key'])
  await widen(db, builder, 'blob_deletions', { is_push: 0 })
}

/** Each project with itself and with those above it, found once by ranges of names: however many links there are, projects are not compared for each. */
const lineage = sql`with lineage as materialized (
    select id as own_id, id from projects
    union all select own.id, p.id from projects p join projects own on own.name > p.name || '/' and own.name < p.name || '0')`
const isLive = sql`r.name >= '0'`

/** What is there now, counted once: each blob of a repository once in it, and once in its project and in those above. */
async function countUsage(db: Kysely<unknown>): Promise<void> {
  await sql`update repository_blobs set is_counted = 1
    where exists (select 1 from repositories r where r.id = repository_blobs.repository_id and ${isLive})`.execute(db)
  await sql`${lineage} insert into project_blobs (project_id, blob_id)
    select distinct p.id, rb.blob_id from lineage p join repositories r on r.project_id = p.own_id
      join repository_blobs rb on rb.repository_id = r.id where ${isLive}`.execute(db)
  // A link that no manifest of its repository needs is looked at, as all of them are from now on.
  await sql`insert into garbage_reviews (kind, target_id, review_after, since)
    select 'link', rb.id, b.lease_until, 0 from repository_blobs rb join blobs b on b.id = rb.blob_id
      where not exists (select 1 from manifest_blobs mb where mb.blob_id = rb.blob_id and mb.repository_id = rb.repository_id)`.execute(db)
  await sql`insert into usage_changes (scope, scope_id, bytes, manifest_bytes, logical_bytes, blobs, manifests, tags, repositories)
    select 'repository', rb.repository_id, sum(b.size_bytes), 0, 0, count(*), 0, 0, 0
      from repository_blobs rb join blobs b on b.id = rb.blob_id where rb.is_counted = 1 group by rb.repository_id
    union all select 'project', pb.project_id, sum(b.size_bytes), 0, 0, count(*), 0, 0, 0
      from project_blobs pb join blobs b on b.id = pb.blob_id group by pb.project_id
    union all select 'system', 0, sum(size_bytes), 0, 0, count(*), 0, 0, 0 from blobs having count(*) > 0`.execute(db)
  for (const [scope, id, from, grouped] of [
    ['repository', sql`r.id`, sql`repositories r`, sql`group by r.id`],
    ['project', sql`p.id`, sql`lineage p join repositories r on r.project_id = p.own_id`, sql`group by p.id`],
    ['system', sql`0`, sql`repositories r`, sql`having count(*) > 0`],
  ] as const) {
    const logical = sql`m.size_bytes + coalesce((select sum(b.size_bytes) from manifest_blobs mb join blobs b on b.id = mb.blob_id where mb.manifest_id = m.id), 0)`
    await sql`${lineage} insert into usage_changes (scope, scope_id, bytes, manifest_bytes, logical_bytes, blobs, manifests, tags, repositories)
      select ${sql.lit(scope)}, ${id}, sum(m.size_bytes), sum(m.size_bytes), sum(${logical}), 0, count(*), 0, 0
        from ${from} join manifests m on m.repository_id = r.id where ${isLive} ${grouped}
      union all select ${sql.lit(scope)}, ${id}, 0, 0, 0, 0, 0, count(*), 0
        from ${from} join tags t on t.repository_id = r.id where ${isLive} ${grouped}
      union all select ${sql.lit(scope)}, ${id}, 0, 0, 0, 0, 0, 0, count(*) from ${from} where ${isLive} ${grouped}`.execute(db)
  }
}

/** Creates the tables of jobs, trash, usage, rules, retention and scrub, and counts what is there. */
export async function createLifecycleTables(db: Kysely<unknown>): Promise<void> {
  const builder = builderFor(db)
  await createJobs(db, builder)
  await createTrash(db, builder)
  await createUsage(db, builder)
  await createRules(builder)
  await createRetention(db, builder)
  await createTagFacts(db, builder)
  await createScrub(db, builder)
  await countUsage(db)
}
