import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import type { Metadata } from '#metadata/metadata.ts'
import { openTestDatabase } from '#metadata/test-database.ts'
import { RegistryError, type ErrorCode } from '#oci/errors.ts'
import { createAccess, type Access } from './access.ts'
import { ensureAdministrator } from './administrator.ts'
import { workerBcrypt } from './bcrypt.ts'
import { basic, makeDirectory, makeParts } from './test-parts.ts'

const is = (code: ErrorCode) => (error: unknown) => error instanceof RegistryError && error.code === code

const wrongHeaders = [
  undefined,
  '',
  'Basic',
  'Basic !!!',
  'Bearer abc',
  basic('alice', ''),
  basic('', 'secret'),
  basic('alice', 'wrong'),
  basic('nobody', 'secret'),
]

async function refusesAll(access: Access) {
  for (const header of wrongHeaders) await assert.rejects(access.authenticate(header), is('UNAUTHORIZED'), String(header))
}

suite('an open registry', () => {
  test('lets everyone do everything, asks nobody, and looks at no header', async () => {
    await using metadata = await openTestDatabase(':memory:')
    const access = await createAccess({ kind: 'open' }, { ...makeParts(), metadata })
    assert.equal(access.challenge, undefined)
    for (const header of wrongHeaders) {
      const principal = await access.authenticate(header)
      assert.equal(principal.isAnonymous, true)
      assert.equal(access.may(principal, 'delete'), true)
      assert.deepEqual(access.visibility(principal), { kind: 'everything' })
    }
  })
})

suite('a registry with htpasswd', () => {
  async function open(directory: string, metadata: Metadata) {
    const path = join(directory, 'htpasswd')
    await writeFile(path, `alice:${await workerBcrypt().hash('secret', 4)}\r\nbob:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\r\n`)
    const parts = { ...makeParts(), metadata }
    return { path, parts, access: await createAccess({ kind: 'htpasswd', realm: 'My "realm"', path }, parts) }
  }

  test('lets a user of the file do everything and refuses all others alike', async () => {
    await using directory = await makeDirectory()
    await using metadata = await openTestDatabase(':memory:')
    const { access } = await open(directory.path, metadata)
    assert.equal(access.challenge, 'Basic realm="My \\"realm\\""')
    const principal = await access.authenticate(basic('alice', 'secret'))
    assert.equal(principal.name, 'alice')
    assert.equal(principal.isAnonymous, false)
    assert.equal(access.may(principal, 'push'), true)
    await refusesAll(access)
    await assert.rejects(access.authenticate(basic('bob', 'test')), is('UNAUTHORIZED'))
  })

  test('forgets a user who is taken out of the file, though the password was just right', async () => {
    await using directory = await makeDirectory()
    await using metadata = await openTestDatabase(':memory:')
    const { path, parts, access } = await open(directory.path, metadata)
    await access.authenticate(basic('alice', 'secret'))
    await writeFile(path, `carol:${await workerBcrypt().hash('other', 4)}\n`)
    parts.advance(1000)
    await assert.rejects(access.authenticate(basic('alice', 'secret')), is('UNAUTHORIZED'))
    assert.equal((await access.authenticate(basic('carol', 'other'))).name, 'carol')
  })

  test('does not start on a file that cannot be read, and names it', async () => {
    await using directory = await makeDirectory()
    const path = join(directory.path, 'htpasswd')
    await mkdir(path)
    await using metadata = await openTestDatabase(':memory:')
    const parts = { ...makeParts(), metadata }
    await assert.rejects(
      createAccess({ kind: 'htpasswd', realm: 'r', path }, parts),
      new RegExp(`auth.htpasswd.path: ${path} cannot be read`),
    )
  })
})

suite('a registry with accounts', () => {
  test('lets its first administrator in with the password that was given once', async () => {
    await using metadata = await openTestDatabase(':memory:')
    const parts = { ...makeParts(), metadata }
    const administrator = await ensureAdministrator(metadata, parts.ports)
    assert.ok(administrator)
    assert.equal(administrator.name, 'admin')
    const access = await createAccess({ kind: 'accounts', realm: 'Berth' }, parts)
    assert.equal(access.challenge, 'Basic realm="Berth"')
    const principal = await access.authenticate(basic('admin', administrator.password))
    assert.equal(access.may(principal, 'delete'), true)
    await refusesAll(access)
    await assert.rejects(access.authenticate(basic('admin', `${administrator.password}x`)), is('UNAUTHORIZED'))
    assert.ok(!parts.lines.join('').includes(administrator.password))
  })

  test('makes the administrator once, and not again at the next start', async () => {
    const { ports } = makeParts()
    await using metadata = await openTestDatabase(':memory:')
    assert.ok(await ensureAdministrator(metadata, ports))
    assert.equal(await ensureAdministrator(metadata, ports), undefined)
  })

  test('makes one administrator when two processes start on the same database at once', async () => {
    await using directory = await makeDirectory()
    const file = join(directory.path, 'berth.db')
    await using first = await openTestDatabase(file)
    await using second = await openTestDatabase(file)
    const { ports } = makeParts()
    const outcomes = await Promise.all([first, second, first, second].map((metadata) => ensureAdministrator(metadata, ports)))
    assert.equal(outcomes.filter((outcome) => outcome !== undefined).length, 1)
    const winner = outcomes.find((outcome) => outcome !== undefined)
    const access = await createAccess({ kind: 'accounts', realm: 'Berth' }, { ...makeParts(), metadata: second })
    assert.equal((await access.authenticate(basic('admin', winner?.password ?? ''))).name, 'admin')
  })
})
