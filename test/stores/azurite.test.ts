import assert from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import { suite, test } from 'node:test'
import { ContainerSASPermissions, generateBlobSASQueryParameters, StorageSharedKeyCredential } from '@azure/storage-blob'
import type { Config } from '#config/config.ts'
import { checkObjectStore } from '#features/doctor-object-store.ts'
import { systemPorts } from '#lib/ports.ts'
import { ObjectError } from '#blobs/object-backend.ts'
import { azureBackend, containerOf, openAzure, type AzureService } from '../drivers/azure-fixture.ts'
import { blobStoreSuite } from '../drivers/blob-store.suite.ts'
import { bytesOf, keyFor, upload, uploadIds } from '../drivers/store-fixture.ts'
import { startBerthOnCloud } from '../support/cloud-place.ts'
import { fetchBlob, pushAndPull, pushOverRestarts } from '../support/cloud-registry.ts'
import { loseAndRecover } from '../support/lost-database.ts'
import { registryClient } from '../support/registry-client.ts'

const told = process.env['BERTH_TEST_AZURITE']
if (told === undefined) throw new Error('these tests need Azurite: run `node scripts/test-stores.mjs`, which starts one')
const azurite = JSON.parse(told) as AzureService
const { endpoint, accountName, accountKey } = azurite
const mebibyte = 1024 ** 2
const signal = new AbortController().signal

blobStoreSuite('azure, Azurite', () => openAzure(azurite))

async function makeContainer(): Promise<string> {
  const container = `berth-${randomUUID()}`
  await containerOf(azurite, container).create()
  return container
}

suite('Azure Blob Storage', () => {
  test('a process that dies between its blocks and their commit leaves an upload that another one finishes', async () => {
    const dead = await openAzure(azurite)
    const { store, leftovers } = await openAzure(azurite, { container: dead.container })
    const bytes = randomBytes(70 * mebibyte)
    const uploadId = randomUUID()
    const writer = await dead.store.openUpload(uploadId, 0)
    await writer.write(Uint8Array.from(bytes))
    const durable = (await store.statUpload(uploadId))?.sizeBytes ?? 0
    assert.ok(durable >= 64 * mebibyte)
    {
      await using other = await store.openUpload(uploadId, durable)
      await other.write(bytes.subarray(durable))
      await other.sync()
    }
    const key = keyFor(store, uploadId, bytes)
    await store.commitUpload(uploadId, key)
    assert.ok(bytes.equals((await bytesOf(store, key)) ?? Buffer.alloc(0)))
    await assert.rejects(writer.sync())
    await store.delete([key])
    assert.deepEqual([await uploadIds(store), await leftovers?.()], [[], []])
    for (const each of [store, dead.store]) await each[Symbol.asyncDispose]()
    await dead.cleanup()
  })

  test('a part takes its number’s place only where its own etag is named: another node’s bytes never slip in', async () => {
    await using backend = azureBackend(azurite, await makeContainer())
    const part = { name: 'blobs/u/aa/x', multipartId: await backend.startMultipart('blobs/u/aa/x', signal), number: 1 }
    const pieces = (text: string) => ({ pieces: [Buffer.from(text)], sizeBytes: text.length })
    const etag = await backend.putPart(part, pieces('mine'), signal)
    await backend.putPart(part, pieces('else'), signal)
    await backend.completeMultipart(part, [{ number: 1, etag, sizeBytes: 4 }], signal)
    const found = await backend.get(part.name, { signal })
    assert.equal((await found?.body.toArray())?.join(''), 'mine')
    const fault = async (run: Promise<unknown>) =>
      run.then(String, (error: unknown) => (error instanceof ObjectError ? error.fault : error))
    assert.equal(await fault(backend.completeMultipart(part, [{ number: 1, etag, sizeBytes: 4 }], signal)), 'conflict')
    assert.equal((await backend.head(part.name, signal))?.etag, found?.etag)
    const gone = { ...part, name: 'blobs/u/aa/y' }
    assert.equal(await fault(backend.completeMultipart(gone, [{ number: 1, etag, sizeBytes: 4 }], signal)), 'absent')
  })

  test('a container that is not there, and a key that is not the account’s, are refusals and not absence', async () => {
    const fault = (error: unknown) => error instanceof ObjectError && error.fault === 'refused' && !error.message.includes('http')
    await using nowhere = azureBackend(azurite, 'no-such-container')
    await assert.rejects(nowhere.get('blobs/u/aa/x', { signal }), fault)
    await using stranger = azureBackend({ ...azurite, accountKey: randomBytes(64).toString('base64') }, await makeContainer())
    await assert.rejects(stranger.head('blobs/u/aa/x', signal), fault)
    await assert.rejects(stranger.put('x', { pieces: [Buffer.from('x')], sizeBytes: 1 }, { signal }), fault)
  })

  test('an aborted upload is gone at once; its blocks are no object, and stay with the service', async () => {
    const { store, leftovers, cleanup } = await openAzure(azurite)
    const uploadId = await upload(store, [randomBytes(20 * mebibyte)])
    await store.abortUpload(uploadId)
    assert.deepEqual([await uploadIds(store), await leftovers?.()], [[], []])
    await store[Symbol.asyncDispose]()
    await cleanup()
  })
})

suite('a registry on Azure Blob Storage', () => {
  test('takes and gives images by the account’s key; layers by URLs that nobody can alter', async () => {
    const container = await makeContainer()
    await using berth = await startBerthOnCloud({ azure: { accountname: accountName, accountkey: accountKey, container, endpoint } })
    await pushAndPull(berth, { layerBytes: 20 * mebibyte, isRedirected: true })
    const client = registryClient(berth.url)
    const { digest } = await client.pushBlob('cloud/signed', Buffer.alloc(200_000, 'x'))
    const { location = '' } = await fetchBlob(client, 'cloud/signed', digest)
    assert.equal((await fetch(location)).status, 200)
    assert.equal((await fetch(location.replace(/sig=..../, 'sig=AAAA'))).status, 403)
    assert.equal((await fetch(location, { method: 'DELETE' })).status, 403)
    assert.doesNotMatch(berth.logs(), /sig=/)
  })

  test('by a shared access signature it gives the bytes itself, and the signature to nobody', async () => {
    const container = await makeContainer()
    const permissions = ContainerSASPermissions.parse('rwdlc')
    const values = { containerName: container, permissions, expiresOn: new Date(Date.now() + 3_600_000) }
    const sas = generateBlobSASQueryParameters(values, new StorageSharedKeyCredential(accountName, accountKey)).toString()
    await using berth = await startBerthOnCloud({
      azure: { container, connection: `BlobEndpoint=${endpoint};SharedAccessSignature=${sas}` },
    })
    await pushAndPull(berth, { layerBytes: 20 * mebibyte, isRedirected: false })
    assert.doesNotMatch(berth.logs(), /sig=/)
  })

  test('is not taken by an empty database, and gives back by recovery what was pushed', async () => {
    const container = await makeContainer()
    await using berth = await startBerthOnCloud({ azure: { accountname: accountName, accountkey: accountKey, container, endpoint } })
    await loseAndRecover(berth)
  })

  test('an upload whose chunks each met another process is read back, proved, and becomes a blob', async () => {
    const container = await makeContainer()
    await using berth = await startBerthOnCloud({ azure: { accountname: accountName, accountkey: accountKey, container, endpoint } })
    await pushOverRestarts(berth)
    const names = []
    for await (const { name } of containerOf(azurite, container).listBlobsFlat()) names.push(name)
    assert.deepEqual(
      names.filter((name) => name.startsWith('uploads/')),
      [],
    )
  })

  test('the doctor writes, reads, signs and removes an object, and says what is wrong', async () => {
    const container = await makeContainer()
    const credentials = { kind: 'shared_key', accountKey }
    const azure = { accountName, container, endpoint, authority: '', prefix: '', credentials }
    const examine = async (change: object = {}) => {
      const storage = { driver: 'azure', azure: { ...azure, ...change } }
      const found = await checkObjectStore({ config: { storage } as unknown as Config, ports: systemPorts })
      return found.map(({ verdict, message }) => `${verdict}: ${message}`).join('\n')
    }
    assert.equal(await examine(), 'ok: the object store (azure) takes, gives and removes objects')
    assert.match(await examine({ container: 'no-such-container' }), /^problem: .*ContainerNotFound; see docs\/guides\/azure\.md/)
    const wrong = { kind: 'shared_key', accountKey: Buffer.from('hunter2').toString('base64') }
    assert.match(await examine({ credentials: wrong }), /^problem: .*403/)
  })
})
