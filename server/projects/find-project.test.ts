import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openTestDatabase } from '#metadata/test-database.ts'
import { addProject } from '#metadata/test-transactions.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { projectOf } from './find-project.ts'

test('the longest project name that is a prefix at a slash owns a repository', async () => {
  await using metadata = await openTestDatabase(':memory:')
  const ids: Record<string, unknown> = { library: 1 }
  for (const name of ['team', 'team/app', 'te']) ids[name] = await metadata.write(addProject, name)
  const owners: readonly (readonly [string, string])[] = [
    ['busybox', 'library'],
    ['library/busybox', 'library'],
    ['team', 'library'],
    ['team/app', 'team'],
    ['team/app/x', 'team/app'],
    ['team/app/x/y', 'team/app'],
    ['team/apple', 'team'],
    ['teams/app', 'library'],
    ['te/x', 'te'],
    ['a/'.repeat(127) + 'a', 'library'],
  ]
  for (const [repository, project] of owners)
    assert.equal(await projectOf(metadata.reader, repository as RepositoryName), ids[project], repository)
})

test('a project name is given once', async () => {
  await using metadata = await openTestDatabase(':memory:')
  await metadata.write(addProject, 'team')
  assert.equal(await metadata.write(addProject, 'team'), 'exists')
  assert.equal(await metadata.write(addProject, 'library'), 'exists')
})
