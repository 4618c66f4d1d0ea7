import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { suite, test } from 'node:test'
import { constants, gzipSync, zstdCompressSync } from 'node:zlib'
import { packingOf, peek, unpack, UnpackError, type Packing } from './unpack.ts'

async function* inPieces(bytes: Uint8Array, pieceBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes)
}

async function unpacked(bytes: Uint8Array, pieceBytes = 1000): Promise<Buffer> {
  const { head, source } = await peek(inPieces(bytes, pieceBytes), 6)
  const packing = packingOf(head) as Exclude<Packing, 'unknown'>
  const pieces: Buffer[] = []
  for await (const piece of unpack(source, packing)) pieces.push(Buffer.from(piece))
  return Buffer.concat(pieces)
}

const content = Buffer.concat([randomBytes(200_000), Buffer.alloc(500_000, 'a')])
const skippable = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4])

suite('a packed stream', () => {
  test('is told by its first bytes, in whatever pieces they come', async () => {
    const short = content.subarray(0, 3000)
    for (const bytes of [short, gzipSync(short), zstdCompressSync(short)])
      for (const pieceBytes of [3, 1_000_000]) assert.ok(short.equals(await unpacked(bytes, pieceBytes)))
    assert.equal(packingOf(Buffer.from('BZh91AY')), 'unknown')
    assert.equal(packingOf(Buffer.from('\xfd7zXZ\0', 'latin1')), 'unknown')
    assert.equal(packingOf(Buffer.alloc(0)), 'none')
  })

  test('may have many frames, and frames to be skipped', async () => {
    const [one, two] = [content.subarray(0, 300_000), content.subarray(300_000)]
    assert.ok(content.equals(await unpacked(Buffer.concat([gzipSync(one), gzipSync(two)]))))
    assert.ok(
      content.equals(await unpacked(Buffer.concat([skippable, zstdCompressSync(one), skippable, zstdCompressSync(two), skippable]))),
    )
    const many = Array.from({ length: 300 }, (_, index) => zstdCompressSync(`${index}\n`))
    assert.equal((await unpacked(Buffer.concat(many))).toString().split('\n').length, 301)
  })

  test('that was cut, or damaged, is refused', async () => {
    const proven = { params: { [constants.ZSTD_c_checksumFlag]: 1 } }
    for (const packed of [gzipSync(content), zstdCompressSync(content, proven)]) {
      const damaged = Buffer.from(packed)
      damaged.fill(0x55, 1000, 1200)
      for (const bytes of [packed.subarray(0, -5), packed.subarray(0, 100), damaged]) await assert.rejects(unpacked(bytes), UnpackError)
    }
    await assert.rejects(unpacked(Buffer.concat([zstdCompressSync('x'), Buffer.from('rubbish behind it')])), UnpackError)
  })

  test('passes on what its source throws', async () => {
    const failing = async function* () {
      yield gzipSync(content).subarray(0, 1000)
      throw new Error('the disk is gone')
    }
    await assert.rejects(async () => {
      for await (const _piece of unpack(failing(), 'gzip'));
    }, /the disk is gone/)
  })

  test('closes its source when nobody reads on', async () => {
    let isClosed = false
    const source = async function* () {
      try {
        for (;;) yield gzipSync(content)
      } finally {
        isClosed = true
      }
    }
    for await (const _piece of unpack(source(), 'gzip')) break
    assert.equal(isClosed, true)
  })

  test('costs no more memory than a window, however much comes out', async () => {
    // 256 MiB of zeros in 8 KiB.
    let sizeBytes = 0
    for await (const piece of unpack(inPieces(zstdCompressSync(Buffer.alloc(256 * 1024 * 1024)), 4096), 'zstd')) sizeBytes += piece.length
    assert.equal(sizeBytes, 256 * 1024 * 1024)
  })
})
