/** Pushes that take longer than anything is noted for. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { newBlobKey } from '#blobs/blob-store.ts'
import { createFilesystemStore } from '#blobs/filesystem.ts'
import { systemPorts } from '#lib/ports.ts'
import { digestOf } from '#oci/digest.ts'
import { collectGarbage } from './collect-garbage.ts'
import { pushWholeBlob } from './push-blob.ts'
import { keyOutlivesRowMs } from './publish-blob.ts'
import { alice, failsWith, noSignal, openTestRegistry, readBlob, repositoryA, sampleBytes } from './test-registry.ts'

const uploadId = '0f8fad5b-d9cb-469f-a165-70867728950e'

test('a blob whose body takes longer than its key is noted for is stored, though collections ran meanwhile', async () => {
  await using opened = await openTestRegistry({ on: 'files' })
  const { registry, clock } = opened
  const bytes = sampleBytes(200_000)
  async function* slowly() {
    yield bytes.subarray(0, 100_000)
    clock.advance(2 * keyOutlivesRowMs)
    await collectGarbage(registry, { signal: noSignal })
    yield bytes.subarray(100_000)
  }
  const digest = digestOf(bytes)
  await pushWholeBlob(registry, repositoryA, alice, { digest, body: slowly(), signal: noSignal })
  assert.deepEqual(await readBlob(registry, digest), bytes)
})

test('an upload that goes while it is given its key is unknown, not a fault', async () => {
  const rootDirectory = await mkdtemp(join(tmpdir(), 'berth-slow-'))
  const { files } = systemPorts
  // Its repository is deleted by another process just before.
  const rename: typeof files.rename = async (from, to) => {
    await files.rm(from, { force: true })
    await files.rename(from, to)
  }
  await using store = createFilesystemStore({ rootDirectory, files: { ...files, rename } })
  try {
    await using writer = await store.openUpload(uploadId, 0)
    await writer.write(Buffer.from('bytes'))
    await writer.sync()
    await assert.rejects(
      store.commitUpload(uploadId, newBlobKey(digestOf(Buffer.from('bytes')), systemPorts.random)),
      failsWith('BLOB_UPLOAD_UNKNOWN'),
    )
  } finally {
    await rm(rootDirectory, { recursive: true })
  }
})
