// All tests that stand beside their source, as one file of node:test.
import { globSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const cwd = fileURLToPath(new URL('..', import.meta.url))
for (const file of globSync(['server/**/*.test.ts', 'cli/**/*.test.ts'], { cwd }).sort())
  await import(new URL(`../${file}`, import.meta.url))
