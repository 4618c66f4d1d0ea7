import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { createDirectoryFiles } from '#blobs/directory-files.ts'
import { contentOf } from '#blobs/named-files.ts'
import { systemPorts } from '#lib/ports.ts'
import type { Digest } from '#oci/digest.ts'
import { chooseKept, type BackupKeep } from './backup-keep.ts'
import { lockRepository } from './backup-locks.ts'
import { readRowsText } from './backup-rows.ts'
import { createSeal } from './backup-seal.ts'

const { random } = systemPorts

async function sealed(bytes: Buffer, name: string, key: Buffer): Promise<Buffer> {
  const content = createSeal(key, random).seal(name, contentOf(bytes))
  const file = Buffer.concat(await Array.fromAsync(content.pieces))
  assert.equal(file.length, content.sizeBytes)
  return file
}

async function* inPieces(bytes: Buffer, length: number): AsyncGenerator<Buffer> {
  for (let start = 0; start < bytes.length; start += length) yield bytes.subarray(start, start + length)
}

async function opened(file: Buffer, name: string, key: Buffer, pieceLength = 10_000): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(createSeal(key, random).open(name, inPieces(file, pieceLength))))
}

void describe('an encrypted file', () => {
  const key = randomBytes(32)

  test('comes back as it was, whatever its length and the pieces that it comes in', async () => {
    for (const length of [0, 1, 65_535, 65_536, 65_537, 131_072, 200_000]) {
      const bytes = randomBytes(length)
      const file = await sealed(bytes, 'a', key)
      for (const pieces of [1_000, 65_552, 1_000_000])
        assert.ok(bytes.equals(await opened(file, 'a', key, pieces)), `${length} in ${pieces}`)
    }
  })

  test('does not open by another key, under another name, or with any byte changed', async () => {
    const file = await sealed(randomBytes(100_000), 'a', key)
    await assert.rejects(opened(file, 'a', randomBytes(32)), /does not open/)
    await assert.rejects(opened(file, 'b', key), /does not open/)
    for (const at of [0, 8, 9, 24, 25, 40_000, 65_570, file.length - 1]) {
      const changed = Buffer.from(file)
      changed[at] = (changed[at] ?? 0) ^ 1
      await assert.rejects(opened(changed, 'a', key), /does not open|is not an encrypted file/, `byte ${at}`)
    }
  })

  test('does not open when it was cut, even between two pieces, when pieces change places, or when more follows', async () => {
    const [head, piece] = [25, 65_536 + 16]
    const file = await sealed(randomBytes(3 * 65_536), 'a', key)
    for (const length of [0, 10, head, head + piece, head + 2 * piece, file.length - 1])
      await assert.rejects(opened(file.subarray(0, length), 'a', key), /was cut|does not open/, `cut at ${length}`)
    const [one, two] = [file.subarray(head, head + piece), file.subarray(head + piece, head + 2 * piece)]
    await assert.rejects(
      opened(Buffer.concat([file.subarray(0, head), two, one, file.subarray(head + 2 * piece)]), 'a', key),
      /does not open/,
    )
    await assert.rejects(opened(Buffer.concat([file, Buffer.alloc(1)]), 'a', key), /does not open/)
    await assert.rejects(opened(Buffer.concat([file, file.subarray(head)]), 'a', key), /does not open/)
  })

  test('is another one each time, and names of blobs tell nothing without the key', async () => {
    const bytes = Buffer.from('the same')
    assert.notDeepEqual(await sealed(bytes, 'a', key), await sealed(bytes, 'a', key))
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}` as Digest
    const name = createSeal(key, random).blobName(digest)
    assert.equal(name, createSeal(key, random).blobName(digest))
    assert.notEqual(name, createSeal(randomBytes(32), random).blobName(digest))
    assert.ok(!name.includes(digest.slice(7)))
  })
})

void describe('which backups stay', () => {
  const nothing: BackupKeep = { last: 0, daily: 0, weekly: 0, monthly: 0 }
  const at = (text: string) => ({ id: text, startedAt: Date.parse(text) })
  const ids = (backups: readonly { readonly id: string }[]) => backups.map(({ id }) => id)

  test('all do where nothing is said, and the newest always', () => {
    const backups = ['2026-01-01T00:00Z', '2026-03-01T00:00Z', '2026-02-01T00:00Z'].map(at)
    assert.deepEqual(ids(chooseKept(backups, nothing)), ['2026-03-01T00:00Z', '2026-02-01T00:00Z', '2026-01-01T00:00Z'])
    assert.deepEqual(ids(chooseKept(backups, { ...nothing, monthly: 1 })), ['2026-03-01T00:00Z'])
    assert.deepEqual(chooseKept([], { ...nothing, last: 3 }), [])
  })

  test('the last of each day, week and month do, in UTC, and one counts for several', () => {
    const backups = ['2026-11-01T02:00Z', '2026-11-19T02:00Z', '2026-11-20T02:00Z', '2026-11-20T23:59Z', '2026-11-21T00:01Z'].map(at)
    assert.deepEqual(chooseKept(backups, { last: 1, daily: 2, weekly: 2, monthly: 1 }), [
      { id: '2026-11-21T00:01Z', reasons: ['last', 'daily', 'weekly', 'monthly'] },
      { id: '2026-11-20T23:59Z', reasons: ['daily'] },
      { id: '2026-11-01T02:00Z', reasons: ['weekly'] },
    ])
  })

  test('days without a backup do not count', () => {
    const backups = ['2026-01-01T00:00Z', '2026-06-01T00:00Z', '2026-12-01T00:00Z'].map(at)
    assert.equal(chooseKept(backups, { ...nothing, daily: 2 }).length, 2)
  })
})

void describe('the rows of a backup', () => {
  const head = '{"format":"berth-rows","version":1,"schema":["0001-registry"],"sequences":{}}'
  const row = '[1,"a\\u0000b",{"b":"AQI="},null]'
  const hash = createHash('sha256').update(`${row}\n`).digest('hex')
  const table = ['{"table":"settings","columns":["id","name","value","more"]}', row, `{"end":"settings","rows":1,"sha256":"${hash}"}`]
  const last = '{"end":true}'

  async function read(lines: readonly string[], end = '\n') {
    return await Array.fromAsync(readRowsText(inPieces(Buffer.from(lines.join('\n') + end), 7)))
  }

  test('are read as they were written', async () => {
    const [first, second] = await read([head, ...table, last])
    assert.deepEqual(first, { head: JSON.parse(head) as unknown })
    assert.deepEqual(second, { table: 'settings', rows: [{ id: 1, name: 'a\0b', value: Buffer.of(1, 2), more: null }] })
  })

  test('are refused when anything lacks, was changed or is of a later version', async () => {
    const [begin = '', , end = ''] = table
    for (const [lines, message] of [
      [[head, ...table], /end early/],
      [[head, begin, end, last], /not those that were written/],
      [[head, begin, row.replace('1', '2'), end, last], /not those that were written/],
      [[head, begin, row, row, end, last], /not those that were written/],
      [[head, row, last], /is of no table/],
      [[head, begin.replace('settings', 'sqlite_master'), last], /there is no table/],
      [[head.replace('"version":1', '"version":2'), last], /of a later version/],
      [[head, head, last], /no rows of a backup/],
      [[head, '{', last], /no JSON/],
      [[head, last, row], /go on behind their end/],
    ] as const)
      await assert.rejects(read(lines), message, lines.join(' | '))
    await assert.rejects(read([head, ...table, last], ''), /has no end/)
  })
})

void describe('the locks of a place', () => {
  test('let several add and read, and prune only alone; one that is old is of a dead process', async () => {
    const path = await mkdtemp(join(tmpdir(), 'berth-locks-'))
    const files = createDirectoryFiles({ path, ...systemPorts })
    try {
      {
        await using _one = await lockRepository(files, 'adds', systemPorts)
        await using _two = await lockRepository(files, 'reads', systemPorts)
        await assert.rejects(lockRepository(files, 'removes', systemPorts), /somebody else works/)
      }
      {
        await using _alone = await lockRepository(files, 'removes', systemPorts)
        await assert.rejects(lockRepository(files, 'adds', systemPorts), /somebody else works/)
        await assert.rejects(lockRepository(files, 'removes', systemPorts), /somebody else works/)
        const later = { ...systemPorts, clock: { ...systemPorts.clock, now: () => systemPorts.clock.now() + 3_600_000 } }
        await using _next = await lockRepository(files, 'adds', later)
      }
      assert.deepEqual(await readdir(path), ['unfinished'])
    } finally {
      await rm(path, { recursive: true })
    }
  })
})
