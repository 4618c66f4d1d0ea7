import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const checkout = join(import.meta.dirname, '../..')
const rows = readFileSync(join(checkout, 'docs/reference/failure-tests.md'), 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| what goes wrong |'))
  .map((line) => line.slice(2, -2).split(' | '))

/** As the source writes it, in either kind of quotes. */
function isIn(source: string, name: string): boolean {
  return [`'${name}'`, `\`${name}\``].some((quoted) => source.includes(`test(${quoted}`) || source.includes(`test(\n${quoted}`))
}

test('every row of docs/reference/failure-tests.md says what goes wrong, what is expected, and a test that is there', () => {
  assert.ok(rows.length > 20, `${rows.length} rows`)
  for (const row of rows) {
    assert.equal(row.length, 3, row.join(' | '))
    for (const cell of row) assert.notEqual(cell.trim(), '')
    const [, file = '', name = ''] = /^`([^`]+)`: (.+)$/.exec(row[2] ?? '') ?? []
    assert.ok(existsSync(join(checkout, file)), `${file} is there`)
    assert.ok(isIn(readFileSync(join(checkout, file), 'utf8'), name), `${file} has no test called: ${name}`)
  }
})
