/**
 * A kept-alive HTTP/1.1 connection that costs as little as a client in JavaScript can: requests are ready-made buffers, answers are only
 * measured, never kept. fetch and node:http cost as much CPU per request as the server under test.
 */
import { connect, type Socket } from 'node:net'

export interface Answer {
  readonly status: number
  readonly headers: string
  readonly bodyBytes: number
}

const receiveBytes = 512 << 10
const endOfHeaders = Buffer.from('\r\n\r\n')

export class HttpConnection {
  readonly #socket: Socket
  #pending: Buffer = Buffer.alloc(0)
  #bodyLeft = 0
  #bodyBytes = 0
  #chunked = false
  #head = ''
  #waiting: { resolve: (answer: Answer) => void; reject: (error: Error) => void; hasBody: boolean } | undefined

  private constructor(open: (receive: (chunk: Buffer) => void) => Socket) {
    const socket = open((chunk) => this.#receive(chunk))
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('error', (error) => this.#waiting?.reject(error))
    socket.on('close', () => this.#waiting?.reject(new Error('connection closed before the answer was whole')))
  }

  static open(port: number): Promise<HttpConnection> {
    return new Promise((resolve, reject) => {
      const connection = new HttpConnection((receive) => {
        // One buffer for all that comes: what is read is measured and thrown away.
        const onread = {
          buffer: Buffer.alloc(receiveBytes),
          callback: (count: number, buffer: Uint8Array) => {
            receive(Buffer.from(buffer.buffer, buffer.byteOffset, count))
            return true
          },
        }
        return connect({ port, host: '127.0.0.1', onread }, () => resolve(connection)).once('error', reject)
      })
    })
  }

  /** Sends a whole request and waits for its answer. */
  request(bytes: Buffer, hasBody = true): Promise<Answer> {
    const answer = this.expect(hasBody)
    this.#socket.write(bytes)
    return answer
  }

  /** Sends a part of a request; resolves when the socket takes more. */
  send(bytes: Uint8Array): Promise<void> {
    return this.#socket.write(bytes) ? Promise.resolve() : new Promise((resolve) => this.#socket.once('drain', resolve))
  }

  expect(hasBody = true): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject, hasBody }
    })
  }

  close(): void {
    this.#socket.destroy()
  }

  #receive(chunk: Buffer): void {
    if (this.#head === '') {
      const text = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk])
      const end = text.indexOf(endOfHeaders)
      if (end < 0) {
        this.#pending = Buffer.from(text)
        return
      }
      this.#pending = Buffer.alloc(0)
      this.#startBody(text.toString('latin1', 0, end + 2))
      this.#body(text.subarray(end + 4))
      return
    }
    this.#body(chunk)
  }

  #startBody(head: string): void {
    this.#head = head
    this.#bodyBytes = 0
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)
    this.#chunked = length === null && /\r\ntransfer-encoding: *chunked/i.test(head)
    this.#bodyLeft = this.#waiting?.hasBody === true ? Number(length?.[1] ?? 0) : 0
    if (this.#waiting?.hasBody !== true) this.#chunked = false
  }

  #body(bytes: Buffer): void {
    this.#bodyBytes += bytes.length
    if (this.#chunked) {
      this.#pending = Buffer.concat([this.#pending.subarray(-8), bytes])
      if (this.#pending.subarray(-5).toString('latin1') !== '0\r\n\r\n') return
      this.#pending = Buffer.alloc(0)
    } else {
      this.#bodyLeft -= bytes.length
      if (this.#bodyLeft > 0) return
    }
    const waiting = this.#waiting
    const headers = this.#head
    this.#head = ''
    this.#waiting = undefined
    waiting?.resolve({ status: Number(headers.slice(9, 12)), headers, bodyBytes: this.#bodyBytes })
  }
}

/** A request without a body, or with a small one, as bytes. */
export function requestBytes(method: string, path: string, options: { headers?: Record<string, string>; body?: Buffer } = {}): Buffer {
  const lines = [`${method} ${path} HTTP/1.1`, 'Host: 127.0.0.1']
  for (const [name, value] of Object.entries(options.headers ?? {})) lines.push(`${name}: ${value}`)
  if (options.body !== undefined || method === 'POST' || method === 'PUT') lines.push(`Content-Length: ${options.body?.length ?? 0}`)
  const head = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`)
  return options.body === undefined ? head : Buffer.concat([head, options.body])
}

/** The path of a Location header. */
export function locationOf(answer: Answer): string {
  const value = /\r\nlocation: *([^\r]+)/i.exec(answer.headers)?.[1]
  if (value === undefined) throw new Error(`no Location in ${answer.headers}`)
  return value.startsWith('/') ? value : value.slice(value.indexOf('/', value.indexOf('://') + 3))
}
