import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'

const checkout = join(import.meta.dirname, '../..')
const read = (file: string) => readFileSync(join(checkout, file), 'utf8')
const documents = globSync(['*.md', 'docs/**/*.md', 'bench/*.md'], { cwd: checkout })
const scripts = (JSON.parse(read('package.json')) as { scripts: Record<string, string> }).scripts

for (const document of documents) {
  test(`every relative link of ${document} leads somewhere`, () => {
    for (const [, target] of read(document).matchAll(/\]\((?!https?:|#)([^)#]+)[^)]*\)/g)) {
      assert.ok(existsSync(join(checkout, dirname(document), target ?? '')), `${document} links to ${target}`)
    }
  })

  test(`every npm command of ${document} exists`, () => {
    for (const [, name] of read(document).matchAll(/npm (?:run )?((?:test|bench|check|docs|start)(?::\w+)?)\b/g)) {
      assert.ok(scripts[name ?? ''] !== undefined, `${document} names npm run ${name}`)
    }
  })
}

test('both READMEs have the same sections and the same commands', () => {
  const shape = (text: string) => ({
    headings: text.split('\n').filter((line) => line.startsWith('#')).length,
    commands: [...text.matchAll(/```sh\n([\s\S]*?)```/g)].map((match) => match[1]),
    links: [...text.matchAll(/\]\(((?!README)[^)]+)\)/g)].map((match) => match[1]),
  })
  assert.deepEqual(shape(read('README.zh-CN.md')), shape(read('README.md')))
})
