/** A kept HTTP/1.1 connection that costs its machine next to nothing: requests are bytes, of an answer only status, length and end are looked at. */
import { connect, type Socket } from 'node:net'

export interface LeanAnswer {
  readonly status: number
  readonly headers: string
  readonly bodyBytes: number
}

interface Waiting {
  readonly resolve: (answer: LeanAnswer) => void
  readonly reject: (error: Error) => void
}

const endOfHeaders = Buffer.from('\r\n\r\n')

/** One request at a time; answers have a Content-Length. */
export class LeanConnection {
  readonly #socket: Socket
  #waiting: Waiting | undefined
  #head = Buffer.alloc(0)
  #answer: { status: number; headers: string; bodyBytes: number; left: number } | undefined
  #isOpen = true

  private constructor(socket: Socket) {
    this.#socket = socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => this.#take(chunk))
    socket.on('error', () => undefined)
    socket.on('close', () => {
      this.#isOpen = false
      this.#waiting?.reject(new Error('the connection closed before the answer was whole'))
    })
  }

  static async open(port: number): Promise<LeanConnection> {
    const socket = connect({ port, host: '127.0.0.1' })
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject))
    return new LeanConnection(socket)
  }

  /** False once the server has closed it. */
  get isOpen(): boolean {
    return this.#isOpen
  }

  send(request: Uint8Array): Promise<LeanAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<LeanAnswer>()
    this.#waiting = { resolve, reject }
    this.#socket.write(request)
    return promise
  }

  close(): void {
    this.#isOpen = false
    this.#socket.destroy()
  }

  #take(chunk: Buffer): void {
    let body = chunk
    if (this.#answer === undefined) {
      this.#head = Buffer.concat([this.#head, chunk])
      const end = this.#head.indexOf(endOfHeaders)
      if (end === -1) return
      const headers = this.#head.toString('latin1', 0, end + 2)
      body = this.#head.subarray(end + endOfHeaders.length)
      const bodyBytes = Number(/\r\ncontent-length: *(\d+)/i.exec(headers)?.[1] ?? 0)
      this.#answer = { status: Number(headers.slice(9, 12)), headers, bodyBytes, left: bodyBytes }
      this.#head = Buffer.alloc(0)
    }
    this.#answer.left -= body.length
    if (this.#answer.left > 0) return
    const { status, headers, bodyBytes } = this.#answer
    this.#answer = undefined
    if (/\r\nconnection: *close/i.test(headers)) this.close()
    const waiting = this.#waiting
    this.#waiting = undefined
    waiting?.resolve({ status, headers, bodyBytes })
  }
}

/** A request as the bytes that are sent; `body` with its length. */
export function requestText(method: string, path: string, headers: Readonly<Record<string, string>>, body = ''): Buffer {
  const length = body === '' ? [] : [`Content-Length: ${Buffer.byteLength(body)}`]
  const lines = [
    `${method} ${path} HTTP/1.1`,
    'Host: 127.0.0.1',
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    ...length,
  ]
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body}`)
}
