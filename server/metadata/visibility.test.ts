import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import type { Metadata } from './metadata.ts'
import { matchesGlob, parseGlob } from './repository-glob.ts'
import { openTestDatabase } from './test-database.ts'
import { addProject, addRepositories } from './test-transactions.ts'
import { whereVisible, type Visibility } from './visibility.ts'

const parts = ['a', 'b', 'a_b', 'axb', 'a.b', 'ab']
const names = [
  ...parts,
  ...parts.flatMap((first) => parts.flatMap((second) => [`${first}/${second}`, ...parts.map((third) => `${first}/${second}/${third}`)])),
]
const sorted = names.toSorted((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)))

let metadata: Metadata
let projectId: number

before(async () => {
  metadata = await openTestDatabase(':memory:')
  projectId = (await metadata.write(addProject, 'a')) as number
  await metadata.write(
    addRepositories,
    names.map((name) => ({ name, projectId: name.startsWith('a/') ? projectId : 1 })),
  )
})

after(() => metadata[Symbol.asyncDispose]())

async function visibleNames(visibility: Visibility): Promise<string[]> {
  const query = metadata.reader.selectFrom('repositories').select('repositories.name').orderBy('repositories.name')
  return (await whereVisible(query, visibility).execute()).map((row) => row.name)
}

function some(repositoryGlobs: readonly string[], projectIds: readonly number[] = []): Visibility {
  return { kind: 'some', projectIds, repositoryGlobs, includesPublic: false }
}

test('everything is everything in byte order, nothing is nothing', async () => {
  assert.deepEqual(await visibleNames({ kind: 'everything' }), sorted)
  assert.deepEqual(await visibleNames({ kind: 'nothing' }), [])
  assert.deepEqual(await visibleNames(some([])), [])
})

test('a project shows its repositories, globs add theirs', async () => {
  const ofProject = sorted.filter((name) => name.startsWith('a/'))
  assert.deepEqual(await visibleNames(some([], [projectId])), ofProject)
  assert.deepEqual(
    await visibleNames(some(['b', 'axb/*'], [projectId])),
    sorted.filter((name) => name.startsWith('a/') || name === 'b' || /^axb\/[^/]+$/.test(name)),
  )
})

test('a glob that no name can match shows nothing, whatever it contains', async () => {
  for (const glob of ['', 'A', "a' or 1=1 --", '%', 'a\\', '[ab]', '?', 'ä**']) assert.deepEqual(await visibleNames(some([glob])), [])
})

test('the database finds exactly what the glob matches', async () => {
  const unit = fc.constantFrom('a', 'b', '/', '_', '.', '*', '**', 'a/', '/b')
  const globs = fc.array(fc.string({ unit, minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 3 })
  await fc.assert(
    fc.asyncProperty(globs, async (texts) => {
      const parsed = texts.map(parseGlob).filter((glob) => glob !== undefined)
      const expected = sorted.filter((name) => parsed.some((glob) => matchesGlob(glob, name)))
      assert.deepEqual(await visibleNames(some(texts)), expected)
    }),
    { numRuns: 300 },
  )
})

test('pages are full and miss nothing', async () => {
  const visibility = some(['*/*/a', 'ab/**', '**b'])
  const whole = await visibleNames(visibility)
  const paged: string[] = []
  for (;;) {
    const last = paged.at(-1) ?? ''
    const query = metadata.reader.selectFrom('repositories').select('repositories.name').where('repositories.name', '>', last)
    const page = await whereVisible(query, visibility).orderBy('repositories.name').limit(7).execute()
    paged.push(...page.map((row) => row.name))
    if (page.length < 7) break
  }
  assert.ok(whole.length > 20)
  assert.deepEqual(paged, whole)
})

test('a thousand globs and as many projects are one query', async () => {
  const globs = Array.from({ length: 1000 }, (_, index) => `none${index}/**`)
  const projectIds = Array.from({ length: 1000 }, (_, index) => index + 1000)
  assert.deepEqual(
    await visibleNames(some([...globs, 'ab/*/a'], projectIds)),
    sorted.filter((name) => /^ab\/[^/]+\/a$/.test(name)),
  )
})
