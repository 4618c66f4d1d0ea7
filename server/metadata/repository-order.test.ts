import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import type { Metadata } from './metadata.ts'
import type { PageAfter, PageRequest } from './page.ts'
import { matchesGlob, parseGlob } from './repository-glob.ts'
import { repositoryNames } from './repository-names.ts'
import type { RepositorySort, SearchBounds } from './repository-order.ts'
import { listRepositoryPage } from './repository-rows.ts'
import { bytesLiteral, openTestDatabase } from './test-database.ts'
import { addProject, addRepositories, runSql } from './test-transactions.ts'
import type { RepositoryFilter } from './visible-parts.ts'
import type { Visibility } from './visibility.ts'

const parts = ['a', 'b', 'a_b', 'axb', 'a.b', 'ab']
const names = [
  ...parts,
  ...parts.flatMap((first) => parts.flatMap((second) => [`${first}/${second}`, ...parts.map((third) => `${first}/${second}/${third}`)])),
]
const projectNames = ['a', 'b', 'a/b', 'axb', 'ab/a']
const publicProject = 'axb'

interface Known {
  readonly id: number
  readonly name: string
  readonly project_id: number
  readonly updated_at: number
}

let metadata: Metadata
let projectIds: readonly number[]
let publicId: number
let known: readonly Known[]

before(async () => {
  metadata = await openTestDatabase(':memory:')
  const ids = new Map<string, number>()
  for (const name of projectNames) ids.set(name, Number(await metadata.write(addProject, name)))
  const { reader } = metadata
  const { id: fallback } = await reader.selectFrom('projects').select('id').where('is_default', '=', 1).executeTakeFirstOrThrow()
  const ownerOf = (name: string) =>
    projectNames.filter((project) => name.startsWith(`${project}/`)).toSorted((one, other) => other.length - one.length)[0] ?? ''
  const rows = [...names, '!7', '!8'].map((name) => ({ name, projectId: ids.get(ownerOf(name)) ?? fallback }))
  // In no order of names, and several with the same instant.
  await metadata.write(
    addRepositories,
    rows.toSorted((one, other) => one.name.length - other.name.length),
  )
  await metadata.write(runSql, 'update repositories set updated_at = (id * 7919) % 101')
  await metadata.write(runSql, `update projects set is_public = 1 where name = '${publicProject}'`)
  const byte = bytesLiteral(Buffer.of(0))
  await metadata.write(
    runSql,
    `insert into manifests (repository_id, digest, media_type, size_bytes, created_at, payload)
      select id, ${byte}, 'm', 1, 1, ${byte} from repositories where id % 3 <> 0`,
  )
  projectIds = [...ids.values(), fallback]
  publicId = ids.get(publicProject) ?? 0
  known = (await reader.selectFrom('repositories').select(['id', 'name', 'project_id', 'updated_at']).execute()).filter(
    ({ name }) => !name.startsWith('!'),
  )
})

after(() => metadata[Symbol.asyncDispose]())

const unit = fc.constantFrom('a', 'b', '/', '_', '.', '*', '**', 'a/', '/b', 'ab')
const glob = fc.oneof(
  fc.string({ unit, minLength: 1, maxLength: 5 }),
  fc.constantFrom(...names),
  fc.constantFrom('**', '*', 'a/**', 'zzz/**'),
)

const places = fc.nat(projectNames.length)
const some = fc.record({
  kind: fc.constant('some' as const),
  places: fc.array(places, { maxLength: 4 }),
  repositoryGlobs: fc.array(glob, { maxLength: 5 }),
  placedGlobs: fc.array(fc.record({ places: fc.array(places, { maxLength: 3 }), glob }), { maxLength: 2 }),
  includesPublic: fc.boolean(),
})
const one: fc.Arbitrary<Visibility> = fc.oneof(
  { weight: 1, arbitrary: fc.constant<Visibility>({ kind: 'everything' }) },
  {
    weight: 6,
    arbitrary: some.map(({ places: ids, placedGlobs, ...rest }) => ({
      ...rest,
      projectIds: ids.map((index) => projectIds[index] ?? 0),
      projectGlobs: placedGlobs.map((placed) => ({ projectIds: placed.places.map((index) => projectIds[index] ?? 0), glob: placed.glob })),
    })),
  },
)
const visibilities = fc
  .tuple(one, fc.option(fc.tuple(one, fc.option(one))))
  .map(([held, limits]) => (limits === null ? held : inBoth(held, limits[1] === null ? limits[0] : inBoth(limits[0], limits[1]))))

function inBoth(held: Visibility, within: Visibility): Visibility {
  return held.kind === 'some' ? { ...held, within } : within
}

const filters: fc.Arbitrary<RepositoryFilter> = fc
  .record({
    namePrefix: fc.option(fc.string({ unit: fc.constantFrom('a', 'b', '/', '_', '~', 'A'), maxLength: 3 })),
    nameHas: fc.option(fc.string({ unit: fc.constantFrom('a', 'b', '/', '_', '%', '.'), maxLength: 3 })),
    nameEnd: fc.option(fc.string({ unit: fc.constantFrom('a', 'b', '/', '_', '%', '.'), maxLength: 3 })),
    place: fc.option(places, { freq: 3 }),
  })
  .map(({ namePrefix, nameHas, nameEnd, place }) => ({
    namePrefix: namePrefix ?? undefined,
    nameHas: nameHas ?? undefined,
    nameEnd: nameEnd ?? undefined,
    projectId: place === null ? undefined : projectIds[place],
  }))

const small = { few: 20, parts: 2, names: 1_000, comparisons: 10_000 }
const bounds = fc.constantFrom<SearchBounds | undefined>(undefined, small, { ...small, names: 30 }, { ...small, comparisons: 50, few: 1 })

function isVisible(visibility: Visibility, { name, project_id }: Known): boolean {
  if (visibility.kind !== 'some') return visibility.kind === 'everything'
  const matches = (text: string) => {
    const parsed = parseGlob(text)
    return parsed !== undefined && matchesGlob(parsed, name)
  }
  const isHeld =
    visibility.projectIds.includes(project_id) ||
    (visibility.includesPublic && project_id === publicId) ||
    visibility.repositoryGlobs.some(matches) ||
    (visibility.projectGlobs ?? []).some((placed) => placed.projectIds.includes(project_id) && matches(placed.glob))
  return isHeld && (visibility.within === undefined || isVisible(visibility.within, { name, project_id } as Known))
}

function fits({ namePrefix = '', nameHas = '', nameEnd = '', projectId }: RepositoryFilter, { name, project_id }: Known): boolean {
  const isNamed = name.startsWith(namePrefix) && name.includes(nameHas) && name.endsWith(nameEnd)
  return isNamed && (projectId === undefined || project_id === projectId)
}

function expectedNames(visibility: Visibility, filter: RepositoryFilter, { column, isDescending }: PageRequest<RepositorySort>): string[] {
  const sorted = known
    .filter((row) => isVisible(visibility, row) && fits(filter, row))
    .toSorted((first, second) => {
      if (column === 'updatedAt') return first.updated_at - second.updated_at || first.id - second.id
      return first.name < second.name ? -1 : 1
    })
    .map(({ name }) => name)
  return isDescending ? sorted.toReversed() : sorted
}

interface Read {
  readonly names: readonly string[]
  readonly pages: number
}

async function readAll(
  visibility: Visibility,
  filter: RepositoryFilter,
  page: PageRequest<RepositorySort>,
  bound?: SearchBounds,
): Promise<Read> {
  const found: string[] = []
  let next: PageAfter | undefined
  for (let pages = 1; pages < 2_000; pages++) {
    const read = await listRepositoryPage(metadata.reader, visibility, { filter, page: { ...page, after: next }, bounds: bound })
    assert.ok(read.items.length <= page.limit)
    found.push(...read.items.map(({ name }) => name))
    next = read.next
    if (next === undefined) return { names: found, pages }
  }
  throw new Error('the list has no end')
}

const pages = fc.record({
  limit: fc.integer({ min: 1, max: 70 }),
  column: fc.constantFrom<RepositorySort>('name', 'updatedAt'),
  isDescending: fc.boolean(),
})

test('a list read to its end is what judging each repository gives, whatever is visible and wanted', async () => {
  await fc.assert(
    fc.asyncProperty(visibilities, filters, pages, bounds, async (visibility, filter, page, bound) => {
      const { names: found } = await readAll(visibility, filter, page, bound)
      assert.deepEqual(found, expectedNames(visibility, filter, page))
    }),
    { numRuns: 600 },
  )
})

test('a page is full and the next is there only when there is more, where nothing is searched for', async () => {
  const visibility: Visibility = {
    kind: 'some',
    projectIds: projectIds.slice(0, 2),
    repositoryGlobs: ['ab/**', 'a_b/*/a'],
    includesPublic: true,
  }
  for (const column of ['name', 'updatedAt'] as const) {
    for (const isDescending of [false, true]) {
      const page = { limit: 7, column, isDescending }
      const { names: found, pages: count } = await readAll(visibility, {}, page, { few: 20, parts: 2, names: 1, comparisons: 1 })
      assert.deepEqual(found, expectedNames(visibility, {}, page))
      assert.ok(found.length > 50)
      assert.equal(count, Math.ceil(found.length / page.limit))
    }
  }
})

test('a search that finds nothing in the names of its bound gives an empty page and where to go on', async () => {
  const page = { limit: 5, column: 'name', isDescending: false } as const
  const bound: SearchBounds = { few: 5, parts: 5, names: 40, comparisons: 1_000 }
  const request = { filter: { nameHas: 'axb/axb/axb' }, page, bounds: bound }
  const first = await listRepositoryPage(metadata.reader, { kind: 'everything' }, request)
  assert.deepEqual(first.items, [])
  assert.ok(first.next !== undefined)
  const { names: found, pages: count } = await readAll({ kind: 'everything' }, request.filter, page, bound)
  assert.deepEqual(found, expectedNames({ kind: 'everything' }, request.filter, page))
  assert.equal(count, Math.ceil((known.length + 1) / bound.names))
})

test('a thousand globs and as many projects are listed in either order', async () => {
  const visibility: Visibility = {
    kind: 'some',
    projectIds: Array.from({ length: 1000 }, (_, index) => index + 1000),
    repositoryGlobs: [...Array.from({ length: 1000 }, (_, index) => `none${index}/*/x`), 'ab/*/a'],
    projectGlobs: [{ projectIds: Array.from({ length: 1000 }, (_, index) => index + 1000), glob: '**' }],
    includesPublic: false,
  }
  for (const column of ['name', 'updatedAt'] as const) {
    const page = { limit: 4, column, isDescending: false }
    assert.deepEqual((await readAll(visibility, {}, page)).names, expectedNames(visibility, {}, page))
  }
})

test('the catalog has the visible names with a manifest, page by page', async () => {
  await fc.assert(
    fc.asyncProperty(visibilities, fc.integer({ min: 1, max: 50 }), async (visibility, n) => {
      const found: string[] = []
      for (;;) {
        const page = await repositoryNames(metadata.reader, visibility, { n, last: found.at(-1) })
        found.push(...page)
        if (page.length < n) break
      }
      const listed = new Set(known.filter(({ id }) => id % 3 !== 0).map(({ name }) => name))
      const all = expectedNames(visibility, {}, { limit: 1, column: 'name', isDescending: false })
      assert.deepEqual(
        found,
        all.filter((name) => listed.has(name)),
      )
    }),
    { numRuns: 100 },
  )
})
