import assert from 'node:assert/strict'
import { mkdtemp, open, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { systemPorts } from '#lib/ports.ts'
import { createDirectoryFiles } from './directory-files.ts'
import { contentOf, readWholeFile, type NamedFiles } from './named-files.ts'
import { createTarWriter, openTarFiles } from './tar-files.ts'

const { signal } = new AbortController()

async function makePlace() {
  const path = await mkdtemp(join(tmpdir(), 'berth-files-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) }
}

async function textOf(files: NamedFiles, name: string): Promise<string | undefined> {
  return (await readWholeFile(files, name, { maximumBytes: 1024 ** 2, signal }))?.toString()
}

async function namesIn(files: NamedFiles, directory = ''): Promise<string[]> {
  const names = await Array.fromAsync(files.list(directory), ({ name }) => name)
  return names.toSorted()
}

void describe('files in a directory', () => {
  test('are there whole, in place of those of before, or not at all', async () => {
    await using place = await makePlace()
    const files = createDirectoryFiles({ path: join(place.path, 'deep', 'down'), ...systemPorts })
    assert.equal(await textOf(files, 'a/b'), undefined)
    await files.put('a/b', contentOf(Buffer.from('one')))
    await files.put('a/b', contentOf(Buffer.from('two')))
    const failing = async function* () {
      yield Buffer.from('thr')
      throw new Error('the source ended')
    }
    await assert.rejects(files.put('a/b', { sizeBytes: 5, pieces: failing() }), /the source ended/)
    await assert.rejects(files.put('a/c', { sizeBytes: 5, pieces: [Buffer.from('1234')] }), /5 bytes came with 4/)
    assert.equal(await textOf(files, 'a/b'), 'two')
    assert.deepEqual(await namesIn(files), ['a/b'])
    assert.deepEqual(await readdir(join(place.path, 'deep', 'down', 'unfinished')), [])
  })

  test('go, with the directories that they leave empty', async () => {
    await using place = await makePlace()
    const files = createDirectoryFiles({ path: place.path, ...systemPorts })
    for (const name of ['a/1', 'a/b/2', 'c']) await files.put(name, contentOf(Buffer.from(name)))
    await files.remove(['a/b/2', 'never/there'])
    assert.deepEqual(await namesIn(files), ['a/1', 'c'])
    assert.deepEqual(await namesIn(files, 'a/'), ['a/1'])
    await files.remove(['a/1'])
    assert.deepEqual((await readdir(place.path)).toSorted(), ['c', 'unfinished'])
  })

  test('have names that lead nowhere else', async () => {
    await using place = await makePlace()
    const files = createDirectoryFiles({ path: place.path, ...systemPorts })
    for (const name of ['', '/a', 'a/', '../a', 'a/../b', 'a//b', '.a', 'a\0b', 'ä'])
      await assert.rejects(files.put(name, contentOf(Buffer.alloc(0))), /malformed name/, name)
  })
})

void describe('files in an archive', () => {
  async function archiveOf(path: string, write: (files: NamedFiles) => Promise<void>): Promise<NamedFiles> {
    const handle = await open(join(path, 'a.tar'), 'w+')
    const writer = createTarWriter((bytes) => handle.writeFile(bytes), { place: 'a.tar', clock: systemPorts.clock })
    await write(writer)
    await writer.finish()
    return await openTarFiles(handle, 'a.tar')
  }

  test('come out as they went in, whatever their size and the length of their names', async () => {
    await using place = await makePlace()
    const long = `blobs/sha512/ab/${'ab'.repeat(64)}`
    const sizes = [0, 1, 511, 512, 513, 100_000]
    await using files = await archiveOf(place.path, async (writer) => {
      await Promise.all(sizes.map((size) => writer.put(`size/${size}`, contentOf(Buffer.alloc(size, 'x')))))
      await writer.put(long, contentOf(Buffer.from('long')))
      await writer.put('locks/adds-1', contentOf(Buffer.from('not kept')))
    })
    assert.deepEqual(await namesIn(files), [long, ...sizes.map((size) => `size/${size}`)].toSorted())
    for (const size of sizes) assert.equal((await textOf(files, `size/${size}`))?.length, size)
    assert.equal(await textOf(files, long), 'long')
    await assert.rejects(files.put('b', contentOf(Buffer.alloc(1))), /nothing is added/)
  })

  test('one that fails on its way leaves the others readable', async () => {
    await using place = await makePlace()
    await using files = await archiveOf(place.path, async (writer) => {
      const failing = async function* () {
        yield Buffer.from('some')
        throw new Error('the source ended')
      }
      await assert.rejects(writer.put('a', { sizeBytes: 1000, pieces: failing() }), /the source ended/)
      await writer.put('b', contentOf(Buffer.from('whole')))
    })
    assert.equal(await textOf(files, 'b'), 'whole')
  })

  test('an archive that was cut says where, and what is none is refused', async () => {
    await using place = await makePlace()
    const path = join(place.path, 'a.tar')
    {
      await using _files = await archiveOf(place.path, async (writer) => {
        for (const name of ['a', 'b']) await writer.put(name, contentOf(Buffer.alloc(2000, name)))
      })
    }
    await using handle = await open(path, 'r+')
    const bytes = await handle.readFile()
    for (const [size, where] of [
      [bytes.length - 1024, /is cut: it ends after 5120 bytes, before its end is written/],
      [4000, /is cut: it ends after 4000 bytes, within b/],
      [2800, /is cut: .*, before its end is written/],
      [600, /is cut: .*, within a/],
      [100, /no tar archive/],
    ] as const) {
      await handle.truncate(size)
      await assert.rejects(openTarFiles(handle, path), where)
    }
    await handle.write(bytes, 0, bytes.length, 0)
    await handle.write(Buffer.alloc(512, 'z'), 0, 512, 2560)
    await assert.rejects(openTarFiles(handle, path), /is damaged at byte 2560: no file begins there/)
    await handle.write(Buffer.alloc(512, 'z'), 0, 512, 0)
    await assert.rejects(openTarFiles(handle, path), /no tar archive/)
  })
})
