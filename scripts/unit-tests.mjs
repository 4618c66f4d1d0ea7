// All tests that stand beside their source, as one file of node:test; with BERTH_TEST_PART=2/3 the second third of them (test.mjs).
import { globSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { partOf } from './test-parts.mjs'

const cwd = fileURLToPath(new URL('..', import.meta.url))
for (const file of partOf(globSync(['server/**/*.test.ts', 'cli/**/*.test.ts'], { cwd }).sort()))
  await import(new URL(`../${file}`, import.meta.url))
