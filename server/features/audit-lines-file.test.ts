import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Digest } from '#oci/digest.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { pullLine } from './audit-lines.ts'

const source = { version: '1', node: 'here' }
const pull = {
  at: 0,
  repository: 'team/app' as RepositoryName,
  digest: `sha256:${'0'.repeat(64)}` as Digest,
  actor: 'alice',
  actorKey: 'user:1',
  credential: 'password',
  address: '10.0.0.1',
  userAgent: '',
  requestId: 'one',
}

test('a file that is read out of an image has a line of its own, with its path', () => {
  const line = pullLine({ ...pull, path: '/etc/shadow\n{"action":"forged"}' }, source)
  assert.equal(line.trimEnd().split('\n').length, 1)
  const said = JSON.parse(line) as { readonly action: string }
  assert.equal(said.action, 'file.read')
  assert.ok(line.includes('/etc/shadow'))
  assert.equal((JSON.parse(pullLine(pull, source)) as { readonly action: string }).action, 'manifest.pulled')
})
