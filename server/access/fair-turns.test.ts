import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Timers } from '#lib/ports.ts'
import { RegistryError } from '#oci/errors.ts'
import { FairTurns, type TurnSeeker } from './fair-turns.ts'

const tooMany = (error: unknown) => error instanceof RegistryError && error.code === 'TOOMANYREQUESTS' && error.retryAfterSeconds === 2

const stranger = (network: string): TurnSeeker => ({ network, isKnown: false })
const known = (network: string): TurnSeeker => ({ network, isKnown: true })

/** Rests that end when the test says so. */
function manual() {
  const resting = new Map<() => void, number>()
  const timers: Pick<Timers, 'after'> = {
    after(delayMs, callback) {
      resting.set(callback, delayMs)
      return { [Symbol.dispose]: () => void resting.delete(callback) }
    },
  }
  return {
    timers,
    delays: () => [...resting.values()],
    pass() {
      const [first] = resting.keys()
      if (first === undefined) assert.fail('nothing rests')
      resting.delete(first)
      first()
    },
  }
}

/** A turn that is taken, so that everybody waits; `order` says who got one, and who had to give way with `!`. */
async function full() {
  const turns = new FairTurns(1, manual().timers)
  const running = await turns.take(stranger('first'))
  const order: string[] = []
  const asked: Promise<void>[] = []
  return {
    order,
    /** Asks for a turn, which is given back at once. */
    ask(name: string, seeker: TurnSeeker) {
      const asking = turns.take(seeker).then(
        (turn) => {
          order.push(name)
          turn[Symbol.dispose]()
        },
        (error: unknown) => {
          assert.ok(tooMany(error))
          order.push(`${name}!`)
        },
      )
      asked.push(asking)
      return asking
    },
    async finish() {
      running[Symbol.dispose]()
      await Promise.all(asked)
      return order
    },
  }
}

suite('turns', () => {
  test('are as many at once as there are, and none is lost', async () => {
    const turns = new FairTurns(2, manual().timers)
    for (let round = 0; round < 3; round++) {
      const held = [await turns.take(stranger('a')), await turns.take(stranger('a'))]
      let isThird = false
      const third = turns.take(stranger('a')).then((turn) => {
        isThird = true
        turn[Symbol.dispose]()
      })
      await new Promise(setImmediate)
      assert.equal(isThird, false)
      for (const turn of held) turn[Symbol.dispose]()
      await third
    }
  })

  test('go round among networks, in order within each', async () => {
    const { ask, finish } = await full()
    for (const name of ['a1', 'a2', 'a3', 'b1', 'b2', 'c1']) void ask(name, stranger(name.slice(0, 1)))
    assert.deepEqual(await finish(), ['a1', 'b1', 'c1', 'a2', 'b2', 'a3'])
  })

  test('are not given to who hung up', async () => {
    const { ask, finish } = await full()
    void ask('a1', { ...stranger('a'), isGone: () => true })
    void ask('a2', stranger('a'))
    void ask('b1', { ...known('b'), isGone: () => true })
    void ask('b2', { ...known('b'), isGone: () => false })
    assert.deepEqual((await finish()).toSorted(), ['a1!', 'a2', 'b1!', 'b2'])
  })

  test('go to who is known before strangers', async () => {
    const { ask, finish } = await full()
    void ask('stranger', stranger('a'))
    void ask('friend', known('a'))
    void ask('neighbour', known('b'))
    assert.deepEqual(await finish(), ['friend', 'neighbour', 'stranger'])
  })

  test('of a flood from one network give way to others, the last first', async () => {
    const { ask, finish, order } = await full()
    for (let index = 0; index < 100; index++) void ask(`a${index}`, stranger('a'))
    await ask('a100', stranger('a'))
    assert.deepEqual(order, ['a100!'], 'a network does not make room for itself')
    void ask('b', stranger('b'))
    const all = await finish()
    assert.equal(all.length, 102)
    assert.deepEqual(all.slice(0, 4), ['a100!', 'a99!', 'a0', 'b'])
  })

  test('of a flood from everywhere are refused to one more stranger and given to who is known', async () => {
    const { ask, finish, order } = await full()
    for (let index = 0; index < 100; index++) void ask(`s${index}`, stranger(`network ${index}`))
    await ask('late', stranger('another'))
    assert.deepEqual(order, ['late!'])
    void ask('friend', known('home'))
    const all = await finish()
    assert.equal(all[2], 'friend')
    assert.equal(all.filter((name) => name.endsWith('!')).length, 2)
    assert.equal(all.length, 102)
  })

  test('that are all waited for by known ones are shared out among their networks, and refused to strangers', async () => {
    const { ask, finish, order } = await full()
    for (let index = 0; index < 100; index++) void ask(`a${index}`, known('a'))
    await ask('stranger', stranger('c'))
    await ask('a100', known('a'))
    assert.deepEqual(order, ['stranger!', 'a100!'])
    void ask('b', known('b'))
    assert.deepEqual((await finish()).slice(2, 5), ['a99!', 'a0', 'b'])
  })
})

suite('a turn that rests', () => {
  const settle = () => new Promise(setImmediate)

  /** One turn, given back to rest for 70 ms. */
  async function rested() {
    const rests = manual()
    const turns = new FairTurns(1, rests.timers)
    const first = await turns.take(stranger('first'))
    first.restFor(70)
    return { rests, turns, first }
  }

  test('is nobody’s among strangers until the rest is over, whether they waited before or came later', async () => {
    const { rests, turns, first } = await rested()
    const order: string[] = []
    const ask = (name: string) =>
      turns.take(stranger(name)).then((turn) => {
        order.push(name)
        turn[Symbol.dispose]()
      })
    const before = ask('before')
    first[Symbol.dispose]()
    const later = ask('later')
    await settle()
    assert.deepEqual([order, rests.delays()], [[], [70]])
    rests.pass()
    await Promise.all([before, later])
    assert.deepEqual(order, ['before', 'later'])
    assert.deepEqual(rests.delays(), [])
  })

  test('is there for whom it knows at once, and is not given twice', async () => {
    const { rests, turns, first } = await rested()
    first[Symbol.dispose]()
    const friend = await turns.take(known('home'))
    assert.deepEqual(rests.delays(), [], 'the rest is over')
    let isNext = false
    const next = turns.take(stranger('another')).then((turn) => {
      isNext = true
      turn[Symbol.dispose]()
    })
    await settle()
    assert.equal(isNext, false)
    friend[Symbol.dispose]()
    await next
  })

  test('goes to whoever is known and waits already', async () => {
    const { rests, turns, first } = await rested()
    const asking = turns.take(known('home'))
    first[Symbol.dispose]()
    const friend = await asking
    assert.deepEqual(rests.delays(), [])
    friend[Symbol.dispose]()
  })

  test('is free when nobody wants it', async () => {
    const { rests, turns, first } = await rested()
    first[Symbol.dispose]()
    rests.pass()
    const turn = await turns.take(stranger('a'))
    turn[Symbol.dispose]()
  })
})
