/** Starts that are refused leave the machine as it was. */
import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { testDialect } from '#metadata/test-postgres.ts'
import { freePort } from '../support/free-port.ts'
import { tryBerth } from '../support/run-berth.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const ofSqlite = { skip: testDialect === 'sqlite' ? false : 'the database is elsewhere' }

async function configIn(directory: string, dataDir: string, address: string): Promise<string> {
  const file = join(directory, 'config.yml')
  const config = { version: 0.1, storage: { filesystem: { rootdirectory: dataDir } }, http: { addr: address } }
  await writeFile(file, JSON.stringify(config)) // JSON is YAML.
  return file
}

test('a first start whose port is in use makes neither a data directory nor a database', ofSqlite, async () => {
  await using directory = await temporaryDirectory('refused')
  const { promise, resolve } = Promise.withResolvers<void>()
  const other = createServer().listen({ host: '127.0.0.1', port: 0 }, resolve)
  await promise
  try {
    const address = other.address()
    assert.ok(address !== null && typeof address === 'object')
    const config = await configIn(directory.path, join(directory.path, 'data'), `127.0.0.1:${address.port}`)
    for (const more of [[], ['--workers', '2']]) {
      const refused = await tryBerth('serve', ...more, config)
      assert.equal(refused.status, 1, refused.output)
      assert.match(refused.output, /in use/u)
      assert.deepEqual(await readdir(directory.path), ['config.yml'])
    }
  } finally {
    other.close()
  }
})

test('a first start on an address of another machine makes nothing, in a directory that is there already too', ofSqlite, async () => {
  await using directory = await temporaryDirectory('refused')
  const dataDir = join(directory.path, 'data')
  const config = await configIn(directory.path, dataDir, `192.0.2.1:${await freePort('127.0.0.1')}`)
  assert.equal((await tryBerth('serve', config)).status, 1)
  assert.deepEqual(await readdir(directory.path), ['config.yml'])
  await mkdir(dataDir)
  assert.equal((await tryBerth('serve', config)).status, 1)
  assert.deepEqual(await readdir(dataDir), [])
})

test('a start where a file stands in the place of the blobs makes nothing, and says what to do', ofSqlite, async () => {
  await using directory = await temporaryDirectory('refused')
  const dataDir = join(directory.path, 'data')
  await mkdir(dataDir)
  await writeFile(join(dataDir, 'blobs'), 'mine')
  const refused = await tryBerth('serve', await configIn(directory.path, dataDir, '127.0.0.1:0'))
  assert.equal(refused.status, 1)
  assert.match(refused.output, /blobs is no directory, and the blobs belong there/u)
  assert.deepEqual(await readdir(dataDir), ['blobs'])
  assert.equal(await readFile(join(dataDir, 'blobs'), 'utf8'), 'mine')
})
