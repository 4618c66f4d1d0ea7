import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CompiledQuery } from 'kysely'
import { listEvents, selectEvents, type EventFilter } from '#metadata/events.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { openTestDatabase } from '#metadata/test-database.ts'
import { testDialect } from '#metadata/test-postgres.ts'
import type { Event } from './event.ts'
import { recordAll } from './test-transactions.ts'

const actions = ['user.created', 'user.deleted', 'role.created', 'user.updated'] as const

function happened(index: number): Event {
  const action = actions[index % actions.length] ?? 'user.created'
  const project = ['a', 'b', 'c'][index % 3] ?? ''
  const outcome = index % 5 === 0 ? 'failure' : 'success'
  return {
    action,
    target: `user:${index % 7}`,
    project,
    actor: `u${index % 2}`,
    requestId: `r${Math.floor(index / 2)}`,
    credential: index % 4 === 0 ? '' : `personal:${index % 3}`,
    reason: outcome === 'failure' ? 'DENIED' : '',
    address: `10.0.0.${index % 4}`,
    at: index * 60_000,
    outcome,
  }
}

/** All pages one after the other, three records each. */
async function all(metadata: Metadata, filter: EventFilter, isDescending: boolean): Promise<readonly number[]> {
  const ids: number[] = []
  let after: { readonly value: string | number; readonly id: number } | undefined
  do {
    const page = await listEvents(metadata.reader, filter, { limit: 3, column: 'id', isDescending, after })
    ids.push(...page.items.map(({ id }) => id))
    after = page.next
  } while (after !== undefined)
  return ids
}

test('pages follow each other in order whatever the filters', async () => {
  await using metadata = await openTestDatabase(':memory:')
  const events = Array.from({ length: 60 }, (_, index) => happened(index))
  await metadata.write(recordAll, events)
  type Narrowing = readonly [EventFilter, (event: Event) => boolean]
  const narrowings: readonly Narrowing[] = [
    [{}, () => true],
    [{ action: 'user.*' }, ({ action }) => action.startsWith('user.')],
    [{ action: 'u*' }, ({ action }) => action.startsWith('u')],
    [{ action: 'moon.*' }, () => false],
    [{ action: 'role.created', outcome: 'failure' }, ({ action, outcome }) => action === 'role.created' && outcome === 'failure'],
    [{ project: 'b', action: 'user.*' }, (event) => event.action !== 'role.created' && 'project' in event && event.project === 'b'],
    [{ projectId: 1 }, () => false],
    [{ actor: 'u1', address: '10.0.0.3' }, ({ actor, address }) => actor === 'u1' && address === '10.0.0.3'],
    [{ target: 'user:3' }, (event) => 'target' in event && event.target === 'user:3'],
    [{ credential: 'personal:2' }, ({ credential }) => credential === 'personal:2'],
    [{ reason: 'DENIED' }, ({ outcome }) => outcome === 'failure'],
    [
      { reason: 'DENIED', credential: 'personal:1', action: 'user.*' },
      (event) => event.outcome === 'failure' && event.credential === 'personal:1' && event.action !== 'role.created',
    ],
    [{ requestId: 'r7' }, ({ requestId }) => requestId === 'r7'],
    [{ requestId: '' }, () => false],
    [{ since: 40 * 60_000, until: 50 * 60_000 }, ({ at }) => at >= 40 * 60_000 && at < 50 * 60_000],
    [{ since: 1e12 }, () => false],
    [{ until: 0 }, () => false],
  ]
  for (const [filter, fits] of narrowings) {
    const expected = events.flatMap((event, index) => (fits(event) ? [index + 1] : []))
    assert.deepEqual(await all(metadata, filter, false), expected, JSON.stringify(filter))
    assert.deepEqual(await all(metadata, filter, true), expected.toReversed(), JSON.stringify(filter))
  }
})

test('a filter by credential, by reason or by request reads its index and no more', async () => {
  await using metadata = await openTestDatabase(':memory:')
  for (let batch = 0; batch < 10; batch++)
    await metadata.write(
      recordAll,
      Array.from({ length: 500 }, (_, index) => happened(batch * 500 + index)),
    )
  // Of what is common PostgreSQL reads the newest records instead, and finds enough among them.
  const filters = {
    events_credential_id: { credential: 'personal:77' },
    events_reason_id: { reason: 'CONFLICT' },
    events_request: { requestId: 'r7' },
  }
  for (const [index, filter] of Object.entries(filters)) {
    const query = selectEvents(metadata.reader, filter, { limit: 20, column: 'id', isDescending: true }).compile()
    const explained = `explain ${testDialect === 'postgres' ? '(costs off)' : 'query plan'} ${query.sql}`
    const { rows } = await metadata.reader.executeQuery(CompiledQuery.raw(explained, [...query.parameters]))
    const plan = JSON.stringify(rows)
    assert.match(plan, new RegExp(`${index}\\b`), plan)
    assert.doesNotMatch(plan, /SCAN events|Seq Scan/, plan)
  }
})
