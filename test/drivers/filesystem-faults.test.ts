import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir, readFile, symlink, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { randomBytes } from 'node:crypto'
import { suite, test } from 'node:test'
import type { BlobStore } from '#blobs/blob-store.ts'
import { createFilesystemStore } from '#blobs/filesystem.ts'
import { systemPorts } from '#lib/ports.ts'
import { RegistryError } from '#oci/errors.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { bytesOf, keyOf, put, upload } from './store-fixture.ts'
import { faultyFiles, systemError, type FaultyFiles } from './faulty-files.ts'

interface Fixture extends FaultyFiles {
  readonly store: BlobStore
  readonly root: string
}

/** Runs with a store over faulty files; no handle may be left open at the end. */
function check(behaviour: string, run: (fixture: Fixture) => Promise<void>, options: { skip?: string | false } = {}): void {
  test(behaviour, options, async () => {
    await using directory = await temporaryDirectory('faults')
    const faulty = faultyFiles()
    const store = createFilesystemStore({ rootDirectory: directory.path, files: faulty.files })
    await run({ ...faulty, store, root: directory.path })
    await store[Symbol.asyncDispose]()
    assert.equal(faulty.openHandles(), 0, 'handles are left open')
  })
}

/** The translated error: of this code, with the system's error as cause, and with nothing of the machine in its message. */
const translated = (code: string) => (error: unknown) => {
  assert.ok(error instanceof RegistryError, String(error))
  assert.equal(error.code, code)
  assert.ok(error.cause instanceof Error)
  assert.doesNotMatch(error.message, /\/|E[A-Z]{3,}/)
  return true
}

const refuse = (code: string, syscall: string) => async () => {
  throw systemError(code, syscall)
}

const tick = () => new Promise<void>((resolve) => setImmediate(resolve))

/** Takes writes without a file behind them, as fast as they come. */
const swallow = async (_: unknown, args: readonly never[]) => {
  const [first] = args as unknown as [Uint8Array | Uint8Array[]]
  return { bytesWritten: Array.isArray(first) ? first.reduce((sum, chunk) => sum + chunk.length, 0) : first.length }
}

suite('when a write fails', () => {
  for (const [systemCode, code] of [
    ['ENOSPC', 'STORAGE_FULL'],
    ['EDQUOT', 'STORAGE_FULL'],
    ['EIO', 'UNAVAILABLE'],
    ['EFBIG', 'UNKNOWN'],
  ] as const) {
    check(
      `${systemCode} is ${code}: nothing is acknowledged, and every later call fails alike without touching the file`,
      async ({ store, faults, calls }) => {
        const uploadId = await upload(store, [randomBytes(100_000)], 'one')
        const writer = await store.openUpload(uploadId, 100_000)
        faults.handle = { write: refuse(systemCode, 'write'), writev: refuse(systemCode, 'writev') }
        await writer.write(randomBytes(70_000)).catch(() => undefined)
        await assert.rejects(writer.sync(), translated(code))
        const before = new Map(calls)
        await assert.rejects(writer.write(randomBytes(70_000)), translated(code))
        await assert.rejects(writer.sync(), translated(code))
        assert.deepEqual(calls, before)
        await assert.rejects(store.commitUpload(uploadId, keyOf(randomBytes(1))), { name: 'AssertionError' })
        await writer[Symbol.asyncDispose]()
        assert.equal(calls.get('handle.datasync'), 1, 'only the sync of the first upload')
      },
    )
  }

  check('a full disk leaves what was durable, and the upload goes on when there is room again', async ({ store, faults }) => {
    const bytes = randomBytes(300_000)
    const uploadId = await upload(store, [Uint8Array.from(bytes.subarray(0, 100_000))])
    faults.handle = { write: refuse('ENOSPC', 'write'), writev: refuse('ENOSPC', 'writev') }
    const writer = await store.openUpload(uploadId, 100_000)
    await assert.rejects(
      writer.write(Uint8Array.from(bytes.subarray(100_000))).then(() => writer.sync()),
      translated('STORAGE_FULL'),
    )
    await writer[Symbol.asyncDispose]()
    faults.handle = {}
    assert.deepEqual(await store.statUpload(uploadId), { sizeBytes: 100_000 })
    {
      await using again = await store.openUpload(uploadId, 100_000)
      await again.write(Uint8Array.from(bytes.subarray(100_000)))
      await again.sync()
    }
    const key = keyOf(bytes)
    await store.commitUpload(uploadId, key)
    assert.ok(bytes.equals((await bytesOf(store, key))!))
  })

  check('whoever waits for room in the queue is told', async ({ store, faults }) => {
    const stalled = Promise.withResolvers<void>()
    const fail = async () => {
      await stalled.promise
      throw systemError('ENOSPC', 'write')
    }
    faults.handle = { write: fail, writev: fail }
    const writer = await store.openUpload('one', 0)
    const writes = Array.from({ length: 40 }, () => writer.write(randomBytes(65_536)))
    stalled.resolve()
    const outcomes = await Promise.allSettled(writes)
    assert.ok(outcomes.filter(({ status }) => status === 'rejected').length > 20)
    for (const outcome of outcomes) if (outcome.status === 'rejected') translated('STORAGE_FULL')(outcome.reason)
    await writer[Symbol.asyncDispose]()
  })

  check('nobody has to listen: a failure without a listener does not bring the process down', async ({ store, faults }) => {
    faults.handle = { write: refuse('EIO', 'write'), writev: refuse('EIO', 'writev'), datasync: refuse('EIO', 'fdatasync') }
    const writer = await store.openUpload('one', 0)
    for (let index = 0; index < 40; index++) void writer.write(randomBytes(65_536))
    void writer.sync()
    await writer[Symbol.asyncDispose]()
    await tick()
  })

  check('short writes are continued with the bytes that are missing', async ({ store, faults }) => {
    let length = 1
    const short = async (handle: FileHandle, args: readonly never[]) => {
      const [buffer, , , position] = args as unknown as [Uint8Array, number, number, number]
      length = (length * 7 + 11) % 30_011
      return handle.write(buffer, 0, Math.min(buffer.length, length + 1), position)
    }
    const shortVector = async (handle: FileHandle, args: readonly never[]) => {
      const [buffers, position] = args as unknown as [Uint8Array[], number]
      length = (length * 7 + 11) % 90_011
      const joined = Buffer.concat(buffers)
      return handle.write(joined, 0, Math.min(joined.length, length + 1), position)
    }
    faults.handle = { write: short, writev: shortVector }
    const bytes = randomBytes(1_500_000)
    const chunks = Array.from({ length: 75 }, (_, index) => Uint8Array.from(bytes.subarray(index * 20_000, (index + 1) * 20_000)))
    const key = keyOf(bytes)
    await store.commitUpload(await upload(store, chunks), key)
    assert.ok(bytes.equals((await bytesOf(store, key))!))
  })

  check('a write that takes nothing is an error, not an endless loop', async ({ store, faults }) => {
    const nothing = async () => ({ bytesWritten: 0 })
    faults.handle = { write: nothing, writev: nothing }
    await using writer = await store.openUpload('one', 0)
    await writer.write(randomBytes(10))
    await assert.rejects(writer.sync(), translated('UNAVAILABLE'))
  })

  check(
    'a device that is really full is STORAGE_FULL',
    async ({ store, root }) => {
      await mkdir(join(root, 'uploads'))
      await symlink('/dev/full', join(root, 'uploads', 'one'))
      await using writer = await store.openUpload('one', 0)
      await writer.write(randomBytes(100_000))
      await assert.rejects(writer.sync(), translated('STORAGE_FULL'))
    },
    { skip: existsSync('/dev/full') ? false : 'this system has no /dev/full' },
  )
})

suite('when a sync fails', () => {
  for (const [systemCode, code] of [
    ['EIO', 'UNAVAILABLE'],
    ['ENOSPC', 'STORAGE_FULL'],
    ['EDQUOT', 'STORAGE_FULL'],
  ] as const) {
    check(
      `${systemCode} is ${code}; it is not tried again, and the file is removed: what it seems to hold may not be on the disk`,
      async ({ store, faults, calls }) => {
        faults.handle = { datasync: refuse(systemCode, 'fdatasync') }
        const writer = await store.openUpload('one', 0)
        await writer.write(randomBytes(100_000))
        await assert.rejects(writer.sync(), translated(code))
        await assert.rejects(writer.sync(), translated(code))
        await assert.rejects(writer.write(randomBytes(1)), translated(code))
        faults.handle = {}
        await assert.rejects(writer.sync(), translated(code))
        await writer[Symbol.asyncDispose]()
        assert.equal(calls.get('handle.datasync'), 1)
        assert.equal(await store.statUpload('one'), undefined)
        const absent = (error: unknown) => error instanceof RegistryError && error.code === 'BLOB_UPLOAD_UNKNOWN'
        await assert.rejects(store.openUpload('one', 100_000), absent)
        await assert.rejects(store.commitUpload('one', keyOf(randomBytes(1))), absent)
      },
    )
  }

  check('and the file cannot be removed either, nobody gets at it until it is aborted', async ({ store, faults }) => {
    faults.handle = { datasync: refuse('EIO', 'fdatasync') }
    faults.files = { unlink: refuse('EIO', 'unlink') }
    {
      await using writer = await store.openUpload('one', 0)
      await writer.write(randomBytes(100_000))
      await assert.rejects(writer.sync(), translated('UNAVAILABLE'))
    }
    faults.handle = {}
    await assert.rejects(store.statUpload('one'), translated('UNAVAILABLE'))
    await assert.rejects(store.openUpload('one', 0), translated('UNAVAILABLE'))
    await assert.rejects(store.readUpload('one')[Symbol.asyncIterator]().next(), translated('UNAVAILABLE'))
    await assert.rejects(store.commitUpload('one', keyOf(randomBytes(1))), translated('UNAVAILABLE'))
    await assert.rejects(store.abortUpload('one'), translated('UNAVAILABLE'))
    faults.files = {}
    await store.abortUpload('one')
    assert.equal(await store.statUpload('one'), undefined)
    await store.commitUpload(await upload(store, [Buffer.from('x')], 'one'), keyOf(Buffer.from('x')))
  })

  check('of the directory of the uploads, the upload is not acknowledged either', async ({ store, faults }) => {
    faults.handle = { sync: refuse('EIO', 'fsync') }
    await using writer = await store.openUpload('one', 0)
    await writer.write(randomBytes(10))
    await assert.rejects(writer.sync(), translated('UNAVAILABLE'))
  })

  check('it is told only when nothing is under way any more', async ({ store, faults }) => {
    let isSyncingName = false
    const sync = async () => {
      isSyncingName = true
      await new Promise((resolve) => setTimeout(resolve, 20))
      isSyncingName = false
    }
    faults.handle = { datasync: refuse('EIO', 'fdatasync'), sync }
    await using writer = await store.openUpload('one', 0)
    await writer.write(randomBytes(10))
    await assert.rejects(writer.sync(), translated('UNAVAILABLE'))
    assert.equal(isSyncingName, false)
  })

  check('that asks what is there, the answer is not made of unsynced bytes', async ({ store, faults }) => {
    await upload(store, [randomBytes(10)], 'one')
    faults.handle = { datasync: refuse('EIO', 'fdatasync') }
    await assert.rejects(store.statUpload('one'), translated('UNAVAILABLE'))
    faults.handle = {}
    assert.equal(await store.statUpload('one'), undefined)
  })

  check('a file system that cannot sync directories is used all the same', async ({ store, faults }) => {
    faults.handle = { sync: refuse('EINVAL', 'fsync') }
    const key = await put(store, Buffer.from('abc'))
    assert.deepEqual(await bytesOf(store, key), Buffer.from('abc'))
  })
})

suite('while a large upload is written', () => {
  check('there is one write at a time, of 64 to 256 KiB, and the sender waits when a MiB is queued', async ({ store, faults }) => {
    let running = 0
    let most = 0
    let gate = Promise.withResolvers<void>()
    const sizes: number[] = []
    const slow = async (_: unknown, args: readonly never[]) => {
      most = Math.max(most, ++running)
      await gate.promise
      running--
      const written = await swallow(_, args)
      sizes.push(written.bytesWritten)
      return written
    }
    faults.handle = { write: slow, writev: slow }
    const writer = await store.openUpload('one', 0)
    let accepted = 0
    const sending = (async () => {
      for (let index = 0; index < 256; index++) {
        await writer.write(randomBytes(32_768))
        accepted++
      }
    })()
    for (let index = 0; index < 50; index++) await tick()
    assert.ok(accepted * 32_768 >= 1024 * 1024 && accepted * 32_768 <= 1.25 * 1024 * 1024 + 65_536, `${accepted} chunks were accepted`)
    gate.resolve()
    await sending
    await writer.sync()
    assert.equal(most, 1)
    assert.equal(
      sizes.reduce((sum, size) => sum + size),
      256 * 32_768,
    )
    for (const size of sizes.slice(0, -1)) assert.ok(size >= 65_536 && size <= 262_144, `a piece of ${size}`)
    gate = Promise.withResolvers()
    await writer[Symbol.asyncDispose]()
  })

  check('it is synced each 128 MiB, one sync at a time, while more is received', async ({ store, faults, calls }) => {
    const gate = Promise.withResolvers<void>()
    let running = 0
    let most = 0
    const datasync = async () => {
      most = Math.max(most, ++running)
      await gate.promise
      running--
    }
    faults.handle = { write: swallow, writev: swallow, datasync }
    await using writer = await store.openUpload('one', 0)
    const chunk = new Uint8Array(1024 * 1024)
    for (let index = 0; index < 127; index++) await writer.write(chunk)
    await tick()
    assert.equal(calls.get('handle.datasync') ?? 0, 0)
    for (let index = 0; index < 300; index++) await writer.write(chunk)
    assert.equal(calls.get('handle.datasync'), 1, 'the sync is still running')
    const syncing = writer.sync()
    await tick()
    assert.equal(calls.get('handle.datasync'), 1, 'the last sync waits for the early one')
    gate.resolve()
    await syncing
    assert.equal(calls.get('handle.datasync'), 2)
    assert.equal(most, 1)
  })

  check('an early sync that fails ends the upload at the next call', async ({ store, faults, calls }) => {
    faults.handle = { write: swallow, writev: swallow, datasync: refuse('EIO', 'fdatasync') }
    const writer = await store.openUpload('one', 0)
    const chunk = new Uint8Array(1024 * 1024)
    const sending = async () => {
      for (let index = 0; index < 200; index++) {
        await writer.write(chunk)
        await tick()
      }
    }
    await assert.rejects(sending(), translated('UNAVAILABLE'))
    assert.ok(writer.offsetBytes < 140 * 1024 * 1024)
    await assert.rejects(writer.sync(), translated('UNAVAILABLE'))
    await writer[Symbol.asyncDispose]()
    assert.equal(calls.get('handle.datasync'), 1)
    assert.equal(await store.statUpload('one'), undefined)
  })
})

suite('when a commit fails', () => {
  for (const step of ['mkdir', 'rename', 'lstat'] as const) {
    check(`at ${step}, the upload is still there and a second commit succeeds`, async ({ store, faults }) => {
      const uploadId = await upload(store, [Buffer.from('abc')])
      const key = keyOf(Buffer.from('abc'))
      faults.files = { [step]: refuse('ENOSPC', step) }
      await assert.rejects(store.commitUpload(uploadId, key), translated('STORAGE_FULL'))
      faults.files = {}
      assert.equal(await store.stat(key), undefined)
      await store.commitUpload(uploadId, key)
      assert.deepEqual(await bytesOf(store, key), Buffer.from('abc'))
    })
  }

  check('at the sync of a directory, there is no blob', async ({ store, faults, root }) => {
    const uploadId = await upload(store, [Buffer.from('abc')])
    const key = keyOf(Buffer.from('abc'))
    faults.handle = { sync: refuse('EIO', 'fsync') }
    await assert.rejects(store.commitUpload(uploadId, key), translated('UNAVAILABLE'))
    faults.handle = {}
    assert.equal(await store.stat(key), undefined)
    await assert.rejects(readFile(join(root, key)), { code: 'ENOENT' })
  })

  check('because the directory is removed each time, it gives up in the end', async ({ store, faults, calls }) => {
    const uploadId = await upload(store, [Buffer.from('abc')])
    faults.files = { rename: refuse('ENOENT', 'rename') }
    await assert.rejects(store.commitUpload(uploadId, keyOf(Buffer.from('abc'))), translated('UNKNOWN'))
    assert.ok(calls.get('rename')! > 1 && calls.get('rename')! < 100)
  })
})

suite('when other calls fail', () => {
  check('an upload that could not be opened can be opened later', async ({ store, faults }) => {
    for (const [name, fault] of [
      ['files', { open: refuse('EMFILE', 'open') }],
      ['handle', { stat: refuse('EIO', 'fstat') }],
    ] as const) {
      await upload(store, [randomBytes(10)], 'one')
      Object.assign(faults, { [name]: fault })
      await assert.rejects(store.openUpload('one', 5), translated('UNAVAILABLE'))
      Object.assign(faults, { files: {}, handle: {} })
      await (await store.openUpload('one', 5))[Symbol.asyncDispose]()
      await store.abortUpload('one')
    }
  })

  check('a delete goes through the other keys, says that it failed, and can be repeated', async ({ store, faults }) => {
    const keys = await Promise.all(Array.from({ length: 6 }, () => put(store, randomBytes(10))))
    const unlink = systemPorts.files.unlink
    faults.files = {
      unlink: async (path: never) => {
        if (String(path).endsWith(keys[2]!)) throw systemError('EIO', 'unlink')
        await unlink(path)
      },
    }
    await assert.rejects(store.delete(keys), translated('UNAVAILABLE'))
    const left = await Promise.all(keys.map((key) => store.stat(key)))
    assert.deepEqual(
      left.map((facts) => facts !== undefined),
      [false, false, true, false, false, false],
    )
    faults.files = {}
    await store.delete(keys)
    assert.equal(await store.stat(keys[2]!), undefined)
  })

  check('a blob that cannot be measured is not handed out, and its handle is closed', async ({ store, faults }) => {
    const key = await put(store, Buffer.from('abc'))
    faults.handle = { stat: refuse('EIO', 'fstat') }
    await assert.rejects(store.open(key), translated('UNAVAILABLE'))
    faults.files = {
      open: refuse('EMFILE', 'open'),
      stat: refuse('EIO', 'stat'),
      statfs: refuse('EIO', 'statfs'),
      opendir: refuse('EIO', 'opendir'),
    }
    await assert.rejects(store.open(key), translated('UNAVAILABLE'))
    await assert.rejects(store.stat(key), translated('UNAVAILABLE'))
    await assert.rejects(store.space(), translated('UNAVAILABLE'))
    await assert.rejects(store.listUploads()[Symbol.asyncIterator]().next(), translated('UNAVAILABLE'))
  })

  check('a read error while an upload is read back is an error, not an end', async ({ store, faults }) => {
    await upload(store, [randomBytes(200_000)], 'one')
    faults.handle = { read: refuse('EIO', 'read') }
    await assert.rejects(store.readUpload('one')[Symbol.asyncIterator]().next(), translated('UNAVAILABLE'))
  })
})
