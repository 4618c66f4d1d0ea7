import assert from 'node:assert/strict'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { credentialsFile, forgetLogin, readLogins, storeLogin } from './credential-store.ts'

async function inDirectory(run: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'berth-cli-'))
  try {
    await run(directory)
  } finally {
    await rm(directory, { recursive: true })
  }
}

const mode = async (path: string) => (await stat(path)).mode & 0o777

suite('the file of logins', () => {
  test('lies below XDG_CONFIG_HOME, or below ~/.config when that is no absolute path', () => {
    assert.equal(credentialsFile({ XDG_CONFIG_HOME: '/x', HOME: '/home/a' }), '/x/berth/credentials.json')
    for (const base of ['', 'relative', undefined]) {
      assert.equal(credentialsFile({ XDG_CONFIG_HOME: base, HOME: '/home/a' }), '/home/a/.config/berth/credentials.json')
    }
  })

  test('keeps several servers, the last of them as the default', () =>
    inDirectory(async (directory) => {
      const file = join(directory, 'a', 'credentials.json')
      assert.deepEqual(await readLogins(file), { servers: {} })
      await storeLogin('https://one', { name: 'alice', token: 't1' }, file)
      await storeLogin('https://two', { name: 'bob', password: 'p', ca: '/ca.pem' }, file)
      const two = { name: 'bob', password: 'p', ca: '/ca.pem' }
      assert.deepEqual(await readLogins(file), {
        default: 'https://two',
        servers: { 'https://one': { name: 'alice', token: 't1' }, 'https://two': two },
      })
      await forgetLogin('https://one', file)
      assert.deepEqual(await readLogins(file), { default: 'https://two', servers: { 'https://two': two } })
      await storeLogin('https://one', { name: 'alice', token: 't1' }, file)
      await storeLogin('https://two', two, file)
      // No other server takes the place of the default unsaid.
      const left = { servers: { 'https://one': { name: 'alice', token: 't1' } } }
      assert.deepEqual(await forgetLogin('https://two', file), left)
      assert.deepEqual(await readLogins(file), left)
      await forgetLogin('https://one', file)
      await forgetLogin('https://never', file)
      assert.deepEqual(await readLogins(file), { servers: {} })
    }))

  test('is its owner’s alone, in a directory that is too, and nothing is left beside it', () =>
    inDirectory(async (directory) => {
      const place = join(directory, 'berth')
      const file = join(place, 'credentials.json')
      await mkdir(place)
      await chmod(place, 0o777)
      await storeLogin('https://one', { name: 'alice', token: 't1' }, file)
      assert.equal(await mode(file), 0o600)
      assert.equal(await mode(place), 0o700)
      await chmod(file, 0o644)
      await storeLogin('https://one', { name: 'alice', token: 't2' }, file)
      assert.equal(await mode(file), 0o600)
      assert.deepEqual(await readdir(place), ['credentials.json'])
    }))

  for (const text of [
    '',
    '{',
    '[]',
    'null',
    '{"servers":[]}',
    '{"servers":{"https://x":{"token":"t"}}}',
    '{"servers":{"https://x":null}}',
  ]) {
    test(`that is damaged is named and left alone: ${text}`, () =>
      inDirectory(async (directory) => {
        const file = join(directory, 'credentials.json')
        await writeFile(file, text)
        await assert.rejects(readLogins(file), /damaged/)
        await assert.rejects(storeLogin('https://one', { name: 'alice', token: 't1' }, file), /damaged/)
        assert.equal(await readFile(file, 'utf8'), text)
      }))
  }

  test('that cannot be written leaves what was there', () =>
    inDirectory(async (directory) => {
      const file = join(directory, 'a-file', 'credentials.json')
      await writeFile(join(directory, 'a-file'), 'x')
      await assert.rejects(storeLogin('https://one', { name: 'alice', token: 't1' }, file))
    }))
})
