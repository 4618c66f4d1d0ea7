/** Transactions of pushes and all others beside each other, statements that nobody waits for, and the line for sessions. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pino } from 'pino'
import { systemPorts } from '#lib/ports.ts'
import { RegistryError } from '#oci/errors.ts'
import { openPostgres, type PostgresMetadata, type PostgresOptions } from '#metadata/postgres.ts'
import { makePostgresDatabase, targetOf, testDialect } from '#metadata/test-postgres.ts'
import { addBelow, addSetting, failLater, stayAlone, stayAsPush } from '#metadata/test-transactions.ts'

const skip = testDialect === 'postgres' ? false : 'runs by npm run test:postgres'
const log = pino({ enabled: false })

async function open(options: Partial<PostgresOptions> = {}): Promise<AsyncDisposable & { readonly metadata: PostgresMetadata }> {
  await using stack = new AsyncDisposableStack()
  const database = stack.use(await makePostgresDatabase())
  const metadata = stack.use(await openPostgres({ target: targetOf(database.url), ports: systemPorts, log, ...options }))
  const all = stack.move()
  return { metadata, [Symbol.asyncDispose]: () => all.disposeAsync() }
}

const settingsOf = async ({ reader }: PostgresMetadata) =>
  new Map((await reader.selectFrom('settings').select(['name', 'value']).execute()).map(({ name, value }) => [name, value]))

/** From when to when it was at work. */
async function stayOf(metadata: PostgresMetadata, name: string): Promise<readonly [number, number]> {
  const settings = await settingsOf(metadata)
  return [Number(settings.get(name)), Number(settings.get(`${name} left`))]
}

const overlap = ([from, to]: readonly [number, number], [otherFrom, otherTo]: readonly [number, number]) => from < otherTo && otherFrom < to

test('transactions of pushes overlap each other, others overlap each other, and never the two kinds', { skip }, async () => {
  await using place = await open({ poolMaximum: 16 })
  const { metadata } = place
  const stays = ['push 1', 'push 2', 'alone 1', 'alone 2', 'push 3', 'alone 3'].map((name) =>
    metadata.write(name.startsWith('push') ? stayAsPush : stayAlone, { name, seconds: 0.8 }),
  )
  await Promise.all(stays)
  const pushes = await Promise.all([1, 2, 3].map((n) => stayOf(metadata, `push ${n}`)))
  const others = await Promise.all([1, 2, 3].map((n) => stayOf(metadata, `alone ${n}`)))
  for (const push of pushes) for (const other of others) assert.ok(!overlap(push, other), JSON.stringify([push, other]))
  const anyOverlap = (all: readonly (readonly [number, number])[]) =>
    all.some((one, index) => all.slice(index + 1).some((other) => overlap(one, other)))
  assert.ok(anyOverlap(pushes) || anyOverlap(others), JSON.stringify({ pushes, others }))
})

test('a statement that nobody waited for and that failed is the fault that is told, and nothing is written', { skip }, async () => {
  await using place = await open()
  const { metadata } = place
  await assert.rejects(metadata.write(failLater, { name: 'twice' }), { code: '23505' })
  assert.equal((await settingsOf(metadata)).has('twice'), false)
})

test('a check in haste that does not pass is made again for its answer', { skip }, async () => {
  await using place = await open()
  const { metadata } = place
  const limit = (await settingsOf(metadata)).size + 2
  assert.deepEqual(
    [await metadata.write(addBelow, { name: 'a', limit }), await metadata.write(addBelow, { name: 'b', limit })],
    [true, true],
  )
  await assert.rejects(
    metadata.write(addBelow, { name: 'c', limit }),
    (error) => error instanceof RegistryError && error.code === 'DENIED' && (error.detail as { limit: number }).limit === limit,
  )
  assert.equal(metadata.notes.conflicts, 0)
  assert.equal((await settingsOf(metadata)).has('c'), false)
})

test('a server that is there and busy is waited for longer than one that is away', { skip }, async () => {
  await using place = await open({ poolMaximum: 2, holdMs: 200 })
  const { metadata } = place
  const slow = [1, 2].map((n) => metadata.write(stayAlone, { name: `slow ${n}`, seconds: 0.6 }))
  const waiting = metadata.write(addSetting, { name: 'waited' })
  await Promise.all([...slow, waiting])
  assert.ok((await settingsOf(metadata)).has('waited'))
  assert.equal(metadata.notes.refusals, 0)
})

test('a row that another push made first is found, and the transaction is done again', { skip }, async () => {
  await using place = await open()
  const { metadata } = place
  await metadata.write(addSetting, { name: 'taken' })
  await assert.rejects(metadata.write(addBelow, { name: 'taken', limit: 1_000 }), { code: '23505' })
  assert.ok(metadata.notes.conflicts > 0 && metadata.notes.conflicts <= 6, String(metadata.notes.conflicts))
})
