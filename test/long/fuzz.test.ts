import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { test } from 'node:test'
import { allRouteContracts } from '#api/routes/all.ts'
import { fuzzApi } from '../support/fuzz-api.ts'

/** Another seed each time, told in the report: `FUZZ_SEED=… FUZZ_REQUESTS=20000 npm test -- test/api/fuzz.test.ts` sends the same again. */
const seed = Number(process.env['FUZZ_SEED'] ?? randomInt(2 ** 31))
const requests = 20_000

test('twenty thousand requests that are made from the contract, or nearly, meet no fault', async (t) => {
  const { failures, statuses, succeeded, called } = await fuzzApi({ requests, seed })
  t.diagnostic(
    `seed ${seed}: ${requests} requests to ${called.size} of ${allRouteContracts.length} routes, ${succeeded.size} of which did something`,
  )
  t.diagnostic(
    [...statuses]
      .toSorted(([a], [b]) => a - b)
      .map(([status, count]) => `${status}: ${count}`)
      .join(', '),
  )
  assert.equal(failures.length, 0, failures.slice(0, 10).join('\n'))
  assert.equal(called.size, allRouteContracts.length)
})
