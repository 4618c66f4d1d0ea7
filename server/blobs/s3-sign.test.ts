import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodePath, encodeQuery, S3Signer } from './s3-sign.ts'

// The examples of Amazon's page "Authenticating Requests: Using the Authorization Header" and "… Query Parameters".
const credentials = { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' }
const now = Date.parse('2013-05-24T00:00:00Z')
const emptyHash = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
const host = 'examplebucket.s3.amazonaws.com'

test('a GET of a range is signed as Amazon’s example', () => {
  const headers = { range: 'bytes=0-9', 'x-amz-content-sha256': emptyHash }
  const signed = new S3Signer('us-east-1').sign({ method: 'GET', host, path: '/test.txt', query: '', headers }, credentials, now)
  assert.match(signed['authorization'] ?? '', /Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41$/)
})

test('a listing with a query is signed as Amazon’s example', () => {
  const query = encodeQuery({ prefix: 'J', 'max-keys': '2' })
  const headers = { 'x-amz-content-sha256': emptyHash }
  const signed = new S3Signer('us-east-1').sign({ method: 'GET', host, path: '/', query, headers }, credentials, now)
  assert.match(signed['authorization'] ?? '', /Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7$/)
})

test('a presigned URL is Amazon’s example', () => {
  const query = new S3Signer('us-east-1').presign({ method: 'GET', host, path: '/test.txt' }, credentials, { now, seconds: 86_400 })
  assert.match(query, /X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404$/)
})

test('names with every odd character are encoded once, slashes not at all', () => {
  assert.equal(encodePath("a b/ü+(1)!*'~"), 'a%20b/%C3%BC%2B%281%29%21%2A%27~')
})

test('other credentials, and another day, have another key', () => {
  const signer = new S3Signer('us-east-1')
  const request = { method: 'GET', host, path: '/', query: '', headers: {} }
  const signatures = [
    signer.sign(request, credentials, now),
    signer.sign(request, { ...credentials, secretAccessKey: 'other' }, now),
    signer.sign(request, credentials, now + 86_400_000),
    signer.sign(request, credentials, now),
  ].map((headers) => headers['authorization'])
  assert.equal(new Set(signatures).size, 3)
  assert.equal(signatures[0], signatures[3])
})
