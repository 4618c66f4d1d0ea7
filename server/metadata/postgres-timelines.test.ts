import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Timelines } from './postgres-timelines.ts'

const primary = (timeline: string, system = '71') => ({ system, timeline })

function make() {
  let now = 0
  const said: string[] = []
  const timelines = new Timelines({ monotonic: () => now }, { error: (_facts: unknown, text?: string) => void said.push(text ?? '') })
  return { timelines, said, advance: (ms: number) => void (now += ms) }
}

test('a primary whose place another one took is not met again', () => {
  const { timelines } = make()
  assert.ok(timelines.meet(primary('00000009')))
  assert.ok(timelines.meet(primary('0000000A')))
  assert.ok(!timelines.meet(primary('00000009')))
  assert.ok(timelines.isFormer(primary('00000009')))
  assert.ok(timelines.meet(primary('0000000A')))
})

test('a cluster that went back is taken when the newer primary was silent for two minutes, and that is said', () => {
  const { timelines, said, advance } = make()
  timelines.meet(primary('00000002'))
  advance(100_000)
  timelines.heard(primary('00000002'))
  timelines.heard(primary('00000001'))
  advance(119_000)
  assert.ok(!timelines.meet(primary('00000001')), 'the newer one was heard two minutes ago')
  advance(1_000)
  assert.ok(timelines.meet(primary('00000001')))
  assert.match(said.join(), /went back to an older timeline/u)
  assert.ok(!timelines.isFormer(primary('00000001')))
})

test('another cluster in its place begins anew, with whatever number', () => {
  const { timelines } = make()
  timelines.meet(primary('0000000A'))
  assert.ok(timelines.meet(primary('00000001', '72')))
  assert.ok(!timelines.isFormer(primary('00000001', '72')))
})

test('who tells neither number is taken at its word, and a standby is no former primary', () => {
  const { timelines } = make()
  timelines.meet(primary('0000000A'))
  assert.ok(timelines.meet(primary('00000001', '')))
  assert.ok(timelines.meet(primary('')))
  assert.ok(timelines.isFormer(primary('00000009')), 'they change nothing of what is known')
})
