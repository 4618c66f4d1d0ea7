import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { sendRequest } from '../support/http-client.ts'
import { testDialect } from '#metadata/test-postgres.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { until } from '../support/until.ts'
import { pushWhileAway } from '../support/cloud-registry.ts'
import { digestOfBytes, pushImage, registryClient, type RegistryClient } from '../support/registry-client.ts'
import { startS3Double } from '../support/s3-double.ts'
import { startBerthOnS3 } from '../support/s3-place.ts'
import type { RunningBerth } from '../support/start-berth.ts'

const mebibyte = 1024 ** 2
const double = await startS3Double()
after(() => double[Symbol.asyncDispose]())

/** A client that goes where it is sent, as docker does. */
async function follow(client: RegistryClient, repository: string, digest: string, headers: Record<string, string> = {}) {
  const answer = await client.send(`/v2/${repository}/blobs/${digest}`, { headers })
  if (answer.status !== 307) return { answer, bytes: answer.body, redirected: false }
  const fetched = await sendRequest(answer.headers.location ?? '', { headers })
  return { answer: fetched, bytes: fetched.body, redirected: true }
}

async function start(client: RegistryClient, repository: string): Promise<string> {
  const started = await client.send(`/v2/${repository}/blobs/uploads/`, { method: 'POST', body: '' })
  assert.equal(started.status, 202)
  return started.headers.location ?? ''
}

function finish(client: RegistryClient, place: string, bytes: Uint8Array) {
  const url = new URL(place, 'http://berth')
  url.searchParams.set('digest', digestOfBytes(bytes))
  return client.send(`${url.pathname}${url.search}`, { method: 'PUT', body: '' })
}

function append(client: RegistryClient, place: string, bytes: Uint8Array) {
  return client.send(place, { method: 'PATCH', body: Buffer.from(bytes), headers: { 'content-type': 'application/octet-stream' } })
}

suite('a registry on an object store', () => {
  test('takes and gives images; layers by redirect, small configs itself; HEAD is never redirected', async () => {
    await using berth = await startBerthOnS3(double)
    const client = registryClient(berth.url)
    const layer = randomBytes(20 * mebibyte)
    const { digest } = await client.pushBlob('s3/app', layer)
    const image = await pushImage(client, 's3/app', 'v1')
    assert.equal(await client.digestOf('s3/app', 'v1'), image.descriptor.digest)
    const pulled = await follow(client, 's3/app', digest)
    assert.ok(pulled.redirected && layer.equals(pulled.bytes))
    const config = await follow(client, 's3/app', image.config.digest)
    assert.equal(config.redirected, false)
    assert.equal(digestOfBytes(config.bytes), image.config.digest)
    const head = await client.send(`/v2/s3/app/blobs/${digest}`, { method: 'HEAD' })
    assert.deepEqual([head.status, head.headers['content-length']], [200, String(layer.length)])
    assert.deepEqual(double.refused, [])
  })

  test('passes blobs and their ranges through where redirects are off, for excepted networks and for excepted clients', async () => {
    for (const redirect of [{ disable: true }, { except: ['127.0.0.0/8'] }, { useragents: ['^plain/'] }]) {
      await using berth = await startBerthOnS3(double, { redirect })
      const client = registryClient(berth.url)
      const layer = randomBytes(3 * mebibyte)
      const { digest } = await client.pushBlob('s3/direct', layer)
      const headers = { 'user-agent': 'plain/1' }
      const pulled = await follow(client, 's3/direct', digest, headers)
      assert.equal(pulled.redirected, false, JSON.stringify(redirect))
      assert.ok(layer.equals(pulled.bytes))
      const part = await follow(client, 's3/direct', digest, { ...headers, range: 'bytes=1000000-2000000' })
      assert.equal(part.answer.status, 206)
      assert.ok(layer.subarray(1_000_000, 2_000_001).equals(part.bytes))
    }
  })

  test('a client that comes back for the same blob, for it does not reach the store, gets it from the registry', async () => {
    await using berth = await startBerthOnS3(double)
    const client = registryClient(berth.url, { authorization: 'Bearer one-client' })
    const { digest } = await client.pushBlob('s3/again', randomBytes(mebibyte))
    const statuses: (number | undefined)[] = []
    for (let count = 0; count < 3; count++) statuses.push((await client.send(`/v2/s3/again/blobs/${digest}`)).status)
    assert.deepEqual(statuses, [307, 307, 200])
    const other = registryClient(berth.url, { authorization: 'Bearer another-client' })
    assert.equal((await other.send(`/v2/s3/again/blobs/${digest}`)).status, 307)
  })

  test('an upload whose chunks each met another process is read back, proved, and becomes a blob', async () => {
    await using berth = await startBerthOnS3(double)
    const bytes = randomBytes(26 * mebibyte)
    const client = registryClient(berth.url)
    const place = await start(client, 's3/moving')
    let from = 0
    for (const end of [7 * mebibyte, 7 * mebibyte + 1_000, 20 * mebibyte, bytes.length]) {
      assert.equal((await append(client, place, bytes.subarray(from, end))).status, 202)
      from = end
      await berth.stop()
      await berth.restart()
    }
    assert.equal((await finish(client, place, bytes)).status, 201)
    const pulled = await follow(client, 's3/moving', digestOfBytes(bytes))
    assert.ok(bytes.equals(pulled.bytes))
    assert.deepEqual([...(double.buckets.get(berth.bucket)?.uploads.keys() ?? [])], [])
    assert.deepEqual(
      [...(double.buckets.get(berth.bucket)?.objects.keys() ?? [])].filter((key) => key.includes('/uploads/')),
      [],
    )
  })

  test('kill -9 between the parts of an upload and their completion: it goes on from what is durable', async () => {
    await using berth = await startBerthOnS3(double)
    const bytes = randomBytes(100 * mebibyte)
    const client = registryClient(berth.url)
    const place = await start(client, 's3/killed')
    await killWhile(berth, append(client, place, bytes), () => partsOf(berth.bucket) >= 5)
    await berth.restart()
    let durable = 0
    // Where the server may be one of several, the upload is the one's that died until its hold is over.
    await until(
      'what is durable',
      async () => {
        const status = await client.send(place)
        assert.equal(status.status, 204)
        durable = Number(/^0-(\d+)$/.exec(status.headers['range'] ?? '')?.[1] ?? -1) + 1
        return durable >= 64 * mebibyte
      },
      testDialect === 'postgres' ? 60_000 : 0,
    )
    assert.equal((await append(client, place, bytes.subarray(durable))).status, 202)
    assert.equal((await finish(client, place, bytes)).status, 201)
    const hash = createHash('sha256')
      .update((await follow(client, 's3/killed', digestOfBytes(bytes))).bytes)
      .digest('hex')
    assert.equal(`sha256:${hash}`, digestOfBytes(bytes))
  })

  test('bytes that the store took as right and that are wrong are refused by their digest', async () => {
    await using berth = await startBerthOnS3(double)
    const client = registryClient(berth.url)
    const bytes = randomBytes(6 * mebibyte)
    const place = await start(client, 's3/wrong')
    await append(client, place, bytes.subarray(0, 5 * mebibyte))
    await berth.stop()
    await berth.restart()
    await append(client, place, bytes.subarray(5 * mebibyte))
    await berth.stop()
    // The store gives other bytes than it was given, and calls them the same.
    for (const upload of double.buckets.get(berth.bucket)?.uploads.values() ?? [])
      for (const part of upload.parts.values()) part.bytes[100] = (part.bytes[100] ?? 0) ^ 1
    await berth.restart()
    assert.equal((await finish(client, place, bytes)).status, 400)
    assert.equal((await client.send(`/v2/s3/wrong/blobs/${digestOfBytes(bytes)}`, { method: 'HEAD' })).status, 404)
    assert.equal([...(double.buckets.get(berth.bucket)?.objects.keys() ?? [])].filter((key) => key.includes('blobs/u/')).length, 0)
  })

  test('while one request in three is answered "slow down", pushes and pulls succeed and no tag is half written', async () => {
    await using berth = await startBerthOnS3(double)
    const client = registryClient(berth.url)
    double.faults.busyPercent = 30
    const images = []
    try {
      for (let count = 0; count < 3; count++) images.push(await pushImage(client, 's3/busy', `v${count}`))
    } finally {
      double.faults.busyPercent = 0
    }
    for (const { config, layers } of images)
      for (const { digest } of [config, ...layers]) assert.equal(digestOfBytes((await follow(client, 's3/busy', digest)).bytes), digest)
    assert.equal((JSON.parse((await client.send('/v2/s3/busy/tags/list')).body.toString()) as { tags: string[] }).tags.length, 3)
  })
})

suite('a start', () => {
  for (const [what, change, reason, code] of [
    ['a bucket that does not exist', { bucket: 'never-made' }, 'bucket never-made at .*404 NoSuchBucket', 'NoSuchBucket'],
    ['a secret that is not the right one', { secretkey: 'another' }, 'bucket .* at .*403 SignatureDoesNotMatch', 'SignatureDoesNotMatch'],
    ['a store that refuses connections', { regionendpoint: 'http://127.0.0.1:1' }, 'bucket .* at .* ECONNREFUSED', 'ECONNREFUSED'],
    [
      'a store of no known name',
      { regionendpoint: 'http://s3.invalid' },
      'bucket .* at .* (?:ENOTFOUND|EAI_AGAIN)',
      '(?:ENOTFOUND|EAI_AGAIN)',
    ],
  ] as const)
    test(`with ${what} goes on, and says so at once; /readyz tells it, and stays well`, async () => {
      await using berth = await startBerthOnS3(double, { s3: change })
      // A machine with much to do may answer before the store has.
      await until('it is said', () => new RegExp(`the ${reason}`).test(berth.logs()))
      await until('the reason is told', async () => {
        const { status, body } = await sendRequest(`${berth.url}/readyz?verbose`)
        assert.equal(status, 200)
        const { shared, reasons } = JSON.parse(body.toString()) as { shared: { storage: string }; reasons?: { storage?: string } }
        assert.equal(shared.storage, 'failed')
        return new RegExp(`^${code}$`).test(reasons?.storage ?? '')
      })
    })

  test('with a cache that cannot be used says which and why; pulls pass it by', async () => {
    await using directory = await temporaryDirectory('cache')
    const [file, part] = [join(directory.path, 'file'), join(directory.path, 'part')]
    await mkdir(part)
    for (const each of [file, join(part, 'part-0')]) await writeFile(each, '')
    for (const each of [file, part]) {
      await using berth = await startBerthOnS3(double, { readthrough: { directory: each, size: '1GiB' } })
      assert.match(berth.logs(), new RegExp(`storage\\.readthrough\\.directory: ${each} cannot be used \\(E[A-Z]+: `))
      const client = registryClient(berth.url)
      const layer = randomBytes(mebibyte)
      const { digest } = await client.pushBlob('s3/no-cache', layer)
      assert.ok(layer.equals((await follow(client, 's3/no-cache', digest)).bytes))
    }
  })

  test('with a bucket that is there says nothing of it', async () => {
    await using berth = await startBerthOnS3(double)
    assert.doesNotMatch(berth.logs(), /cannot be used/)
    const { body } = await sendRequest(`${berth.url}/readyz?verbose`)
    assert.equal((JSON.parse(body.toString()) as { shared: { storage: string } }).shared.storage, 'ok')
  })
})

suite('while the store is away', () => {
  for (const [what, fails] of [
    ['answers nothing but "slow down"', () => 'refuse'],
    ['refuses the credentials', () => 'deny'],
    ['refuses parts, and takes the rest', ({ operation }) => (operation === 'PUT part' ? 'deny' : undefined)],
    ['takes parts, and no state', ({ operation }) => (operation === 'PUT object' ? 'deny' : undefined)],
  ] as const satisfies readonly (readonly [string, NonNullable<typeof double.faults.once>])[])
    test(`an upload keeps what was acknowledged, and goes on from there when the store is back: it ${what}`, async () => {
      await using berth = await startBerthOnS3(double)
      await pushWhileAway(berth, { leave: () => (double.faults.once = fails), comeBack: () => delete double.faults.once })
      assert.deepEqual(
        [...(double.buckets.get(berth.bucket)?.objects.keys() ?? [])].filter((key) => key.includes('/uploads/')),
        [],
      )
    })

  test('an upload whose parts the store has forgotten is unknown: the client begins anew', async () => {
    await using berth = await startBerthOnS3(double)
    const client = registryClient(berth.url)
    const place = await start(client, 's3/forgotten')
    assert.equal((await append(client, place, randomBytes(18 * mebibyte))).status, 202)
    double.buckets.get(berth.bucket)?.uploads.clear()
    assert.equal((await append(client, place, randomBytes(18 * mebibyte))).status, 404)
    assert.equal((await client.send(place)).status, 404)
  })
})

function partsOf(bucket: string): number {
  return [...(double.buckets.get(bucket)?.uploads.values() ?? [])].reduce((sum, { parts }) => sum + parts.size, 0)
}

async function killWhile(berth: RunningBerth, running: Promise<unknown>, isTime: () => boolean): Promise<void> {
  running.catch(() => undefined)
  const until = Date.now() + 20_000
  while (!isTime() && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 5))
  await berth.kill9()
  await running.catch(() => undefined)
}
