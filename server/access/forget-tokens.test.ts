import assert from 'node:assert/strict'
import { test } from 'node:test'
import { transaction } from '#metadata/transaction.ts'
import { insertToken } from '#metadata/tokens.ts'
import { forgetEndedTokens } from './forget-tokens.ts'
import { createRobot } from './robots.ts'
import { administrator } from './test-acting.ts'
import { makeTestDirectory } from './test-vouched.ts'
import { makeToken } from './token-format.ts'

const add = transaction(
  import.meta.url,
  'test-forget-tokens/add',
  (tx, input: { readonly robotId: number; readonly hash: Buffer; readonly name: string; readonly expiresAt: number | null }) => {
    const row = { kind: 'robot', hint: '', scopes: null, client: '', createdBy: '', at: 1 } as const
    return insertToken(tx, { ...row, owner: { robotId: input.robotId }, hash: input.hash, name: input.name, expiresAt: input.expiresAt })
  },
)

test('tokens go a month after their end, others stay', async () => {
  await using directory = await makeTestDirectory()
  const { metadata, ports } = directory
  const wanted = { name: 'ci', project: undefined, description: '', allowedAddresses: [], expiresAt: null, grants: [], hasSecret: false }
  const { robot } = await createRobot(directory, wanted, administrator)
  const now = ports.clock.now()
  const ends = { long: now - 31 * 86_400_000, recent: now - 86_400_000, later: now + 1000, never: null }
  for (const [name, expiresAt] of Object.entries(ends)) {
    await metadata.write(add, { robotId: robot.id, hash: makeToken('robot', ports.random).hash, name, expiresAt })
  }
  assert.equal(await forgetEndedTokens({ metadata, clock: ports.clock }), 1)
  const rows = await metadata.reader.selectFrom('tokens').select('name').orderBy('id').execute()
  assert.deepEqual(
    rows.map(({ name }) => name),
    ['recent', 'later', 'never'],
  )
  assert.equal(await forgetEndedTokens({ metadata, clock: ports.clock }), 0)
})
