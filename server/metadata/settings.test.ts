import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findSetting } from './settings.ts'
import { openTestDatabase } from './test-database.ts'
import { changeSetting, claimSetting } from './test-transactions.ts'

test('a setting is what was put last, until it is deleted', async () => {
  await using metadata = await openTestDatabase(':memory:')
  assert.equal(await findSetting(metadata.reader, 'progress'), undefined)
  for (const value of [{ at: 1 }, [1, 'two', null], 'text', 0, null]) {
    await metadata.write(changeSetting, { name: 'progress', value })
    assert.deepEqual(await findSetting(metadata.reader, 'progress'), value)
  }
  await metadata.write(changeSetting, { name: 'progress' })
  assert.equal(await findSetting(metadata.reader, 'progress'), undefined)
})

test('a setting that several claim at once belongs to the first', async () => {
  await using metadata = await openTestDatabase(':memory:')
  const claims = await Promise.all([1, 2, 3].map((value) => metadata.write(claimSetting, value)))
  // On SQLite the one that was asked first; on PostgreSQL they run side by side.
  if (metadata.dialect === 'sqlite') assert.deepEqual(claims, [true, false, false])
  assert.equal(claims.filter(Boolean).length, 1)
  assert.equal(await findSetting(metadata.reader, 'claimed'), claims.indexOf(true) + 1)
})
