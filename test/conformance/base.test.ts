import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOfBytes, mediaTypes } from '../support/registry-client.ts'
import { withBerth } from './with-berth.ts'

const registry = withBerth()

test('end-1: the base answers 200', async () => {
  assert.equal((await registry().send('/v2/')).status, 200)
})

test('the tags of a repository that was never used are an empty list or unknown', async () => {
  const { status } = await registry().send('/v2/conformance/unused/tags/list')
  assert.ok(status === 200 || status === 404, `${status}`)
})

test('end-12a: the referrers of an unknown digest are an empty index, never 404', async () => {
  const answer = await registry().send(`/v2/conformance/unused/referrers/${digestOfBytes(Buffer.from('unknown'))}`)
  assert.equal(answer.status, 200)
  assert.equal(answer.headers['content-type'], mediaTypes.index)
  const { schemaVersion, mediaType, manifests } = JSON.parse(answer.body.toString()) as Record<string, unknown>
  assert.deepEqual({ schemaVersion, mediaType, manifests }, { schemaVersion: 2, mediaType: mediaTypes.index, manifests: [] })
})

test('manifests that were never pushed are 404, by tag and by digest', async () => {
  for (const reference of ['absent', digestOfBytes(Buffer.from('absent')), digestOfBytes(Buffer.from('absent'), 'sha512')]) {
    assert.equal((await registry().send(`/v2/conformance/unused/manifests/${reference}`)).status, 404, reference)
  }
})

test('a digest of the wrong form is 400 at a push, and 400 or 404 at a pull', async () => {
  const path = '/v2/conformance/form/manifests/sha256:baddigeststring'
  const manifest = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: [] })
  assert.equal((await registry().send(path, { method: 'PUT', body: manifest, headers: { 'content-type': mediaTypes.index } })).status, 400)
  const { status } = await registry().send(path)
  assert.ok(status === 404 || status === 400, `${status}`)
})
