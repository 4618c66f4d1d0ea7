import assert from 'node:assert/strict'
import { mkdtemp, readFile, rename, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { pino } from 'pino'
import { createActivityStream } from '#events/dispatch.ts'
import type { Event } from '#events/event.ts'
import { recordAll } from '#events/test-transactions.ts'
import { systemPorts, type Ports } from '#lib/ports.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { openTestDatabase } from '#metadata/test-database.ts'
import { digestOf, type Digest } from '#oci/digest.ts'
import type { RepositoryName, Tag } from '#oci/reference.ts'
import { createAuditStream } from './audit-stream.ts'

const silent = pino({ enabled: false })
const source = { version: '0.0.0', node: 'n1' }
const repository = 'team/app' as RepositoryName
const digest = digestOf(Buffer.from('x'))

function moved(index: number, previousDigest?: Digest): Event {
  const who = {
    actor: 'ann',
    requestId: `r${index}`,
    actorKey: 'user:1',
    credential: 'personal:3',
    address: '192.0.2.1',
    userAgent: 'docker/29',
  }
  return { ...who, at: index, action: 'tag.moved', repository, tag: 'v1' as Tag, digest, detail: { previousDigest } }
}

async function place(): Promise<AsyncDisposable & { readonly file: string }> {
  const directory = await mkdtemp(join(tmpdir(), 'berth-audit-'))
  return { file: join(directory, 'logs', 'audit.json'), [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }) }
}

async function openLines(metadata: Metadata, file: string, files: Partial<Ports['files']> = {}) {
  await using stack = new AsyncDisposableStack()
  const activity = stack.use(createActivityStream({ metadata, ports: systemPorts, log: silent }))
  const config = { output: { file }, hasRecords: true, hasPulls: true, retentionMs: 1 }
  const ports = { ...systemPorts, files: { ...systemPorts.files, ...files } }
  const stream = stack.use(await createAuditStream({ config, activity, metadata, ports, log: silent, source }))
  const opened = stack.move()
  const watched = activity.watch(metadata)
  return { stream, watched, [Symbol.asyncDispose]: () => opened.disposeAsync() }
}

const parsed = async (file: string) =>
  (await readFile(file, 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)

async function until(check: () => Promise<boolean>): Promise<void> {
  for (let round = 0; round < 200; round++) {
    if (await check().catch(() => false)) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  assert.fail('it did not come true')
}

test('every record becomes a line in ECS names with a top-level action, and a pull does', async () => {
  await using metadata = await openTestDatabase(':memory:')
  await using at = await place()
  await metadata.write(recordAll, [moved(1), moved(2, digest)])
  {
    await using lines = await openLines(metadata, at.file)
    const pull = {
      at: 2,
      repository,
      project: 'team',
      projectId: 3,
      digest,
      tag: 'v1',
      actor: '',
      actorKey: '',
      credential: 'none',
      address: '::1',
      userAgent: 'x',
      requestId: 'p',
    }
    await until(async () => {
      await lines.stream.flush()
      return (await parsed(at.file)).length === 2
    })
    lines.stream.pulled(pull)
  }
  const [record, movedOn, pull] = await parsed(at.file)
  assert.deepEqual(record, {
    '@timestamp': '1970-01-01T00:00:00.001Z',
    action: 'tag.moved',
    'ecs.version': '8.17.0',
    'event.id': '1',
    'event.kind': 'event',
    'event.category': ['package'],
    'event.type': ['creation'],
    'event.action': 'tag.moved',
    'event.outcome': 'success',
    'event.dataset': 'berth.audit',
    'user.name': 'ann',
    'user.id': 'user:1',
    'source.ip': '192.0.2.1',
    'user_agent.original': 'docker/29',
    'http.request.id': 'r1',
    'organization.id': '1',
    'organization.name': 'library',
    'container.image.name': 'team/app',
    'container.image.tag': ['v1'],
    'container.image.hash.all': [digest],
    'service.name': 'berth',
    'service.version': '0.0.0',
    'service.node.name': 'n1',
    'berth.credential': 'personal:3',
    'berth.count': 1,
  })
  // A tag's first push makes it, each further one changes it.
  assert.deepEqual([movedOn?.['action'], movedOn?.['event.type']], ['tag.moved', ['change']])
  assert.deepEqual([pull?.['organization.id'], pull?.['organization.name']], ['3', 'team'])
  assert.deepEqual([pull?.['action'], pull?.['event.id'], pull?.['event.type']], ['manifest.pulled', undefined, ['access']])
  assert.equal((await stat(at.file)).mode & 0o777, 0o600)
})

test('a process goes on where the one before ended', async () => {
  await using metadata = await openTestDatabase(':memory:')
  await using at = await place()
  for (let round = 0; round < 3; round++) {
    await using lines = await openLines(metadata, at.file)
    await lines.watched.write(recordAll, [moved(round)])
    await until(async () => {
      await lines.stream.flush()
      return (await parsed(at.file)).length === round + 1
    })
  }
  assert.deepEqual(
    (await parsed(at.file)).map((line) => line['event.id']),
    ['1', '2', '3'],
  )
})

test('a file that was renamed is made anew, and nothing is lost between the two', async () => {
  await using metadata = await openTestDatabase(':memory:')
  await using at = await place()
  await using lines = await openLines(metadata, at.file)
  await lines.watched.write(recordAll, [moved(1)])
  await until(async () => {
    await lines.stream.flush()
    return (await parsed(at.file)).length === 1
  })
  await rename(at.file, `${at.file}.1`)
  await lines.watched.write(recordAll, [moved(2)])
  await until(async () => {
    await lines.stream.flush()
    return (await parsed(at.file)).length === 1
  })
  assert.equal((await parsed(`${at.file}.1`)).length, 1)
})

test('a full disk holds records back and not the registry; they are written when there is room', async () => {
  await using metadata = await openTestDatabase(':memory:')
  await using at = await place()
  let isFull = true
  const open = (async (...given: Parameters<typeof systemPorts.files.open>) => {
    if (isFull) throw Object.assign(new Error('no space'), { code: 'ENOSPC' })
    return await systemPorts.files.open(...given)
  }) as typeof systemPorts.files.open
  await using lines = await openLines(metadata, at.file, { open })
  await lines.watched.write(recordAll, [moved(1)])
  await lines.stream.flush()
  await lines.watched.write(recordAll, [moved(2)])
  await lines.stream.flush()
  isFull = false
  await until(async () => {
    await lines.stream.flush()
    return (await parsed(at.file)).length === 2
  })
})

test('no client can forge a line', async () => {
  await using metadata = await openTestDatabase(':memory:')
  await using at = await place()
  {
    await using lines = await openLines(metadata, at.file)
    await lines.watched.write(recordAll, [{ ...moved(1), userAgent: 'a"}\n{"action":"forged"}\u2028', actor: 'x\r\ny' }])
    await until(async () => {
      await lines.stream.flush()
      return (await parsed(at.file)).length === 1
    })
  }
  assert.equal((await readFile(at.file, 'utf8')).split(/[\n\u2028]/).length, 2)
})

test('without an output nothing is kept', async () => {
  await using metadata = await openTestDatabase(':memory:')
  await using activity = createActivityStream({ metadata, ports: systemPorts, log: silent })
  const config = { output: undefined, hasRecords: false, hasPulls: false, retentionMs: 1 }
  await using stream = await createAuditStream({ config, activity, metadata, ports: systemPorts, log: silent, source })
  assert.equal(stream.hasPulls, false)
})
