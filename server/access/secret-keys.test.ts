import assert from 'node:assert/strict'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemPorts } from '#lib/ports.ts'
import { createSecretBox } from './secret-box.ts'
import { loadSecretKeys } from './secret-keys.ts'
import { makeDirectory } from './test-parts.ts'

test('the first start makes the file for its own user alone, and later ones read it', async () => {
  await using directory = await makeDirectory()
  const keyFile = join(directory.path, 'below', 'berth.key')
  const made = await loadSecretKeys({ keys: [], keyFile }, systemPorts)
  assert.equal(made.length, 1)
  assert.equal((await stat(keyFile)).mode & 0o777, 0o600)
  assert.deepEqual(await loadSecretKeys({ keys: [], keyFile }, systemPorts), made)
  assert.deepEqual(await readdir(join(directory.path, 'below')), ['berth.key'])
})

test('processes that start at once end with the same key', async () => {
  await using directory = await makeDirectory()
  const keyFile = join(directory.path, 'berth.key')
  const loaded = await Promise.all(Array.from({ length: 8 }, () => loadSecretKeys({ keys: [], keyFile }, systemPorts)))
  for (const keys of loaded) assert.deepEqual(keys, loaded[0])
  assert.deepEqual(await readdir(directory.path), ['berth.key'])
})

test('a new first line seals, and the lines after it still open', async () => {
  await using directory = await makeDirectory()
  const keyFile = join(directory.path, 'berth.key')
  const before = createSecretBox(await loadSecretKeys({ keys: [], keyFile }, systemPorts), systemPorts.random)
  const sealed = before.seal('hunter2', 'provider/1')
  await writeFile(keyFile, `${Buffer.alloc(32, 7).toString('base64')}\n${await readFile(keyFile, 'utf8')}`)
  const after = createSecretBox(await loadSecretKeys({ keys: [], keyFile }, systemPorts), systemPorts.random)
  assert.equal(after.open(sealed, 'provider/1'), 'hunter2')
  assert.ok(after.isStale(sealed))
  assert.ok(!after.isStale(after.seal('hunter2', 'provider/1')))
})

test('a file with anything else stops the start, and its text is not repeated', async () => {
  await using directory = await makeDirectory()
  const keyFile = join(directory.path, 'berth.key')
  for (const text of ['', '# only words\n', 'hunter2', `${Buffer.alloc(32).toString('base64')}\nhunter2`]) {
    await writeFile(keyFile, text)
    await assert.rejects(loadSecretKeys({ keys: [], keyFile }, systemPorts), (error: Error) => {
      const told = `${error.message} ${(error.cause as Error).message}`
      return told.includes(keyFile) && !told.includes('hunter2')
    })
  }
})

test('keys of the configuration need no file; without either they live as long as the process', async () => {
  assert.deepEqual(await loadSecretKeys({ keys: [Buffer.alloc(32, 3)], keyFile: undefined }, systemPorts), [Buffer.alloc(32, 3)])
  const [one] = await loadSecretKeys({ keys: [], keyFile: undefined }, systemPorts)
  const [other] = await loadSecretKeys({ keys: [], keyFile: undefined }, systemPorts)
  assert.notDeepEqual(one, other)
})
