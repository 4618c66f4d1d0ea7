import assert from 'node:assert/strict'
import { mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import type { BlobKey } from '#blobs/blob-store.ts'
import { createFilesystemStore } from '#blobs/filesystem.ts'
import { createStoreMark } from '#blobs/store-mark.ts'
import { systemPorts } from '#lib/ports.ts'
import { findUpload } from '#metadata/uploads.ts'
import { digestOf } from '#oci/digest.ts'
import { checkInvariants } from '../../test/invariants.ts'
import { temporaryDirectory } from '../../test/support/temporary-directory.ts'
import { cancelUpload } from './cancel-upload.ts'
import { purgeUploads } from './purge-uploads.ts'
import { appendUpload, finishUpload, startUpload, statUpload } from './push-blob.ts'
import { alice, bodyOf, failsWith, hourMs, noSignal, openTestRegistry, pushBytes, readBlob, repositoryA } from './test-registry.ts'

const signal = noSignal
const id = '0e3f1c6a-9a64-4d0e-8d5f-0123456789ab'
const away = failsWith('UNAVAILABLE')
const who = { actor: 'admin', requestId: 'r9' }

/** A registry whose store has a mark, and whose directory can be taken away, as a lost mount is. */
async function openMarked() {
  await using stack = new AsyncDisposableStack()
  const directory = stack.use(await temporaryDirectory('away'))
  const rootDirectory = join(directory.path, 'disk')
  const mark = createStoreMark(rootDirectory, systemPorts)
  await mark.write(id)
  mark.expect(id)
  const { files } = systemPorts
  const openStore = () => createFilesystemStore({ rootDirectory, files, mark })
  const opened = await openTestRegistry({ on: 'disk', wrapStore: openStore })
  const owned = stack.move()
  let place = opened
  return {
    get place() {
      return place
    },
    async restart() {
      place = await place.restart()
    },
    violations: () => checkInvariants({ ...place.parts, store: place.registry.store, rootDirectory }),
    async lose() {
      await rename(rootDirectory, `${rootDirectory}.away`)
      await mkdir(rootDirectory)
    },
    async mountAgain() {
      await rm(rootDirectory, { recursive: true })
      await rename(`${rootDirectory}.away`, rootDirectory)
    },
    async [Symbol.asyncDispose]() {
      await place[Symbol.asyncDispose]()
      await owned.disposeAsync()
    },
  }
}

async function begin({ registry }: Awaited<ReturnType<typeof openTestRegistry>>) {
  const { uploadId } = await startUpload(registry, repositoryA, alice)
  const target = { repository: repositoryA, uploadId, actor: alice }
  await appendUpload(registry, target, bodyOf('01234'), { signal })
  return target
}

suite('a registry whose store is away', () => {
  test('writes nothing to the row of an upload that is asked for after a restart', async () => {
    await using marked = await openMarked()
    const target = await begin(marked.place)
    await marked.restart()
    const { registry } = marked.place
    await marked.lose()
    await assert.rejects(statUpload(registry, target), away)
    await assert.rejects(appendUpload(registry, target, bodyOf('56789'), { signal }), away)
    const put = { digest: digestOf(Buffer.from('0123456789')), body: bodyOf('56789'), signal }
    await assert.rejects(finishUpload(registry, target, put), away)
    assert.equal((await findUpload(registry.metadata.reader, repositoryA, target.uploadId))?.offsetBytes, 5)
    await marked.mountAgain()
    assert.equal((await statUpload(registry, target)).offsetBytes, 5)
    await finishUpload(registry, target, { ...put, body: bodyOf('56789') })
    assert.deepEqual(await readBlob(registry, put.digest), Buffer.from('0123456789'))
    assert.deepEqual(await marked.violations(), [])
  })

  test('keeps an upload whose disk goes in the middle of its body, at what was acknowledged or more', async () => {
    await using marked = await openMarked()
    const { registry } = marked.place
    const target = await begin(marked.place)
    async function* body() {
      yield Buffer.from('567')
      await marked.lose()
      yield Buffer.from('89')
    }
    await assert.rejects(appendUpload(registry, target, body(), { signal }), away)
    await assert.rejects(statUpload(registry, target), away)
    await marked.mountAgain()
    const { offsetBytes } = await statUpload(registry, target)
    assert.ok(offsetBytes >= 5 && offsetBytes <= 10)
    const digest = digestOf(Buffer.from('0123456789'))
    await finishUpload(registry, target, { digest, body: bodyOf('0123456789'.slice(offsetBytes)), signal })
    assert.deepEqual(await readBlob(registry, digest), Buffer.from('0123456789'))
    assert.deepEqual(await marked.violations(), [])
  })

  test('keeps an upload whose last request finds the disk gone, and whose disk is back for the next one', async () => {
    await using marked = await openMarked()
    const { registry } = marked.place
    const target = await begin(marked.place)
    async function* body() {
      yield Buffer.from('56789')
      await marked.lose()
    }
    const digest = digestOf(Buffer.from('0123456789'))
    await assert.rejects(finishUpload(registry, target, { digest, body: body(), signal }), away)
    await marked.mountAgain()
    const { offsetBytes } = await statUpload(registry, target)
    await finishUpload(registry, target, { digest, body: bodyOf('0123456789'.slice(offsetBytes)), signal })
    assert.deepEqual(await marked.violations(), [])
  })

  test('lets nobody end an upload: neither an administrator nor the purge of old ones', async () => {
    await using marked = await openMarked()
    const { registry, clock } = marked.place
    const target = await begin(marked.place)
    clock.advance(48 * hourMs)
    await marked.lose()
    await assert.rejects(cancelUpload(registry, repositoryA, target.uploadId, who), away)
    await assert.rejects(purgeUploads(registry, { ageMs: hourMs, signal }), away)
    await marked.mountAgain()
    assert.equal((await statUpload(registry, target)).offsetBytes, 5)
    assert.deepEqual(await purgeUploads(registry, { ageMs: hourMs, signal }), { sessions: 1, orphans: 0 })
    assert.deepEqual(await marked.violations(), [])
  })

  test('says of nothing in the store that it is not there', async () => {
    await using marked = await openMarked()
    const { registry } = marked.place
    const { store } = registry
    await pushBytes(registry, repositoryA, 'whole')
    const target = await begin(marked.place)
    const [{ key } = { key: '' as BlobKey }] = (await store.list({ limit: 100 })).keys
    await marked.lose()
    await assert.rejects(store.stat(key), away)
    await assert.rejects(store.open(key), away)
    await assert.rejects(store.delete([key]), away)
    await assert.rejects(store.list({ limit: 10 }), away)
    await assert.rejects(store.statUpload(target.uploadId), away)
    await assert.rejects(store.openUpload(target.uploadId, 0), away)
    await assert.rejects(store.openUpload(target.uploadId, 5), away)
    await assert.rejects(store.abortUpload(target.uploadId), away)
    await assert.rejects(Array.fromAsync(store.readUpload(target.uploadId)), away)
    await assert.rejects(Array.fromAsync(store.listUploads()), away)
    await marked.mountAgain()
    assert.deepEqual(await store.statUpload(target.uploadId), { sizeBytes: 5 })
    assert.deepEqual(await readBlob(registry, digestOf(Buffer.from('whole'))), Buffer.from('whole'))
    assert.deepEqual(await marked.violations(), [])
  })
})
