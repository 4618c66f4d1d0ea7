import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { entryBlocks, tarEntries, withChecksum, type Entry } from '../../test/support/tar-entries.ts'
import { TarError } from './tar-header.ts'
import { readTar, type TarEntry } from './tar-reader.ts'

const roomy = { entries: 1_000, totalBytes: 1024 ** 3 }

/** In pieces of a size that fits no block. */
async function* inPieces(bytes: Uint8Array, pieceBytes = 301): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes)
}

async function contentOf(entry: TarEntry): Promise<string> {
  const pieces: Buffer[] = []
  for await (const piece of entry.body()) pieces.push(Buffer.from(piece))
  return Buffer.concat(pieces).toString()
}

type Read = Omit<TarEntry, 'body'> & { readonly content: string }

async function read(bytes: Uint8Array, limits = roomy): Promise<Read[]> {
  const found: Read[] = []
  for await (const { body, ...entry } of readTar(inPieces(bytes), limits)) {
    found.push({ ...entry, content: await contentOf({ ...entry, body }) })
  }
  return found
}

async function readOne(entry: Entry): Promise<Read> {
  const [found] = await read(tarEntries([entry]))
  assert.ok(found !== undefined)
  return found
}

async function refused(bytes: Uint8Array, message: RegExp, limits = roomy): Promise<void> {
  await assert.rejects(read(bytes, limits), (error: unknown) => error instanceof TarError && message.test(error.message))
}

suite('a tar archive', () => {
  test('is read entry by entry, whatever pieces its bytes come in', async () => {
    const entries = [
      { path: 'etc/', type: '5', mode: 0o755 },
      { path: 'etc/name', content: 'berth\n', uid: 3, gid: 4 },
      { path: 'etc/link', type: '2', link: 'name' },
      { path: 'etc/same', type: '1', link: 'etc/name' },
    ]
    const found = await read(tarEntries(entries))
    assert.deepEqual(
      found.map(({ path, type, content, linkPath }) => [path, type, content, linkPath]),
      [
        ['etc/', 'directory', '', ''],
        ['etc/name', 'file', 'berth\n', ''],
        ['etc/link', 'symlink', '', 'name'],
        ['etc/same', 'hardlink', '', 'etc/name'],
      ],
    )
    assert.equal(found[1]?.offset, 1024)
    assert.deepEqual([found[1]?.uid, found[1]?.gid, found[1]?.mode, found[1]?.modifiedAt], [3, 4, 0o644, 1_700_000_000])
  })

  test('gives the next entry when the body of the one before was read in part, or not at all', async () => {
    const archive = tarEntries([
      { path: 'a', content: 'x'.repeat(5000) },
      { path: 'b', content: 'y'.repeat(700) },
      { path: 'c', content: 'end' },
    ])
    const seen: string[] = []
    for await (const entry of readTar(inPieces(archive), roomy)) {
      if (entry.path === 'b') for await (const _piece of entry.body()) break
      seen.push(entry.path === 'c' ? await contentOf(entry) : entry.path)
    }
    assert.deepEqual(seen, ['a', 'b', 'end'])
  })

  test('has long names, sizes and times from pax headers', async () => {
    const path = `${'d'.repeat(120)}/${'f'.repeat(120)}/ü.txt`
    const found = await readOne({ path: 'short', content: 'abc', size: 3, pax: { path, mtime: '1234567890.75', uid: '70000', size: '3' } })
    assert.deepEqual([found.path, found.modifiedAt, found.uid, found.content], [path, 1_234_567_890, 70_000, 'abc'])
  })

  test('has long names from GNU headers', async () => {
    const path = `${'g'.repeat(300)}/file`
    const archive = tarEntries([
      { path: '././@LongLink', type: 'L', content: `${path}\0` },
      { path: '././@LongLink', type: 'K', content: `${'t'.repeat(200)}\0` },
      { path: 'short', type: '2', link: 'short' },
    ])
    const [found] = await read(archive)
    assert.deepEqual([found?.path, found?.linkPath], [path, 't'.repeat(200)])
  })

  test('has large numbers in binary', async () => {
    const header = Buffer.from(entryBlocks({ path: 'big', type: '5' })[0] ?? '')
    header.fill(0, 108, 116)
    header[108] = 0x80
    header.writeUInt32BE(3_000_000_000, 112)
    const [found] = await read(Buffer.concat([withChecksum(header), Buffer.alloc(1024)]))
    assert.equal(found?.uid, 3_000_000_000)
  })

  test('ends where its source does when its end was left out', async () => {
    assert.equal((await read(tarEntries([{ path: 'a', content: 'x' }]).subarray(0, 1024))).length, 1)
    assert.equal((await read(Buffer.alloc(0))).length, 0)
  })

  test('has no body for links that claim one', async () => {
    const archive = Buffer.concat([
      ...entryBlocks({ path: 'link', type: '1', link: 'x', size: 4096 }),
      ...entryBlocks({ path: 'next', content: 'n' }),
      Buffer.alloc(1024),
    ])
    assert.deepEqual(
      (await read(archive)).map(({ path, sizeBytes }) => [path, sizeBytes]),
      [
        ['link', 0],
        ['next', 1],
      ],
    )
  })

  test('says of a sparse file how large it is when it is whole', async () => {
    const found = await readOne({
      path: 'GNUSparseFile.0/x',
      content: 'stored',
      pax: { 'GNU.sparse.name': 'x', 'GNU.sparse.realsize': '1000000', 'GNU.sparse.major': '1' },
    })
    assert.deepEqual([found.path, found.isSparse, found.sizeBytes, found.content], ['x', true, 1_000_000, 'stored'])
  })

  test('passes the map of an old sparse file by', async () => {
    const header = Buffer.from(entryBlocks({ path: 'holes', type: 'S', size: 4 })[0] ?? '')
    header.write('ustar  \0', 257, 'latin1')
    header[482] = 1
    header.write('00000100000\0', 483)
    const more = Buffer.alloc(512)
    more[504] = 1
    const archive = Buffer.concat([
      withChecksum(header),
      more,
      Buffer.alloc(512),
      Buffer.from('data'.padEnd(512, '\0')),
      Buffer.alloc(1024),
    ])
    const [found] = await read(archive)
    assert.deepEqual([found?.isSparse, found?.sizeBytes, found?.content], [true, 0o100000, 'data'])
  })

  test('keeps two names apart of which neither is UTF-8', async () => {
    const blocks = [0xfe, 0xff].map((byte) => {
      const header = Buffer.from(entryBlocks({ path: 'x', type: '5' })[0] ?? '')
      header[0] = byte
      return withChecksum(header)
    })
    const found = await read(Buffer.concat([...blocks, Buffer.alloc(1024)]))
    assert.notEqual(found[0]?.path, found[1]?.path)
  })
})

suite('a tar archive is refused', () => {
  test('that is none', async () => {
    await refused(Buffer.from('{"this":"is JSON"}'.padEnd(2048, ' ')), /no header/)
  })

  test('that was cut within a header, a body and the fill of a body', async () => {
    const whole = tarEntries([{ path: 'a', content: 'x'.repeat(700) }])
    for (const length of [100, 512 + 300, 512 + 700 + 10]) await refused(whole.subarray(0, length), /ends before/)
  })

  test('whose checksum is wrong', async () => {
    const archive = tarEntries([{ path: 'a' }])
    archive[0] = 'b'.charCodeAt(0)
    await refused(archive, /no header/)
  })

  test('with more entries, or more bytes, than are read', async () => {
    const archive = tarEntries([{ path: 'a' }, { path: 'b' }, { path: 'c' }])
    await refused(archive, /more than 2 entries/, { ...roomy, entries: 2 })
    await refused(archive, /more than 1000 bytes/, { ...roomy, totalBytes: 1000 })
  })

  test('whose pax header is huge, or no list of records', async () => {
    await refused(tarEntries([{ path: 'p', type: 'x', size: 2 * 1024 * 1024 }]), /2097152 bytes/)
    for (const content of ['nonsense', '999 path=x\n', '0 path=x\n', '9 path=x', '11 path=a\n'])
      await refused(tarEntries([{ path: 'p', type: 'x', content }, { path: 'a' }]), /pax header/)
  })

  test('whose pax header states a size that is none', async () => {
    for (const size of ['-1', '1e9', '99999999999999999', 'x']) await refused(tarEntries([{ path: 'a', pax: { size } }]), /no number/)
  })

  test('with a name that no file system would take', async () => {
    await refused(tarEntries([{ path: 'a', pax: { path: 'x'.repeat(5000) } }]), /4096 characters/)
    await refused(tarEntries([{ path: 'a', type: '2', pax: { linkpath: 'x'.repeat(5000) } }]), /4096 characters/)
  })

  test('with header after header and no entry', async () => {
    await refused(tarEntries(Array.from({ length: 101 }, () => ({ path: 'p', type: 'x', content: '' }))), /too many headers/)
  })

  test('with a size below nothing', async () => {
    const header = Buffer.from(entryBlocks({ path: 'big' })[0] ?? '')
    header.fill(0xff, 124, 136)
    await refused(Buffer.concat([withChecksum(header), Buffer.alloc(1024)]), /no size/)
  })

  test('without waiting for bytes that a header only promises', async () => {
    const header = entryBlocks({ path: 'big', size: 8 ** 11 - 1 })[0] ?? Buffer.alloc(0)
    await refused(Buffer.concat([header, Buffer.alloc(4096)]), /ends before/)
  })
})
