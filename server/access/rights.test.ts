import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Permission } from '#api/permissions.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { hashPassword } from './password.ts'
import { from, openTestAccess, type TestAccess } from './test-access.ts'
import { basic } from './test-parts.ts'

async function withAlice(opened: TestAccess, more: Readonly<Record<string, unknown>> = {}): Promise<number> {
  return await opened.rows.user('alice', { password_hash: await hashPassword('secret', opened.parts.ports.random), ...more })
}

const asAlice = from(basic('alice', 'secret'))

async function may(opened: TestAccess, permission: Permission, where: string): Promise<boolean> {
  const principal = await opened.access.authenticate(asAlice)
  return await opened.access.may(principal, permission, { repository: where as RepositoryName })
}

suite('rights', () => {
  test('come from grants to the person, to their groups, to everyone, and to whoever is signed in', async () => {
    await using opened = await openTestAccess()
    const { rows, access } = opened
    const alice = await withAlice(opened)
    const bob = await rows.user('bob')
    const staff = await rows.group('staff', alice, bob)
    const others = await rows.group('others', bob)
    const ids: Record<string, number> = {}
    for (const name of ['own', 'grouped', 'foreign', 'common', 'inside', 'none']) ids[name] = await rows.project(name)
    await rows.grant('guest', `user:${alice}`, { project_id: ids['own'] })
    await rows.grant('developer', `group:${staff}`, { project_id: ids['grouped'] })
    await rows.grant('developer', `group:${others}`, { project_id: ids['foreign'] })
    await rows.grant('guest', 'everyone', { project_id: ids['common'] })
    await rows.grant('guest', 'signed-in', { project_id: ids['inside'] })
    const pulls = async () => {
      const found: string[] = []
      for (const name of Object.keys(ids)) if (await may(opened, 'repository:pull', `${name}/x`)) found.push(name)
      return found
    }
    assert.deepEqual(await pulls(), ['own', 'grouped', 'common', 'inside'])
    assert.equal(await may(opened, 'repository:push', 'grouped/x'), true)
    assert.equal(await may(opened, 'repository:push', 'own/x'), false)
    const nobody = await access.authenticate(from(undefined))
    assert.equal(nobody.isAnonymous, true)
    assert.equal(await access.may(nobody, 'repository:pull', { repository: 'common/x' as RepositoryName }), true)
    assert.equal(await access.may(nobody, 'repository:pull', { repository: 'inside/x' as RepositoryName }), false)
  })

  test('change at once when grants, groups, roles, projects or the account do', async () => {
    await using opened = await openTestAccess()
    const { rows } = opened
    const alice = await withAlice(opened)
    const project = await rows.project('team')
    assert.equal(await may(opened, 'repository:pull', 'team/x'), false)
    const role = await rows.role('puller', 'repository:pull', 'moon:land')
    const grant = await rows.grant('puller', `user:${alice}`, { project_id: project })
    assert.equal(await may(opened, 'repository:pull', 'team/x'), true)
    await rows.change('roles', role, { permissions: '["repository:list"]' })
    assert.equal(await may(opened, 'repository:pull', 'team/x'), false)
    await rows.change('grants', grant, { role: 'guest', repositories: 'team/y*' })
    assert.equal(await may(opened, 'repository:pull', 'team/x'), false)
    assert.equal(await may(opened, 'repository:pull', 'team/yes'), true)
    await rows.change('projects', project, { is_public: 1 })
    assert.equal(await may(opened, 'repository:pull', 'team/x'), true)
    await rows.change('users', alice, { is_admin: 1 })
    assert.equal(await may(opened, 'user:delete', 'team/x'), true)
    await rows.change('users', alice, { is_disabled: 1 })
    await assert.rejects(opened.access.authenticate(asAlice), { code: 'UNAUTHORIZED' })
  })

  test('end with the grant while they are remembered', async () => {
    await using opened = await openTestAccess()
    const { rows, parts } = opened
    const alice = await withAlice(opened)
    await rows.grant('guest', `user:${alice}`, { expires_at: parts.ports.clock.now() + 500 })
    const principal = await opened.access.authenticate(asAlice)
    const place = { repository: 'any/x' as RepositoryName }
    assert.equal(await opened.access.may(principal, 'repository:pull', place), true)
    assert.notDeepEqual(await opened.access.visibility(principal, 'repository:pull'), { kind: 'nothing' })
    parts.advance(500)
    assert.equal(await opened.access.may(principal, 'repository:pull', place), false)
  })

  test('of a role that is not there, and by a glob that fits nothing, are none; a row cannot replace a built-in role', async () => {
    await using opened = await openTestAccess()
    const { rows } = opened
    const alice = await withAlice(opened)
    await rows.role('guest', 'repository:delete')
    await rows.grant('vanished', `user:${alice}`)
    await rows.grant('guest', `user:${alice}`, { repositories: 'Not/A/Name' })
    assert.equal(await may(opened, 'repository:pull', 'x'), false)
    await rows.grant('guest', `user:${alice}`)
    assert.equal(await may(opened, 'repository:pull', 'x'), true)
    assert.equal(await may(opened, 'repository:delete', 'x'), false)
  })

  test('cost a steady caller no read of the database', async () => {
    await using opened = await openTestAccess()
    const { access, rows } = opened
    const alice = await withAlice(opened)
    const project = await rows.project('team')
    await rows.grant('developer', `user:${alice}`, { project_id: project })
    const ask = async () => {
      const principal = await access.authenticate(asAlice)
      await access.locate('team/x' as RepositoryName)
      assert.equal(await access.may(principal, 'repository:push', { repository: 'team/x' as RepositoryName }), true)
      await access.visibility(principal, 'repository:pull')
    }
    await ask()
    const reads = opened.reads()
    for (let asked = 0; asked < 20; asked++) await ask()
    assert.equal(opened.reads(), reads)
  })
})
