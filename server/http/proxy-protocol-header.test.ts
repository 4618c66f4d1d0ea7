import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { parseProxyHeader, proxyHeaderBytesMax } from './proxy-protocol-header.ts'

const line = (text: string) => parseProxyHeader(Buffer.from(text, 'latin1'))
const signature = '0d0a0d0a000d0a515549540a'

/** `command` is the byte of version and command, `family` that of family and transport. */
function binary(command: number, family: number, addresses: string, length = addresses.length / 2): Buffer {
  const head = Buffer.from(signature, 'hex')
  return Buffer.concat([head, Buffer.from([command, family, length >> 8, length & 0xff]), Buffer.from(addresses, 'hex')])
}

const ends4 = 'cb007109' + '0a000001' + 'dc04' + '01bb'
const ends6 = `20010db8${'00'.repeat(11)}07${'00'.repeat(15)}01dc0401bb`

suite('version 1', () => {
  test('names the client of IPv4 and IPv6', () => {
    assert.deepEqual(line('PROXY TCP4 203.0.113.9 10.0.0.1 56324 443\r\nGET /'), {
      sizeBytes: 43,
      source: { address: '203.0.113.9', port: 56324 },
    })
    assert.deepEqual(line('PROXY TCP6 2001:DB8::7 ::1 1 65535\r\n'), { sizeBytes: 36, source: { address: '2001:db8::7', port: 1 } })
  })

  test('says nothing of the client when it is UNKNOWN, whatever follows', () => {
    assert.deepEqual(line('PROXY UNKNOWN\r\n'), { sizeBytes: 15, source: undefined })
    assert.deepEqual(line('PROXY UNKNOWN ffff:f...f:ffff 1 2 3\r\nx'), { sizeBytes: 37, source: undefined })
  })

  test('every beginning of a header wants more', () => {
    const whole = 'PROXY TCP4 203.0.113.9 10.0.0.1 56324 443\r\n'
    for (let length = 0; length < whole.length; length++) assert.equal(line(whole.slice(0, length)), 'more', String(length))
  })

  test('a line of 107 bytes is the longest, and without an end beyond it nothing is awaited', () => {
    assert.deepEqual(line(`PROXY UNKNOWN ${'f'.repeat(91)}\r\n`), { sizeBytes: 107, source: undefined })
    assert.equal(line(`PROXY UNKNOWN ${'f'.repeat(92)}\r\n`), 'invalid')
    assert.equal(line('PROXY TCP4 '.padEnd(107, '1')), 'invalid')
  })

  for (const text of [
    'GET /v2/ HTTP/1.1\r\n\r\n',
    'proxy TCP4 203.0.113.9 10.0.0.1 1 2\r\n',
    'PROXY  TCP4 203.0.113.9 10.0.0.1 1 2\r\n',
    'PROXY TCP4 203.0.113.9 10.0.0.1 1\r\n',
    'PROXY TCP4 203.0.113.9 10.0.0.1 1 2 3\r\n',
    'PROXY TCP4 203.0.113.9 10.0.0.1 1 65536\r\n',
    'PROXY TCP4 203.0.113.9 10.0.0.1 -1 2\r\n',
    'PROXY TCP4 203.0.113.9 10.0.0.1 01 2\r\n',
    'PROXY TCP4 203.0.113.256 10.0.0.1 1 2\r\n',
    'PROXY TCP4 0203.0.113.9 10.0.0.1 1 2\r\n',
    'PROXY TCP4 2001:db8::7 10.0.0.1 1 2\r\n',
    'PROXY TCP6 203.0.113.9 ::1 1 2\r\n',
    'PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n',
    'PROXY UDP4 203.0.113.9 10.0.0.1 1 2\r\n',
    'PROXY UNKNOWNX\r\n',
    'PROXY TCP4 203.0.113.9 10.0.0.1 1 2 \r\n',
    'PROXY TCP4 203.0.113.9\n10.0.0.1 1 2\r\n',
    'PROXY \r\n',
  ]) {
    test(`${JSON.stringify(text)} is none`, () => assert.equal(line(text), 'invalid'))
  }
})

suite('version 2', () => {
  test('names the client of IPv4 and IPv6, and what else is in it is passed over', () => {
    assert.deepEqual(parseProxyHeader(binary(0x21, 0x11, ends4)), { sizeBytes: 28, source: { address: '203.0.113.9', port: 56324 } })
    assert.deepEqual(parseProxyHeader(binary(0x21, 0x21, ends6)), { sizeBytes: 52, source: { address: '2001:db8::7', port: 56324 } })
    const more = Buffer.concat([binary(0x21, 0x11, `${ends4}040003aabbcc`), Buffer.from('GET')])
    assert.deepEqual(parseProxyHeader(more), { sizeBytes: 34, source: { address: '203.0.113.9', port: 56324 } })
    const mapped = `${'00'.repeat(10)}ffffcb007109${'00'.repeat(16)}dc0401bb`
    assert.deepEqual(parseProxyHeader(binary(0x21, 0x21, mapped)), {
      sizeBytes: 52,
      source: { address: '::ffff:203.0.113.9', port: 56324 },
    })
  })

  test('says nothing of the client when it is LOCAL or does not say', () => {
    assert.deepEqual(parseProxyHeader(binary(0x20, 0x00, '')), { sizeBytes: 16, source: undefined })
    assert.deepEqual(parseProxyHeader(binary(0x20, 0x11, ends4)), { sizeBytes: 28, source: undefined })
    assert.deepEqual(parseProxyHeader(binary(0x21, 0x00, 'aabb')), { sizeBytes: 18, source: undefined })
  })

  test('every beginning of a header wants more', () => {
    const whole = binary(0x21, 0x11, ends4)
    for (let length = 0; length < whole.length; length++) assert.equal(parseProxyHeader(whole.subarray(0, length)), 'more', String(length))
  })

  const bad: Readonly<Record<string, Buffer>> = {
    'another version': binary(0x11, 0x11, ends4),
    'a command that there is not': binary(0x22, 0x11, ends4),
    'a datagram': binary(0x21, 0x12, ends4),
    'a unix socket': binary(0x21, 0x31, '00'.repeat(216)),
    'a family that there is not': binary(0x21, 0x41, ends6),
    'IPv4 addresses that are cut': binary(0x21, 0x11, ends4.slice(0, 22)),
    'IPv6 addresses that are cut': binary(0x21, 0x21, ends6.slice(0, 70)),
    'an unspecified family of a stream': binary(0x21, 0x01, ends4),
    'a length beyond the bound': binary(0x21, 0x11, '', 65_535),
    'a length one beyond the bound': binary(0x21, 0x11, '', proxyHeaderBytesMax - 15),
    'a signature with one wrong byte': Buffer.from(`${signature.slice(0, -2)}0b21110000`, 'hex'),
    TLS: Buffer.from('1603010200010001fc0303', 'hex'),
  }
  for (const [name, bytes] of Object.entries(bad)) test(`${name} is none`, () => assert.equal(parseProxyHeader(bytes), 'invalid'))

  test('no bytes make it throw', () => {
    for (let seed = 0; seed < 3_000; seed++) {
      const bytes = binary((seed * 7) & 0xff, (seed * 13) & 0xff, ends6.slice(0, (seed % 37) * 2), seed % 64)
      const found = parseProxyHeader(bytes)
      if (typeof found !== 'string') assert.ok(found.sizeBytes <= bytes.length)
    }
  })
})
