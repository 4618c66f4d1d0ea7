import { connect, type Socket } from 'node:net'

/** A connection on which a test says what no HTTP client would. */
export interface RawConnection extends Disposable {
  readonly socket: Socket
  /** Everything received so far. */
  received(): string
  /** Resolves with everything received when the server has closed; rejects after `timeoutMs`. */
  closed(timeoutMs?: number): Promise<string>
  /** Resolves with everything received as soon as it contains the text. */
  until(text: string, timeoutMs?: number): Promise<string>
}

export async function rawConnection(port: number, firstBytes: string | Uint8Array = ''): Promise<RawConnection> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  const chunks: Buffer[] = []
  let isClosed = false
  const received = () => Buffer.concat(chunks).toString('latin1')
  socket.on('data', (chunk) => chunks.push(chunk))
  socket.on('end', () => socket.end())
  // A reset is one of the ways to close.
  socket.on('error', () => undefined)
  socket.on('close', () => (isClosed = true))
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  socket.write(firstBytes)
  const wait = async (isDone: () => boolean, timeoutMs: number) => {
    const deadline = performance.now() + timeoutMs
    while (!isDone()) {
      if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain, with: ${received().slice(0, 500)}`)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    return received()
  }
  return {
    socket,
    received,
    closed: (timeoutMs = 10_000) => wait(() => isClosed, timeoutMs),
    until: (text, timeoutMs = 10_000) => wait(() => received().includes(text), timeoutMs),
    [Symbol.dispose]: () => void socket.destroy(),
  }
}
