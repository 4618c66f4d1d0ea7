import assert from 'node:assert/strict'
import { mkdir, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { randomBytes } from 'node:crypto'
import { suite, test } from 'node:test'
import type { BlobKey } from '#blobs/blob-store.ts'
import { createFilesystemStore } from '#blobs/filesystem.ts'
import { createMemoryStore } from '#blobs/memory.ts'
import { systemPorts } from '#lib/ports.ts'
import { RegistryError } from '#oci/errors.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { blobStoreSuite } from './blob-store.suite.ts'
import { assertNoLeftovers, bytesOf, put, upload, type OpenStore } from './store-fixture.ts'

async function openFilesystem(): Promise<OpenStore & { readonly root: string }> {
  const directory = await temporaryDirectory('blobs')
  const root = join(directory.path, 'made', 'when', 'missing')
  const store = createFilesystemStore({ rootDirectory: root, files: systemPorts.files })
  // An empty store has these two directories at most.
  const leftovers = async () =>
    (await readdir(root, { recursive: true }).catch(() => [])).filter((name) => name !== 'uploads' && name !== 'blobs')
  return { store, root, leftovers, cleanup: async () => directory[Symbol.asyncDispose]() }
}

blobStoreSuite('filesystem', openFilesystem)

blobStoreSuite('memory', async () => {
  const store = createMemoryStore({ clock: systemPorts.clock, limitBytes: 256 * 1024 * 1024 })
  const leftovers = async () => {
    const space = await store.space()
    return space?.freeBytes === space?.totalBytes ? [] : ['bytes that count as used']
  }
  return { store, leftovers, cleanup: async () => undefined }
})

suite('the filesystem store', () => {
  test('reads, measures and deletes blobs of an adopted registry:2 directory by their own keys, and keeps its blobs directory', async () => {
    const opened = await openFilesystem()
    const hex = 'ab'.repeat(32)
    const key = `docker/registry/v2/blobs/sha256/ab/${hex}/data` as BlobKey
    await mkdir(join(opened.root, key, '..'), { recursive: true })
    await writeFile(join(opened.root, key), 'adopted')
    assert.deepEqual(await bytesOf(opened.store, key), Buffer.from('adopted'))
    assert.deepEqual(await opened.store.stat(key), { sizeBytes: 7 })
    await opened.store.delete([key])
    assert.equal(await opened.store.stat(key), undefined)
    assert.deepEqual((await readdir(opened.root, { recursive: true })).toSorted(), [
      'docker',
      'docker/registry',
      'docker/registry/v2',
      'docker/registry/v2/blobs',
    ])
    await opened.cleanup()
  })

  test('lists adopted keys behind its own, follows no link, and tells a renamed file by the time of its name', async () => {
    const opened = await openFilesystem()
    const own = await put(opened.store, Buffer.from('own'))
    const adopted = `docker/registry/v2/blobs/sha256/ab/${'ab'.repeat(32)}/data`
    for (const file of [adopted, 'docker/registry/v2/repositories/a/_layers/link', 'berth.db']) {
      await mkdir(join(opened.root, file, '..'), { recursive: true })
      await writeFile(join(opened.root, file), 'adopted')
    }
    await symlink(opened.root, join(opened.root, 'blobs', 'loop'))
    await symlink(join(opened.root, 'berth.db'), join(opened.root, 'blobs', 'link'))
    await writeFile(join(opened.root, 'blobs', 'no\\key'), 'x')
    await utimes(join(opened.root, own), 1, 1)
    const { keys, next } = await opened.store.list({ limit: 100 })
    assert.deepEqual([keys.map(({ key }) => key), next], [[own, adopted], undefined])
    assert.ok((keys[0]?.modifiedAt ?? 0) > Date.now() - 60_000)
    const first = await opened.store.list({ after: own, limit: 100 })
    assert.deepEqual(
      first.keys.map(({ key }) => key),
      [adopted],
    )
    await opened.cleanup()
  })

  test('keeps a directory that holds something besides the deleted blob', async () => {
    const opened = await openFilesystem()
    const key = await put(opened.store, Buffer.from('abc'))
    await writeFile(join(opened.root, key, '..', 'other'), 'x')
    await opened.store.delete([key])
    assert.deepEqual((await readdir(join(opened.root, key, '..'))).toSorted(), ['other'])
    await opened.cleanup()
  })

  test('two stores on one directory take turns with one upload and commit into the same directories', async () => {
    const opened = await openFilesystem()
    const other = createFilesystemStore({ rootDirectory: opened.root, files: systemPorts.files })
    const uploadId = await upload(opened.store, [Buffer.from('ab')])
    {
      await using writer = await other.openUpload(uploadId, 2)
      await writer.write(Buffer.from('cd'))
      await writer.sync()
    }
    const key = `blobs/sha256/00/${'0'.repeat(64)}/1` as BlobKey
    await opened.store.commitUpload(uploadId, key)
    assert.deepEqual(await bytesOf(other, key), Buffer.from('abcd'))
    const lanes = [opened.store, other, opened.store, other].map(async (store, lane) => {
      for (let round = 0; round < 25; round++) {
        const laneKey = `blobs/sha256/00/${'0'.repeat(63)}${round % 2}/${lane}-${round}` as BlobKey
        await put(store, Buffer.from('x'), laneKey)
        await store.delete([laneKey])
      }
    })
    await Promise.all(lanes)
    await other.delete([key])
    await assertNoLeftovers(opened)
    await opened.cleanup()
  })

  test('ignores foreign files and directories among the uploads', async () => {
    const opened = await openFilesystem()
    const uploadId = await upload(opened.store, [Buffer.from('ab')])
    await writeFile(join(opened.root, 'uploads', '.nfs0001'), '')
    await mkdir(join(opened.root, 'uploads', 'directory'))
    const seen: string[] = []
    for await (const entry of opened.store.listUploads()) seen.push(entry.uploadId)
    assert.deepEqual(seen, [uploadId])
    await opened.cleanup()
  })

  test('a directory in the place of a blob is no blob', async () => {
    const opened = await openFilesystem()
    const key = await put(opened.store, Buffer.from('abc'))
    const outer = key.slice(0, key.lastIndexOf('/')) as BlobKey
    assert.equal(await opened.store.open(outer), undefined)
    assert.equal(await opened.store.stat(outer), undefined)
    await opened.cleanup()
  })

  test('goes on when the uploads directory is removed under it', async () => {
    const opened = await openFilesystem()
    await opened.store.abortUpload(await upload(opened.store, [Buffer.from('ab')]))
    await rm(join(opened.root, 'uploads'), { recursive: true })
    await opened.store.delete([await put(opened.store, Buffer.from('abc'))])
    await assertNoLeftovers(opened)
    await opened.cleanup()
  })

  test('says that a root which cannot be made is unusable, without its path', async () => {
    const directory = await temporaryDirectory('blobs')
    await writeFile(join(directory.path, 'file'), '')
    const store = createFilesystemStore({ rootDirectory: join(directory.path, 'file', 'root'), files: systemPorts.files })
    for (const attempt of [() => store.openUpload('a', 0), () => store.space()]) {
      await assert.rejects(
        attempt,
        (error) => error instanceof RegistryError && error.status >= 500 && !error.message.includes(directory.path),
      )
    }
    await directory[Symbol.asyncDispose]()
  })
})

suite('the memory store', () => {
  test('refuses what is beyond its limit, keeps the rest, and takes it when there is room again', async () => {
    const store = createMemoryStore({ clock: systemPorts.clock, limitBytes: 1_000_000 })
    const key = await put(store, randomBytes(600_000))
    const writer = await store.openUpload('large', 0)
    await writer.write(randomBytes(300_000))
    const full = (error: unknown) => error instanceof RegistryError && error.code === 'STORAGE_FULL'
    await assert.rejects(writer.write(randomBytes(200_000)), full)
    await assert.rejects(writer.write(randomBytes(1)), full)
    await assert.rejects(writer.sync(), full)
    await writer[Symbol.asyncDispose]()
    assert.deepEqual(await store.statUpload('large'), { sizeBytes: 300_000 })
    assert.equal((await bytesOf(store, key))?.length, 600_000)
    await store.delete([key])
    assert.deepEqual(await store.space(), { freeBytes: 700_000, totalBytes: 1_000_000 })
    await using again = await store.openUpload('large', 300_000)
    await again.write(randomBytes(200_000))
    await again.sync()
    assert.deepEqual(await store.statUpload('large'), { sizeBytes: 500_000 })
  })
})
