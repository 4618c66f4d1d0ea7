import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import fc from 'fast-check'
import type { Permission } from '#api/permissions.ts'
import { parseGlob } from '#metadata/repository-glob.ts'
import { whereProjectVisible, whereVisible } from '#metadata/visibility.ts'
import type { RepositoryName } from '#oci/reference.ts'
import type { Right, Rights, RightScope } from './decide.ts'
import { anonymousPrincipal } from './principal.ts'
import { openTestAccess, type TestAccess } from './test-access.ts'

const projects: readonly (readonly [string, object])[] = [
  ['team', {}],
  ['team/app', {}],
  ['team/open', { is_public: 1 }],
  ['shown', { is_public: 1 }],
  ['shown/inner', {}],
  ['tea', {}],
]
const repositories = ['x', 'y/z', 'team/x', 'team/app/x', 'team/app/y/z', 'team/open/x', 'shown/x', 'shown/inner/x', 'tea/x', 'team/apple']

suite('what lists show', () => {
  let opened: TestAccess
  const ids: number[] = [1]

  before(async () => {
    opened = await openTestAccess()
    for (const [name, more] of projects) ids.push(await opened.rows.project(name, more as Record<string, unknown>))
    for (const name of repositories) {
      await opened.rows.repository(name, (await opened.access.locate(name as RepositoryName)).project.id)
    }
  })
  after(() => opened[Symbol.asyncDispose]())

  async function shown(rights: Rights, permission: Permission): Promise<readonly string[]> {
    const visibility = await opened.access.visibility(anonymousPrincipal(rights), permission)
    const query = opened.directory.metadata.reader.selectFrom('repositories').select('repositories.name').orderBy('repositories.name')
    return (await whereVisible(query, visibility).execute()).map(({ name }) => name)
  }

  async function allowed(rights: Rights, permission: Permission): Promise<readonly string[]> {
    const principal = anonymousPrincipal(rights)
    const found: string[] = []
    for (const name of repositories.toSorted()) {
      if (await opened.access.may(principal, permission, { repository: name as RepositoryName })) found.push(name)
    }
    return found
  }

  const permissions: readonly Permission[] = ['repository:list', 'repository:pull', 'repository:push', 'user:list']
  const anyScope = fc.oneof(
    { weight: 1, arbitrary: fc.constant<RightScope>({ kind: 'everything' }) },
    { weight: 4, arbitrary: fc.nat(6).map((at): RightScope => ({ kind: 'project', projectId: ids[at] ?? 1 })) },
    {
      weight: 4,
      arbitrary: fc
        .tuple(fc.constantFrom('team/**', 'team/*', 'x', '**', '*/x', 'team/app/x', '**/y*/**'), fc.option(fc.nat(6), { nil: undefined }))
        .map(([text, at]): RightScope => {
          const glob = parseGlob(text)
          assert.ok(glob)
          return { kind: 'repositories', glob, text, projectId: at === undefined ? undefined : ids[at] }
        }),
    },
  )
  const anyRight: fc.Arbitrary<Right> = fc.record({
    permissions: fc.subarray([...permissions], { minLength: 1 }).map((list) => new Set(list)),
    scope: anyScope,
    expiresAt: fc.constantFrom(undefined, 1, Number.MAX_SAFE_INTEGER),
  })

  test('is what the one decision allows, name by name, whatever the rights and their bounds', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          isAdministrator: fc.nat(9).map((chance) => chance === 0),
          rights: fc.array(anyRight, { maxLength: 3 }),
          limits: fc.option(fc.array(anyRight, { maxLength: 2 }), { nil: undefined }),
        }),
        fc.constantFrom(...permissions),
        async (rights, permission) => {
          const expected = await allowed(rights, permission)
          assert.deepEqual(await shown(rights, permission), expected)
        },
      ),
      { numRuns: 400 },
    )
  })

  test('are the projects of which something is said as a whole', async () => {
    const names = async (rights: Rights) => {
      const visibility = await opened.access.visibility(anonymousPrincipal(rights), 'project:list')
      const query = opened.directory.metadata.reader.selectFrom('projects').select('projects.name').orderBy('projects.name')
      return (await whereProjectVisible(query, visibility).execute()).map(({ name }) => name)
    }
    const all = new Set<Permission>(['project:list'])
    assert.deepEqual(await names({ isAdministrator: false, rights: [] }), ['shown', 'team/open'])
    const team: Right = { permissions: all, scope: { kind: 'project', projectId: ids[1] ?? 0 } }
    assert.deepEqual(await names({ isAdministrator: false, rights: [team] }), ['shown', 'team', 'team/app', 'team/open'])
    assert.deepEqual(await names({ isAdministrator: true, rights: [], limits: [team] }), ['team', 'team/app', 'team/open'])
    assert.deepEqual(await names({ isAdministrator: false, rights: [], limits: [] }), [])
    assert.equal((await names({ isAdministrator: true, rights: [] })).length, 7)
  })

  test('follow a project that comes between', async () => {
    const rights: Rights = {
      isAdministrator: false,
      rights: [{ permissions: new Set<Permission>(['repository:push']), scope: { kind: 'project', projectId: ids[6] ?? 0 } }],
    }
    assert.deepEqual(await shown(rights, 'repository:push'), ['tea/x'])
    const inner = await opened.rows.project('tea/pot')
    await opened.rows.repository('tea/pot/lid', inner)
    assert.deepEqual(await shown(rights, 'repository:push'), ['tea/pot/lid', 'tea/x'])
  })
})
