import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addSetting } from './test-transactions.ts'
import { findTransaction, transaction } from './transaction.ts'

test('a name is given to one transaction only', () => {
  assert.throws(() => transaction(import.meta.url, addSetting.name, () => Promise.resolve()), /test\/add-setting is defined twice/)
})

test('a transaction is found by its name, and a module that lacks it is named as the fault', async () => {
  assert.equal(await findTransaction(addSetting.moduleUrl, addSetting.name), addSetting)
  await assert.rejects(findTransaction(addSetting.moduleUrl, 'test/absent'), /does not define transaction test\/absent/)
})
