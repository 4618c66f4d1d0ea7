import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resolveProjectName, resolveRepositoryName } from '#metadata/name-redirects.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { createProject, projectsEnclosed } from '#projects/create-project.ts'
import { readNameClaim } from '#projects/name-claim.ts'
import { renameProject } from '#projects/rename-project.ts'
import { checkRedirects } from '../../test/invariants.ts'
import { deleteProjectWithContent } from './delete-project.ts'
import { deleteRepository } from './delete-repository.ts'
import { moveRepository, placeForRepository } from './move-repository.ts'
import { alice, putImage, type TestRegistry } from './test-registry.ts'
import { openWithTrash, restoreId, trashOf, who } from './test-trash.ts'

/** A generator of numbers below a bound, the same for a seed. */
function dice(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

const projects = ['a', 'a/b', 'a/b/c', 'b', 'b/b', 'c']
const repositories = ['a/x', 'a/b/x', 'a/b/c/x', 'b/x', 'b/b/x', 'c/x', 'x'] as unknown as readonly RepositoryName[]

type Roll = (below: number) => number
const oneOf = <Item>(roll: Roll, items: readonly Item[]): Item | undefined => items[roll(Math.max(1, items.length))]

async function projectOf({ registry }: TestRegistry, roll: Roll) {
  const rows = await registry.metadata.reader
    .selectFrom('projects')
    .select(['id', 'name'])
    .where('id', '>', 1)
    .where('name', '>=', '0')
    .execute()
  return oneOf(roll, rows)
}

/** One thing that happens to names, with all rights or with none to take a name from others. Refusals are as good as deeds. */
function deedsOf(at: TestRegistry, roll: Roll): readonly (() => Promise<unknown>)[] {
  const { registry } = at
  const parts = { metadata: registry.metadata, ports: registry.context.ports }
  const mayTake = async (name: string, from?: string) =>
    roll(3) === 0 ? [] : (await readNameClaim(parts, name, from === undefined ? undefined : { from })).takings
  const repository = () => repositories[roll(repositories.length)] as RepositoryName
  const project = () => projects[roll(projects.length)] as string
  const push = async () => putImage(registry, await resolveRepositoryName(parts.metadata.reader, repository()), 'image', 'v1')
  return [
    push,
    push,
    async () => {
      const name = project()
      const mayEnclose = (await projectsEnclosed(parts, name)).map(({ id }) => id)
      await createProject(parts, { name, mayTake: await mayTake(name), mayEnclose }, who)
    },
    async () => {
      const found = await projectOf(at, roll)
      const name = project()
      if (found === undefined) return
      await renameProject(parts, { projectId: found.id, name, expectedVersion: undefined, mayTake: await mayTake(name, found.name) }, who)
    },
    async () => {
      const place = await placeForRepository(registry, repository())
      const from = repository()
      await moveRepository(registry, { from, to: place.repository, projectId: place.project.id, leavesRedirect: roll(4) > 0 }, who)
    },
    () => deleteRepository(registry, repository(), alice),
    async () => {
      const found = await projectOf(at, roll)
      if (found !== undefined) await deleteProjectWithContent(registry, { ...found, isDefault: false, expectedVersion: undefined }, who)
    },
    async () => {
      const item = oneOf(roll, await trashOf(registry))
      const other = item?.kind === 'repository' ? repository() : project()
      if (item !== undefined) await restoreId(registry, item.id, roll(2) === 0 ? undefined : other, await mayTake(other))
    },
    async () => at.clock.advance(roll(2)),
  ]
}

/** What is listed is found by its own name, whatever led where before. */
async function assertHeld(at: TestRegistry, seen: string): Promise<void> {
  const { reader } = at.registry.metadata
  const violations: string[] = []
  await checkRedirects(reader, (violation) => violations.push(violation))
  assert.deepEqual(violations, [], seen)
  for (const { name } of await reader.selectFrom('repositories').select('name').where('name', '>=', '0').execute())
    assert.equal(await resolveRepositoryName(reader, name as RepositoryName), name, seen)
  for (const { name } of await reader.selectFrom('projects').select('name').where('name', '>=', '0').execute())
    assert.equal(await resolveProjectName(reader, name), name, seen)
}

test('whatever is made, renamed, moved, deleted and restored, what is listed is found by its own name', async () => {
  for (const seed of [2, 3, 5, 8]) {
    await using at = await openWithTrash()
    const roll = dice(seed * 7919)
    for (let count = 0; count < 100; count++) {
      const deeds = deedsOf(at, roll)
      await oneOf(roll, deeds)?.().catch((error: unknown) => {
        if ((error as { status?: number }).status === undefined) throw error
      })
      await assertHeld(at, `seed ${seed}, step ${count}`)
    }
  }
})
