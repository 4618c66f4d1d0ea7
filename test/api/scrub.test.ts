import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdir, utimes, writeFile, unlink, readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { systemPorts } from '#lib/ports.ts'
import { runInline } from '#jobs/run-inline.ts'
import { pushImage } from '../support/registry-client.ts'
import { openPeople, type People, type Person } from './people.ts'

const dayMs = 24 * 60 * 60 * 1_000
let ahead = 0
const clock = { now: () => systemPorts.clock.now() + ahead, monotonic: systemPorts.clock.monotonic }

suite('scrub over the API', () => {
  let people: People
  let root: Person
  before(async () => {
    people = await openPeople({}, { ports: { ...systemPorts, clock } })
    root = people.root
    await pushImage(root.registry, 'library/app', 'v1')
  })
  after(() => people[Symbol.asyncDispose]())

  const run = (kind: string) => runInline(people.rooms.jobs, { kind }, { signal: new AbortController().signal })

  test('is for those who may read or start it', async () => {
    const alice = await people.add('alice')
    for (const [method, path] of [
      ['GET', '/scrub'],
      ['GET', '/scrub/findings'],
      ['POST', '/scrub/runs'],
      ['DELETE', '/scrub/findings/orphans'],
    ] as const) {
      const body = method === 'POST' ? {} : undefined
      assert.equal((await alice.call(method, path, body)).status, 403, path)
      assert.equal((await people.stranger.call(method, path, body)).status, 401, path)
    }
  })

  test('a pass is begun once, and refuses what makes no sense', async () => {
    assert.equal((await root.call('POST', '/scrub/runs', { full: true, sample: 5 })).status, 400)
    assert.equal((await root.call('POST', '/scrub/runs', { sample: 101 })).status, 400)
    assert.equal((await root.call('POST', '/scrub/runs', { speed: 1 })).status, 400)
    const first = await root.call('POST', '/scrub/runs', { full: true })
    assert.deepEqual([first.status, first.body['isNew']], [202, true])
    const second = await root.call('POST', '/scrub/runs', {})
    assert.deepEqual([second.body['job'], second.body['isNew']], [first.body['job'], false])
    const status = await root.call('GET', '/scrub')
    assert.deepEqual([status.body['last'], status.body['current']], [null, { job: first.body['job'], state: 'waiting' }])
    const { body } = await root.call('GET', `/jobs/${String(first.body['job'])}`)
    assert.deepEqual([body['kind'], body['payload'], body['createdBy']], ['scrub', { sample: 100 }, 'root'])
    const audit = await root.call('GET', '/audit?action=job.started')
    assert.equal(audit.body.items?.[0]?.['target'], `job:${String(first.body['job'])}`)
  })

  test('tells of what is missing and of orphans, page by page, and deletes orphans on demand', async () => {
    const { digest } = await root.registry.pushBlob('library/app', randomBytes(2_000_000))
    const directory = join(people.rooms.directory, 'data', 'blobs', 'sha256', digest.slice(7, 9), digest.slice(7))
    for (const name of await readdir(directory)) await unlink(join(directory, name))
    const orphan = join(people.rooms.directory, 'data', 'blobs', 'sha256', 'ab', `ab${'0'.repeat(62)}`, '0123456789abcdef')
    await mkdir(dirname(orphan), { recursive: true })
    await writeFile(orphan, 'nobody’s')
    await utimes(orphan, 1, 1)
    ahead = 2 * dayMs
    await run('scrub')
    const first = await root.call('GET', '/scrub/findings?limit=1&sort=foundAt')
    const second = await root.call('GET', `/scrub/findings?limit=1&sort=foundAt&cursor=${String(first.body['next'])}`)
    const items = [...(first.body.items ?? []), ...(second.body.items ?? [])]
    assert.deepEqual(
      items.map(({ kind }) => kind),
      ['missing', 'orphan'],
    )
    assert.equal(items[0]?.['digest'], digest)
    assert.equal((await root.call('GET', '/scrub/findings?kind=manifest')).body.items?.length, 0)
    assert.equal((await root.call('GET', '/scrub/findings?kind=nonsense')).status, 400)
    const { body } = await root.call('GET', '/scrub')
    assert.deepEqual(body['findings'], [
      { kind: 'missing', count: 1, sizeBytes: 2_000_000 },
      { kind: 'orphan', count: 1, sizeBytes: 10 },
    ])
    assert.equal((body['last'] as { found: number }).found, 2)
    const started = await root.call('DELETE', '/scrub/findings/orphans')
    assert.deepEqual([started.status, started.body['isNew']], [202, true])
    assert.deepEqual(await run('delete-orphans'), { keys: 1, sizeBytes: 10 })
    assert.deepEqual(
      (await root.call('GET', '/scrub/findings?resolved=true')).body.items?.map(({ kind }) => kind),
      ['orphan'],
    )
    const found = await root.call('GET', '/audit?action=scrub.found')
    assert.deepEqual(found.body.items?.[0]?.['detail'], { missing: 1, orphan: 1 })
  })

  test('the doctor looks at the server for its administrators alone', async () => {
    const { status, body } = await root.call('GET', '/system/doctor')
    assert.equal(status, 200)
    const diagnoses = body['diagnoses'] as { check: string; verdict: string; message: string }[]
    assert.ok(
      diagnoses.some(({ check, verdict }) => check === 'storage' && verdict === 'ok'),
      JSON.stringify(diagnoses),
    )
    assert.ok(
      diagnoses.some(({ verdict, message }) => verdict === 'problem' && message.startsWith('1 blobs are in quarantine')),
      JSON.stringify(diagnoses),
    )
    assert.equal((await people.stranger.call('GET', '/system/doctor')).status, 401)
  })
})
