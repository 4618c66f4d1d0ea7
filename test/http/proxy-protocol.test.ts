import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { suite, test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { makeCertificates } from '../support/certificates.ts'
import { serveRooms, type ServedRooms } from '../support/serve-rooms.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { until } from '../support/until.ts'

const trusting = { proxyProtocol: true, trustedProxies: ['127.0.0.1'], listen: { host: '127.0.0.1', port: 0 } } as const
const request = 'GET /v2/ HTTP/1.1\r\nHost: hub.example\r\nConnection: close\r\n\r\n'
const line = (address: string) => `PROXY TCP4 ${address} 10.0.0.1 56324 443\r\n`

/** Everything that comes until the server closes; empty when it closes without a word. */
function exchange(port: number, send: (socket: Socket) => void): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>()
  const chunks: Buffer[] = []
  const socket = connect(port, '127.0.0.1', () => send(socket))
  socket.on('data', (chunk) => chunks.push(chunk))
  socket.on('error', () => undefined).once('close', () => resolve(Buffer.concat(chunks).toString()))
  return promise
}

function addresses({ lines }: ServedRooms): readonly string[] {
  return lines.flatMap((each) => /http\.request\.remoteaddr="?([^" ]+)/.exec(each)?.[1] ?? [])
}

function binary(address: string): Buffer {
  const bytes = [...address.split('.').map(Number), 10, 0, 0, 1, 0xdc, 4, 1, 0xbb]
  return Buffer.concat([Buffer.from('0d0a0d0a000d0a515549540a2111000c', 'hex'), Buffer.from(bytes)])
}

suite('the PROXY protocol', () => {
  test('a header of either version tells the client, whole or byte by byte, with the request or before it', async () => {
    await using rooms = await serveRooms({ http: trusting })
    const wanted: string[] = []
    const one = async (address: string, send: (socket: Socket) => void) => {
      wanted.push(address)
      assert.match(await exchange(rooms.port, send), /^HTTP\/1\.1 200 /)
    }
    await one('203.0.113.1', (socket) => socket.write(line('203.0.113.1') + request))
    await one('203.0.113.2', (socket) => socket.write(Buffer.concat([binary('203.0.113.2'), Buffer.from(request)])))
    await one('203.0.113.3', (socket) => {
      socket.setNoDelay(true)
      const bytes = Buffer.concat([binary('203.0.113.3'), Buffer.from(request)])
      bytes.forEach((_, at) => void setTimeout(() => socket.write(bytes.subarray(at, at + 1)), at))
    })
    await one('203.0.113.4', (socket) => {
      socket.write(line('203.0.113.4'))
      setTimeout(() => socket.write(request), 50)
    })
    assert.deepEqual(addresses(rooms), wanted)
  })

  test('it comes before TLS, and the address lasts for all requests of the connection', async () => {
    await using directory = await temporaryDirectory('proxy-tls')
    const { authority, certificateFile, keyFile } = await makeCertificates(directory.path, ['DNS:hub.example'])
    const tls = {
      clientCas: [],
      crls: [],
      clientAuth: 'require-and-verify-client-cert',
      minimumVersion: 'TLSv1.2',
      cipherSuites: undefined,
      certificate: certificateFile,
      key: keyFile,
    } as const
    await using rooms = await serveRooms({ http: { ...trusting, tls } })
    for (const address of ['203.0.113.7', '203.0.113.8']) {
      const raw = connect(rooms.port, '127.0.0.1')
      raw.write(line(address))
      const socket = connectTls({ socket: raw, servername: 'hub.example', ca: authority })
      let text = ''
      socket.on('data', (chunk: Buffer) => (text += chunk.toString()))
      socket.write(request.replace('Connection: close\r\n', ''))
      await until('the first answer', () => text.includes('200 OK'))
      socket.write(request)
      await new Promise((resolve) => socket.once('close', resolve))
      assert.equal(text.match(/HTTP\/1\.1 200/g)?.length, 2)
    }
    assert.deepEqual(addresses(rooms), ['203.0.113.7', '203.0.113.7', '203.0.113.8', '203.0.113.8'])
  })

  test('a balancer that speaks for itself keeps its own address', async () => {
    await using rooms = await serveRooms({ http: trusting })
    await exchange(rooms.port, (socket) => socket.write(`PROXY UNKNOWN\r\n${request}`))
    await exchange(rooms.port, (socket) =>
      socket.write(Buffer.concat([Buffer.from('0d0a0d0a000d0a515549540a20000000', 'hex'), Buffer.from(request)])),
    )
    assert.deepEqual(addresses(rooms), ['127.0.0.1', '127.0.0.1'])
  })

  test('headers of HTTP do not add to it unless the named client is a trusted proxy itself', async () => {
    await using rooms = await serveRooms({ http: { ...trusting, trustedProxies: ['127.0.0.1', '10.9.0.0/16'] } })
    const forwarded = request.replace('Connection', 'X-Forwarded-For: 198.51.100.1\r\nConnection')
    await exchange(rooms.port, (socket) => socket.write(line('203.0.113.1') + forwarded))
    await exchange(rooms.port, (socket) => socket.write(line('10.9.0.1') + forwarded))
    assert.deepEqual(addresses(rooms), ['203.0.113.1', '198.51.100.1'])
  })

  test('a private address that nobody named is not believed about others, and the log says so once', async () => {
    await using rooms = await serveRooms({ http: trusting })
    const forwarded = request.replace('Connection', 'X-Forwarded-For: 198.51.100.1\r\nConnection')
    for (const address of ['10.1.2.3', '10.1.2.4', '203.0.113.1'])
      await exchange(rooms.port, (socket) => socket.write(line(address) + forwarded))
    assert.deepEqual(addresses(rooms), ['10.1.2.3', '10.1.2.4', '203.0.113.1'])
    const told = rooms.lines.filter((each) => each.includes('add it to http.trustedproxies'))
    assert.equal(told.length, 1)
    assert.match(told[0] ?? '', /10\.1\.2\.3/)
  })

  test('of others than trusted proxies it is not taken: they are served as who they are, and their header is no request', async () => {
    await using rooms = await serveRooms({ http: { ...trusting, trustedProxies: ['10.0.0.1'] } })
    assert.match(await exchange(rooms.port, (socket) => socket.write(request)), /^HTTP\/1\.1 200 /)
    assert.deepEqual(addresses(rooms), ['127.0.0.1'])
    assert.match(await exchange(rooms.port, (socket) => socket.write(line('203.0.113.1') + request)), /^HTTP\/1\.1 400 /)
    assert.match(
      await exchange(rooms.port, (socket) => socket.write(Buffer.concat([binary('203.0.113.1'), Buffer.from(request)]))),
      /^HTTP\/1\.1 400 /,
    )
  })

  test('where it is off, it is no request', async () => {
    await using rooms = await serveRooms({ http: { ...trusting, proxyProtocol: false } })
    assert.match(await exchange(rooms.port, (socket) => socket.write(line('203.0.113.1') + request)), /^HTTP\/1\.1 400 /)
  })

  const hostile: Readonly<Record<string, (socket: Socket) => void>> = {
    'a request without one': (socket) => socket.write(request),
    'a broken one': (socket) => socket.write(`PROXY TCP4 203.0.113.999 10.0.0.1 1 2\r\n${request}`),
    'a line without end': (socket) => socket.write(`PROXY UNKNOWN ${'x'.repeat(5_000)}`),
    'a length beyond the bound': (socket) => socket.write(Buffer.from('0d0a0d0a000d0a515549540a2111ffff', 'hex')),
    'half of one, and then the end': (socket) => socket.end('PROXY TCP4 203.0'),
    'nothing, and then the end': (socket) => socket.end(),
    'one that is reset': (socket) => void socket.write('PROXY', () => socket.resetAndDestroy()),
  }
  for (const [name, send] of Object.entries(hostile)) {
    test(`${name} closes the connection without an answer`, async () => {
      await using rooms = await serveRooms({ http: trusting })
      assert.equal(await exchange(rooms.port, send), '')
      assert.match(await exchange(rooms.port, (socket) => socket.write(line('203.0.113.1') + request)), /^HTTP\/1\.1 200 /)
    })
  }

  test('a slow one is cut in time, however often a byte comes', async () => {
    await using rooms = await serveRooms({ http: trusting, limits: { headersTimeoutMs: 400 } })
    const since = performance.now()
    const text = await exchange(rooms.port, (socket) => {
      socket.write('PROXY TCP4 2')
      const drip = setInterval(() => socket.write('0'), 60)
      socket.once('close', () => clearInterval(drip))
    })
    assert.equal(text, '')
    assert.ok(performance.now() - since < 3_000)
    assert.ok(rooms.lines.some((each) => each.includes('refused a connection without a PROXY header')))
  })

  test('one that is awaited does not hold up the end of the server', async () => {
    await using rooms = await serveRooms({ http: trusting, limits: { headersTimeoutMs: 1_000 } })
    const ended = exchange(rooms.port, (socket) => socket.write('PROXY TCP4 '))
    await new Promise((resolve) => setTimeout(resolve, 50))
    await rooms.server.close()
    assert.equal(await ended, '')
  })
})
