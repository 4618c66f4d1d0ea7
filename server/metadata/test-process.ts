/**
 * A process of its own for the tests: `node test-process.ts <file> <what> <label> [count]`. Says on its output what it did, one line each.
 * - `write`: opens the database and adds settings `<label> 0`, `<label> 1`, … eight at a time; a line is an acknowledged name.
 * - `migrate`: opens it with one more migration, says `middle` within it and waits there to be killed.
 */
import { writeSync } from 'node:fs'
import { allMigrations } from './migrations/all.ts'
import { openTestDatabase } from './test-database.ts'
import { addSetting } from './test-transactions.ts'

const [, , file = '', what = '', label = '', count = 'Infinity'] = process.argv

/** Written before the next statement runs, whatever happens to the process then. */
function say(line: string): void {
  for (let left = Buffer.from(`${line}\n`); left.length > 0;) left = left.subarray(written(left))
}

/** A pipe whose reader is behind takes nothing for a while. */
function written(bytes: Buffer): number {
  try {
    return writeSync(1, bytes)
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error) || error.code !== 'EAGAIN') throw error
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)
    return 0
  }
}

async function write(): Promise<void> {
  await using metadata = await openTestDatabase(file)
  let next = 0
  const writer = async () => {
    for (let index = next++; index < Number(count); index = next++) {
      const name = `${label} ${index}`
      await metadata.write(addSetting, { name })
      say(name)
    }
  }
  await Promise.all(Array.from({ length: 8 }, writer))
}

async function migrate(): Promise<void> {
  const slow = {
    async up(db: Parameters<(typeof allMigrations)[string]['up']>[0]) {
      await db.schema.createTable('half_done').addColumn('id', 'integer').execute()
      say('middle')
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60_000)
    },
  }
  await openTestDatabase(file, { migrations: { ...allMigrations, '9999-slow': slow } })
}

await (what === 'write' ? write() : migrate())
