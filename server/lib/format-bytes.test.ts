import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatBytes } from './format-bytes.ts'

test('sizes are shown with three digits at most, in the unit that fits', () => {
  const shown: Readonly<Record<string, number>> = {
    '0 B': 0,
    '1023 B': 1023,
    '1 KiB': 1024,
    '1.5 KiB': 1536,
    '97.7 KiB': 100_000,
    '10 GiB': 10 * 1024 ** 3,
    '9.77 MiB': 10_240_000,
    '512 TiB': 512 * 1024 ** 4,
    '8 PiB': 2 ** 53,
    '-1 KiB': -1024,
  }
  for (const [text, bytes] of Object.entries(shown)) assert.equal(formatBytes(bytes), text)
})
