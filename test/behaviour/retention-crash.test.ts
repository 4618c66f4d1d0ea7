import assert from 'node:assert/strict'
import { test } from 'node:test'
import { basicAuthorization } from '../support/http-client.ts'
import { pushImage, registryClient } from '../support/registry-client.ts'
import { startBerth } from '../support/start-berth.ts'
import { until } from '../support/until.ts'
import { violationsOf } from '../support/violations.ts'

const tagCount = 600
/** In the greeting of the first start. */
const shown = /^ +password +(\S+)$/m

test('a run that is killed with kill -9 while it removes goes on after a restart, and removes each tag once', async () => {
  await using berth = await startBerth({ config: { auth: { accounts: {} } } })
  await until('the password is shown', () => shown.test(berth.logs()))
  const password = shown.exec(berth.logs())?.[1] ?? ''
  const client = registryClient(berth.url, { authorization: basicAuthorization('admin', password) })
  const call = async (method: string, path: string, body?: object) => {
    const headers = body === undefined ? {} : { 'content-type': 'application/json' }
    const answer = await client.send(`/api/v1${path}`, { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) })
    assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${answer.body.toString()}`)
    return JSON.parse(answer.body.toString() || '{}') as Readonly<Record<string, unknown>>
  }
  const { bytes } = await pushImage(client, 'app', 'keep')
  const names = Array.from({ length: tagCount }, (_, index) => `pr-${index}`)
  for (let start = 0; start < tagCount; start += 20) {
    await Promise.all(names.slice(start, start + 20).map((name) => client.pushManifest('app', name, bytes)))
  }
  const policies = '/projects/library/retention-policies'
  await call('POST', policies, { name: 'prs', rules: [{ tags: { matches: 'pr-*' }, keep: { latestPushed: 1 } }] })
  const read = (run: unknown) => call('GET', `/projects/library/retention-runs/${String(run)}`)
  const dry = await call('POST', `${policies}/prs/runs`, {})
  await until('the dry run ends', async () => (await read(dry['id']))['state'] === 'done', 60_000)
  const { id } = await call('POST', `${policies}/prs/runs`, { dryRun: false })
  await until('it removes', async () => Number((await read(id))['removed']) > 0, 60_000)
  await berth.kill9()
  await berth.restart()
  await until('it ends', async () => (await read(id))['state'] === 'done', 60_000)

  const run = await read(id)
  assert.deepEqual([run['kept'], run['removed'], run['failed']], [2, tagCount - 1, 0])
  const { tags } = JSON.parse((await client.send('/v2/app/tags/list')).body.toString()) as { readonly tags: readonly string[] }
  assert.equal(tags.length, 2)
  assert.ok(tags.includes('keep'))
  const deleted = await call('GET', '/audit?action=tag.deleted&limit=1000')
  assert.equal((deleted['items'] as readonly unknown[]).length, tagCount - 1)
  assert.deepEqual(await violationsOf(berth), [])
})
