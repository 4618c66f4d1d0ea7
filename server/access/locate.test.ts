import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { RepositoryName } from '#oci/reference.ts'
import { openTestAccess, type TestAccess } from './test-access.ts'

async function whereIs({ access }: TestAccess, name: string): Promise<string> {
  const { repository, project } = await access.locate(name as RepositoryName)
  return `${repository} in ${project.name}`
}

suite('a name belongs to', () => {
  test('the project with the longest prefix, which inherits from those above it', async () => {
    await using opened = await openTestAccess()
    const { rows, access } = opened
    const team = await rows.project('team')
    const deep = await rows.project('team/a/b')
    assert.equal(await whereIs(opened, 'team/x'), 'team/x in team')
    assert.equal(await whereIs(opened, 'team/a/x'), 'team/a/x in team')
    assert.equal(await whereIs(opened, 'team/a/b/c/d'), 'team/a/b/c/d in team/a/b')
    assert.equal(await whereIs(opened, 'team'), 'team in library')
    assert.equal(await whereIs(opened, 'teams/x'), 'teams/x in library')
    assert.equal(await whereIs(opened, 'x'), 'x in library')
    assert.deepEqual((await access.project('team/a/b'))?.lineage, [deep, team])
    assert.equal(await access.project('team/a'), undefined)
    assert.equal((await access.project('team/a/b', 'above'))?.name, 'team')
    assert.equal((await access.project('team', 'above'))?.name, 'library')
    assert.equal((await access.project('library', 'above'))?.name, 'library')
  })

  test('another project as soon as there is one', async () => {
    await using opened = await openTestAccess()
    assert.equal(await whereIs(opened, 'team/x'), 'team/x in library')
    const id = await opened.rows.project('team')
    assert.equal(await whereIs(opened, 'team/x'), 'team/x in team')
    await opened.rows.change('projects', id, { is_public: 1 })
    assert.equal((await opened.access.project('team'))?.isPublic, true)
  })
})

suite('a former name', () => {
  test('of a project leads its whole prefix to the present one', async () => {
    await using opened = await openTestAccess()
    const { rows, access } = opened
    await rows.project('new')
    await rows.project('new/sub')
    await rows.redirect('project', 'old', 'new')
    assert.equal(await whereIs(opened, 'old/x'), 'new/x in new')
    assert.equal(await whereIs(opened, 'old/sub/x'), 'new/sub/x in new/sub')
    assert.equal(await whereIs(opened, 'older/x'), 'older/x in library')
    assert.equal((await access.project('old'))?.name, 'new')
    assert.equal((await access.project('old/sub'))?.name, 'new/sub')
    assert.equal(await access.project('old/none'), undefined)
  })

  test('of a repository leads to that repository alone', async () => {
    await using opened = await openTestAccess()
    await opened.rows.project('team')
    await opened.rows.redirect('repository', 'loose', 'team/kept')
    assert.equal(await whereIs(opened, 'loose'), 'team/kept in team')
    assert.equal(await whereIs(opened, 'loose/x'), 'loose/x in library')
  })

  test('leads on over several changes, and a ring leads nowhere', async () => {
    await using opened = await openTestAccess()
    const { rows } = opened
    await rows.project('three')
    await rows.redirect('project', 'one', 'two')
    await rows.redirect('project', 'two', 'three')
    await rows.redirect('project', 'tick', 'tock')
    await rows.redirect('project', 'tock', 'tick')
    assert.equal(await whereIs(opened, 'one/x'), 'three/x in three')
    assert.equal(await whereIs(opened, 'tick/x'), 'tick/x in library')
    assert.equal(await opened.access.project('tick'), undefined)
  })

  test('is a project of its own again once there is one', async () => {
    await using opened = await openTestAccess()
    await opened.rows.project('new')
    await opened.rows.redirect('project', 'old', 'new')
    assert.equal(await whereIs(opened, 'old/x'), 'new/x in new')
    await opened.rows.project('old')
    assert.equal(await whereIs(opened, 'old/x'), 'old/x in old')
  })
})
