import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { describeDatabase } from './database-place.ts'
import { ConfigPlace, minimal } from './test-place.ts'

const place = await ConfigPlace.make()
after(() => place[Symbol.asyncDispose]())
const { directory } = place
const url = 'postgres://berth:geheim@db1,db2:6000/berth'

test('a URL is enough for PostgreSQL, and what is not said has its default', async () => {
  const { database, secrets } = await place.configOf(`${minimal}database: {url: "${url}"}\n`)
  assert.ok(database.driver === 'postgres')
  assert.deepEqual([database.poolMaximum, database.holdMs, database.holdRequests, database.staleTags], [10, 40_000, 1000, false])
  assert.equal(describeDatabase(database), 'berth of PostgreSQL at db1:5432, db2:6000')
  assert.match(secrets.keyFile ?? '', /berth\.key$/)
})

test('paths of a URL and of the password are relative to the working directory', async () => {
  const { database } = await place.configOf(
    `${minimal}database: {url: "${url}?sslmode=verify-full&sslrootcert=ca.pem", passwordfile: password, pool: {max: 4}, hold: {time: 3s, requests: 5}, staletags: true}\n`,
  )
  assert.ok(database.driver === 'postgres')
  assert.deepEqual([database.target.sslRootCert, database.passwordFile], [join(directory, 'ca.pem'), join(directory, 'password')])
  assert.deepEqual([database.poolMaximum, database.holdMs, database.holdRequests, database.staleTags], [4, 3000, 5, true])
})

test('the variable REGISTRY_DATABASE_URL chooses PostgreSQL', async () => {
  const { database } = await place.configOf(minimal, { REGISTRY_DATABASE_URL: url })
  assert.equal(database.driver, 'postgres')
})

test('a URL is never shown with its password', async () => {
  const config = await place.configOf(`${minimal}database: {url: "${url}"}\n`)
  assert.ok(!JSON.stringify(config.effective).includes('geheim'))
})

for (const [section, path] of [
  ['{driver: postgres}', 'database.url'],
  ['{url: "postgres://db"}', 'database.url'],
  [`{driver: sqlite, url: "${url}"}`, 'database.url'],
  [`{url: "${url}", file: berth.db}`, 'database.file'],
  [`{url: "${url}", pool: {max: 1}}`, 'database.pool.max'],
] as const) {
  test(`database: ${section.replace(url, '…')} is a problem of ${path}`, async () => {
    const problems = await place.problemsOf(`${minimal}database: ${section}\n`)
    assert.ok(problems.includes(path), problems)
    assert.ok(!problems.includes('geheim'))
  })
}

test('PostgreSQL without a data directory asks where the key of secrets is', async () => {
  const text = `version: 0.1\nstorage: inmemory\ndatabase: {url: "${url}"}\n`
  assert.ok((await place.problemsOf(text)).includes('secrets.keyfile'))
})
