/** Makes a failing run shorter: leaves out parts of its operations, halves first, as long as it fails still. */
import type { SimDatabase } from './database.ts'
import { simulate, type Run } from './simulate.ts'

/** Runs for one failure. */
const triesMax = 120

/** The shortest failing run that was found; the given one when none is. */
export async function shorten(database: SimDatabase, failing: Run): Promise<Run> {
  let best = failing
  let tries = 0
  for (let size = Math.ceil(best.operations.length / 2); size >= 1 && tries < triesMax; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let start = 0; start < best.operations.length && tries < triesMax;) {
      tries++
      const operations = [...best.operations.slice(0, start), ...best.operations.slice(start + size)]
      const run = await simulate(database, failing.seed, { operations })
      if (run.violations.length > 0) best = run
      else start += size
    }
  }
  return best
}
