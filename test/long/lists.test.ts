import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { sql } from 'kysely'
import { operatorRights } from '#access/acting.ts'
import { createGrant } from '#access/grants.ts'
import { openPeople, type People, type Person } from '../api/people.ts'

/** What an answer may take on a busy machine; where nothing else runs, up to 12 ms. */
const answerMs = 50
/** With ten times as many repositories, an answer that reads in proportion takes ten times as long; a busy machine makes one twice as long. */
const growth = 4
const noiseMs = 6

const acting = { who: { actor: 'test', requestId: 'test' }, rights: operatorRights }
const rounds = 15

/** The rows that count from `from` to `to` - 1, named n. */
const numbers = (from: number, to: number) =>
  `with recursive numbers(n) as (select ${from} union all select n + 1 from numbers where n < ${to - 1})`

/** Repositories of 1,000 projects in no order of time, each with a manifest and ten tags, as years of use would have made them. */
async function grow({ rooms }: People, from: number, to: number): Promise<void> {
  const { reader } = rooms.registry.metadata
  const statements = [
    `${numbers(from, to)} insert into repositories (project_id, name, created_at, updated_at)
     select p.id, p.name || '/' || case n % 4 when 0 then 'app' when 1 then 'base' when 2 then 'ml' else 'web' end || printf('/svc%06d', n),
       1, 1700000000000 + (n * 7919) % 1000003
     from numbers join projects p on p.name = printf('team%03d', (n * 7) % 1000)`,
    `insert into manifests (repository_id, digest, media_type, size_bytes, created_at, payload)
     select id, unhex('01' || hex(randomblob(32))), 'application/vnd.oci.image.manifest.v1+json', 2, 1, x'7b7d' from repositories
     where not exists (select 1 from manifests where repository_id = repositories.id)`,
    `${numbers(0, 10)} insert into tags (repository_id, name, manifest_id, created_at, updated_at)
     select m.repository_id, 'v' || n, m.id, 1, 1 from manifests m join numbers
     where not exists (select 1 from tags where manifest_id = m.id and name = 'v' || n)`,
  ]
  for (const statement of statements) await sql.raw(statement).execute(reader)
}

interface Somebody {
  readonly who: string
  readonly person: Person
  /** Where no index leads to what they see. */
  readonly isSearching?: true
}

async function somebodies(people: People): Promise<readonly Somebody[]> {
  const { rooms, root, stranger } = people
  const globs = {
    'by 3 globs': ['team500/**', 'team7*/app/**', 'team999/*/svc*1'],
    'by 100 globs': Array.from({ length: 100 }, (_, index) => `team${100 + 8 * index}/a*/svc*`),
    'by a glob of few names in one project': ['team500/*/svc*42'],
    'by a glob of the end of names': ['**/svc*042'],
    'by globs of nothing': ['**/none*', '*/x/*', '*none'],
  }
  const found: Somebody[] = [
    { who: 'an administrator', person: root },
    { who: 'a stranger', person: stranger },
  ]
  for (const [who, texts] of Object.entries(globs)) {
    const person = await people.add(`person${found.length}`)
    const subject = { kind: 'user', id: person.id } as const
    for (const repositories of texts)
      await createGrant(rooms.accounts, { subject, role: 'developer', project: undefined, repositories, expiresAt: null }, acting)
    found.push(texts.every((text) => text.startsWith('*')) ? { who, person, isSearching: true } : { who, person })
  }
  for (const [who, first, count] of [
    ['of 900 projects', 100, 900],
    ['of 10 projects', 990, 10],
  ] as const) {
    const person = await people.add(`person${found.length}`)
    await people.grant(person, 'developer', `team${first}`)
    const { reader } = rooms.registry.metadata
    await sql`insert into grants (user_id, subject_kind, role, project_id, created_by, created_at, version)
      select g.user_id, g.subject_kind, g.role, p.id, g.created_by, g.created_at, g.version from grants g
      join projects p on p.name > ${`team${first}`} and p.name < ${`team${String(first + count).padStart(3, '0')}~`} and p.name < 'team~'
      where g.user_id = ${person.id} order by p.name limit ${count - 1}`.execute(reader)
    found.push({ who, person })
  }
  return found
}

/** What is asked, whether of what no index answers, and by whom. */
interface Asked extends Somebody {
  readonly path: string
}

function questions(people: readonly Somebody[]): Asked[] {
  const lists = ['name', '-name', 'updatedAt', '-updatedAt'].map((sort) => `/repositories?sort=${sort}`)
  const searches = ['/repositories?q=svc00042', '/repositories?q=nothing&sort=-updatedAt']
  const others = [
    '/repositories?name=team9',
    '/repositories?project=team995&sort=updatedAt',
    '/projects',
    '/projects?sort=-updatedAt',
    '/uploads',
  ]
  return people.flatMap((somebody) => [
    ...[...lists, ...others].map((path) => ({ ...somebody, path })),
    ...searches.map((path) => ({ ...somebody, path, isSearching: true as const })),
  ])
}

const inOneRepository = ['tags', 'tags?sort=-updatedAt', 'tags?q=v1&sort=updatedAt', 'manifests', 'manifests?tagged=true&sort=-sizeBytes']

async function mediansOf(asked: readonly Asked[]): Promise<number[]> {
  const medians: number[] = []
  for (const { person, path } of asked) {
    const times: number[] = []
    for (let round = 0; round < rounds; round++) {
      const at = performance.now()
      const { status } = await person.call('GET', path)
      times.push(performance.now() - at)
      assert.ok(status === 200 || status === 401 || status === 403, `${status} ${path}`)
    }
    medians.push(times.toSorted((one, other) => one - other)[rounds >> 1] ?? Infinity)
  }
  return medians
}

test(
  '100,000 repositories and 1,000,000 tags: a page of each list takes what it takes of a tenth',
  { timeout: 900_000 },
  async (t: TestContext) => {
    await using people = await openPeople()
    await sql
      .raw(
        `${numbers(0, 1000)} insert into projects (name, is_default, is_public, created_at, updated_at)
       select printf('team%03d', n), 0, n % 97 = 5, n, (n * 7919) % 1000 from numbers`,
      )
      .execute(people.rooms.registry.metadata.reader)
    await grow(people, 0, 10_000)
    const everybody = await somebodies(people)
    const repository = `/repositories/${encodeURIComponent('team000/app/svc000000')}`
    const within: Asked[] = inOneRepository.map((path) => ({ who: 'an administrator', person: people.root, path: `${repository}/${path}` }))
    const asked = [...questions(everybody), ...within]
    const before = await mediansOf(asked)
    await grow(people, 10_000, 100_001)
    const after = await mediansOf(asked)
    const tooSlow: string[] = []
    for (const [index, { who, path, isSearching }] of asked.entries()) {
      const [small = 0, large = Infinity] = [before[index], after[index]]
      const told = `${who}: ${path}: ${small.toFixed(1)} ms, then ${large.toFixed(1)} ms`
      t.diagnostic(told)
      if (large > answerMs || (isSearching !== true && large > growth * small + noiseMs)) tooSlow.push(told)
    }
    assert.deepEqual(tooSlow, [])
  },
)
