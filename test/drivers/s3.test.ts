import assert from 'node:assert/strict'
import { after, suite, test } from 'node:test'
import { startS3Double } from '../support/s3-double.ts'
import { blobStoreSuite } from './blob-store.suite.ts'
import { openS3 } from './s3-fixture.ts'

const double = await startS3Double()
after(() => double[Symbol.asyncDispose]())

blobStoreSuite('s3, a strict double', () => openS3(double))

suite('the S3 double', () => {
  test('met no request of ours that a strict service refuses', () => {
    assert.deepEqual(double.refused, [])
  })
})
