import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { documentConfiguration } from './document.ts'
import { childNames, keys, parentPath, sections, statusOf } from './schema.ts'

test('docs/reference/configuration.md is what the schema says', () => {
  const file = join(import.meta.dirname, '../../docs/reference/configuration.md')
  assert.equal(readFileSync(file, 'utf8'), documentConfiguration(), 'run `npm run docs`')
})

test('every key is in the documentation', () => {
  const page = documentConfiguration()
  for (const path of keys.keys()) {
    const short = path.slice(path.indexOf('.') + 1)
    const inSection = path.split('.').slice(2).join('.')
    assert.ok(
      [path, short, inSection].some((name) => name !== '' && page.includes(`\`${name}\``)) || path.startsWith('http.tls.letsencrypt.'),
      path,
    )
  }
})

test('no key that is taken stands among those that are refused', () => {
  const refused = /^## Refused$([^]*?)(?=^## |$(?![^]))/m.exec(documentConfiguration())?.[1] ?? ''
  assert.match(refused, /`proxy\.remoteurl`/)
  for (const [, path = ''] of refused.matchAll(/^\| `([^`]+)`/gm))
    assert.ok(
      keys.has(path) || sections.has(path) ? [...keys.keys()].every((key) => !key.startsWith(path) || statusOf(key) !== 'acts') : false,
      path,
    )
})

test('every key that acts has a meaning and every section above a key exists', () => {
  for (const [path, key] of keys) {
    if (statusOf(path) === 'acts') assert.match(key.doc, /\.$/, path)
    assert.ok(sections.has(parentPath(path)), path)
  }
  for (const section of sections.keys()) assert.ok(section === '' || sections.has(parentPath(section)), section)
})

test('a name without underscores can be given by a variable', () => {
  const withUnderscore = [...keys.keys()].filter((path) => path.includes('_'))
  assert.deepEqual(withUnderscore, ['storage.azure.max_retries', 'storage.azure.retry_delay'])
  assert.ok(childNames('storage').includes('filesystem'))
})
