import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allRouteContracts } from '#api/routes/all.ts'
import { fuzzApi } from '../support/fuzz-api.ts'

/** `FUZZ_REQUESTS` and `FUZZ_SEED` say otherwise; test/long sends twenty thousand. */
const requests = Number(process.env['FUZZ_REQUESTS'] ?? 1_500)
const seed = Number(process.env['FUZZ_SEED'] ?? 20_260_101)

test(`no request that is made from the contract, or nearly, meets a fault or an answer that nothing documents`, async (t) => {
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
  // A fuzz that is refused everywhere proves nothing.
  assert.ok(succeeded.size > allRouteContracts.length / 3, `only ${succeeded.size} routes ever did something`)
})
