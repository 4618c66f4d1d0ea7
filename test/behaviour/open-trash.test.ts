import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pushImage, registryClient } from '../support/registry-client.ts'
import { runBerth, tryBerth } from '../support/run-berth.ts'
import { startBerth } from '../support/start-berth.ts'
import { violationsOf } from '../support/violations.ts'

test('what is in the trash of a registry without accounts is reached on its data, and the API says so', async () => {
  await using berth = await startBerth()
  const client = registryClient(berth.url)
  const images = []
  for (const name of ['a', 'b', 'c']) images.push(await pushImage(client, 'open/app', name, { files: { name } }))
  for (const { descriptor } of images) await client.send(`/v2/open/app/manifests/${descriptor.digest}`, { method: 'DELETE' })
  const listed = await client.send('/api/v1/trash')
  assert.equal(listed.status, 401)
  assert.match(listed.body.toString(), /no accounts.*berth trash list config\.yml/u)
  const collected = await runBerth('garbage-collect', berth.configFile)
  assert.ok(collected.stdout.includes(`berth trash list ${berth.configFile} shows them`), collected.stdout)

  const status = await runBerth('garbage-collect', 'status', berth.configFile)
  assert.match(status.stdout, /In the trash: +3 deletions of up to/u)
  const known = JSON.parse((await runBerth('garbage-collect', 'status', '--json', berth.configFile)).stdout) as { trash: { items: number } }
  assert.equal(known.trash.items, 3)
  const both = await tryBerth('garbage-collect', 'status', '--server', berth.url, berth.configFile)
  assert.equal(both.status, 2)
  assert.match(both.output, /are about data; .* about a server/u)

  const list = async (...flags: string[]) =>
    (await runBerth('trash', 'list', berth.configFile, ...flags)).stdout.trim().split('\n').slice(1)
  const lines = await list()
  assert.equal(lines.length, 3)
  const [c = '', b = '', a = ''] = lines.map((line) => /^\d+/u.exec(line)?.[0] ?? '')
  assert.deepEqual(await list('--repository', 'open/none'), [])
  assert.match((await runBerth('trash', 'restore', a, '--data', berth.configFile)).stdout, /restored manifest open\/app/u)
  assert.equal((await client.send('/v2/open/app/manifests/a')).status, 200)
  assert.match((await runBerth('trash', 'restore', b, a, '--data', berth.configFile)).stdout, /restored 1 item; 1 were gone/u)
  assert.equal((await client.send('/v2/open/app/manifests/b')).status, 200)
  assert.equal((await tryBerth('trash', 'delete', c, '--data', berth.configFile)).status, 2, 'nobody confirms')
  await runBerth('trash', 'delete', c, '--yes', '--data', berth.configFile)
  assert.equal((await list()).length, 0)

  await client.send('/v2/open/app/manifests/a', { method: 'DELETE' })
  assert.match((await runBerth('tag', 'history', 'open/app:a', berth.configFile)).stdout, /deleted/u)
  assert.match((await runBerth('tag', 'restore', 'open/app:a', berth.configFile)).stdout, /open\/app:a is sha256:\S+; it does not expire/u)
  assert.equal((await client.send('/v2/open/app/manifests/a')).status, 200)
  const refused = await tryBerth('trash', 'restore', '99', '--data', berth.configFile)
  assert.equal(refused.status, 4)
  assert.match(refused.output, /nothing of this number in the trash/u)
  assert.deepEqual(await violationsOf(berth), [])
})
