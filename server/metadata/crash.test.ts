import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { DatabaseSync } from 'node:sqlite'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { makeTestDirectory, openTestDatabase } from './test-database.ts'
import { testDialect } from './test-postgres.ts'
import { addSetting } from './test-transactions.ts'

interface Started {
  readonly child: ChildProcess
  readonly lines: AsyncIterableIterator<string>
}

function start(...words: string[]): Started {
  const script = fileURLToPath(new URL('test-process.ts', import.meta.url))
  const child = spawn(process.execPath, ['--no-warnings', script, ...words], { stdio: ['ignore', 'pipe', 'inherit'] })
  return { child, lines: createInterface({ input: child.stdout })[Symbol.asyncIterator]() }
}

async function collect({ lines }: Started, into: string[]): Promise<void> {
  for await (const line of lines) into.push(line)
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
}

async function settingNames(file: string): Promise<Set<string>> {
  if (testDialect === 'sqlite') {
    using database = new DatabaseSync(file)
    assert.deepEqual(database.prepare('pragma integrity_check').get()?.['integrity_check'], 'ok')
  }
  await using metadata = await openTestDatabase(file)
  const rows = await metadata.reader.selectFrom('settings').select('name').execute()
  return new Set(rows.map((row) => row.name))
}

test('a process killed while it writes loses no acknowledged row', async () => {
  await using directory = await makeTestDirectory()
  const acknowledged: string[] = []
  for (const [round, enough] of [150, 400, 900].entries()) {
    const started = start(directory.file, 'write', `round ${round}`)
    const before = acknowledged.length
    for await (const line of started.lines) {
      acknowledged.push(line)
      if (acknowledged.length - before === enough) started.child.kill('SIGKILL')
    }
    await ended(started.child)
    assert.equal(started.child.signalCode, 'SIGKILL')
    assert.ok(acknowledged.length - before >= enough)
    const stored = await settingNames(directory.file)
    assert.deepEqual(
      acknowledged.filter((name) => !stored.has(name)),
      [],
    )
  }
  await using metadata = await openTestDatabase(directory.file)
  await metadata.write(addSetting, { name: 'after' })
})

test('two processes that create and write the same file at once both get all they asked for', async () => {
  await using directory = await makeTestDirectory()
  const said: string[] = []
  const started = ['one', 'two'].map((label) => start(directory.file, 'write', label, '200'))
  await Promise.all(started.map((process) => collect(process, said)))
  await Promise.all(started.map(({ child }) => ended(child)))
  assert.deepEqual(
    started.map(({ child }) => child.exitCode),
    [0, 0],
  )
  assert.equal(said.length, 400)
  assert.deepEqual(await settingNames(directory.file), new Set(said))
})

test('a migration killed in the middle leaves nothing behind, and the next start goes on', async () => {
  await using directory = await makeTestDirectory()
  const { child, lines } = start(directory.file, 'migrate')
  assert.equal((await lines.next()).value, 'middle')
  child.kill('SIGKILL')
  await ended(child)
  await using metadata = await openTestDatabase(directory.file)
  await metadata.write(addSetting, { name: 'works' })
  const tables = await metadata.reader.introspection.getTables()
  assert.ok(!tables.some(({ name }) => name === 'half_done'))
  assert.ok(tables.some(({ name }) => name === 'manifests'))
})
