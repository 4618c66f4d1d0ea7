/** Hot reads on tables of a hundred thousand rows: each finds its rows by an index, whichever plan PostgreSQL keeps for it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CompiledQuery, QueryResult } from 'kysely'
import { findUserFacts } from '#metadata/account-facts.ts'
import { findBlob, findLeasedBlob, findVisibleBlob } from '#metadata/blobs.ts'
import { eventsAfter } from '#metadata/events.ts'
import { grantsForRights } from '#metadata/grants-for-rights.ts'
import { findManifest } from '#metadata/manifests.ts'
import type { Reader } from '#metadata/metadata.ts'
import { openPostgres } from '#metadata/postgres.ts'
import type { PostgresConnection } from '#metadata/postgres-connection.ts'
import { readingKysely } from '#metadata/postgres-dialect.ts'
import { repositoryNames } from '#metadata/repository-names.ts'
import { tagNames } from '#metadata/tags.ts'
import { makePostgresDatabase, openSession, targetOf, testDialect } from '#metadata/test-postgres.ts'
import { findTokenByHash } from '#metadata/tokens.ts'
import { findUpload } from '#metadata/uploads.ts'
import { usageIn } from '#metadata/usage-counters.ts'
import { placeOfName } from '#metadata/usage-place.ts'
import type { Digest } from '#oci/digest.ts'
import type { RepositoryName, Tag } from '#oci/reference.ts'
import { systemPorts } from '#lib/ports.ts'
import { pino } from 'pino'

const skip = testDialect === 'postgres' ? false : 'runs by npm run test:postgres'
const rows = 100_000
/** Pages of 8 KiB that a statement may touch: a few steps down a few indexes for each row that it looks at, and the row. */
const pagesMax = 300
/** Few rows, whatever the size of the installation. */
const small = new Set([
  'quotas',
  'roles',
  'providers',
  'second_factors',
  'identities',
  'groups',
  'group_members',
  'usage_changes',
  'projects',
])

/** sha256, as `digestToBytes` writes it, of a number. */
const digest = (n: number) => `sha256:${n.toString(16).padStart(64, '0')}` as Digest
const digestSql = `decode('01' || lpad(to_hex(n), 64, '0'), 'hex')`

/** Every hundredth repository has a thousandth of all, and the first one half of them. */
const fill = `
  insert into projects (name, is_default, created_at) select 'p' || n, 0, 0 from generate_series(1, 500) n;
  insert into repositories (name, project_id, created_at) select 'p' || (n % 500 + 1) || '/r' || n, (select id from projects where name = 'p' || (n % 500 + 1)), 0
    from generate_series(0, 9999) n;
  insert into blobs (digest, size_bytes, state, lease_until, store, key, created_at)
    select ${digestSql}, n, 'live', 0, 'fs', 'blobs/' || n, 0 from generate_series(1, ${rows}) n;
  insert into manifests (repository_id, digest, media_type, size_bytes, created_at, payload)
    select case when n % 2 = 0 then (select min(id) from repositories) else (select min(id) from repositories) + n % 10000 end,
      ${digestSql}, 'application/vnd.oci.image.manifest.v1+json', 9, 0, repeat('x', 400)::bytea from generate_series(1, ${rows}) n;
  insert into tags (repository_id, name, manifest_id, created_at, updated_at) select repository_id, 't' || id, id, 0, 0 from manifests;
  insert into repository_blobs (repository_id, blob_id, created_at, is_counted)
    select m.repository_id, b.id, 0, 1 from manifests m join blobs b on b.digest = m.digest;
  insert into manifest_blobs (manifest_id, blob_id, repository_id)
    select m.id, b.id, m.repository_id from manifests m join blobs b on b.digest = m.digest;
  insert into users (name, password_hash, is_admin, created_at, updated_at) select 'user' || n, 'x', 0, 0, 0 from generate_series(1, 20000) n;
  insert into grants (user_id, subject_kind, role, project_id, created_by, created_at, version)
    select u.id, 'user', 'developer', p.id, '', 0, 1 from users u join projects p on p.id % 100 = u.id % 100;
  insert into tokens (kind, hash, hint, user_id, name, client, created_by, created_at)
    select 'personal', ${digestSql}, '', (select min(id) from users) + n % 20000, 't' || n, '', '', 0 from generate_series(1, ${rows}) n;
  insert into upload_sessions (upload_id, repository_id, actor, algorithm, offset_bytes, digest_so_far, store, started_at, updated_at)
    select 'u' || n, (select min(id) from repositories) + n % 10000, 'user' || n % 100, 'sha256', 0, '', 'fs', 0, 0 from generate_series(1, ${rows}) n;
  insert into events (at, action, actor, request_id, detail) select n, 'manifest.pushed', 'alice', '', '{}' from generate_series(1, ${rows}) n;
  insert into usage_totals (scope, scope_id, bytes, manifest_bytes, logical_bytes, blobs, manifests, tags, repositories)
    select 'repository', id, 1, 1, 1, 1, 1, 1, 0 from repositories`

interface Node {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string
  readonly 'Shared Hit Blocks': number
  readonly 'Shared Read Blocks': number
  readonly Plans?: readonly Node[]
}

const literal = (value: unknown): string => {
  if (value === null) return 'null'
  if (value instanceof Uint8Array) return `'\\x${Buffer.from(value).toString('hex')}'`
  if (typeof value === 'number' || typeof value === 'bigint') return String(value)
  assert.ok(typeof value === 'string')
  return `'${value.replaceAll("'", "''")}'`
}
const typeOf = (value: unknown) =>
  typeof value === 'number' || typeof value === 'bigint' ? 'bigint' : value instanceof Uint8Array ? 'bytea' : 'unknown'

/** The plan that is kept for all values, or the one for these, carried out. */
async function planOf(session: PostgresConnection, { sql, parameters }: CompiledQuery, mode: 'custom' | 'generic'): Promise<Node> {
  const types = parameters.length === 0 ? '' : `(${parameters.map(typeOf).join(', ')})`
  const values = parameters.length === 0 ? '' : `(${parameters.map(literal).join(', ')})`
  await session.script(`set plan_cache_mode = force_${mode}_plan; deallocate all; prepare hot${types} as ${sql}`)
  const [row] = await session.script(`explain (analyze, buffers, format json) execute hot${values}`)
  const [{ Plan }] = JSON.parse(String(row?.['QUERY PLAN'])) as [{ Plan: Node }]
  return Plan
}

const all = (node: Node): readonly Node[] => [node, ...(node.Plans ?? []).flatMap(all)]

const first = 'p1/r0' as RepositoryName
const reads: Readonly<Record<string, (reader: Reader) => Promise<unknown>>> = {
  'tag to manifest': (reader) => findManifest(reader, first, { kind: 'tag', tag: 't50000' as Tag }),
  'manifest by digest': (reader) => findManifest(reader, first, { kind: 'digest', digest: digest(50_000) }),
  'blob of a repository': (reader) => findBlob(reader, first, digest(50_000)),
  'blob of a repository, with its lease': (reader) => findLeasedBlob(reader, first, digest(50_000)),
  'blob to mount': (reader) => findVisibleBlob(reader, { digest: digest(50_000), from: undefined, visibility: { kind: 'everything' } }),
  'list of tags': async (reader) => tagNames(reader, (await placeOfName(reader, first))?.repositoryId ?? 0, { n: 100, last: 't50000' }),
  catalog: (reader) => repositoryNames(reader, { kind: 'everything' }, { n: 20, last: 'p250/' }),
  'catalog of some projects': (reader) =>
    repositoryNames(reader, { kind: 'some', projectIds: [7, 8, 9], repositoryGlobs: [], includesPublic: false }, { n: 20 }),
  'place and quota of a push': (reader) => placeOfName(reader, first),
  usage: (reader) => usageIn(reader, { scope: 'repository', id: 77 }),
  'upload under way': (reader) => findUpload(reader, first, 'u10000'),
  'secret of a token': (reader) => findTokenByHash(reader, Buffer.from(`01${(50_000).toString(16).padStart(64, '0')}`, 'hex')),
  'account by name': (reader) => findUserFacts(reader, { name: 'user5000' }),
  'rights of a person': (reader) => grantsForRights(reader, { kind: 'user', id: 5_000 }),
  'events from a place on': (reader) => eventsAfter(reader, 50_000, 100),
}

test(
  'hot reads on a hundred thousand rows touch a few pages, by plans for their values and by kept ones',
  { skip, timeout: 180_000 },
  async (t) => {
    await using database = await makePostgresDatabase()
    await using session = await openSession(database.url)
    await session.script(fill)
    await session.script('analyze')
    await using metadata = await openPostgres({ target: targetOf(database.url), ports: systemPorts, log: pino({ enabled: false }) })
    for (const [name, read] of Object.entries(reads)) {
      await t.test(name, async () => {
        const queries: CompiledQuery[] = []
        const recording = readingKysely(async <R>(query: CompiledQuery): Promise<QueryResult<R>> => {
          queries.push(query)
          return await metadata.reader.executeQuery<R>(query as CompiledQuery<R>)
        })
        await read(recording)
        assert.ok(queries.length > 0)
        for (const query of queries)
          for (const mode of ['custom', 'generic'] as const) {
            const plan = await planOf(session, query, mode)
            const pages = plan['Shared Hit Blocks'] + plan['Shared Read Blocks']
            const scans = all(plan).flatMap((node) => (node['Node Type'] === 'Seq Scan' ? (node['Relation Name'] ?? '') : []))
            assert.deepEqual(
              scans.filter((table) => !small.has(table)),
              [],
              `${mode}: ${query.sql}`,
            )
            assert.ok(pages <= pagesMax, `${mode}: ${pages} pages: ${query.sql}`)
          }
      })
    }
  },
)
