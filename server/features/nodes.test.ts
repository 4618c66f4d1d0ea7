import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pino } from 'pino'
import { Registry as PrometheusRegistry } from 'prom-client'
import { watchNodes } from '#lib/node-metrics.ts'
import { systemPorts, type Ports } from '#lib/ports.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { alterTestDatabase, makeTestDirectory, openTestDatabase } from '#metadata/test-database.ts'
import { checkNodes } from './doctor-nodes.ts'
import { readNodes } from './nodes-list.ts'
import { startNodeHeart, type NodeIdentity } from './nodes.ts'

const log = pino({ enabled: false })
const here: NodeIdentity = {
  name: 'machine-1',
  address: 'http://127.0.0.1:5000/',
  processId: 7,
  version: '1.0.0',
  schemaVersion: '0009-nodes',
  isAlone: true,
}

/** Ports whose clock is ahead by so much, and whose timers tick when they are told to. */
function portsWith({ aheadMs = 0 } = {}) {
  const ticks: (() => void)[] = []
  const ports: Pick<Ports, 'clock' | 'timers' | 'random'> = {
    ...systemPorts,
    clock: { now: () => systemPorts.clock.now() + aheadMs, monotonic: () => systemPorts.clock.monotonic() },
    timers: {
      ...systemPorts.timers,
      every: (_ms, callback) => {
        ticks.push(callback)
        return { [Symbol.dispose]: () => void ticks.splice(ticks.indexOf(callback), 1) }
      },
    },
  }
  return { ports, tick: () => ticks.forEach((each) => each()) }
}

async function eventually(isTrue: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 500; tries += 1) {
    if (await isTrue()) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  assert.fail('it did not come about')
}

const count = async (metadata: Metadata) => (await readNodes(metadata)).nodes.length
const states = async (metadata: Metadata) => (await readNodes(metadata)).nodes.map(({ state }) => state)

test('a node is listed from its start, drains when it leaves, and is gone after an orderly end', async () => {
  await using directory = await makeTestDirectory()
  await using metadata = await openTestDatabase(directory.file)
  const heart = startNodeHeart({ metadata, log, ports: portsWith().ports }, here)
  await eventually(async () => (await count(metadata)) === 1)
  const { nodes, warnings } = await readNodes(metadata)
  assert.deepEqual([nodes[0]?.name, nodes[0]?.version, nodes[0]?.processId, nodes[0]?.state], ['machine-1', '1.0.0', 7, 'serving'])
  assert.deepEqual(warnings, [])
  assert.ok(Math.abs(nodes[0]?.clockOffsetMs ?? Infinity) < 1_000)
  heart.leave()
  await eventually(async () => (await states(metadata))[0] === 'draining')
  await heart[Symbol.asyncDispose]()
  assert.equal(await count(metadata), 0)
})

test('a clock that is wrong and versions that differ are told, by the list and by the doctor', async () => {
  await using directory = await makeTestDirectory()
  await using metadata = await openTestDatabase(directory.file)
  await using _right = startNodeHeart({ metadata, log, ports: portsWith().ports }, here)
  await using _wrong = startNodeHeart(
    { metadata, log, ports: portsWith({ aheadMs: -61_000 }).ports },
    { ...here, name: 'machine-2', version: '1.1.0', schemaVersion: '0010-more' },
  )
  await eventually(async () => (await count(metadata)) === 2)
  const { nodes, warnings } = await readNodes(metadata)
  assert.deepEqual(
    nodes.map(({ state }) => state),
    ['serving', 'serving'],
    'a wrong clock makes nobody silent',
  )
  assert.equal(warnings.length, 2, warnings.join('\n'))
  assert.match(warnings[0] ?? '', /different versions serve \(1\.0\.0 with schema 0009-nodes; 1\.1\.0 with schema 0010-more\)/)
  assert.match(warnings[1] ?? '', /clock is 61 s behind the database's \(machine-2, /)
  const diagnoses = await checkNodes(metadata.reader)
  assert.deepEqual(
    diagnoses.map(({ check, verdict }) => `${check} ${verdict}`),
    ['nodes warning', 'nodes warning'],
  )
})

test('a node that was killed is silent, until one takes its place or a day is over', async () => {
  await using directory = await makeTestDirectory()
  await using metadata = await openTestDatabase(directory.file)
  const row = (id: string, address: string, age: number) =>
    `insert into nodes (node_id, name, address, process_id, version, schema_version, started_at, seen_at, is_draining)
     values ('${id}', 'machine-1', '${address}', 3, '1.0.0', '0009-nodes', 1, ${systemPorts.clock.now() - age}, 0)`
  const others = [row('killed', here.address, 5_000), row('silent', 'http://127.0.0.2:5000/', 60_000), row('old', 'x', 25 * 3_600_000)]
  await alterTestDatabase(directory.file, others)
  assert.deepEqual(await states(metadata), ['serving', 'silent', 'silent'])
  assert.match((await readNodes(metadata)).warnings[0] ?? '', /not heard of since .*machine-1, http:\/\/127\.0\.0\.2:5000\/, process 3/)
  await using _heart = startNodeHeart({ metadata, log, ports: portsWith().ports }, here)
  await eventually(async () => (await count(metadata)) === 2)
  assert.deepEqual(await states(metadata), ['serving', 'silent'], 'its own former row and the old one went')
})

test('workers behind one port keep their rows beside each other', async () => {
  await using directory = await makeTestDirectory()
  await using metadata = await openTestDatabase(directory.file)
  const { ports } = portsWith()
  await using _first = startNodeHeart({ metadata, log, ports }, { ...here, isAlone: false })
  await eventually(async () => (await count(metadata)) === 1)
  await using _second = startNodeHeart({ metadata, log, ports }, { ...here, processId: 8, isAlone: false })
  await eventually(async () => (await count(metadata)) === 2)
  assert.deepEqual(await states(metadata), ['serving', 'serving'])
})

test('a row that somebody removed comes back with the next beat, and a database that is away is not waited for', async () => {
  await using directory = await makeTestDirectory()
  await using metadata = await openTestDatabase(directory.file)
  const { ports, tick } = portsWith()
  let isAway = false
  const watched: Metadata = {
    dialect: metadata.dialect,
    reader: metadata.reader,
    write: (definition, input) => metadata.write(definition, input),
    ping: () => metadata.ping(),
    away: {
      get isAway() {
        return isAway
      },
      onAway: () => ({ [Symbol.dispose]: () => undefined }),
    },
    [Symbol.asyncDispose]: () => metadata[Symbol.asyncDispose](),
  }
  const heart = startNodeHeart({ metadata: watched, log, ports }, here)
  await eventually(async () => (await count(metadata)) === 1)
  await alterTestDatabase(directory.file, ['delete from nodes'])
  await eventually(async () => {
    tick()
    return (await count(metadata)) === 1
  })
  isAway = true
  await new Promise((resolve) => setTimeout(resolve, 100)) // A beat may be on its way.
  await alterTestDatabase(directory.file, ['delete from nodes'])
  tick()
  await heart[Symbol.asyncDispose]()
  assert.equal(await count(metadata), 0)
})

test('metrics count nodes by state and tell the clock', async () => {
  const registry = new PrometheusRegistry()
  watchNodes(registry, { states: async () => ['serving', 'serving', 'silent'], clockOffsetMs: () => -1500 })
  const page = await registry.metrics()
  assert.match(page, /registry_nodes\{state="serving"\} 2\n/)
  assert.match(page, /registry_nodes\{state="draining"\} 0\n/)
  assert.match(page, /registry_nodes\{state="silent"\} 1\n/)
  assert.match(page, /registry_node_clock_offset_seconds -1\.5\n/)
})
