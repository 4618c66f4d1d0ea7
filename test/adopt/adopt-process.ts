/** Adopts the directory of its first argument and prints a line at each step, so that a test can kill it at any of them. */
import { writeSync } from 'node:fs'
import { join } from 'node:path'
import { adoptRegistry2 } from '#features/adopt.ts'
import { openTestDatabase } from '#metadata/test-database.ts'
import { adoptionParts, silent } from './adoption-place.ts'

const root = process.argv[2] ?? ''
await using metadata = await openTestDatabase(join(root, 'berth.db'), { log: silent })
await adoptRegistry2(adoptionParts(metadata, root), { verify: 'size', onProgress: () => writeSync(1, 'step\n') })
