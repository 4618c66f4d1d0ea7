import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import type { BlobKey, OpenBlob } from '#blobs/blob-store.ts'
import { createMemoryStore } from '#blobs/memory.ts'
import { openReadThrough, type CacheEvent } from '#blobs/read-through.ts'
import { systemPorts, type Ports } from '#lib/ports.ts'
import { digestOf } from '#oci/digest.ts'
import { readOpenBlob } from '#registry/read-open-blob.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { until } from '../support/until.ts'
import { put } from './store-fixture.ts'

const mebibyte = 1024 ** 2

function openCache(directory: string, { ports }: { readonly ports: Ports }) {
  const events: CacheEvent[] = []
  const observe = (event: CacheEvent) => void events.push(event)
  const onFailure = (error: unknown) => assert.fail(String(error))
  const sizes = { sizeBytes: 16 * mebibyte, maximumBytes: 8 * mebibyte }
  return { cache: openReadThrough({ directory, ...sizes, redirects: false, ports, observe, onFailure }), events }
}

async function allOf(open: OpenBlob | undefined): Promise<Buffer> {
  assert.ok(open !== undefined)
  const pieces: Buffer[] = []
  for await (const piece of readOpenBlob(open, new AbortController().signal)) pieces.push(Buffer.from(piece))
  return Buffer.concat(pieces)
}

suite('what is kept is read again in the background', () => {
  /** Sleeps end when they are told to; pauses between pieces at once. */
  function heldTimers() {
    const waiting: (() => void)[] = []
    const sleep = (delayMs: number, signal?: AbortSignal) =>
      new Promise<void>((resolve, reject) => {
        signal?.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
        if (delayMs >= 60_000) waiting.push(resolve)
        else resolve()
      })
    return { timers: { ...systemPorts.timers, sleep }, waiting, pass: () => waiting.shift()?.() }
  }

  test('a turned bit is found within a day, the file dropped and counted, and the blob comes anew', async () => {
    await using directory = await temporaryDirectory('read-through')
    const [bytes, other] = [randomBytes(mebibyte), randomBytes(mebibyte)]
    const bare = createMemoryStore({ clock: systemPorts.clock })
    const keys = { bytes: await put(bare, bytes), other: await put(bare, other) }
    const { timers, waiting, pass } = heldTimers()
    let now = 1_000_000
    const clock = { ...systemPorts.clock, now: () => now }
    const { cache, events } = openCache(directory.path, { ports: { ...systemPorts, timers, clock } })
    await cache.ready
    const store = cache.before(bare)
    const pull = async (key: BlobKey, wanted: Buffer) =>
      allOf(await store.open(key, { digest: digestOf(wanted), expectedBytes: wanted.length }))
    assert.deepEqual([await pull(keys.bytes, bytes), await pull(keys.other, other)], [bytes, other])
    await until('both are kept', () => cache.count === 2)
    const name = digestOf(bytes).replace(':', '-')
    const path = join(directory.path, name.slice(7, 9), name)
    const turned = Buffer.from(bytes)
    turned.writeUInt8(turned.readUInt8(700_000) ^ 1, 700_000)
    await writeFile(path, turned)
    // Proved when they were filled: nothing is due yet.
    pass()
    await until('the first look is over', () => waiting.length === 1)
    assert.deepEqual([cache.count, events.includes('checked')], [2, false])
    now += 25 * 60 * 60 * 1_000
    pass()
    await until('the second look is over', () => waiting.length === 1)
    assert.deepEqual([cache.count, cache.keptBytes, events.filter((event) => event === 'checked').length], [1, mebibyte, 2])
    assert.equal(events.filter((event) => event === 'damaged').length, 1)
    assert.deepEqual(await pull(keys.bytes, bytes), bytes)
    await cache[Symbol.asyncDispose]()
  })

  test('what an earlier process left is read after the start; an end in the middle of it waits for nothing', async () => {
    await using directory = await temporaryDirectory('read-through')
    const digest = digestOf(Buffer.from('right'))
    const name = digest.replace(':', '-')
    await mkdir(join(directory.path, name.slice(7, 9)))
    await writeFile(join(directory.path, name.slice(7, 9), name), 'wrong')
    const { timers, waiting, pass } = heldTimers()
    const { cache, events } = openCache(directory.path, { ports: { ...systemPorts, timers } })
    await cache.ready
    assert.equal(cache.count, 1)
    pass()
    await until('it was looked at', () => waiting.length === 1)
    assert.deepEqual([cache.count, events], [0, ['checked', 'damaged']])
    await cache[Symbol.asyncDispose]()
  })
})
