import assert from 'node:assert/strict'
import { readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { RegistryError } from '#oci/errors.ts'
import { openBcrypt } from './bcrypt.ts'
import { HtpasswdFile } from './htpasswd-file.ts'
import { makeDirectory, makeParts } from './test-parts.ts'

const entry = (name: string, letter = 'a') => `${name}:$2y$04$${letter.repeat(53)}\n`
const names = async (file: HtpasswdFile) => [...(await file.users()).hashes.keys()]

suite('the htpasswd file', () => {
  test('is read again when it changes, a second later at most', async () => {
    await using directory = await makeDirectory()
    const path = join(directory.path, 'htpasswd')
    await writeFile(path, entry('alice'))
    const parts = makeParts()
    const file = new HtpasswdFile(path, parts)
    assert.deepEqual(await names(file), ['alice'])
    await writeFile(path, entry('alice') + entry('bob'))
    assert.deepEqual(await names(file), ['alice'])
    parts.advance(1000)
    assert.deepEqual(await names(file), ['alice', 'bob'])
  })

  test('is read again when it changed within the granularity of its time, to the same size', async () => {
    await using directory = await makeDirectory()
    const path = join(directory.path, 'htpasswd')
    await writeFile(path, entry('alice', 'a'))
    const { mtime } = await stat(path)
    const parts = makeParts()
    const file = new HtpasswdFile(path, parts)
    await file.users()
    await writeFile(path, entry('alice', 'b'))
    await utimes(path, mtime, mtime)
    parts.advance(1000)
    assert.match((await file.users()).hashes.get('alice') ?? '', /bbb$/)
  })

  test('is read again when another file takes its place', async () => {
    await using directory = await makeDirectory()
    const [path, other] = [join(directory.path, 'htpasswd'), join(directory.path, 'other')]
    const old = new Date(Date.now() - 60_000)
    for (const [target, name] of [
      [path, 'alice'],
      [other, 'carol'],
    ] as const) {
      await writeFile(target, entry(name))
      await utimes(target, old, old)
    }
    const parts = makeParts()
    const file = new HtpasswdFile(path, parts)
    assert.deepEqual(await names(file), ['alice'])
    await rename(other, path)
    parts.advance(1000)
    assert.deepEqual(await names(file), ['carol'])
  })

  test('that is gone lets nobody in and says so as UNAVAILABLE, once in the log, until it is back', async () => {
    await using directory = await makeDirectory()
    const path = join(directory.path, 'htpasswd')
    await writeFile(path, entry('alice'))
    const parts = makeParts()
    const file = new HtpasswdFile(path, parts)
    await file.users()
    await rm(path)
    for (let second = 0; second < 3; second += 1) {
      parts.advance(1000)
      await assert.rejects(
        file.users(),
        (error: unknown) => error instanceof RegistryError && error.code === 'UNAVAILABLE' && !error.message.includes(path),
      )
    }
    assert.equal(parts.lines.filter((line) => line.includes('cannot be read')).length, 1)
    await writeFile(path, entry('bob'))
    parts.advance(1000)
    assert.deepEqual(await names(file), ['bob'])
  })

  test('that is missing at the start is made for its owner only, with a password that is logged once and works', async () => {
    await using directory = await makeDirectory()
    const path = join(directory.path, 'deep/er/htpasswd')
    const parts = makeParts()
    const bcrypt = openBcrypt()
    const file = new HtpasswdFile(path, parts)
    await file.createIfMissing(bcrypt)
    assert.equal((await stat(path)).mode & 0o777, 0o600)
    const logged = parts.lines.flatMap((line) => /sign in as docker with the password (\w{24}) /.exec(line)?.[1] ?? [])
    assert.equal(logged.length, 1)
    const hash = (await file.users()).hashes.get('docker') ?? ''
    assert.equal(await bcrypt.verify(logged[0] ?? '', hash), true)
    await file.createIfMissing(bcrypt)
    assert.ok((await readFile(path, 'utf8')).includes(hash))
    assert.equal(parts.lines.filter((line) => line.includes('password')).length, 1)
  })

  test('an empty one is left as it is and lets nobody in', async () => {
    await using directory = await makeDirectory()
    const path = join(directory.path, 'htpasswd')
    await writeFile(path, '')
    const file = new HtpasswdFile(path, makeParts())
    await file.createIfMissing(openBcrypt())
    assert.deepEqual(await names(file), [])
    assert.equal(await readFile(path, 'utf8'), '')
  })

  test('faults are logged by line when it is read, and not again before it changes', async () => {
    await using directory = await makeDirectory()
    const path = join(directory.path, 'htpasswd')
    await writeFile(path, `bob:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n${'junk\n'.repeat(100)}`)
    const parts = makeParts()
    const file = new HtpasswdFile(path, parts)
    for (let second = 0; second < 3; second += 1) {
      await file.users()
      parts.advance(1000)
    }
    assert.equal(parts.lines.filter((line) => line.includes('line 1 (bob) has a SHA-1 hash')).length, 1)
    assert.equal(parts.lines.filter((line) => line.includes('81 more lines')).length, 1)
    assert.ok(!parts.lines.join('').includes('5en6G6'))
  })

  test('a line that turns up later and does not count is logged then, though the users stay the same', async () => {
    await using directory = await makeDirectory()
    const path = join(directory.path, 'htpasswd')
    await writeFile(path, '')
    const parts = makeParts()
    const file = new HtpasswdFile(path, parts)
    await file.users()
    parts.advance(10_000)
    await writeFile(path, 'late:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n')
    await file.users()
    assert.equal(parts.lines.filter((line) => line.includes('line 1 (late) has a SHA-1 hash')).length, 1)
  })

  test('of bytes that are no text puts none of them into the log', async () => {
    await using directory = await makeDirectory()
    const path = join(directory.path, 'htpasswd')
    await writeFile(path, `\u0001\u001b[31mcanary:x\n${'canary'.repeat(1000)}:x\nbob:plain\n`)
    const parts = makeParts()
    await new HtpasswdFile(path, parts).users()
    assert.ok(!parts.lines.join('').includes('canary'))
    for (const line of ['line 1 has', 'line 2 has', 'line 3 (bob) has'])
      assert.ok(
        parts.lines.some((each) => each.includes(line)),
        line,
      )
  })

  test('fifty requests at once look at it once', async () => {
    await using directory = await makeDirectory()
    const path = join(directory.path, 'htpasswd')
    await writeFile(path, entry('alice'))
    const parts = makeParts()
    let looks = 0
    const ports = {
      ...parts.ports,
      files: { ...parts.ports.files, stat: ((target: string) => ((looks += 1), stat(target))) as typeof stat },
    }
    const file = new HtpasswdFile(path, { ...parts, ports })
    await Promise.all(Array.from({ length: 50 }, () => file.users()))
    assert.equal(looks, 1)
  })
})
