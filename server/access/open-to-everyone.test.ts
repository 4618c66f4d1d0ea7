import assert from 'node:assert/strict'
import { test } from 'node:test'
import { insertGrant } from '#metadata/grants.ts'
import { transaction } from '#metadata/transaction.ts'
import { warnOfOpenGrants } from './open-to-everyone.ts'
import { makeTestDirectory } from './test-vouched.ts'

const give = transaction(import.meta.url, 'test/give', async (tx, grant: Partial<Parameters<typeof insertGrant>[1]>) => {
  const plain = { role: 'developer', projectId: null, repositories: null, expiresAt: null, createdBy: 'test', at: 1 } as const
  await insertGrant(tx, { ...plain, subject: { kind: 'everyone' }, ...grant })
})

async function warnings(...grants: readonly Partial<Parameters<typeof insertGrant>[1]>[]): Promise<readonly string[]> {
  await using directory = await makeTestDirectory()
  for (const grant of grants) await directory.metadata.write(give, grant)
  const lines: string[] = []
  const log = { ...directory.log, warn: (...said: readonly unknown[]) => void lines.push(JSON.stringify(said)) } as typeof directory.log
  await warnOfOpenGrants({ ...directory, log })
  return lines
}

test('a grant to everyone that lets anyone push or delete everywhere is warned of in one line', async () => {
  const found = await warnings({}, { role: 'maintainer' }, { role: 'developer', repositories: '**' })
  assert.equal(found.length, 1)
  for (const role of ['developer', 'maintainer']) assert.ok(found[0]?.includes(role))
})

test('pulling, a part of the repositories, people with accounts, and what has ended are not warned of', async () => {
  const found = await warnings(
    { role: 'limited-guest' },
    { repositories: 'team/**' },
    { subject: { kind: 'signed-in' } },
    { expiresAt: 2 },
    { role: 'no-such-role' },
  )
  assert.deepEqual(found, [])
})
