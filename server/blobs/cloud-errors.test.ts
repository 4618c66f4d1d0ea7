import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { faultOfAzure } from './azure-error.ts'
import { gcsRefusal } from './gcs-error.ts'

const headers = (values: Record<string, string>) => ({ headers: { get: (name: string) => values[name] } })

suite('a refusal of a cloud’s object store', () => {
  test('of Azure is what its code says, else its status; its words, which may name a signed URL, stay in it', () => {
    const cases: readonly (readonly [object, string, string])[] = [
      [{ statusCode: 404, code: 'BlobNotFound' }, 'absent', 'BlobNotFound'],
      [{ statusCode: 404, response: headers({ 'x-ms-error-code': 'ContainerNotFound' }) }, 'refused', 'ContainerNotFound'],
      [{ statusCode: 400, code: 'InvalidBlockList' }, 'absent', 'InvalidBlockList'],
      [{ statusCode: 409, code: 'BlobAlreadyExists' }, 'conflict', 'BlobAlreadyExists'],
      [{ statusCode: 412 }, 'conflict', '412'],
      [{ statusCode: 403, code: 'AuthenticationFailed' }, 'refused', 'AuthenticationFailed'],
      [{ statusCode: 503, code: 'ServerBusy' }, 'busy', 'ServerBusy'],
      [{ statusCode: 500 }, 'busy', '500'],
      [{ code: 'ECONNRESET' }, 'passing', 'ECONNRESET'],
      [{}, 'passing', 'passing'],
    ]
    for (const [error, fault, code] of cases) {
      const found = faultOfAzure(Object.assign(new Error('GET https://a/b?sig=hunter2'), error))
      assert.deepEqual([found.fault, found.code], [fault, code])
      assert.doesNotMatch(`${found.message} ${String(found.cause)}`, /hunter2/)
    }
    assert.equal(faultOfAzure({ statusCode: 503, response: headers({ 'retry-after': '7' }) }).retryAfterMs, 7_000)
  })

  test('of Google is what its reason or its code says, else its status', () => {
    const json = (message: string, reason: string) => JSON.stringify({ error: { message, errors: [{ message, reason }] } }, undefined, 2)
    const cases: readonly (readonly [number, string, string])[] = [
      [404, json('No such object: a/b', 'notFound'), 'absent'],
      [404, json('The specified bucket does not exist.', 'notFound'), 'refused'],
      [403, json('slow', 'rateLimitExceeded'), 'busy'],
      [403, json('no', 'forbidden'), 'refused'],
      [412, json('At least one …', 'conditionNotMet'), 'conflict'],
      [404, "<?xml version='1.0'?><Error><Code>NoSuchUpload</Code></Error>", 'absent'],
      [503, '<Error><Code>SlowDown</Code></Error>', 'busy'],
      [401, '', 'passing'],
      [502, 'nonsense', 'busy'],
      [416, '', 'refused'],
    ]
    for (const [status, text, fault] of cases) assert.equal(gcsRefusal(status, text).fault, fault, `${status} ${text}`)
    assert.equal(gcsRefusal(429, '', '3').retryAfterMs, 3_000)
  })
})
