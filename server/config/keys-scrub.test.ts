import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { ConfigPlace, minimal } from './test-place.ts'

suite('the keys of scrub', () => {
  test('say when, how fast and how much; without them a pass reads all, on Sundays', async () => {
    await using place = await ConfigPlace.make()
    const { config } = await place.load(minimal)
    assert.deepEqual(config?.scrub, { bytesPerSecond: 32 * 1024 ** 2, sample: 100, schedule: '0 3 * * 0' })
    const own = await place.load(`${minimal}scrub: {rate: 0, sample: 25, schedule: every 7d}\n`)
    assert.deepEqual(own.config?.scrub, { bytesPerSecond: 0, sample: 25, schedule: 'every 7d' })
    assert.equal((await place.load(`${minimal}scrub: {schedule: "off"}\n`)).config?.scrub.schedule, undefined)
  })

  test('are refused when they make no sense', async () => {
    await using place = await ConfigPlace.make()
    for (const [key, value] of [
      ['schedule', '99 3 * * *'],
      ['schedule', '0 3 31 2 *'],
      ['schedule', 'every now and then'],
      ['schedule', 'every 0d'],
      ['sample', '101'],
      ['sample', '-1'],
      ['rate', 'fast'],
      ['speed', '1'],
    ]) {
      const { problems } = await place.load(`${minimal}scrub: {${key}: ${value}}\n`)
      assert.equal(problems.length, 1, `${key}: ${value}`)
      assert.match(problems[0] ?? '', new RegExp(`^scrub\\.${key}:`, 'u'))
    }
  })
})
