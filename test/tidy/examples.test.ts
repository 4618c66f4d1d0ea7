import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadConfig } from '#config/load.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const checkout = join(import.meta.dirname, '../..')
const examples = globSync(['*.md', 'docs/guides/*.md'], { cwd: checkout }).flatMap((document) =>
  [...readFileSync(join(checkout, document), 'utf8').matchAll(/```yaml\n([\s\S]*?)```/g)].map((match, index) => ({
    name: `${document}, example ${index + 1}`,
    text: match[1] ?? '',
  })),
)

test('the guides have examples of config.yml', () => assert.ok(examples.length >= 4))

for (const { name, text } of examples) {
  test(`${name} is a configuration without a problem or a warning but for one about being open`, async () => {
    await using directory = await temporaryDirectory('example')
    const file = join(directory.path, 'config.yml')
    // The files that an operator has.
    for (const made of ['registry.crt', 'registry.key', 'other.crt', 'other.key', 'htpasswd', 'clients-ca.pem', 'clients-ca.crl.pem'])
      await writeFile(join(directory.path, made), '')
    await writeFile(file, text.replaceAll('/etc/berth', directory.path))
    const { warnings } = await loadConfig({ file, environment: {}, cwd: directory.path })
    assert.deepEqual(
      warnings.filter((warning) => !warning.startsWith('auth: this registry is open')),
      [],
    )
  })
}
