import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { systemPorts } from '#lib/ports.ts'
import { WrongCredentials, type WrongAttempt } from './wrong-credentials.ts'

const attempt: WrongAttempt = { credential: { name: 'alice', password: 'wrong' }, address: '192.0.2.7', storedHash: '$2b$x' }

function withClock() {
  let now = 0
  const clock = { ...systemPorts.clock, monotonic: () => now }
  return { wrong: new WrongCredentials({ clock, random: systemPorts.random }), wait: (ms: number) => (now += ms) }
}

suite('wrong passwords', () => {
  test('are known for ten seconds', () => {
    const { wrong, wait } = withClock()
    assert.equal(wrong.repeat(attempt), 0)
    wrong.add(attempt)
    wait(9_999)
    assert.equal(wrong.repeat(attempt), 1)
    wait(1)
    assert.equal(wrong.repeat(attempt), 0)
  })

  test('that come again are counted, until they are forgotten', () => {
    const { wrong, wait } = withClock()
    wrong.add(attempt)
    assert.deepEqual(
      [1, 2, 3].map(() => wrong.repeat(attempt)),
      [1, 2, 3],
    )
    wait(10_000)
    wrong.add(attempt)
    assert.equal(wrong.repeat(attempt), 1)
  })

  test('are known by name, password, network of the client and what they were checked against', () => {
    const { wrong } = withClock()
    wrong.add(attempt)
    for (const other of [
      { ...attempt, credential: { name: 'alic', password: 'ewrong' } },
      { ...attempt, credential: { ...attempt.credential, password: 'wrong ' } },
      { ...attempt, credential: { ...attempt.credential, name: 'bob' } },
      { ...attempt, address: '192.0.2.8' },
      { ...attempt, storedHash: '$2b$y' },
    ])
      assert.equal(wrong.repeat(other), 0, JSON.stringify(other))
  })

  test('are kept up to a number, the oldest forgotten first', () => {
    const { wrong } = withClock()
    wrong.add(attempt)
    for (let index = 0; index < 9_999; index++) wrong.add({ ...attempt, address: `2001:db8:${index.toString(16)}::` })
    assert.equal(wrong.repeat(attempt), 1)
    wrong.add({ ...attempt, storedHash: 'other' })
    assert.equal(wrong.repeat(attempt), 0)
  })
})
