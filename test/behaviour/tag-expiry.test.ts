import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testDialect } from '#metadata/test-postgres.ts'
import { pushImage, registryClient } from '../support/registry-client.ts'
import { startBerth } from '../support/start-berth.ts'
import { until } from '../support/until.ts'

test('what an image says of its expiry is read after the push, and after a kill of what was to read it', async () => {
  await using berth = await startBerth({})
  const client = registryClient(berth.url)
  const expiryOf = async (tag: string) => {
    const answer = await client.send(`/api/v1/repositories/app/tags/${tag}`)
    assert.equal(answer.status, 200, answer.body.toString())
    const { expiresAt } = JSON.parse(answer.body.toString()) as { readonly expiresAt?: string }
    return expiresAt === undefined ? undefined : Date.parse(expiresAt)
  }
  const annotations = { 'quay.expires-after': '2w' }
  const inTwoWeeks = (at: number | undefined) => at !== undefined && Math.abs(at - Date.now() - 14 * 86_400_000) < 120_000
  await pushImage(client, 'app', 'first', { annotations })
  await until('the first expires', async () => inTwoWeeks(await expiryOf('first')))
  await pushImage(client, 'app', 'second', { annotations })
  await berth.kill9()
  await berth.restart()
  // Where the server may be one of several, what reads it is the one that died, until its lease is over.
  await until('the second expires', async () => inTwoWeeks(await expiryOf('second')), testDialect === 'postgres' ? 120_000 : 20_000)
  await client.pullManifest('app', 'second')
  // An orderly end writes what was counted.
  await berth.stop()
  await berth.restart()
  const answer = await client.send('/api/v1/repositories/app/tags/second')
  assert.equal((JSON.parse(answer.body.toString()) as { readonly pulls: number }).pulls, 1)
})
