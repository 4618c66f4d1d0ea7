import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { BlobKey, BlobStore } from '#blobs/blob-store.ts'
import { createFilesystemStore } from '#blobs/filesystem.ts'
import { systemPorts, type Files } from '#lib/ports.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { bytesOf, keyOf, put, upload } from './store-fixture.ts'
import { crashFiles, restore, type CrashFiles, type DiskImage } from './crash-files.ts'
import { faultyFiles } from './faulty-files.ts'

interface Fixture {
  readonly crash: CrashFiles
  readonly store: BlobStore
  /** A store on what a power failure at this moment leaves. */
  reboot(image?: DiskImage): Promise<BlobStore>
}

async function withDisk(run: (fixture: Fixture) => Promise<void>, spoil: (files: Files) => Files = (files) => files): Promise<void> {
  await using directory = await temporaryDirectory('crash')
  await using next = await temporaryDirectory('crash-next')
  const crash = crashFiles(directory.path)
  const store = createFilesystemStore({ rootDirectory: directory.path, files: spoil(crash.files) })
  let boots = 0
  const reboot = async (image = crash.image()) => {
    const root = `${next.path}/${boots++}`
    await restore(image, root)
    return createFilesystemStore({ rootDirectory: root, files: systemPorts.files })
  }
  await run({ crash, store, reboot })
}

/** The blobs of an image: all but the uploads. */
function blobsOf(image: DiskImage): Map<string, Buffer> {
  return new Map([...image].filter(([path]) => !path.startsWith('uploads/')))
}

suite('after a power failure', () => {
  test('a committed blob is there, whole, and nothing else is', () =>
    withDisk(async ({ store, reboot }) => {
      const bytes = Buffer.from('layer '.repeat(50_000))
      const key = await put(store, bytes)
      const later = await reboot()
      assert.ok(bytes.equals((await bytesOf(later, key))!))
    }))

  test('many blobs committed at once are all there, though they share new directories', () =>
    withDisk(async ({ store, crash }) => {
      const acknowledged = new Map<string, Buffer>()
      const commits = Array.from({ length: 40 }, async (_, index) => {
        const bytes = Buffer.from(`blob ${index}`)
        // Two shards for all of them, so that most find a directory that somebody else has just made.
        const key = `blobs/sha256/0${index % 2}/${'0'.repeat(62)}${(index % 10) + 10}/${index}` as BlobKey
        await put(store, bytes, key)
        acknowledged.set(key, bytes)
        const image = crash.image()
        for (const [path, content] of acknowledged) assert.ok(image.get(path)?.equals(content), `${path} is lost after its commit`)
      })
      await Promise.all(commits)
    }))

  test('synced bytes of an upload are there to go on with, and no more is promised than is there', () =>
    withDisk(async ({ store, reboot }) => {
      const writer = await store.openUpload('one', 0)
      await writer.write(Buffer.from('first '))
      await writer.sync()
      await writer.write(Buffer.from('never synced '))
      await writer[Symbol.asyncDispose]()
      const later = await reboot()
      assert.deepEqual(await later.statUpload('one'), { sizeBytes: 6 })
      await using again = await later.openUpload('one', 6)
      await again.write(Buffer.from('second'))
      await again.sync()
      const key = keyOf(Buffer.from('first second'))
      await later.commitUpload('one', key)
      assert.deepEqual(await bytesOf(later, key), Buffer.from('first second'))
    }))

  test('what statUpload told is there, also when the upload was closed without a sync', () =>
    withDisk(async ({ store, reboot }) => {
      const writer = await store.openUpload('one', 0)
      await writer.write(Buffer.alloc(200_000, 7))
      await writer[Symbol.asyncDispose]()
      const told = await store.statUpload('one')
      assert.deepEqual(told, { sizeBytes: 200_000 })
      assert.deepEqual(await (await reboot()).statUpload('one'), told)
    }))

  test('a cut-off upload does not grow again', () =>
    withDisk(async ({ store, reboot }) => {
      await upload(store, [Buffer.from('0123456789')], 'one')
      const writer = await store.openUpload('one', 4)
      await writer.sync()
      await writer[Symbol.asyncDispose]()
      assert.deepEqual(await (await reboot()).statUpload('one'), { sizeBytes: 4 })
    }))

  test('a deleted blob stays deleted', () =>
    withDisk(async ({ store, crash }) => {
      const keys = await Promise.all(Array.from({ length: 12 }, (_, index) => put(store, Buffer.from(`blob ${index}`))))
      await store.delete(keys)
      assert.deepEqual([...blobsOf(crash.image())], [])
    }))

  test('a blob is there whose directories were removed by a delete and made again', () =>
    withDisk(async ({ store, crash }) => {
      const keys = ['1', '2', '3'].map((generation) => `blobs/sha256/00/${'0'.repeat(64)}/${generation}` as BlobKey)
      for (const key of keys) {
        await put(store, Buffer.from(key), key)
        assert.deepEqual(crash.image().get(key), Buffer.from(key))
        await store.delete([key])
      }
    }))

  test('an empty blob is there too', () =>
    withDisk(async ({ store, crash }) => {
      const key = await put(store, new Uint8Array())
      assert.equal(crash.image().get(key)?.length, 0)
    }))

  test('at every step of pushes and deletes, a blob is whole or absent, and there from its acknowledgement to its delete', () =>
    withDisk(async ({ store, crash }) => {
      const bytes = new Map<string, Buffer>()
      const promised = new Set<string>()
      let steps = 0
      crash.onStep = () => {
        steps++
        const blobs = blobsOf(crash.image())
        for (const [path, content] of blobs) assert.ok(bytes.get(path)?.equals(content), `${path} is not whole`)
        for (const path of promised) assert.ok(blobs.has(path), `${path} is lost`)
      }
      const lane = async (number: number) => {
        for (let round = 0; round < 6; round++) {
          const content = Buffer.from(`${number}/${round} `.repeat(100))
          const key = `blobs/sha256/00/${'0'.repeat(63)}${round % 2}/${number}-${round}` as BlobKey
          bytes.set(key, content)
          await put(store, content, key)
          promised.add(key)
          if (round % 3 === 0) continue
          promised.delete(key)
          await store.delete([key])
          assert.ok(!crash.image().has(key), 'a deleted blob came back')
        }
      }
      await Promise.all([0, 1, 2, 3].map(lane))
      assert.equal(promised.size, 8)
      assert.ok(steps > 200, `only ${steps} steps were looked at`)
    }))

  test('between the rename of a commit and its end, repeating the commit is enough', () =>
    withDisk(async ({ store, crash, reboot }) => {
      const key = keyOf(Buffer.from('abc'))
      const images: DiskImage[] = []
      const uploadId = await upload(store, [Buffer.from('abc')])
      crash.onStep = () => void images.push(crash.image())
      await store.commitUpload(uploadId, key)
      crash.onStep = () => undefined
      assert.ok(images.length > 5)
      for (const image of images) {
        const later = await reboot(image)
        // The name may be in both directories or in none of the two where a file system does not keep a rename whole; the first is harmless.
        if ((await later.statUpload(uploadId)) !== undefined && (await later.stat(key)) !== undefined) await later.abortUpload(uploadId)
        await later.commitUpload(uploadId, key)
        assert.deepEqual(await bytesOf(later, key), Buffer.from('abc'))
      }
    }))
})

suite('the power failure model', () => {
  const withoutSync = (name: 'sync' | 'datasync') => (files: Files) => {
    const faulty = faultyFiles(files)
    faulty.faults.handle = { [name]: async () => undefined }
    return faulty.files
  }

  test('loses the names of a store that does not sync directories', () =>
    withDisk(async ({ store, crash }) => {
      await put(store, Buffer.from('abc'))
      assert.deepEqual([...crash.image()], [])
    }, withoutSync('sync')))

  test('loses the bytes of a store that does not sync files', () =>
    withDisk(async ({ store, crash }) => {
      const key = await put(store, Buffer.from('abc'))
      assert.equal(crash.image().get(key)?.length, 0)
    }, withoutSync('datasync')))
})
