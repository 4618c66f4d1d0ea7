import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { mkdtemp, open, rm, type FileHandle } from 'node:fs/promises'
import { createServer, get, type IncomingMessage, type ServerResponse } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { buffersInUse, readFileRange, sendFile, sendFileRange, ShortReadError, type FileRange } from './pooled-read.ts'

const mebibyte = 1024 * 1024
const never = new AbortController().signal

/** A file with these bytes, or a sparse one of this size. */
async function temporaryFile(
  content: Uint8Array | number,
): Promise<AsyncDisposable & { readonly handle: FileHandle; readonly sizeBytes: number }> {
  const directory = await mkdtemp(join(tmpdir(), 'berth-pooled-'))
  const handle = await open(join(directory, 'file'), 'wx+')
  if (typeof content === 'number') await handle.truncate(content)
  else await handle.writeFile(content)
  const dispose = async () => {
    await handle.close()
    await rm(directory, { recursive: true })
  }
  return { handle, sizeBytes: typeof content === 'number' ? content : content.length, [Symbol.asyncDispose]: dispose }
}

/** A handle of an endless file, whose reads do what `read` says. */
function madeUpFile(read: (length: number, position: number) => Promise<number>): FileHandle {
  const handle = {
    read: async (_buffer: Buffer, _offset: number, length: number, position: number) => ({ bytesRead: await read(length, position) }),
  }
  return handle as unknown as FileHandle
}

/** Serves with `respond` on a port of the kernel's choice. */
async function serve(
  respond: (response: ServerResponse, request: IncomingMessage) => void,
): Promise<AsyncDisposable & { readonly port: number }> {
  const server = createServer((request, response) => respond(response, request))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const dispose = async () => {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  }
  return { port: (server.address() as AddressInfo).port, [Symbol.asyncDispose]: dispose }
}

/** A raw client that has sent its request and reads nothing. */
async function stalledClient(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  socket.pause()
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  return socket
}

async function until(what: string, ask: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!ask()) {
    if (performance.now() > deadline) throw new Error(`${what}: not within 10 s`)
    await sleep(5)
  }
}

async function allReturned(): Promise<void> {
  await until('every buffer comes back', () => buffersInUse().first === 0 && buffersInUse().full === 0)
}

suite('reading a range of a file', () => {
  test('gives exactly its bytes, whatever its size and place', async () => {
    const bytes = randomBytes(3 * mebibyte + 12_345)
    await using file = await temporaryFile(bytes)
    const ends = [0, 1, 65_535, 65_536, 65_537, mebibyte - 1, mebibyte, mebibyte + 65_536, mebibyte + 65_537, bytes.length - 1]
    for (const start of [0, 1, 65_536, mebibyte]) {
      for (const end of ends.filter((at) => at >= start)) {
        const hash = createHash('sha256')
        for await (const chunk of readFileRange(file.handle, { start, end })) hash.update(chunk)
        const expected = createHash('sha256').update(bytes.subarray(start, end + 1))
        assert.equal(hash.digest('hex'), expected.digest('hex'), `${start}-${end}`)
      }
    }
    await allReturned()
  })

  test('gives nothing for an empty range, of an empty file too', async () => {
    await using file = await temporaryFile(0)
    for await (const chunk of readFileRange(file.handle, { start: 0, end: -1 })) assert.fail(`${chunk.length} bytes came`)
    await sendFileRange(file.handle, { start: 0, end: -1 }, () => assert.fail('nothing is to be written'), never)
  })

  test('starts with 64 KiB and grows to 512 KiB after the first MiB', async () => {
    await using file = await temporaryFile(4 * mebibyte)
    const sizes: number[] = []
    for await (const chunk of readFileRange(file.handle, { start: 0, end: file.sizeBytes - 1 })) sizes.push(chunk.length)
    assert.deepEqual(sizes, [...Array<number>(16).fill(65_536), ...Array<number>(6).fill(524_288)])
  })

  test('goes on after a read that gave less than it was asked for', async () => {
    const positions: number[] = []
    const handle = madeUpFile(async (length, position) => {
      positions.push(position)
      return Math.min(length, 10_000)
    })
    let total = 0
    for await (const chunk of readFileRange(handle, { start: 5, end: 35_004 })) total += chunk.length
    assert.equal(total, 35_000)
    assert.deepEqual(positions, [5, 10_005, 20_005, 30_005])
  })

  test('fails with the number of missing bytes when the file ends before the range', async () => {
    await using file = await temporaryFile(100_000)
    const read = async () => {
      let total = 0
      for await (const chunk of readFileRange(file.handle, { start: 0, end: 149_999 })) total += chunk.length
      return total
    }
    await assert.rejects(read(), (error) => error instanceof ShortReadError && error.missingBytes === 50_000)
    await allReturned()
  })

  test('gives its buffers back when the reader stops early or the signal aborts', async () => {
    await using file = await temporaryFile(4 * mebibyte)
    const range = { start: 0, end: file.sizeBytes - 1 }
    for await (const chunk of readFileRange(file.handle, range)) if (chunk.length > 65_536) break
    const controller = new AbortController()
    const aborted = async () => {
      for await (const chunk of readFileRange(file.handle, range, controller.signal))
        if (chunk.length > 0) controller.abort(new Error('enough'))
    }
    await assert.rejects(aborted(), /enough/)
    await allReturned()
  })
})

suite('sending a range of a file', () => {
  test('reads the next chunk while the one before is being written, and no further', async () => {
    const reads: number[] = []
    const handle = madeUpFile(async (length, position) => {
      reads.push(position)
      return length
    })
    const writes: PromiseWithResolvers<void>[] = []
    const write = () => {
      writes.push(Promise.withResolvers())
      return writes.at(-1)!.promise
    }
    const sending = sendFileRange(handle, { start: 0, end: 4 * 65_536 - 1 }, write, never)
    for (let written = 1; written <= 4; written++) {
      await until('a write', () => writes.length === written)
      await sleep(2)
      assert.equal(writes.length, written, 'one chunk is written at a time')
      assert.equal(reads.length, Math.min(written + 1, 4))
      assert.ok(buffersInUse().first <= 2)
      writes.at(-1)!.resolve()
    }
    await sending
    await allReturned()
  })

  test('uses a buffer again only when its chunk was written, with many streams at once', async () => {
    const bytes = randomBytes(3 * mebibyte)
    await using file = await temporaryFile(bytes)
    const send = async (lane: number) => {
      let at = 0
      const write = async (chunk: Buffer) => {
        await sleep(lane % 3)
        assert.ok(chunk.equals(bytes.subarray(at, at + chunk.length)), 'the chunk changed before it was written')
        at += chunk.length
      }
      await sendFileRange(file.handle, { start: 0, end: bytes.length - 1 }, write, never)
      assert.equal(at, bytes.length)
    }
    await Promise.all(Array.from({ length: 12 }, (_, lane) => send(lane)))
    await allReturned()
  })

  test('an aborted stream returns at once, and its buffer comes back when the write ends', async () => {
    const handle = madeUpFile(async (length) => length)
    const controller = new AbortController()
    const written = Promise.withResolvers<void>()
    let chunk: Buffer | undefined
    const write = (given: Buffer) => {
      chunk = given
      return written.promise
    }
    const sending = sendFileRange(handle, { start: 0, end: 10 * mebibyte }, write, controller.signal)
    await until('a write', () => chunk !== undefined)
    controller.abort(new Error('stop'))
    await assert.rejects(sending, /stop/)
    await allReturned()
    const other: Buffer[] = []
    await sendFileRange(handle, { start: 0, end: 20 * 65_536 }, async (given) => void other.push(given), never)
    assert.ok(
      other.every((given) => given.buffer !== chunk?.buffer),
      'a buffer in use was handed out again',
    )
    written.reject(new Error('late, and nobody listens'))
    await sleep(1)
  })

  test('an aborted stream does not wait for a read that hangs', async () => {
    const hanging = Promise.withResolvers<number>()
    const controller = new AbortController()
    const sending = sendFileRange(
      madeUpFile(() => hanging.promise),
      { start: 0, end: 100 },
      async () => undefined,
      controller.signal,
    )
    controller.abort(new Error('stop'))
    await assert.rejects(sending, /stop/)
    hanging.resolve(101)
    await allReturned()
  })

  test('a write that throws or rejects ends the stream and loses no buffer', async () => {
    const handle = madeUpFile(async (length) => length)
    const failures = [() => Promise.reject(new Error('broken')), () => assert.fail('broken')]
    for (const write of failures) await assert.rejects(sendFileRange(handle, { start: 0, end: mebibyte }, write, never), /broken/)
    await allReturned()
  })

  test('many stalled streams hold 128 MiB of full buffers at most, and still go on', async () => {
    const handle = madeUpFile(async (length) => length)
    const controller = new AbortController()
    const stall = async (sent: { bytes: number }) => {
      const write = async (chunk: Buffer) => {
        sent.bytes += chunk.length
        if (sent.bytes > 2 * mebibyte) await new Promise(() => undefined)
      }
      await sendFileRange(handle, { start: 0, end: 100 * mebibyte }, write, controller.signal)
    }
    const streams = Array.from({ length: 300 }, () => ({ bytes: 0 }))
    const ends = Promise.allSettled(streams.map((sent) => stall(sent)))
    await until('all streams stall', () => streams.every(({ bytes }) => bytes > 2 * mebibyte))
    assert.ok(buffersInUse().full <= 256, `${buffersInUse().full} full buffers`)
    assert.ok(buffersInUse().first + buffersInUse().full <= 600)
    controller.abort()
    await ends
    await allReturned()
  })
})

suite('sending a file to a client', () => {
  test('delivers ranges byte for byte, and leaves no listener behind', async () => {
    const bytes = randomBytes(5 * mebibyte + 1)
    await using file = await temporaryFile(bytes)
    const ranges: FileRange[] = [
      { start: 0, end: bytes.length - 1 },
      { start: 3, end: 3 },
      { start: mebibyte, end: 4 * mebibyte },
    ]
    const listeners: number[] = []
    const controller = new AbortController()
    await using server = await serve((response) => {
      const before = response.listenerCount('close')
      void (async () => {
        for (const range of ranges) assert.equal(await sendFile(response, file.handle, range, controller.signal), 'sent')
        listeners.push(response.listenerCount('close') - before)
        response.end()
      })()
    })
    const received: Buffer[] = []
    const [response] = (await once(get({ port: server.port, host: '127.0.0.1' }), 'response')) as [IncomingMessage]
    for await (const chunk of response) received.push(chunk as Buffer)
    assert.ok(Buffer.concat(received).equals(Buffer.concat(ranges.map(({ start, end }) => bytes.subarray(start, end + 1)))))
    assert.deepEqual(listeners, [0])
    await allReturned()
  })

  test('a client that leaves ends the stream promptly as gone, and the buffers come back', async () => {
    await using file = await temporaryFile(256 * mebibyte)
    const outcome = Promise.withResolvers<string>()
    await using server = await serve((response) => {
      response.writeHead(200, { 'Content-Length': file.sizeBytes })
      sendFile(response, file.handle, { start: 0, end: file.sizeBytes - 1 }).then(outcome.resolve, outcome.reject)
    })
    const client = await stalledClient(server.port)
    await until('the stream stalls', () => buffersInUse().first + buffersInUse().full === 2)
    const left = performance.now()
    client.resetAndDestroy()
    assert.equal(await outcome.promise, 'gone')
    assert.ok(performance.now() - left < 2000)
    await allReturned()
  })

  test('a receiver that closes without a word about its last write is gone too', async () => {
    const receiver = Object.assign(new EventEmitter(), { destroyed: false, write: () => true })
    const sending = sendFile(
      receiver,
      madeUpFile(async (length) => length),
      { start: 0, end: mebibyte },
    )
    await until('a write', () => buffersInUse().first === 2)
    receiver.emit('close')
    assert.equal(await sending, 'gone')
    assert.equal(receiver.listenerCount('close'), 0)
    await allReturned()
  })

  test('a response that is closed already is gone', async () => {
    await using file = await temporaryFile(10)
    const outcome = Promise.withResolvers<string>()
    await using server = await serve((response) => {
      response.destroy()
      sendFile(response, file.handle, { start: 0, end: 9 }).then(outcome.resolve, outcome.reject)
    })
    await stalledClient(server.port)
    assert.equal(await outcome.promise, 'gone')
  })

  test('a signal ends the stream with its reason, before and during it', async () => {
    await using file = await temporaryFile(64 * mebibyte)
    const controller = new AbortController()
    const idle = {
      destroyed: false,
      write: () => assert.fail('nothing is to be written'),
      on: () => assert.fail(),
      off: () => assert.fail(),
    }
    await assert.rejects(sendFile(idle, file.handle, { start: 0, end: 9 }, AbortSignal.abort(new Error('too late'))), /too late/)
    const outcome = Promise.withResolvers<unknown>()
    await using server = await serve((response) => {
      response.writeHead(200, { 'Content-Length': file.sizeBytes })
      sendFile(response, file.handle, { start: 0, end: file.sizeBytes - 1 }, controller.signal).then(outcome.reject, (error: unknown) => {
        outcome.resolve(error)
        response.destroy()
      })
    })
    const client = await stalledClient(server.port)
    await until('the stream stalls', () => buffersInUse().first + buffersInUse().full === 2)
    const reason = new Error('drained')
    controller.abort(reason)
    assert.equal(await outcome.promise, reason)
    client.destroy()
    await allReturned()
  })

  for (const [what, cut] of [
    ['cut before it was sent', 0],
    ['cut under its reader', 2 * mebibyte],
  ] as const) {
    test(`a file that was ${what} is an error before the body is complete`, async () => {
      await using file = await temporaryFile(32 * mebibyte)
      const sizeBytes = file.sizeBytes
      if (cut === 0) await file.handle.truncate(100)
      const failure = Promise.withResolvers<unknown>()
      await using server = await serve((response) => {
        response.writeHead(200, { 'Content-Length': sizeBytes })
        sendFile(response, file.handle, { start: 0, end: sizeBytes - 1 }).then(failure.reject, (error: unknown) => {
          failure.resolve(error)
          response.destroy()
        })
      })
      const client = await stalledClient(server.port)
      let received = 0
      client.on('data', (chunk) => (received += chunk.length))
      if (cut > 0) {
        client.pause()
        await until('the stream stalls', () => buffersInUse().first + buffersInUse().full === 2)
        await file.handle.truncate(cut)
      }
      client.resume()
      await once(client, 'close')
      assert.ok((await failure.promise) instanceof ShortReadError)
      assert.ok(received < sizeBytes)
      await allReturned()
    })
  }

  test('a read that the disk refuses is an error, not a client that left', async () => {
    const eio = Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO', syscall: 'read' })
    const handle = madeUpFile(async (length, position) => {
      if (position >= 200_000) throw eio
      return length
    })
    const failure = Promise.withResolvers<unknown>()
    await using server = await serve((response) => {
      response.writeHead(200, { 'Content-Length': mebibyte })
      sendFile(response, handle, { start: 0, end: mebibyte - 1 }).then(failure.reject, (error: unknown) => {
        failure.resolve(error)
        response.destroy()
      })
    })
    const client = await stalledClient(server.port)
    client.resume()
    await once(client, 'close')
    assert.equal(await failure.promise, eio)
    await allReturned()
  })

  test('slow clients cost a MiB each at most, however large the file', async () => {
    await using file = await temporaryFile(1024 * mebibyte)
    await using server = await serve((response) => {
      response.writeHead(200, { 'Content-Length': file.sizeBytes })
      void sendFile(response, file.handle, { start: 0, end: file.sizeBytes - 1 })
    })
    const before = process.memoryUsage().arrayBuffers
    const clients = await Promise.all(Array.from({ length: 20 }, () => stalledClient(server.port)))
    await until('all streams stall', () => buffersInUse().first + buffersInUse().full === 40)
    await sleep(50)
    const grown = process.memoryUsage().arrayBuffers - before
    assert.ok(grown < 24 * mebibyte, `${grown} bytes for 20 clients`)
    for (const client of clients) client.destroy()
    await allReturned()
  })
})
