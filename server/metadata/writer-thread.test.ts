import assert from 'node:assert/strict'
import { access, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { pino } from 'pino'
import { systemPorts, type Clock, type Timers } from '#lib/ports.ts'
import { encodeValue, type WriteRequest } from './sqlite-group.ts'
import { makeTestDirectory, openTestSqlite } from './test-database.ts'
import { addSetting, crash } from './test-transactions.ts'
import { WriterThread } from './writer-thread.ts'

const request = (definition: { readonly moduleUrl: string; readonly name: string }, name: string): WriteRequest => ({
  moduleUrl: definition.moduleUrl,
  name: definition.name,
  input: encodeValue({ name }),
  queuedAt: systemPorts.clock.now(),
})

test('a writer that keeps dying is started again with growing pauses, then refuses at once until the next is due', async () => {
  await using directory = await makeTestDirectory()
  await using _database = await openTestSqlite(directory.file)
  let now = 0
  const slept: number[] = []
  const clock: Clock = { now: () => now, monotonic: () => now }
  const timers: Timers = {
    ...systemPorts.timers,
    sleep(delayMs) {
      slept.push(delayMs)
      now += delayMs
      return Promise.resolve()
    },
  }
  await using thread = new WriterThread({
    file: directory.file,
    busyTimeoutMs: 1000,
    ports: { clock, timers },
    log: pino({ enabled: false }),
  })
  const fails = () => assert.rejects(thread.run([request(crash, 'a')]), { code: 'UNAVAILABLE' })
  for (let crashes = 0; crashes < 5; crashes++) await fails()
  assert.deepEqual(slept, [100, 200, 400, 800])
  await assert.rejects(thread.run([request(addSetting, 'b')]), { code: 'UNAVAILABLE' })
  assert.equal(slept.length, 4, 'refused without waiting')
  now += 10_000
  const [answer] = await thread.run([request(addSetting, 'c')])
  assert.ok(answer && 'output' in answer)
})

test('a writer loads modules before a write needs them, and goes on past one that cannot be loaded', { timeout: 20_000 }, async () => {
  await using directory = await makeTestDirectory()
  await using _database = await openTestSqlite(directory.file)
  const [module, mark] = [join(dirname(directory.file), 'marks.mjs'), join(dirname(directory.file), 'mark')]
  await writeFile(module, `import { writeFileSync } from 'node:fs'\nwriteFileSync(${JSON.stringify(mark)}, '')`)
  await using thread = new WriterThread({ file: directory.file, busyTimeoutMs: 1000, ports: systemPorts, log: pino({ enabled: false }) })
  thread.preload([pathToFileURL(`${module}.none`).href, pathToFileURL(module).href])
  // Work under way keeps the process, and with it the thread.
  for (let isLoaded = false; !isLoaded;) {
    await sleep(5)
    isLoaded = await access(mark).then(
      () => true,
      () => false,
    )
  }
  const [answer] = await thread.run([request(addSetting, 'a')])
  assert.ok(answer && 'output' in answer)
})

test('a writer that is closed while it loads ends', { timeout: 20_000 }, async () => {
  await using directory = await makeTestDirectory()
  await using _database = await openTestSqlite(directory.file)
  await using thread = new WriterThread({ file: directory.file, busyTimeoutMs: 1000, ports: systemPorts, log: pino({ enabled: false }) })
  thread.preload([new URL('../registry/delete-manifest.ts', import.meta.url).href, addSetting.moduleUrl])
})

test('a writer whose database is not there makes none, and writes once it is back', async () => {
  await using directory = await makeTestDirectory()
  await using thread = new WriterThread({ file: directory.file, busyTimeoutMs: 1000, ports: systemPorts, log: pino({ enabled: false }) })
  await assert.rejects(thread.run([request(addSetting, 'a')]), { code: 'UNAVAILABLE' })
  await assert.rejects(access(directory.file), { code: 'ENOENT' })
  await using _database = await openTestSqlite(directory.file)
  const [answer] = await thread.run([request(addSetting, 'b')])
  assert.ok(answer && 'output' in answer)
})
