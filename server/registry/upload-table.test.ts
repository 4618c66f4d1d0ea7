import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createDigestHash } from '#oci/digest.ts'
import { hourMs, TestClock } from './test-registry.ts'
import { UploadTable } from './upload-table.ts'

test('a running hash is handed out once, and only for the offset it stands at', () => {
  const table = new UploadTable(new TestClock())
  const hash = createDigestHash('sha256')
  table.keep('a', hash, 10)
  assert.equal(table.knows('a', 10), true)
  assert.equal(table.knows('a', 11), false)
  assert.equal(table.take('a', 10), hash)
  assert.equal(table.take('a', 10), undefined)
  table.keep('a', hash, 10)
  assert.equal(table.take('a', 9), undefined)
  assert.equal(table.take('a', 10), undefined)
})

test('a claim excludes others until it is disposed', () => {
  const table = new UploadTable(new TestClock())
  const claim = table.claim('a')
  assert.equal(table.claim('a'), undefined)
  assert.ok(table.claim('b'))
  claim?.[Symbol.dispose]()
  assert.ok(table.claim('a'))
})

test('what was idle for an hour is forgotten, and never more than ten thousand are held', () => {
  const clock = new TestClock()
  const table = new UploadTable(clock)
  const hash = createDigestHash('sha256')
  table.keep('old', hash, 0)
  clock.advance(hourMs)
  table.keep('young', hash, 0)
  assert.equal(table.knows('old', 0), false)
  for (let number = 0; number < 10_001; number++) table.keep(`u${number}`, hash, 0)
  assert.equal(table.size, 10_000)
  assert.equal(table.knows('young', 0), false)
  assert.equal(table.knows('u10000', 0), true)
})

test('whoever takes an upload over stops its writer, and has the claim as soon as that one is gone', async () => {
  const table = new UploadTable(new TestClock())
  const writer = table.claim('a')
  assert.equal(table.receivedBytes('a'), undefined)
  if (writer !== undefined) writer.receivedBytes = 7
  assert.equal(table.receivedBytes('a'), 7)
  const reason = new Error('stopped')
  const taking = table.takeOver('a', reason)
  assert.equal(writer?.stopped.reason, reason)
  writer?.[Symbol.dispose]()
  const claim = await taking
  assert.deepEqual([table.claim('a'), table.receivedBytes('a'), claim.stopped.aborted], [undefined, undefined, false])
  claim[Symbol.dispose]()
  assert.equal(table.isClaimed('a'), false)
})

test('of two who take one upload over the second waits for the first', async () => {
  const table = new UploadTable(new TestClock())
  const first = await table.takeOver('a', new Error('none'))
  const second = table.takeOver('a', new Error('second'))
  const third = table.takeOver('a', new Error('third'))
  first[Symbol.dispose]()
  const next = await second
  assert.equal(table.claim('a'), undefined)
  next[Symbol.dispose]()
  ;(await third)[Symbol.dispose]()
  assert.equal(table.isClaimed('a'), false)
})
