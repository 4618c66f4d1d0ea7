/** A thousand clients at once, at a server in a process of its own, and what of it is seen from outside. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { testDialect } from '#metadata/test-postgres.ts'
import { basicAuthorization } from '../support/http-client.ts'
import { digestOfBytes, pushImage, registryClient } from '../support/registry-client.ts'
import { startBerth } from '../support/start-berth.ts'
import { until } from '../support/until.ts'
import { closing, startUpload } from '../support/upload.ts'
import { violationsOf } from '../support/violations.ts'

const thousand = 1_000
const shown = /^ +password +(\S+)$/m
/** What a server writes by its own clock, whoever asks it. */
const ownTables = new Set(['settings', 'sqlite_sequence', 'nodes'])
const ofSqlite = { skip: testDialect === 'sqlite' ? false : 'looks at the file of the database', timeout: 180_000 }

/** Looks at a database from beside. */
function besideOf(file: string) {
  const database = new DatabaseSync(file, { readOnly: true })
  const all = (statement: string) => database.prepare(statement).all()
  return {
    pulls: () => Number(database.prepare('select sum(pulls) as pulls from manifest_pulls').get()?.['pulls'] ?? 0),
    /** The rows of each table. */
    rows: () =>
      new Map(
        all("select name from sqlite_schema where type = 'table'").map(({ name }) => [
          String(name),
          JSON.stringify(all(`select * from "${String(name)}"`), (_, value: unknown) =>
            typeof value === 'bigint' ? String(value) : value,
          ),
        ]),
      ),
    [Symbol.dispose]: () => database.close(),
  }
}

/** So many transactions are in the log of the database: the last frame of each says how large the file is after it (sqlite.org/fileformat2.html, 4.1). */
async function transactionsIn(file: string): Promise<number> {
  const log = await readFile(`${file}-wal`)
  const [headerBytes, frameHeaderBytes] = [32, 24]
  const frameBytes = frameHeaderBytes + log.readUInt32BE(8)
  let transactions = 0
  for (let at = headerBytes; at + frameBytes <= log.length; at += frameBytes) {
    const isOfThisLog = log.subarray(at + 8, at + 16).equals(log.subarray(16, 24))
    if (isOfThisLog && log.readUInt32BE(at + 4) > 0) transactions++
  }
  return transactions
}

test(
  'a thousand pulls of a whole image at once, manifest, config and layers, write nothing to the database; they are counted later',
  ofSqlite,
  async () => {
    await using berth = await startBerth()
    const client = registryClient(berth.url)
    const image = await pushImage(client, 'many/image', 'v1')
    const blobs = [image.config, ...image.layers]
    const pull = async (at: number) => {
      const { descriptor } = await client.pullManifest('many/image', at % 4 === 0 ? image.descriptor.digest : 'v1')
      assert.equal(descriptor.digest, image.descriptor.digest)
      for (const { digest } of blobs) assert.equal(digestOfBytes(await client.pullBlob('many/image', digest)), digest)
    }
    const file = join(berth.dataDir, 'berth.db')
    using beside = besideOf(file)
    const [rows, transactions] = [beside.rows(), await transactionsIn(file)]
    await Promise.all(Array.from({ length: thousand }, (_, at) => pull(at)))
    const more = (await transactionsIn(file)) - transactions
    const changed = Array.from(beside.rows(), ([name, text]) => (rows.get(name) === text ? '' : name)).filter((name) => name !== '')
    assert.deepEqual(
      changed.filter((name) => !ownTables.has(name)),
      [],
    )
    assert.ok(more < 20, `${more} transactions beside ${thousand * (1 + blobs.length)} answers: those of the server's own clock`)
    assert.equal(beside.pulls(), 0)
    await berth.stop()
    assert.equal(beside.pulls(), thousand)
  },
)

async function openTeam() {
  const config = { auth: { accounts: {} }, storage: { readersdelay: '0s' } }
  const berth = await startBerth({ config })
  await until('the password is shown', () => shown.test(berth.logs()))
  const client = registryClient(berth.url, { authorization: basicAuthorization('admin', shown.exec(berth.logs())?.[1] ?? '') })
  const headers = { 'content-type': 'application/json' }
  const call = async (method: string, path: string, body?: object) => {
    const answer = await client.send(`/api/v1${path}`, { method, headers, ...(body && { body: JSON.stringify(body) }) })
    assert.ok(answer.status < 300, answer.body.toString())
    return JSON.parse(answer.body.toString()) as { readonly bytes: number }
  }
  await call('POST', '/projects', { name: 'team' })
  return { berth, client, call }
}

test('a thousand uploads at once into one project under a quota are all taken where they fit, and none beyond it', async () => {
  const { berth, client, call } = await openTeam()
  await using _berth = berth
  const sizeBytes = 500
  const upload = async (at: number) => {
    const bytes = randomBytes(sizeBytes)
    const begun = await startUpload(client, berth.url, `team/app${at % 5}`)
    const { status, body } = await client.send(closing(begun, digestOfBytes(bytes)), { method: 'PUT', body: bytes })
    if (status === 403) assert.match(body.toString(), /DENIED.*quota of project team exceeded/u)
    return status
  }
  const round = async (bytesMax: number) => {
    await call('PUT', '/projects/team/quota', { bytesMax })
    const statuses = await Promise.all(Array.from({ length: thousand }, (_, at) => upload(at)))
    const count = (wanted: number) => statuses.filter((status) => status === wanted).length
    return { taken: count(201), refused: count(403), used: (await call('GET', '/projects/team/usage')).bytes }
  }
  const all = thousand * sizeBytes
  assert.deepEqual(await round(all), { taken: thousand, refused: 0, used: all })
  const fits = 300
  const room = all + fits * sizeBytes + sizeBytes - 1
  assert.deepEqual(await round(room), { taken: fits, refused: thousand - fits, used: all + fits * sizeBytes })
  assert.deepEqual(await violationsOf(berth), [])
})
