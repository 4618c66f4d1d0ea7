import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { digestToBytes, type Digest } from '#oci/digest.ts'
import type { Metadata } from './metadata.ts'
import { searchBlobs, searchManifests, searchPlace, searchTags } from './search-contents.ts'
import { bytesLiteral, openTestDatabase } from './test-database.ts'
import { addProject, addRepositories, runSql } from './test-transactions.ts'
import type { Visibility } from './visibility.ts'

const repositories = 40
const everything: Visibility = { kind: 'everything' }
let metadata: Metadata
let ids: { readonly mine: number; readonly other: number }
let mine: Visibility

const hexOf = (id: number) => `abcdef${id.toString(16).padStart(2, '0')}`.padEnd(64, '0')
const digestOf = (id: number) => `sha256:${hexOf(id)}` as Digest
const range = (beginning: string) => ({
  from: digestToBytes(`sha256:${beginning.padEnd(64, '0')}` as Digest),
  to: digestToBytes(`sha256:${beginning.padEnd(64, 'f')}` as Digest),
})

before(async () => {
  metadata = await openTestDatabase(':memory:')
  ids = { mine: Number(await metadata.write(addProject, 'mine')), other: Number(await metadata.write(addProject, 'other')) }
  mine = { kind: 'some', projectIds: [ids.mine], repositoryGlobs: [], includesPublic: false }
  const rows = Array.from({ length: repositories }, (_, at) => ({
    name: `${at % 10 === 9 ? 'mine' : 'other'}/app-${String(at).padStart(2, '0')}`,
    projectId: at % 10 === 9 ? ids.mine : ids.other,
  }))
  // Of what is in the trash nothing is found.
  await metadata.write(addRepositories, [...rows, { name: '#7', projectId: ids.mine }, { name: '$8', projectId: ids.mine }])
  const byte = bytesLiteral(Buffer.of(0))
  const found = await metadata.reader.selectFrom('repositories').select(['id', 'name']).orderBy('id').execute()
  await metadata.write(
    runSql,
    `insert into blobs (digest, size_bytes, state, lease_until, store, key, created_at) values
      (${bytesLiteral(digestToBytes(digestOf(255)))}, 1, 'live', 0, 's', 'k', 1),
      (${bytesLiteral(digestToBytes(digestOf(254)))}, 1, 'quarantined', 0, 's', 'l', 1)`,
  )
  for (const { id } of found) {
    const digest = bytesLiteral(digestToBytes(digestOf(id)))
    for (const statement of [
      `insert into manifests (repository_id, digest, media_type, size_bytes, created_at, payload) values (${id}, ${digest}, 'm', 1, 1, ${byte})`,
      `insert into tags (repository_id, name, manifest_id, created_at, updated_at) select ${id}, 'latest', id, 1, 1 from manifests where repository_id = ${id}`,
      `insert into tags (repository_id, name, manifest_id, created_at, updated_at) select ${id}, 'v${id}', id, 1, 1 from manifests where repository_id = ${id}`,
      `insert into repository_blobs (repository_id, blob_id, created_at) select ${id}, id, 1 from blobs`,
    ])
      await metadata.write(runSql, statement)
  }
})

after(() => metadata[Symbol.asyncDispose]())

const few = { repositories: 1_000, entries: 3_000 }
/** So few that everybody who sees more than one repository has the index over all of them read. */
const tight = (entries: number) => ({ repositories: 1, entries })

test('of a tag that all repositories have, whoever sees few finds theirs, whatever is read', async () => {
  const { reader } = metadata
  const names = ['mine/app-09', 'mine/app-19', 'mine/app-29', 'mine/app-39']
  for (const bounds of [few, tight(3_000)]) {
    const place = await searchPlace(reader, mine, { bounds })
    assert.equal(place.repositoryIds === undefined, bounds !== few)
    const { items, isComplete } = await searchTags(reader, place, { prefix: 'lat', limit: 10, bounds })
    assert.deepEqual(
      [items.map(({ repository, tag }) => `${repository}:${tag}`), isComplete],
      [names.map((name) => `${name}:latest`), true],
    )
    const short = await searchTags(reader, place, { prefix: 'latest', limit: 3, bounds })
    assert.deepEqual([short.items.map(({ repository }) => repository), short.isComplete], [names.slice(0, 3), false])
  }
})

test('a search that ends at its bound says so', async () => {
  const { reader } = metadata
  const bounds = tight(15)
  const place = await searchPlace(reader, mine, { bounds })
  const tags = await searchTags(reader, place, { prefix: 'latest', limit: 10, bounds })
  assert.deepEqual([tags.items.length, tags.isComplete], [1, false])
  const manifests = await searchManifests(reader, place, { range: range('abcdef'), limit: 10, bounds })
  assert.deepEqual([manifests.items.length, manifests.isComplete], [1, false])
  const blobs = await searchBlobs(reader, place, { range: range('abcdefff'), limit: 10, bounds })
  assert.deepEqual([blobs.items.length, blobs.isComplete], [1, false])
})

test('what is in the trash, and what is quarantined, is not found', async () => {
  const { reader } = metadata
  for (const visibility of [everything, mine]) {
    const count: number = visibility === everything ? repositories : 4
    const place = await searchPlace(reader, visibility)
    const latest = await searchTags(reader, place, { prefix: 'latest', limit: 100 })
    const manifests = await searchManifests(reader, place, { range: range('abcdef'), limit: 100 })
    const blobs = await searchBlobs(reader, place, { range: range('abcdeff'), limit: 100 })
    for (const { items, isComplete } of [latest, manifests, blobs]) assert.deepEqual([items.length, isComplete], [count, true])
    assert.deepEqual(new Set(blobs.items.map(({ digest }) => digest)), new Set([digestOf(255)]))
    for (const { repository } of [...latest.items, ...manifests.items, ...blobs.items]) assert.match(repository, /^(?:mine|other)\//)
  }
})

test('digests of any length from their beginning on are found, and no others', async () => {
  const { reader } = metadata
  const place = await searchPlace(reader, everything)
  const search = async (beginning: string) =>
    (await searchManifests(reader, place, { range: range(beginning), limit: 100 })).items.map(({ digest }) => digest)
  for (const length of [7, 8, 9, 16, 17, 18, 40, 64]) {
    const wanted = hexOf(20).slice(0, length)
    const expected = Array.from({ length: repositories }, (_, at) => at + 1).filter((id) => hexOf(id).startsWith(wanted))
    assert.deepEqual(
      await search(wanted),
      expected.map((id) => digestOf(id)),
      `${length} digits`,
    )
  }
  assert.deepEqual(await search('abcdee'), [])
  assert.deepEqual(await search(`${hexOf(20).slice(0, 63)}1`), [])
})

test('names narrow a search to their repositories, of those that are visible', async () => {
  const { reader } = metadata
  const search = async (visibility: Visibility, nameHas: string) => {
    const place = await searchPlace(reader, visibility, { nameHas })
    return (await searchTags(reader, place, { prefix: '', limit: 100 })).items.map(({ repository, tag }) => `${repository}:${tag}`)
  }
  assert.deepEqual(await search(everything, 'app-10'), ['other/app-10:latest', 'other/app-10:v11'])
  assert.deepEqual(await search(mine, 'app-10'), [])
  assert.deepEqual(await search({ kind: 'nothing' }, 'app'), [])
})
