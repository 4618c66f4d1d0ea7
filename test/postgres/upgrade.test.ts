import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { makePostgresDatabase, openSession, testDialect } from '#metadata/test-postgres.ts'
import { startDaemon, type Daemon } from '../support/daemon.ts'
import { freePort } from '../support/free-port.ts'
import { sendRequest, type HttpRequest, type HttpResponse } from '../support/http-client.ts'
import { digestOfBytes, mediaTypes } from '../support/registry-client.ts'
import { run } from '../support/run-command.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { until } from '../support/until.ts'

const skip = testDialect === 'postgres' ? false : 'runs by npm run test:postgres'
const checkout = join(import.meta.dirname, '../..')
const environment = { PATH: process.env['PATH'] ?? '' }

/** Migration 9000 of the next version: what each expanding one may do. */
const migration = `import { sql, type Kysely } from 'kysely'
export async function next(db: Kysely<unknown>): Promise<void> {
  await sql\`create table next_things (id bigint primary key, name text not null)\`.execute(db)
  await sql\`alter table tags add column next_note text\`.execute(db)
  await sql\`alter table manifests add column next_count bigint not null default 7\`.execute(db)
  await sql\`alter table events add column next_word text not null default 'none'\`.execute(db)
  await sql\`create index tags_next on tags (next_note)\`.execute(db)
}
`

/** This program as its next version will be: with another migration, and a number of its own. */
async function makeNext(directory: string): Promise<string> {
  const place = join(directory, 'next')
  await mkdir(place)
  for (const name of ['server', 'cli', 'bin']) await cp(join(checkout, name), join(place, name), { recursive: true })
  const description = JSON.parse(await readFile(join(checkout, 'package.json'), 'utf8')) as object
  await writeFile(join(place, 'package.json'), JSON.stringify({ ...description, version: '99.0.0' }))
  await symlink(join(checkout, 'node_modules'), join(place, 'node_modules'))
  const migrations = join(place, 'server/metadata/migrations')
  await writeFile(join(migrations, '9000-next.ts'), migration)
  const all = await readFile(join(migrations, 'all.ts'), 'utf8')
  const end = all.lastIndexOf('}')
  await writeFile(
    join(migrations, 'all.ts'),
    `import { next } from './9000-next.ts'\n${all.slice(0, end)}  '9000-next': { up: next, kind: 'expand' },\n${all.slice(end)}`,
  )
  return join(place, 'bin/berth.mjs')
}

/** A place behind the balancer, where one version or the other serves. */
interface Slot {
  readonly url: string
  readonly config: string
  daemon: Daemon | undefined
  isReady: boolean
}

async function makeSlot(directory: string, name: string, databaseUrl: string): Promise<Slot> {
  const port = await freePort()
  const config = join(directory, `${name}.yml`)
  const storage = { filesystem: { rootdirectory: join(directory, 'data') }, delete: { enabled: true } }
  const http = { addr: `127.0.0.1:${port}`, draindelay: '1s', draintimeout: '20s' }
  await writeFile(config, JSON.stringify({ version: 0.1, log: { level: 'info' }, storage, http, database: { url: databaseUrl } }))
  return { url: `http://127.0.0.1:${port}`, config, daemon: undefined, isReady: false }
}

async function isReady({ url }: Slot): Promise<boolean> {
  return await sendRequest(`${url}/readyz`, { timeoutMs: 2000 }).then(
    ({ status }) => status === 200,
    () => false,
  )
}

async function start(slot: Slot, launcher: string): Promise<void> {
  slot.daemon = await startDaemon([process.execPath, launcher, 'serve', slot.config], () => isReady(slot), { env: environment })
}

/** As a balancer does: looks at /readyz five times a second, and sends each request to the next node that was ready. Nothing is sent twice. */
function balance(slots: readonly Slot[]) {
  let turn = 0
  let isOver = false
  const looking = (async () => {
    while (!isOver) {
      for (const slot of slots) slot.isReady = await isReady(slot)
      await sleep(200)
    }
  })()
  return {
    send(path: string, request: HttpRequest = {}): Promise<HttpResponse> {
      const ready = slots.filter((slot) => slot.isReady)
      const slot = ready[turn++ % ready.length]
      if (slot === undefined) throw new Error('no node is ready')
      const { pathname, search } = new URL(path, slot.url)
      return sendRequest(`${slot.url}${pathname}${search}`, request)
    },
    async [Symbol.asyncDispose]() {
      isOver = true
      await looking
    },
  }
}

type Balancer = ReturnType<typeof balance>

/** Pushes, pulls, lists and deletes, each request wherever the balancer sends it, until it is stopped. */
function traffic(balancer: Balancer) {
  const errors: string[] = []
  const pushed = new Map<string, string>()
  let isOver = false
  let requests = 0
  const expect = async (status: number, path: string, request: HttpRequest = {}): Promise<HttpResponse> => {
    requests++
    const answer = await balancer
      .send(path, request)
      .catch((error: Error) => ({ status: 0, headers: {}, body: Buffer.from(error.message) }))
    if (answer.status !== status)
      errors.push(`${request.method ?? 'GET'} ${path}: ${answer.status} ${answer.body.toString().slice(0, 300)}`)
    return answer
  }
  const pushOne = async (repository: string, tag: string) => {
    const bytes = randomBytes(5000)
    const digest = digestOfBytes(bytes)
    const begun = await expect(202, `/v2/${repository}/blobs/uploads/`, { method: 'POST', body: '' })
    const type = { 'content-type': 'application/octet-stream' }
    const sent = await expect(202, begun.headers.location ?? '/', { method: 'PATCH', body: bytes, headers: type })
    const place = sent.headers.location ?? '/'
    await expect(201, `${place}${place.includes('?') ? '&' : '?'}digest=${digest}`, { method: 'PUT', body: '' })
    const layer = { mediaType: mediaTypes.layer, digest, size: bytes.length }
    const manifest = JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.manifest,
      config: { ...layer, mediaType: mediaTypes.config },
      layers: [layer],
    })
    await expect(201, `/v2/${repository}/manifests/${tag}`, {
      method: 'PUT',
      body: manifest,
      headers: { 'content-type': mediaTypes.manifest },
    })
    pushed.set(tag, digestOfBytes(Buffer.from(manifest)))
    await expect(200, `/v2/${repository}/blobs/${digest}`)
    await expect(200, `/v2/${repository}/manifests/${tag}`, { headers: { accept: mediaTypes.manifest } })
    await expect(200, `/v2/${repository}/tags/list`)
  }
  const loop = async (name: string) => {
    for (let index = 0; !isOver; index++) {
      await pushOne(`team/${name}`, `${name}${index}`)
      if (index % 5 !== 4) continue
      const gone = `${name}${index - 1}`
      await expect(202, `/v2/team/${name}/manifests/${gone}`, { method: 'DELETE' })
      pushed.delete(gone)
    }
  }
  const loops = Promise.all(['a', 'b', 'c'].map(loop))
  return {
    errors,
    pushed,
    count: () => requests,
    async stop() {
      isOver = true
      await loops
    },
  }
}

test('nodes go from one version to the next under load and back again, and no client notices', { skip, timeout: 240_000 }, async (t) => {
  await using directory = await temporaryDirectory('upgrade')
  await using database = await makePostgresDatabase()
  const [now, next] = [join(checkout, 'bin/berth.mjs'), await makeNext(directory.path)]
  await mkdir(join(directory.path, 'data'))
  const slots = [await makeSlot(directory.path, 'one', database.url), await makeSlot(directory.path, 'two', database.url)]
  await using stack = new AsyncDisposableStack()
  for (const slot of slots) {
    stack.defer(async () => void (await slot.daemon?.stop()))
    await start(slot, now)
  }
  await using balancer = stack.use(balance(slots))
  await until('both are known to be ready', () => slots.every((slot) => slot.isReady))
  const load = traffic(balancer)
  const some = async () => {
    const before = load.count()
    await until('some traffic', () => load.count() > before + 60, 60_000)
  }
  const replace = async (slot: Slot, launcher: string) => {
    assert.equal(await slot.daemon?.stop(), 0)
    await start(slot, launcher)
    await until('the balancer knows', () => slot.isReady)
    await some()
  }
  await some()
  for (const launcher of [next, now]) for (const slot of slots) await replace(slot, launcher)
  await load.stop()
  assert.deepEqual(load.errors, [])
  t.diagnostic(`${load.count()} requests, ${load.pushed.size} tags`)
  for (const [tag, digest] of load.pushed) {
    const found = await balancer.send(`/v2/team/${tag.slice(0, 1)}/manifests/${tag}`, { headers: { accept: mediaTypes.manifest } })
    assert.equal(digestOfBytes(found.body), digest, tag)
  }
  const status = await run([process.execPath, now, 'migrate', 'status', slots[0]?.config ?? ''], { env: environment })
  assert.match(status.stdout, /^9000-next {2}applied by a newer version$/mu)
  await using session = await openSession(database.url)
  const [row] = await session.script('select count(*) as count, min(next_count) as least from manifests')
  assert.equal(row?.['least'], 7, 'the older version writes rows that the next one can read')
})
