import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openTestDatabase } from '#metadata/test-database.ts'
import { findTokenByHash, findTokenEnd, findTokenRecord, insertToken, refreshIdleMs } from '#metadata/tokens.ts'
import { transaction } from '#metadata/transaction.ts'
import { CredentialUses } from './credential-uses.ts'
import { makeParts } from './test-parts.ts'
import { TestRows } from './test-rows.ts'

const insert = transaction(import.meta.url, 'test-uses/insert-token', (tx, token: Parameters<typeof insertToken>[1]) =>
  insertToken(tx, token),
)

/** As a version without ends noted a use. */
const usedAt = transaction(import.meta.url, 'test-uses/used-at', async (tx, { id, at }: { readonly id: number; readonly at: number }) => {
  await tx.updateTable('tokens').set({ last_used_at: at }).where('id', '=', id).execute()
})

async function open() {
  const metadata = await openTestDatabase(':memory:')
  const parts = makeParts()
  const due: (() => void)[] = []
  const timers = {
    ...parts.ports.timers,
    after: (_delayMs: number, run: () => void) => (due.push(run), { [Symbol.dispose]: () => undefined }),
  }
  const uses = new CredentialUses({ metadata, ports: { ...parts.ports, timers }, log: parts.log })
  const alice = await new TestRows(metadata).user('alice')
  const lastLogin = async () =>
    (await metadata.reader.selectFrom('users').select('last_login_at').where('id', '=', alice).executeTakeFirstOrThrow()).last_login_at
  return { uses, alice, lastLogin, parts, due, metadata, [Symbol.asyncDispose]: () => metadata[Symbol.asyncDispose]() }
}

test('when a person last gave a password is told to a minute', async () => {
  await using opened = await open()
  const { uses, alice, lastLogin, parts } = opened
  for (const at of [0, 30_000, 60_000]) {
    if (at > 0) parts.advance(30_000)
    uses.take({ userId: alice })
    await uses.flush()
  }
  assert.equal(await lastLogin(), parts.ports.clock.now())
})

test('a use is written later, together with others, and once in ten minutes', async () => {
  await using opened = await open()
  const { uses, alice, lastLogin, parts, due } = opened
  const first = parts.ports.clock.now()
  uses.take({ userId: alice })
  parts.advance(1000)
  uses.take({ userId: alice })
  assert.equal(due.length, 1)
  assert.equal(await lastLogin(), null)
  await uses.flush()
  assert.equal(await lastLogin(), first)
  uses.take({ userId: alice })
  await uses.flush()
  assert.equal(await lastLogin(), first)
  parts.advance(600_000)
  uses.take({ userId: alice })
  await uses.flush()
  assert.equal(await lastLogin(), first + 601_000)
})

test('a use moves the end of a refresh token, and of no other', async () => {
  await using opened = await open()
  const { uses, alice, parts, metadata } = opened
  const now = parts.ports.clock.now()
  const token = { owner: { userId: alice }, hint: 'abcd', name: '', scopes: null, client: 'docker', createdBy: 'alice', at: now }
  const refresh = await metadata.write(insert, { ...token, kind: 'refresh', hash: Buffer.alloc(32, 1), expiresAt: now + refreshIdleMs })
  const personal = await metadata.write(insert, { ...token, kind: 'personal', hash: Buffer.alloc(32, 2), expiresAt: now + 5 })
  const endless = await metadata.write(insert, { ...token, kind: 'personal', hash: Buffer.alloc(32, 3), expiresAt: null })
  parts.advance(86_400_000)
  for (const tokenId of [refresh, personal, endless]) uses.take({ tokenId })
  await uses.flush()
  const rows = await metadata.reader.selectFrom('tokens').select(['id', 'expires_at']).orderBy('id').execute()
  assert.deepEqual(
    rows.map(({ expires_at: end }) => end),
    [now + 86_400_000 + refreshIdleMs, now + 5, null],
  )
})

test('a refresh token without an end has one all the same: so long after it was used, or made', async () => {
  await using opened = await open()
  const { uses, alice, parts, metadata } = opened
  const owner = { userId: alice }
  const now = parts.ports.clock.now()
  const token = { owner, hint: 'abcd', name: '', scopes: null, client: 'docker', createdBy: 'alice', at: now, expiresAt: null }
  const refresh = await metadata.write(insert, { ...token, kind: 'refresh', hash: Buffer.alloc(32, 1) })
  const personal = await metadata.write(insert, { ...token, kind: 'personal', hash: Buffer.alloc(32, 2) })
  const { reader } = metadata
  const ends = async (id: number, fill: number) => [
    (await findTokenByHash(reader, Buffer.alloc(32, fill)))?.expiresAt,
    (await findTokenEnd(reader, id))?.expiresAt,
    (await findTokenRecord(reader, owner, id))?.expiresAt,
  ]
  const same = (end: number | null) => [end, end, end]
  assert.deepEqual(await ends(refresh, 1), same(now + refreshIdleMs))
  await metadata.write(usedAt, { id: refresh, at: now + 5 })
  assert.deepEqual(await ends(refresh, 1), same(now + 5 + refreshIdleMs))
  parts.advance(86_400_000)
  for (const tokenId of [refresh, personal]) uses.take({ tokenId })
  await uses.flush()
  assert.deepEqual(await ends(refresh, 1), same(now + 86_400_000 + refreshIdleMs))
  assert.deepEqual(await ends(personal, 2), same(null))
})

test('a use of what is gone, and a database that is gone, harm nobody', async () => {
  const opened = await open()
  opened.uses.take({ tokenId: 99, robotId: 98 })
  await opened.uses.flush()
  opened.uses.take({ userId: opened.alice })
  await opened[Symbol.asyncDispose]()
  await opened.uses.flush()
  assert.match(opened.parts.lines.join(''), /last uses of credentials could not be written/)
})
