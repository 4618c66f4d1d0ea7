import assert from 'node:assert/strict'
import { test } from 'node:test'
import { listEvents, type EventFilter } from '#metadata/events.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { openTestDatabase } from '#metadata/test-database.ts'
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
    requestId: 'r',
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
