/** The tables of what stays and what goes: jobs, trash, usage and quotas, rules over tags, retention, pulls, scrub. See schema.ts for what all tables share. */
import type { Generated } from 'kysely'

/** Background work (room `jobs`). Instants are milliseconds. */
export interface JobsTable {
  id: Generated<number>
  /** Which handler runs it. */
  kind: string
  /** At most one job a key is waiting or running. */
  unique_key: string | null
  state: 'waiting' | 'running' | 'done' | 'failed' | 'stopped'
  /** Larger ones first. */
  priority: number
  /** JSON: what is to be done. */
  payload: string
  /** JSON: how far it is, written by its handler with what it did. */
  cursor: string | null
  /** JSON: `{done, total?, unit?}`. */
  progress: string | null
  /** JSON: what came of it. */
  result: string | null
  /** A sentence: why it failed last. */
  error: string | null
  attempts: number
  attempts_max: number
  run_after: number
  /** Raised by each claim: writes of a worker that lost its lease name an older one, and fail. */
  fence: number
  /** Which process has it; empty for none. */
  worker: string
  lease_until: number
  stop_requested: number
  /** Of whom its right to be seen comes; null: of the system. */
  project_id: number | null
  created_by: string
  created_at: number
  started_at: number | null
  ended_at: number | null
}

/** What jobs say while they run. */
export interface JobLinesTable {
  id: Generated<number>
  job_id: number
  at: number
  level: 'info' | 'warn' | 'error'
  message: string
}

/** What begins by the clock. */
export interface SchedulesTable {
  id: Generated<number>
  name: string
  /** Kind and payload of the jobs that it makes. */
  kind: string
  payload: string
  /** Cron expression; empty: never by itself. */
  cron: string
  /** IANA name. */
  time_zone: string
  is_enabled: number
  next_at: number | null
  last_at: number | null
  last_job_id: number | null
  version: number
  updated_at: number
}

/** Who may do what only one process does at a time. */
export interface LeasesTable {
  id: Generated<number>
  name: string
  holder: string
  fence: number
  lease_until: number
}

/** What was deleted and can be restored until `expires_at`. */
export interface TrashTable {
  id: Generated<number>
  kind: 'tag' | 'manifest' | 'repository' | 'project'
  /** Of the project that it was in, or that it is. */
  project_id: number | null
  /** Of the project above one that was deleted; null: none, and for everything else. */
  parent_id: Generated<number | null>
  /** Of the live repository that it was in, or of the repository itself in the trash. */
  repository_id: number | null
  /** The manifest's row, in the repository that holds the trash of its own; the live one for a tag. */
  manifest_id: number | null
  /** Names as they were. */
  project: string
  repository: string
  digest: Buffer | null
  /** JSON array: the tag, or the tags that went with the manifest. */
  tags: string
  /** What it stood for, as far as it was counted; 0 for a tag. */
  size_bytes: number
  /** `request`, `retention`, `expiry`, `untagged`. */
  reason: string
  deleted_by: string
  deleted_at: number
  expires_at: number
}

/** Counts of a scope (a repository's or project's id; `system` 0). All are changes in `usage_changes`, which are folded into `usage_totals`. */
interface UsageCounters {
  scope: 'repository' | 'project' | 'system'
  scope_id: number
  /** Each blob once in the scope, and the documents of live manifests. */
  bytes: number
  /** Of `bytes`, those of documents. */
  manifest_bytes: number
  /** As if nothing were shared: each live manifest with all its blobs. */
  logical_bytes: number
  blobs: number
  manifests: number
  tags: number
  repositories: number
}

/** What was counted and folded. */
export interface UsageTotalsTable extends UsageCounters {
  id: Generated<number>
}

/** What was counted since: rows are only added, so that no two pushes write one row. */
export interface UsageChangesTable extends UsageCounters {
  id: Generated<number>
}

/** Blobs that count in a project: a repository of it, or of one below it, has a link that counts. */
export interface ProjectBlobsTable {
  id: Generated<number>
  project_id: number
  blob_id: number
}

/** Projects whose usage must be counted anew: what belongs to them changed otherwise than by pushes and deletes. */
export interface UsageRecountsTable {
  id: Generated<number>
  project_id: number
  /** Counts what asked for it: a recount that began before the last of them begins again. */
  requests: number
  /** Counted until it is known better: what came in one step, as if none of it had been there. */
  provisional_bytes: number
  provisional_blobs: number
}

/** Limits of projects; null: none. */
export interface QuotasTable {
  id: Generated<number>
  project_id: number
  bytes_max: number | null
  repositories_max: number | null
  tags_max: number | null
  /** From this part of a limit on people are warned. */
  warn_percent: number
  /** When it was last said of each; null while usage is below. */
  bytes_warned_at: number | null
  repositories_warned_at: number | null
  tags_warned_at: number | null
  version: number
  updated_at: number
}

/** Tags that stay as they are. */
export interface ImmutableRulesTable {
  id: Generated<number>
  project_id: number
  /** Glob of repository names. */
  repositories: string
  tag_syntax: 'glob' | 'regex' | 'semver'
  tags: string
  description: string
  is_enabled: number
  version: number
  created_by: string
  created_at: number
  updated_at: number
}

/** Which tags stay (features/retention.ts). */
export interface RetentionPoliciesTable {
  id: Generated<number>
  project_id: number
  name: string
  description: string
  is_enabled: number
  /** Glob of repository names. */
  repositories: string
  /** JSON array. */
  rules: string
  /** What happens to a tag that no rule is about. */
  unmatched: 'keep' | 'remove'
  /** 1: the last tag of a repository may go, too. */
  may_empty: number
  /** Cron expression; empty: by hand. */
  schedule: string
  time_zone: string
  /** When its schedule comes next; null: never by itself. */
  next_at: number | null
  /** Raised by each change of what it decides. */
  revision: number
  /** The last revision of which a dry run showed what it would do. */
  shown_revision: number
  version: number
  created_by: string
  created_at: number
  updated_at: number
}

/** What a policy did, and when. */
export interface RetentionRunsTable {
  id: Generated<number>
  policy_id: number
  job_id: number | null
  revision: number
  is_dry: number
  trigger: 'manual' | 'schedule'
  state: 'running' | 'done' | 'failed' | 'stopped'
  kept: number
  removed: number
  failed: number
  error: string | null
  started_by: string
  started_at: number
  ended_at: number | null
}

/** Why each tag stayed or went. */
export interface RetentionDecisionsTable {
  id: Generated<number>
  run_id: number
  repository: string
  tag: string
  digest: Buffer
  /** `remove`: it was to go; `removed`: it went. */
  action: 'keep' | 'remove' | 'removed' | 'failed'
  /** The rule that won; empty for none. */
  rule: string
  reason: string
  /** The tag's row, and when it was last moved: one that is another by now stays. */
  tag_id: number
  pushed_at: number
  /** The repository's row, whatever it is called by now; null: not known, for decisions of before this was kept. */
  repository_id: Generated<number | null>
}

/** How often, and when last, a tag was pulled; written in batches. */
export interface TagPullsTable {
  id: Generated<number>
  tag_id: number
  pulls: number
  last_pulled_at: number
}

/** The same of manifests, by whatever reference. */
export interface ManifestPullsTable {
  id: Generated<number>
  manifest_id: number
  pulls: number
  last_pulled_at: number
}

/** What happened in each hour and day (metadata/statistics.ts). */
export interface StatisticsTable {
  id: Generated<number>
  /** 0: of everything. */
  project_id: number
  step: 'hour' | 'day'
  /** When the hour or day began. */
  at: number
  /** The process that counted; empty for states, and for days. */
  node: string
  pulls: number
  pushes: number
  requests: number
  errors: number
  /** JSON array: answers by how long they took; empty for none. */
  latencies: string
  /** How it was at the end; null: not noted. */
  bytes: number | null
  logical_bytes: number | null
  reclaimable_bytes: number | null
}

/**
 * What scrub found: blobs whose bytes are missing or wrong, bytes that no row names (`stranger`: under a name that no blob has), bytes of no upload,
 * manifests and tags that do not hold together.
 */
export interface ScrubFindingsTable {
  id: Generated<number>
  kind: 'missing' | 'damaged' | 'orphan' | 'stranger' | 'upload' | 'manifest' | 'tag'
  store: string
  key: string
  digest: Buffer | null
  size_bytes: number
  detail: string
  found_at: number
  seen_at: number
  resolved_at: number | null
}
