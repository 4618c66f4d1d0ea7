import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RegistryError } from '#oci/errors.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { decide, type ProjectFacts } from './decide.ts'
import { parseScopes, repositoriesNamed, rightsOfEntries } from './docker-scope.ts'

test('several parameters, several scopes in one, and equal names are joined', () => {
  assert.deepEqual(parseScopes(['repository:a/b:pull repository:c:push', 'repository:a/b:push,pull', 'registry:catalog:*', '']), [
    { type: 'repository', name: 'a/b', actions: ['pull', 'push'] },
    { type: 'repository', name: 'c', actions: ['push'] },
    { type: 'registry', name: 'catalog', actions: ['*'] },
  ])
})

test('a name may hold host and port, a type a class', () => {
  assert.deepEqual(parseScopes(['repository(plugin):127.0.0.1:5000/a/b:push,pull']), [
    { type: 'repository', name: '127.0.0.1:5000/a/b', actions: ['push', 'pull'] },
  ])
})

test('what is no scope is passed over', () => {
  assert.deepEqual(parseScopes(['repository', 'repository:x', ':x:pull', 'repository::pull', 'a b c']), [])
  assert.deepEqual(parseScopes(['repository:x:', 'galaxy:far:away']), [
    { type: 'repository', name: 'x', actions: [] },
    { type: 'galaxy', name: 'far', actions: ['away'] },
  ])
})

test('control characters, endless scopes and floods of them are refused', () => {
  const refused = (error: unknown) => error instanceof RegistryError && error.code === 'REQUEST_INVALID'
  assert.throws(() => parseScopes(['repository:x\0:pull']), refused)
  assert.throws(() => parseScopes(['repository:x\n:pull']), refused)
  assert.throws(() => parseScopes([`repository:${'x'.repeat(2000)}:pull`]), refused)
  assert.throws(() => parseScopes(Array.from({ length: 101 }, (_, at) => `repository:x${at}:pull`)), refused)
})

test('only our own host is taken off a name', () => {
  assert.deepEqual(repositoriesNamed('127.0.0.1:5000/a/b', '127.0.0.1:5000'), ['a/b'])
  assert.deepEqual(repositoriesNamed('other.example:5000/a/b', '127.0.0.1:5000'), [])
  assert.deepEqual(repositoriesNamed('registry.example/a', 'registry.example'), ['registry.example/a', 'a'])
  assert.deepEqual(repositoriesNamed('a/b', undefined), ['a/b'])
  assert.deepEqual(repositoriesNamed('A/b', undefined), [])
})

const project: ProjectFacts = { id: 1, name: 'library', isPublic: false, isDefault: true, lineage: [1] }
const at = (repository: string) => ({ kind: 'repository', project, repository: repository as RepositoryName }) as const

test('an entry allows its actions on its repository, by the name that it has now, and nothing else', async () => {
  const limits = await rightsOfEntries(parseScopes(['repository:old:pull repository:b:push,fly']), (name) =>
    name === 'old' ? ('new' as RepositoryName) : name,
  )
  const rights = { isAdministrator: true, rights: [], limits }
  assert.ok(decide(rights, 'repository:pull', at('new'), 0))
  assert.ok(decide(rights, 'manifest:read', at('new'), 0))
  assert.ok(decide(rights, 'repository:push', at('b'), 0))
  for (const repository of ['old', 'newer', 'new/x', 'b']) assert.ok(!decide(rights, 'repository:pull', at(repository), 0), repository)
  assert.ok(!decide(rights, 'repository:push', at('new'), 0))
  assert.ok(!decide(rights, 'manifest:delete', at('b'), 0))
  assert.ok(!decide(rights, 'user:create', { kind: 'system' }, 0))
})

test('entries of other types and names that are objects in disguise give nothing', async () => {
  const entries = [
    { type: 'repository', name: 'x', actions: ['constructor', '__proto__', 'toString'] },
    { type: 'registry', name: 'catalog', actions: ['pull'] },
    { type: 'plugin', name: 'x', actions: ['*'] },
  ]
  assert.deepEqual(await rightsOfEntries(entries, (name) => name), [])
})
