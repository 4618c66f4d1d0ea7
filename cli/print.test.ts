import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { printable, printFacts, printRows } from './print.ts'

function printed(context: TestContext, print: () => void): string[] {
  const lines: string[] = []
  const log = context.mock.method(console, 'log', (line: string) => void lines.push(line))
  print()
  log.mock.restore()
  return lines
}

test('a table is plain lines with columns under their titles and nothing behind the last', (context) => {
  const lines = printed(context, () =>
    printRows(
      ['NAME', 'TAGS', 'PUBLIC'],
      [
        ['team/application', 3, true],
        ['a', undefined, false],
        ['', null, ''],
      ],
    ),
  )
  assert.deepEqual(lines, [
    'NAME              TAGS  PUBLIC',
    'team/application  3     yes',
    'a                 -     no',
    '-                 -     -',
  ])
})

test('a table without rows is its titles', (context) => {
  assert.deepEqual(
    printed(context, () => printRows(['NAME'], [])),
    ['NAME'],
  )
})

test('facts stand one below the other', (context) => {
  assert.deepEqual(
    printed(context, () => printFacts({ Name: 'x', 'Media type': undefined })),
    ['Name:       x', 'Media type: -'],
  )
})

test('what came from a server cannot move the cursor, break a line or turn the direction of a text', () => {
  assert.equal(printable('a\u001b[31mred\u001b[0m\r\nb\u0007\u202ec\u2028d\u009b1me'), 'ared b c de')
  assert.equal(printable('team/app — ünï ✓'), 'team/app — ünï ✓')
})
