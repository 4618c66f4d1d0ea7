import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ApiProblem } from '#api/client.ts'
import { describeProblem } from './describe-problem.ts'

type Facts = Partial<ConstructorParameters<typeof ApiProblem>[0]>

function described(facts: Facts, options: readonly string[] = []): string {
  const problem = new ApiProblem({ status: 400, code: 'REQUEST_INVALID', title: 'it does not fit', ...facts })
  return describeProblem(problem, { server: 'http://x', options })
}

test('the particular sentence stands for the general one', () => {
  assert.equal(
    described({ title: 'the name is taken', detail: 'a role of this name exists' }),
    'a role of this name exists (REQUEST_INVALID)',
  )
  assert.equal(described({ title: 'the name is taken' }), 'the name is taken (REQUEST_INVALID)')
})

test('nothing is said twice', () => {
  const title = 'there is no role nosuch'
  assert.equal(described({ title, errors: [{ path: 'body/role', message: title }] }), `${title} (REQUEST_INVALID)`)
  assert.equal(described({ title, detail: title }), `${title} (REQUEST_INVALID)`)
  assert.equal(
    described({ title: 't', detail: 'color: must be #rrggbb', errors: [{ path: 'body/color', message: 'must be #rrggbb' }] }, ['color']),
    't; --color must be #rrggbb (REQUEST_INVALID)',
  )
  const twice = { path: 'body/color', message: 'is no colour' }
  assert.equal(described({ errors: [twice, twice] }), 'it does not fit; color is no colour (REQUEST_INVALID)')
})

test('a part of the request is called as the option that it came from', () => {
  const options = ['sort', 'expires', 'display-name', 'disabled', 'untagged-after']
  const said = (path: string) => described({ title: 't', errors: [{ path, message: 'm' }] }, options)
  assert.equal(said('query/sort'), 't; --sort m (REQUEST_INVALID)')
  assert.equal(said('body/expiresAt'), 't; --expires m (REQUEST_INVALID)')
  assert.equal(said('body/displayName'), 't; --display-name m (REQUEST_INVALID)')
  assert.equal(said('body/isDisabled'), 't; --disabled m (REQUEST_INVALID)')
  assert.equal(said('body/untaggedAfterDays'), 't; --untagged-after m (REQUEST_INVALID)')
  assert.equal(said('body/grants/0/role'), 't; grants.0.role m (REQUEST_INVALID)')
  assert.equal(said('path/user'), 't; user m (REQUEST_INVALID)')
  assert.equal(said('body'), 't; m (REQUEST_INVALID)')
  assert.equal(described({ title: 'repeat it with force=true' }, ['force']), 'repeat it with --force (REQUEST_INVALID)')
  assert.equal(described({ title: 'repeat it with force=true' }), 'repeat it with force=true (REQUEST_INVALID)')
})

test('what to do, when to try again and the id of the request stand at the end', () => {
  assert.equal(
    described({ title: 'too many', code: 'TOOMANYREQUESTS', retryAfterSeconds: 7, requestId: 'r' }),
    'too many; try again in 7 s (TOOMANYREQUESTS, request r)',
  )
})

test('who may not is told which permission it takes, where the server says it', () => {
  const denied = { status: 403, code: 'DENIED', title: 'requested access is denied' }
  assert.equal(
    described({ ...denied, facts: { permission: 'garbage:collect' } }),
    'requested access is denied; it needs garbage:collect (DENIED)',
  )
  for (const facts of [undefined, {}, { permission: 7 }])
    assert.equal(described({ ...denied, facts }), 'requested access is denied (DENIED)')
})

test('nobody is sent to log in where there are no accounts', () => {
  const said = described({
    status: 401,
    code: 'UNAUTHORIZED',
    title: 't',
    detail: 'there are no accounts',
    facts: { reason: 'NO_ACCOUNTS' },
  })
  assert.match(said, /^there are no accounts; .*berth garbage-collect <config-or-directory> \(UNAUTHORIZED\)$/)
  assert.match(described({ status: 401, code: 'UNAUTHORIZED', title: 't' }), /^t; log in with berth login http:\/\/x /)
})
