import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
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

test('a feature imports no other feature; adoption and export share the words of registry:2’s layout', () => {
  const directory = join(checkout, 'server/features')
  const featureOf = (file: string) => /^[a-z0-9]+/.exec(file)?.[0] ?? ''
  const shared = new Map([
    ['adopt', 'registry2'],
    ['export', 'registry2'],
  ])
  const files = readdirSync(directory).filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
  assert.ok(files.length > 10, 'the features were read')
  for (const file of files) {
    for (const [, target] of readFileSync(join(directory, file), 'utf8').matchAll(/from '\.\/([^']+)'/g)) {
      const allowed = [featureOf(file), shared.get(featureOf(file))]
      assert.ok(allowed.includes(featureOf(target ?? '')), `${file} imports ${target}`)
    }
  }
})
