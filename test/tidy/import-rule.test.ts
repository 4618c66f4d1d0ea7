import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const checkout = join(import.meta.dirname, '../..')
const read = (file: string) => readFileSync(join(checkout, file), 'utf8')

/** Rooms and what they may import, from the table of ARCHITECTURE.md. */
function documentedRooms(): Map<string, string> {
  const rooms = new Map<string, string>()
  for (const line of read('ARCHITECTURE.md').split('\n')) {
    const cells = /^\| ([a-z, ]+) \| ([a-z, –]+) \|$/.exec(line)
    if (cells === null) continue
    const allowed = cells[2] === '–' ? '' : (cells[2] ?? '')
    for (const room of (cells[1] ?? '').split(', ')) rooms.set(room, allowed)
  }
  return rooms
}

/** The same from oxlint.config.ts. */
function enforcedRooms(): Map<string, string> {
  const body = /const rooms[^=]*= \{([\s\S]*?)\n\}/.exec(read('oxlint.config.ts'))?.[1] ?? ''
  const rooms = new Map<string, string>()
  for (const [, room, list] of body.matchAll(/(\w+): \[([^\]]*)\]/g)) {
    rooms.set(room ?? '', [...(list ?? '').matchAll(/'(\w+)'/g)].map((match) => match[1]).join(', '))
  }
  return rooms
}

test('the linter enforces the import table that ARCHITECTURE.md shows', () => {
  const documented = documentedRooms()
  const enforced = enforcedRooms()
  assert.ok(enforced.size >= 13, 'the table of the linter was read')
  for (const [room, allowed] of enforced) assert.equal(documented.get(room), allowed, `room ${room}`)
})
