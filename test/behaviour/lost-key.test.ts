import assert from 'node:assert/strict'
import { access, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { basicAuthorization } from '../support/http-client.ts'
import { registryClient } from '../support/registry-client.ts'
import { runBerth, tryBerth } from '../support/run-berth.ts'
import { startBerth, type RunningBerth } from '../support/start-berth.ts'

const users = { alice: 'wonderland' }
const token = async ({ url }: RunningBerth) =>
  (await registryClient(url, { authorization: basicAuthorization('alice', 'wonderland') }).send('/token?service=berth')).status

const isThere = (file: string) =>
  access(file).then(
    () => true,
    () => false,
  )

test('a start without the key of what is sealed is refused and makes no fresh one; with the key back all goes on', async () => {
  await using berth = await startBerth({ users })
  assert.equal(await token(berth), 200)
  const key = join(berth.dataDir, 'berth.key')
  await berth.stop()
  await rename(key, `${key}.away`)
  for (const verb of [['serve'], ['secrets', 'rotate']]) {
    const refused = await tryBerth(...verb, berth.configFile)
    assert.notEqual(refused.status, 0)
    assert.match(
      refused.output,
      /berth\.key is not there, and 1 secret in the database is sealed under it: put it back from its copy, or run berth secrets start-anew/u,
    )
    assert.equal(await isThere(key), false)
  }
  await rename(`${key}.away`, key)
  await berth.restart()
  assert.equal(await token(berth), 200)
})

test('a start under another key than that of what is sealed is refused, until somebody starts anew', async () => {
  await using berth = await startBerth({ users })
  assert.equal(await token(berth), 200)
  const key = join(berth.dataDir, 'berth.key')
  await berth.stop()
  const right = await readFile(key, 'utf8')
  await writeFile(key, `${Buffer.alloc(32, 7).toString('base64')}\n`)
  const refused = await tryBerth('serve', berth.configFile)
  assert.notEqual(refused.status, 0)
  assert.match(
    refused.output,
    /berth\.key is another key than the one under which 1 secret in the database is sealed: put the right one back/u,
  )
  const both = `${Buffer.alloc(32, 7).toString('base64')}\n${right}`
  await writeFile(key, both)
  await berth.restart()
  assert.equal(await token(berth), 200)
  await berth.stop()
  await writeFile(key, `${Buffer.alloc(32, 9).toString('base64')}\n`)
  assert.notEqual((await tryBerth('secrets', 'start-anew', berth.configFile)).status, 0, 'it asks first')
  const started = await runBerth('secrets', 'start-anew', '--yes', berth.configFile)
  assert.match(started.output, /signing-key\/\S+ is lost: set it again\na fresh key signs bearer tokens from now on/u)
  await berth.restart()
  assert.equal(await token(berth), 200)
  await berth.stop()
  const again = await runBerth('secrets', 'start-anew', '--yes', berth.configFile)
  assert.match(again.output, /is lost/u)
  assert.doesNotMatch(again.output, /fresh key/u)
})

test('where nothing is sealed yet a missing key is made', async () => {
  await using berth = await startBerth()
  const key = join(berth.dataDir, 'berth.key')
  await berth.stop()
  await rename(key, `${key}.away`)
  await berth.restart()
  assert.ok(await isThere(key))
})
