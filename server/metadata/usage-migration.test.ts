import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf, digestToBytes } from '#oci/digest.ts'
import { allMigrations } from './migrations/all.ts'
import { alterTestDatabase, bytesLiteral, makeTestDirectory, openTestDatabase } from './test-database.ts'
import { usageIn } from './usage-counters.ts'
import { verifyUsage } from './usage-verify.ts'

const former = Object.fromEntries(Object.entries(allMigrations).filter(([name]) => name < '0003'))

/** Rows as the schema before usage has them. Repository 5 is being deleted; blob 4 is in no manifest; project 3 lies below project 2. */
async function fill(file: string): Promise<void> {
  const statements = [
    `insert into projects (id, name, is_default, created_at) values (2, 'team', 0, 0), (3, 'team/app', 0, 0)`,
    `insert into repositories (id, project_id, name, created_at) values
      (1, 1, 'busybox', 0), (2, 2, 'team/a', 0), (3, 2, 'team/b', 0), (4, 3, 'team/app/a', 0), (5, 2, '!5', 0)`,
  ]
  const digest = (text: string) => bytesLiteral(digestToBytes(digestOf(Buffer.from(text))))
  for (const [id, size] of [
    [1, 1],
    [2, 20],
    [3, 300],
    [4, 4000],
  ] as const)
    statements.push(`insert into blobs (id, digest, size_bytes, state, lease_until, store, key, created_at)
      values (${id}, ${digest(`blob ${id}`)}, ${size}, 'live', 7, 's', 'k${id}', 0)`)
  const links = [[1, 1], [2, 1], [2, 2], [3, 1], [3, 2], [4, 1], [4, 3], [4, 4], [5, 2]] as const // oxfmt-ignore
  for (const [repository, id] of links)
    statements.push(`insert into repository_blobs (repository_id, blob_id, created_at) values (${repository}, ${id}, 0)`)
  const manifests = [[1, 1, [1]], [2, 2, [1, 2]], [3, 3, [1, 2]], [4, 4, [1, 3]], [5, 5, [2]]] as const // oxfmt-ignore
  for (const [id, repository, blobs] of manifests) {
    statements.push(`insert into manifests (id, repository_id, digest, media_type, size_bytes, payload, created_at)
      values (${id}, ${repository}, ${digest(`manifest ${id}`)}, 'm', 10, ${bytesLiteral(Buffer.from('{}'))}, 0)`)
    for (const each of blobs) statements.push(`insert into manifest_blobs (manifest_id, blob_id) values (${id}, ${each})`)
  }
  statements.push(
    `insert into tags (repository_id, name, manifest_id, created_at, updated_at) values (1, 'v1', 1, 0, 0), (2, 'v1', 2, 0, 0), (2, 'v2', 2, 0, 0)`,
  )
  await alterTestDatabase(file, statements)
}

test('a database of before is counted when it is brought up to date', async () => {
  await using directory = await makeTestDirectory()
  await (await openTestDatabase(directory.file, { migrations: former }))[Symbol.asyncDispose]()
  await fill(directory.file)
  await using metadata = await openTestDatabase(directory.file)
  const { reader } = metadata
  assert.deepEqual((await verifyUsage(reader)).faults, [])
  const of = (scope: 'repository' | 'project' | 'system', id: number) => usageIn(reader, { scope, id })
  const team = { bytes: 4351, manifestBytes: 30, logicalBytes: 373, blobs: 4, manifests: 3, tags: 2, repositories: 3 }
  assert.deepEqual(await of('project', 2), team)
  assert.deepEqual(await of('project', 3), {
    bytes: 4311,
    manifestBytes: 10,
    logicalBytes: 311,
    blobs: 3,
    manifests: 1,
    tags: 0,
    repositories: 1,
  })
  assert.deepEqual(await of('project', 1), {
    bytes: 11,
    manifestBytes: 10,
    logicalBytes: 11,
    blobs: 1,
    manifests: 1,
    tags: 1,
    repositories: 1,
  })
  assert.deepEqual(await of('repository', 2), {
    bytes: 31,
    manifestBytes: 10,
    logicalBytes: 31,
    blobs: 2,
    manifests: 1,
    tags: 2,
    repositories: 1,
  })
  assert.deepEqual(await of('system', 0), {
    bytes: 4361,
    manifestBytes: 40,
    logicalBytes: 384,
    blobs: 4,
    manifests: 4,
    tags: 3,
    repositories: 4,
  })
  assert.equal((await of('repository', 5)).bytes, 0)
})

test('each link of before that no manifest needs is reviewed, and none else', async () => {
  await using directory = await makeTestDirectory()
  await (await openTestDatabase(directory.file, { migrations: former }))[Symbol.asyncDispose]()
  await fill(directory.file)
  await using metadata = await openTestDatabase(directory.file)
  const reviewed = await metadata.reader
    .selectFrom('garbage_reviews as g')
    .innerJoin('repository_blobs as rb', 'rb.id', 'g.target_id')
    .select(['rb.repository_id', 'rb.blob_id', 'g.review_after'])
    .where('g.kind', '=', 'link')
    .execute()
  assert.deepEqual(reviewed, [{ repository_id: 4, blob_id: 4, review_after: 7 }])
})

test('an empty database of before has no usage', async () => {
  await using directory = await makeTestDirectory()
  await (await openTestDatabase(directory.file, { migrations: former }))[Symbol.asyncDispose]()
  await using metadata = await openTestDatabase(directory.file)
  assert.deepEqual(await metadata.reader.selectFrom('usage_changes').selectAll().execute(), [])
  assert.deepEqual((await verifyUsage(metadata.reader)).faults, [])
})
