/** More requests at once than there is of anything that they share: threads, the writer of the database, syncs of the disk. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { mediaTypes, pushImage, registryClient } from '../support/registry-client.ts'
import { startBerth } from '../support/start-berth.ts'
import { violationsOf } from '../support/violations.ts'

test('three hundred pushes and pulls at once all end, though there is one writer and few threads', { timeout: 120_000 }, async () => {
  await using berth = await startBerth()
  const client = registryClient(berth.url)
  const { config, layers } = await pushImage(client, 'many/pulled', 'latest')
  const [layer = config] = layers
  const push = async (at: number) => {
    const own = await client.pushBlob(`many/pushed${at % 10}`, randomBytes(20_000), mediaTypes.layer)
    const document = { schemaVersion: 2, mediaType: mediaTypes.manifest, config: own, layers: [own], annotations: { at: String(at) } }
    await client.pushManifest(`many/pushed${at % 10}`, `v${at}`, document)
  }
  const pull = async () => {
    await client.pullManifest('many/pulled', 'latest')
    assert.equal((await client.pullBlob('many/pulled', layer.digest)).length, layer.size)
  }
  await Promise.all(Array.from({ length: 300 }, (_, at) => (at % 2 === 0 ? push(at) : pull())))
  for (let at = 0; at < 300; at += 2) assert.ok(await client.digestOf(`many/pushed${at % 10}`, `v${at}`))
  assert.deepEqual(await violationsOf(berth), [])
})
