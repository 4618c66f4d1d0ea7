import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const checkout = join(import.meta.dirname, '../..')
const rows = readFileSync(join(checkout, 'docs/reference/failure-tests.md'), 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| No. | what goes wrong |'))
  .map((line) => line.slice(2, -2).split(' | '))

/** As the source writes it, in either kind of quotes. */
function isIn(source: string, name: string): boolean {
  const flat = source.replaceAll(/test\(\s+/gu, 'test(')
  return [`'${name}'`, `\`${name}\``].some((quoted) => flat.includes(`test(${quoted}`))
}

test('every row of docs/reference/failure-tests.md says what goes wrong, what is expected, and a test that is there', () => {
  assert.ok(rows.length > 20, `${rows.length} rows`)
  for (const row of rows) {
    assert.equal(row.length, 4, row.join(' | '))
    for (const cell of row) assert.notEqual(cell.trim(), '')
    const [, file = '', name = ''] = /^`([^`]+)`: (.+)$/.exec(row[3] ?? '') ?? []
    assert.ok(existsSync(join(checkout, file)), `${file} is there`)
    assert.ok(isIn(readFileSync(join(checkout, file), 'utf8'), name), `${file} has no test called: ${name}`)
  }
})

test('every row of docs/reference/failure-tests.md has a number of its own, in order', () => {
  const numbers = rows.map(([number = '']) => number)
  for (const number of numbers) assert.match(number, /^\d+[a-z]?$/)
  assert.equal(new Set(numbers).size, numbers.length)
  assert.deepEqual(
    numbers,
    numbers.toSorted((one, other) => one.localeCompare(other, 'en', { numeric: true })),
  )
})
