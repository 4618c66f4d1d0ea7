import assert from 'node:assert/strict'
import { after, suite, test } from 'node:test'
import { startGcsDouble } from '../support/gcs-double.ts'
import { blobStoreSuite } from './blob-store.suite.ts'
import { openGcs } from './gcs-fixture.ts'

const double = await startGcsDouble()
after(() => double[Symbol.asyncDispose]())

blobStoreSuite('gcs, a strict double', () => openGcs(double))

suite('the double of Google Cloud Storage', () => {
  test('met no request of ours that a strict service refuses', () => {
    assert.deepEqual(double.refused, [])
  })
})
