import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createProgram } from '../../cli/program.ts'

const checkout = join(import.meta.dirname, '../..')
const read = (file: string) => readFileSync(join(checkout, file), 'utf8')
const linksOf = (text: string) => [...text.matchAll(/\]\(((?!https?:)[^)#]+)[^)]*\)/g)].map((match) => match[1] ?? '')

test('docs/README.md lists each page once, with a line about it', () => {
  const lines = read('docs/README.md')
    .split('\n')
    .filter((line) => line.startsWith('- '))
  for (const line of lines) assert.match(line, /^- \[[^\]]+\]\([^)]+\.md\): \S.{10,}$/u, line)
  const pages = globSync('*/**/*.md', { cwd: join(checkout, 'docs') }).toSorted()
  assert.deepEqual(lines.flatMap(linksOf).toSorted(), pages)
})

for (const document of ['README.md', 'README.zh-CN.md']) {
  test(`${document} leads to every guide and every page of reference`, () => {
    const links = linksOf(read(document))
    for (const page of globSync('docs/{guides,reference}/*.md', { cwd: checkout })) assert.ok(links.includes(page), `${page} is not linked`)
  })

  test(`${document} names every verb`, async () => {
    const text = read(document)
    const program = await createProgram()
    for (const verb of program.createHelp().visibleCommands(program)) {
      if (verb.name() !== 'help') assert.ok(text.includes(`\`${verb.name()}\``), `${verb.name()} is not named`)
    }
  })
}
