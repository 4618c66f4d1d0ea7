/** The simulator itself: that it is the same run for the same seed, finds what is wrong, and holds for a few seeds. The thousands are `npm run test:simulation`. */
import assert from 'node:assert/strict'
import { before, suite, test } from 'node:test'
import { SimDatabase } from './database.ts'
import { Disk } from './disk.ts'
import { SeededRandom } from './random.ts'
import { simulate, type Run } from './simulate.ts'

let database: SimDatabase
before(async () => void (database = await SimDatabase.make()))

const seeds = Array.from({ length: 40 }, (_, index) => 1_000_000 + index)

suite('the simulation', () => {
  test('does the same for the same seed, to the last event, whatever ran before', async () => {
    const hashes = new Map<number, string>()
    for (const seed of seeds.slice(0, 12)) hashes.set(seed, (await simulate(database, seed)).traceHash)
    const another = await SimDatabase.make()
    for (const [seed, hash] of [...hashes].toReversed()) assert.equal((await simulate(another, seed)).traceHash, hash, `seed ${seed}`)
    assert.equal(new Set(hashes.values()).size, hashes.size)
  })

  test('seeds with power cuts lose nothing that was acknowledged', async () => {
    const runs: Run[] = []
    for (const seed of seeds) runs.push(await simulate(database, seed))
    const cut = runs.filter(({ operations }) => operations.some((operation) => operation.kind === 'crash' && operation.isPowerCut))
    assert.ok(cut.length >= 5, `${cut.length} runs with power cuts`)
    for (const { seed, violations } of runs) assert.deepEqual(violations, [], `seed ${seed}`)
  })

  test('plays operations that it is given, without those that were left out', async () => {
    const [seed = 1] = seeds
    const { operations } = await simulate(database, seed, { operations: [{ kind: 'upload', repository: 0, blob: 1, way: 0 }] })
    assert.equal(operations.length, 1)
  })
})

suite('the disk of the simulation', () => {
  const open = () => {
    const disk = new Disk(() => 0)
    disk.mkdir('/data', true)
    disk.sync(disk.root)
    return disk
  }
  const outcomes = (act: (disk: Disk) => void) =>
    new Set(
      Array.from({ length: 200 }, (_, seed) => {
        const disk = open()
        act(disk)
        disk.cutPower(new SeededRandom(seed, 'test'))
        return [...disk.files('/data')].map(([path, { bytes }]) => `${path}=${bytes.toString('latin1').replaceAll('\0', '.')}`).join(' ')
      }),
    )
  const write = (disk: Disk, path: string, text: string) => {
    const file = disk.open(path, 'wx+')
    if (file.kind === 'file') disk.write(file, Buffer.from(text), 0)
    return file
  }

  test('keeps what was synced, bytes and names', () => {
    const found = outcomes((disk) => {
      disk.sync(write(disk, '/data/a', 'abcd'))
      disk.sync(disk.require('/data', 'open'))
    })
    assert.deepEqual([...found], ['/data/a=abcd'])
  })

  test('keeps, tears or loses bytes that were not synced', () => {
    const found = outcomes((disk) => {
      write(disk, '/data/a', 'abcd')
      disk.sync(disk.require('/data', 'open'))
    })
    for (const outcome of ['/data/a=', '/data/a=abcd', '/data/a=....', '/data/a=ab']) assert.ok(found.has(outcome), outcome)
  })

  test('keeps or loses names that were not synced, though the bytes were', () => {
    const found = outcomes((disk) => disk.sync(write(disk, '/data/a', 'abcd')))
    assert.deepEqual([...found].toSorted(), ['', '/data/a=abcd'])
  })

  test('brings back what was removed and not synced', () => {
    const found = outcomes((disk) => {
      disk.sync(write(disk, '/data/a', 'abcd'))
      disk.sync(disk.require('/data', 'open'))
      disk.unlink('/data/a')
    })
    assert.deepEqual([...found].toSorted(), ['', '/data/a=abcd'])
  })

  test('never makes durable what a failed sync has dropped', () => {
    const found = outcomes((disk) => {
      const file = write(disk, '/data/a', 'abcd')
      disk.sync(disk.require('/data', 'open'))
      disk.failSync(file)
      disk.sync(file)
    })
    assert.ok(found.has('/data/a=....'))
  })
})
