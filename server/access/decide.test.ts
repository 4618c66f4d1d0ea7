import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { allPermissions, builtInRoles, levelOf, publicPermissions, type Permission } from '#api/permissions.ts'
import { parseGlob } from '#metadata/repository-glob.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { decide, noRights, type ProjectFacts, type Right, type RightScope, type Rights, type Target } from './decide.ts'

const library: ProjectFacts = { id: 1, name: 'library', isPublic: false, isDefault: true, lineage: [1] }
const team: ProjectFacts = { id: 2, name: 'team', isPublic: false, isDefault: false, lineage: [2] }
const below: ProjectFacts = { id: 3, name: 'team/app', isPublic: false, isDefault: false, lineage: [3, 2] }
const shown: ProjectFacts = { id: 4, name: 'shown', isPublic: true, isDefault: false, lineage: [4] }

const at = (project: ProjectFacts, repository: string): Target => ({
  kind: 'repository',
  project,
  repository: repository as RepositoryName,
})
const on = (project: ProjectFacts): Target => ({ kind: 'project', project })
const system: Target = { kind: 'system' }

function globScope(text: string, projectId?: number): RightScope {
  const glob = parseGlob(text)
  assert.ok(glob)
  return { kind: 'repositories', glob, text, projectId }
}

function right(scope: RightScope, ...permissions: readonly Permission[]): Right {
  return { permissions: new Set(permissions), scope }
}

function rightsOf(...rights: readonly Right[]): Rights {
  return { isAdministrator: false, rights }
}

suite('a decision', () => {
  test('is no without a right, and what is public is for everyone', () => {
    for (const permission of allPermissions) {
      const isPublic = publicPermissions.includes(permission)
      assert.equal(decide(noRights, permission, at(team, 'team/x'), 0), false, permission)
      assert.equal(decide(noRights, permission, at(shown, 'shown/x'), 0), isPublic, permission)
      assert.equal(decide(noRights, permission, system, 0), false, permission)
    }
  })

  test('follows the project and those below it, never those beside or above', () => {
    const rights = rightsOf(right({ kind: 'project', projectId: 2 }, 'repository:pull', 'project:read'))
    assert.equal(decide(rights, 'repository:pull', at(team, 'team/x'), 0), true)
    assert.equal(decide(rights, 'repository:pull', at(below, 'team/app/x'), 0), true)
    assert.equal(decide(rights, 'project:read', on(below), 0), true)
    assert.equal(decide(rights, 'repository:pull', at(library, 'x'), 0), false)
    assert.equal(decide(rights, 'repository:push', at(team, 'team/x'), 0), false)
    const lower = rightsOf(right({ kind: 'project', projectId: 3 }, 'repository:pull'))
    assert.equal(decide(lower, 'repository:pull', at(team, 'team/x'), 0), false)
  })

  test('by glob counts for repositories, not for the project as a whole', () => {
    const rights = rightsOf(right(globScope('team/*'), 'repository:pull', 'project:read'))
    assert.equal(decide(rights, 'repository:pull', at(team, 'team/x'), 0), true)
    assert.equal(decide(rights, 'repository:pull', at(below, 'team/app/x'), 0), false)
    assert.equal(decide(rights, 'project:read', on(team), 0), false)
    const narrowed = rightsOf(right(globScope('**', 3), 'repository:pull'))
    assert.equal(decide(narrowed, 'repository:pull', at(below, 'team/app/x'), 0), true)
    assert.equal(decide(narrowed, 'repository:pull', at(team, 'team/x'), 0), false)
  })

  test('ends with the grant', () => {
    const rights = rightsOf({ ...right({ kind: 'everything' }, 'repository:pull'), expiresAt: 100 })
    assert.equal(decide(rights, 'repository:pull', at(team, 'team/x'), 99), true)
    assert.equal(decide(rights, 'repository:pull', at(team, 'team/x'), 100), false)
  })

  test('about the system takes a right on everything', () => {
    for (const permission of allPermissions.filter((one) => levelOf(one) === 'system')) {
      assert.equal(decide(rightsOf(right({ kind: 'project', projectId: 2 }, permission)), permission, on(team), 0), false, permission)
      assert.equal(decide(rightsOf(right(globScope('**'), permission)), permission, at(team, 'team/x'), 0), false, permission)
      assert.equal(decide(rightsOf(right({ kind: 'everything' }, permission)), permission, on(team), 0), true, permission)
    }
  })

  test('for an administrator is yes, within the bounds of the credential', () => {
    const whole: Rights = { isAdministrator: true, rights: [] }
    assert.ok(allPermissions.every((permission) => decide(whole, permission, system, 0)))
    const bounded: Rights = { ...whole, limits: [right(globScope('team/x'), 'repository:pull')] }
    assert.equal(decide(bounded, 'repository:pull', at(team, 'team/x'), 0), true)
    assert.equal(decide(bounded, 'repository:push', at(team, 'team/x'), 0), false)
    assert.equal(decide(bounded, 'repository:pull', at(team, 'team/y'), 0), false)
    assert.equal(decide(bounded, 'user:list', system, 0), false)
  })

  test('bounded by nothing at all is no, in a public project too', () => {
    assert.equal(decide({ ...noRights, limits: [] }, 'repository:pull', at(shown, 'shown/x'), 0), false)
  })

  test('gives no auditor and no system reader a pull', () => {
    for (const name of ['auditor', 'system-reader']) {
      const role = builtInRoles.find((each) => each.name === name)
      assert.ok(role)
      const rights = rightsOf(right({ kind: 'everything' }, ...role.permissions))
      assert.equal(decide(rights, 'repository:pull', at(team, 'team/x'), 0), false, name)
      assert.equal(decide(rights, 'repository:list', at(team, 'team/x'), 0), true, name)
    }
  })
})

const anyPermission = fc.constantFrom(...allPermissions)
const anyScope: fc.Arbitrary<RightScope> = fc.oneof(
  fc.constant<RightScope>({ kind: 'everything' }),
  fc.integer({ min: 1, max: 4 }).map((projectId): RightScope => ({ kind: 'project', projectId })),
  fc
    .tuple(fc.constantFrom('**', 'team/**', 'team/*', 'x', '*/app/*'), fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }))
    .map(([text, projectId]) => globScope(text, projectId)),
)
const anyRight: fc.Arbitrary<Right> = fc.record({
  permissions: fc.array(anyPermission, { maxLength: 5 }).map((list) => new Set(list)),
  scope: anyScope,
  expiresAt: fc.option(fc.integer({ min: 0, max: 100 }), { nil: undefined }),
})
const anyRights: fc.Arbitrary<Rights> = fc.record({
  isAdministrator: fc.boolean(),
  rights: fc.array(anyRight, { maxLength: 4 }),
  limits: fc.option(fc.array(anyRight, { maxLength: 3 }), { nil: undefined }),
})
const anyTarget = fc.constantFrom<Target>(
  system,
  on(library),
  on(team),
  on(below),
  on(shown),
  at(library, 'x'),
  at(team, 'team/x'),
  at(below, 'team/app/x'),
  at(shown, 'shown/x'),
)

suite('whatever the rights', () => {
  test('another right never takes something away, another bound never gives something', () => {
    fc.assert(
      fc.property(anyRights, anyRight, anyPermission, anyTarget, (rights, more, permission, target) => {
        const before = decide(rights, permission, target, 50)
        const wider = decide({ ...rights, rights: [...rights.rights, more] }, permission, target, 50)
        if (before) assert.ok(wider)
        const bounded = decide({ ...rights, limits: [more] }, permission, target, 50)
        const unbounded = decide({ isAdministrator: rights.isAdministrator, rights: rights.rights }, permission, target, 50)
        if (bounded) assert.ok(unbounded)
      }),
      { numRuns: 2000 },
    )
  })

  test('time only takes rights away', () => {
    fc.assert(
      fc.property(anyRights, anyPermission, anyTarget, fc.tuple(fc.nat(100), fc.nat(100)), (rights, permission, target, times) => {
        const [early, late] = [Math.min(...times), Math.max(...times)]
        if (decide(rights, permission, target, late)) assert.ok(decide(rights, permission, target, early))
      }),
      { numRuns: 2000 },
    )
  })

  test('what is held on a project is held on each of its repositories and below', () => {
    fc.assert(
      fc.property(anyRights, anyPermission, (rights, permission) => {
        if (decide(rights, permission, on(team), 50))
          assert.ok(decide({ ...rights, limits: undefined }, permission, at(team, 'team/z'), 50))
        const own = { ...rights, limits: undefined }
        if (decide(own, permission, on(team), 50)) assert.ok(decide(own, permission, at(below, 'team/app/z'), 50))
      }),
      { numRuns: 2000 },
    )
  })
})
