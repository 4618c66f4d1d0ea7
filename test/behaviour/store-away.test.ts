import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { testDialect } from '#metadata/test-postgres.ts'
import type { HttpRequest, HttpResponse } from '../support/http-client.ts'
import { pushImage, registryClient, type RegistryClient } from '../support/registry-client.ts'
import { putS3InFront } from '../support/migrating.ts'
import { startS3Double } from '../support/s3-double.ts'
import { startBerth } from '../support/start-berth.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { until } from '../support/until.ts'
import { violationsOf } from '../support/violations.ts'

const whole = randomBytes(250_000)
const [first, rest] = [whole.subarray(0, 100_000), whole.subarray(100_000)]
const digest = `sha256:${createHash('sha256').update(whole).digest('hex')}`

/** A Berth whose blobs and uploads have a disk of their own, and that is taken away as a lost mount is: an empty directory is left. */
async function startOnDisk(below = '.') {
  await using stack = new AsyncDisposableStack()
  const directory = stack.use(await temporaryDirectory('away'))
  const disk = join(directory.path, 'disk')
  await mkdir(disk)
  const dataDir = join(directory.path, 'data')
  const database = testDialect === 'sqlite' && { database: { file: join(dataDir, 'berth.db') } }
  const config = { ...database, secrets: { keyfile: join(dataDir, 'berth.key') }, storage: { filesystem: { rootdirectory: disk } } }
  const berth = stack.use(await startBerth({ dataDir, config }))
  const place = join(disk, below)
  const client = registryClient(berth.url)
  const owned = stack.move()
  return {
    berth,
    client,
    disk,
    async lose() {
      await rename(place, `${place}.away`)
      await mkdir(place)
    },
    async mountAgain() {
      await rm(place, { recursive: true })
      await rename(`${place}.away`, place)
    },
    async [Symbol.asyncDispose]() {
      await owned.disposeAsync()
    },
  }
}

/** An upload as a client goes on with it: at the location that it was told last. */
async function beginUpload(client: RegistryClient) {
  let location = '/v2/away/app/blobs/uploads/'
  const send = async (how: HttpRequest, query = ''): Promise<HttpResponse> => {
    const answer = await client.send(`${location}${query}`, how)
    const next = answer.headers['location']
    if (next !== undefined && answer.status < 300) location = String(next).replace(/^https?:\/\/[^/]+/u, '')
    return answer
  }
  assert.equal((await send({ method: 'POST' })).status, 202)
  return {
    path: () => location,
    /** The last part of the location, without what may follow it. */
    id: () => /uploads\/([0-9a-f-]{36})/u.exec(location)?.[1] ?? '',
    status: () => send({}),
    patch: (body: Uint8Array) => send({ method: 'PATCH', body }),
    cancel: () => send({ method: 'DELETE' }),
    finish: () => send({ method: 'PUT' }, `${location.includes('?') ? '&' : '?'}digest=${digest}`),
  }
}

type Upload = Awaited<ReturnType<typeof beginUpload>>

function isRefused({ status, body }: HttpResponse): void {
  assert.equal(status, 503, body.toString())
  assert.match(body.toString(), /UNAVAILABLE.*mount it again/u)
}

async function goesOnAndEnds(upload: Upload, client: RegistryClient): Promise<void> {
  const status = await upload.status()
  assert.deepEqual([status.status, status.headers['range']], [204, `0-${first.length - 1}`])
  const appended = await upload.patch(rest)
  assert.equal(appended.status, 202, appended.body.toString())
  const finished = await upload.finish()
  assert.equal(finished.status, 201, finished.body.toString())
  assert.ok((await client.pullBlob('away/app', digest)).equals(whole))
}

suite('while the disk of the store is away', () => {
  test('nobody is told that an upload is at its beginning, and it goes on where it was when the disk is back', async () => {
    await using place = await startOnDisk()
    const { berth, client } = place
    const upload = await beginUpload(client)
    assert.equal((await upload.patch(first)).status, 202)
    await place.lose()
    for (let time = 0; time < 2; time++) {
      isRefused(await upload.patch(rest))
      isRefused(await upload.status())
    }
    isRefused(await upload.finish())
    isRefused(await upload.status())
    await place.mountAgain()
    await goesOnAndEnds(upload, client)
    assert.deepEqual(await violationsOf(berth), [])
  })

  test('an upload that a process before this one began is left where it was', async () => {
    await using place = await startOnDisk()
    const { berth, client } = place
    const upload = await beginUpload(client)
    assert.equal((await upload.patch(first)).status, 202)
    await berth.kill9()
    await berth.restart()
    await place.lose()
    isRefused(await upload.status())
    isRefused(await upload.patch(rest))
    isRefused(await upload.finish())
    await place.mountAgain()
    await goesOnAndEnds(upload, client)
    assert.deepEqual(await violationsOf(berth), [])
  })

  test('no upload begins, and none is ended: its bytes would stay', async () => {
    await using place = await startOnDisk()
    const { berth, client, disk } = place
    const upload = await beginUpload(client)
    assert.equal((await upload.patch(first)).status, 202)
    await place.lose()
    isRefused(await client.send('/v2/away/app/blobs/uploads/', { method: 'POST' }))
    isRefused(await upload.cancel())
    await place.mountAgain()
    assert.equal((await upload.status()).headers['range'], `0-${first.length - 1}`)
    assert.equal((await upload.cancel()).status, 204)
    assert.deepEqual(await readdir(join(disk, 'uploads')), [])
    assert.deepEqual(await violationsOf(berth), [])
  })

  test('an upload whose disk goes in the middle of a body is answered 503, keeps what was acknowledged, and goes on', async () => {
    await using place = await startOnDisk()
    const { berth, client, disk } = place
    const upload = await beginUpload(client)
    assert.equal((await upload.patch(first)).status, 202)
    const size = async () => (await stat(join(disk, 'uploads', upload.id()))).size
    const outgoing = request(`${berth.url}${upload.path()}`, { method: 'PATCH', headers: { 'content-length': String(rest.length) } })
    const answered = once(outgoing, 'response') as Promise<[{ readonly statusCode: number; resume(): void }]>
    outgoing.write(rest.subarray(0, 120_000))
    await until('bytes of the body are in the file', async () => (await size()) > first.length)
    await place.lose()
    outgoing.end(rest.subarray(120_000))
    const [answer] = await answered
    answer.resume()
    assert.equal(answer.statusCode, 503)
    isRefused(await upload.status())
    await place.mountAgain()
    const status = await upload.status()
    assert.equal(status.status, 204)
    const had = Number(/^0-(\d+)$/u.exec(String(status.headers['range']))?.[1]) + 1
    assert.ok(had >= first.length && had <= whole.length, `acknowledged bytes are gone: ${had}`)
    if (had < whole.length) assert.equal((await upload.patch(whole.subarray(had))).status, 202)
    const finished = await upload.finish()
    assert.equal(finished.status, 201, finished.body.toString())
    assert.ok((await client.pullBlob('away/app', digest)).equals(whole))
    assert.deepEqual(await violationsOf(berth), [])
  })
})

test('an upload in a store that is no longer the first one is left where it was while the disk of that store is away', async () => {
  await using service = await startS3Double()
  await using place = await startOnDisk()
  const { berth, client } = place
  const upload = await beginUpload(client)
  assert.equal((await upload.patch(first)).status, 202)
  await berth.stop()
  await putS3InFront(berth, service)
  await berth.restart()
  await place.lose()
  isRefused(await upload.status())
  isRefused(await upload.patch(rest))
  isRefused(await upload.cancel())
  await pushImage(client, 'away/other', 'v1')
  await place.mountAgain()
  await goesOnAndEnds(upload, client)
})

test('an upload whose directory was made anew is unknown, not at its beginning, and goes on when what was in it is back', async () => {
  await using place = await startOnDisk('uploads')
  const { berth, client } = place
  const upload = await beginUpload(client)
  assert.equal((await upload.patch(first)).status, 202)
  await place.lose()
  for (let time = 0; time < 2; time++) {
    assert.equal((await upload.patch(rest)).status, 404)
    assert.equal((await upload.status()).status, 404)
  }
  await pushImage(client, 'away/other', 'v1')
  await place.mountAgain()
  await goesOnAndEnds(upload, client)
  assert.deepEqual(await violationsOf(berth), [])
})
