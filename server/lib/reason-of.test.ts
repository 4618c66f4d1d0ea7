import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { reasonOf } from './reason-of.ts'

test('the reason is what failed first, without the path that only the server knows', async () => {
  const missing: unknown = await readFile('/nowhere/secret-place').catch((error: unknown) => error)
  const refusal = new Error('service unavailable', { cause: new Error('the store failed', { cause: missing }) })
  assert.equal(reasonOf(missing), 'ENOENT: no such file or directory')
  assert.equal(reasonOf(refusal), 'ENOENT: no such file or directory')
  assert.equal(reasonOf(new Error('no answer')), 'no answer')
  assert.equal(reasonOf('text'), 'text')
})

test('causes that go round end', () => {
  const one = new Error('one')
  one.cause = new Error('two', { cause: one })
  assert.match(reasonOf(one), /^(?:one|two)$/)
})
