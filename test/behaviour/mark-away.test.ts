/** The blobs lie there, and nothing says whose they are: what a disk looks like that is another's, or that was copied by halves. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { rename } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { pushImage, registryClient, type RegistryClient } from '../support/registry-client.ts'
import { tryBerth } from '../support/run-berth.ts'
import { startBerth } from '../support/start-berth.ts'

interface Push {
  readonly digest: string
  readonly bytes: Buffer
}

/** The status of the first request that is not just another step. */
async function pushInSteps(client: RegistryClient, { digest, bytes }: Push): Promise<number> {
  const begun = await client.send('/v2/mark/app/blobs/uploads/', { method: 'POST', body: '' })
  if (begun.status !== 202) return begun.status
  const place = new URL(begun.headers.location ?? '', 'http://localhost')
  place.searchParams.set('digest', digest)
  return (await client.send(`${place.pathname}${place.search}`, { method: 'PUT', body: bytes })).status
}

test('while the mark of the store is away no blob is acknowledged, also none that is there: pushed again in either way, or mounted', async () => {
  await using berth = await startBerth()
  const client = registryClient(berth.url)
  const bytes = randomBytes(1000)
  const { digest } = await client.pushBlob('mark/app', bytes)
  const push = { digest, bytes }
  const whole = async () => (await client.send(`/v2/mark/app/blobs/uploads/?digest=${digest}`, { method: 'POST', body: bytes })).status
  let mounts = 0
  const mount = async () =>
    (await client.send(`/v2/mark/to${mounts++}/blobs/uploads/?mount=${digest}&from=mark/app`, { method: 'POST', body: '' })).status
  const tries = async () => {
    const statuses: number[] = []
    for (let time = 0; time < 4; time++) statuses.push(await pushInSteps(client, push), await whole(), await mount())
    return new Set(statuses)
  }
  const mark = join(berth.dataDir, 'blobs', '.berth-store')
  await rename(mark, `${berth.dataDir}/mark`)
  assert.deepEqual(await tries(), new Set([503]))
  await rename(`${berth.dataDir}/mark`, mark)
  assert.deepEqual(await tries(), new Set([201]))
})

test('doctor says nothing good of a disk that is not that of the blobs', async () => {
  await using berth = await startBerth()
  await pushImage(registryClient(berth.url), 'mark/app', 'v1')
  const before = await tryBerth('doctor', berth.configFile)
  assert.match(before.output, /ok +storage +.*makes them durable/u)
  assert.match(before.output, /free space/u)
  await rename(join(berth.dataDir, 'blobs'), join(berth.dataDir, 'blobs.away'))
  const { output } = await tryBerth('doctor', berth.configFile)
  assert.match(output, /PROBLEM +store +.*mount the disk of the blobs/u)
  assert.doesNotMatch(output, /makes them durable|free space/u)
  assert.match(output, /WARNING +storage +.*is not where the blobs are, see store/u)
})
