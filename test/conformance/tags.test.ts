import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mediaTypes } from '../support/registry-client.ts'
import type { RegistryClient } from '../support/registry-client.ts'
import { withBerth } from './with-berth.ts'

const registry = withBerth()
const emptyIndex = { schemaVersion: 2, mediaType: mediaTypes.index, manifests: [] }

async function pushTags(client: RegistryClient, repository: string, tags: readonly string[]) {
  for (const tag of tags) await client.pushManifest(repository, tag, emptyIndex)
}

async function listed(client: RegistryClient, path: string) {
  const answer = await client.send(path)
  assert.equal(answer.status, 200)
  return { tags: (JSON.parse(answer.body.toString()) as { tags: string[] }).tags, link: answer.headers.link }
}

test('end-8a: tags are listed in order', async () => {
  await pushTags(registry(), 'conformance/order', ['beta', 'Alpha', 'alpha', '1', '_x'])
  const { tags, link } = await listed(registry(), '/v2/conformance/order/tags/list')
  assert.deepEqual([tags, link], [['1', 'Alpha', '_x', 'alpha', 'beta'], undefined])
})

test('end-8b: last= goes on after a tag, whether that tag is there or not', async () => {
  await pushTags(registry(), 'conformance/last', ['a', 'b', 'c', 'd'])
  assert.deepEqual((await listed(registry(), '/v2/conformance/last/tags/list?last=b')).tags, ['c', 'd'])
  assert.deepEqual((await listed(registry(), '/v2/conformance/last/tags/list?last=bb')).tags, ['c', 'd'])
})

test('pages of n tags are linked and together are the whole list', async () => {
  const all = Array.from({ length: 11 }, (_, index) => `t${String(index).padStart(2, '0')}`)
  await pushTags(registry(), 'conformance/pages', all)
  const seen: string[] = []
  let path: string | undefined = '/v2/conformance/pages/tags/list?n=4'
  while (path !== undefined) {
    const { tags, link } = await listed(registry(), path)
    assert.ok(tags.length <= 4)
    seen.push(...tags)
    path = /^<([^>]+)>; rel="next"$/u.exec(String(link ?? ''))?.[1]
  }
  assert.deepEqual(seen, all)
})

test('a page of no tags is an empty list', async () => {
  await pushTags(registry(), 'conformance/none', ['a'])
  assert.deepEqual((await listed(registry(), '/v2/conformance/none/tags/list?n=0')).tags, [])
})

test('a tag that is pushed again moves, and a manifest keeps its other tags when one is deleted', async () => {
  await pushTags(registry(), 'conformance/moves', ['one', 'two'])
  const { descriptor } = await registry().pushManifest('conformance/moves', 'one', { ...emptyIndex, annotations: { moved: 'yes' } })
  assert.equal(await registry().digestOf('conformance/moves', 'one'), descriptor.digest)
  assert.equal((await registry().send('/v2/conformance/moves/manifests/one', { method: 'DELETE' })).status, 202)
  assert.deepEqual((await listed(registry(), '/v2/conformance/moves/tags/list')).tags, ['two'])
  assert.equal(await registry().digestOf('conformance/moves', descriptor.digest), descriptor.digest)
})
