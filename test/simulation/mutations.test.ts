/** The mistakes that the simulation is tried with can still be made. Whether each is found at the seed of its row is looked at by `npm run test:simulation`. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { mutations } from './mutation-list.ts'
import { mutate } from './mutations.ts'

const page = new URL('../../docs/reference/simulation.md', import.meta.url)

for (const { name, edits } of mutations) {
  test(`the mistake can be made: ${name}`, async () => {
    for (const edit of edits) {
      const text = await readFile(new URL(`../../server/${edit.file}`, import.meta.url), 'utf8')
      assert.notEqual(mutate(text, edit), text)
    }
  })
}

test('every mistake stands on its page with the seed that finds it', async () => {
  const text = await readFile(page, 'utf8')
  for (const { name } of mutations) {
    const row = text.split('\n').find((line) => line.startsWith(`| ${name} |`))
    assert.match(row ?? '', /\| \d+: .+ \|$/, `docs/reference/simulation.md has no seed for: ${name}`)
  }
})
