import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { digestOfBytes, pushImage, registryClient } from '../support/registry-client.ts'
import { startBerth } from '../support/start-berth.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { closing, startUpload } from '../support/upload.ts'
import { violationsOf } from '../support/violations.ts'

test('two processes on one directory share uploads, tags and blobs: each request may come to either', async () => {
  await using directory = await temporaryDirectory('shared')
  await using one = await startBerth({ dataDir: directory.path })
  await using other = await startBerth({ dataDir: directory.path })
  const [first, second] = [registryClient(one.url), registryClient(other.url)]
  const bytes = randomBytes(3 << 20)
  const digest = digestOfBytes(bytes)
  const upload = await startUpload(first, one.url, 'shared/app')
  const there = upload.replace(one.url, other.url)
  const chunk = (at: number) => ({
    method: 'PATCH',
    body: bytes.subarray(at, at + (1 << 20)),
    headers: { 'content-range': `${at}-${at + (1 << 20) - 1}` },
  })
  assert.equal((await second.send(there, chunk(0))).status, 202)
  assert.equal((await first.send(upload, chunk(1 << 20))).status, 202)
  const put = { method: 'PUT', body: bytes.subarray(2 << 20) }
  assert.equal((await second.send(closing(there, digest), put)).status, 201)
  assert.deepEqual(await first.pullBlob('shared/app', digest), bytes)

  const { descriptor } = await pushImage(first, 'shared/app', 'v1')
  assert.equal(await second.digestOf('shared/app', 'v1'), descriptor.digest)
  const moved = await pushImage(second, 'shared/app', 'v1', { files: { moved: 'yes' } })
  assert.equal(await first.digestOf('shared/app', 'v1'), moved.descriptor.digest)
  assert.equal((await first.send(`/v2/shared/app/blobs/${digest}`, { method: 'DELETE' })).status, 202)
  assert.equal((await second.send(`/v2/shared/app/blobs/${digest}`)).status, 404)
  assert.deepEqual(await violationsOf(one), [])
})
