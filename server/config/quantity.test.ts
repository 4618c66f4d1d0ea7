import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { durationOfNanoseconds, formatDuration, formatSize, parseDuration, parseSize } from './quantity.ts'

suite('a Go duration', () => {
  const good: Record<string, number> = {
    '168h': 604_800_000,
    '2h10m': 7_800_000,
    '300ms': 300,
    '1.5s': 1500,
    '.5s': 500,
    '1.s': 1000,
    '1m0.5s': 60_500,
    '0': 0,
    '+0': 0,
    '0s': 0,
    '+5s': 5000,
    '1h1h': 7_200_000,
    '0.1s0.2s': 300,
    '1000000ns': 1,
    '1ns': 1,
    '1us': 1,
    '1µs': 1,
    '1μs': 1,
    '1499us': 1,
    '2540400h': 9_145_440_000_000,
  }
  for (const [text, ms] of Object.entries(good)) test(`${text} is ${ms} ms`, () => assert.equal(parseDuration(text), ms))

  const bad = [
    '',
    '-5s',
    '5',
    '1.5',
    's',
    '.s',
    '5 s',
    ' 5s',
    '5s ',
    '5S',
    '1d',
    '1w',
    '5min',
    '5sec',
    '1h-5m',
    '--5s',
    '+',
    '1e3s',
    '0x5s',
    '٥s',
    '3000000h',
    `${'9'.repeat(400)}h`,
  ]
  for (const text of bad) test(`${JSON.stringify(text.slice(0, 20))} is none`, () => assert.equal(parseDuration(text), undefined))

  test('comes back from what it is shown as', () => {
    fc.assert(fc.property(fc.integer({ min: 0, max: 10 ** 12 }), (ms) => parseDuration(formatDuration(ms)) === ms))
  })

  test('a megabyte of digits is judged at once', () => {
    const started = performance.now()
    assert.equal(parseDuration(`${'1'.repeat(1_000_000)}x`), undefined)
    assert.equal(parseDuration('1s'.repeat(300_000)), undefined)
    assert.ok(performance.now() - started < 500)
  })
})

suite('a bare number', () => {
  test('is nanoseconds, and never rounded to nothing', () => {
    assert.equal(durationOfNanoseconds(10_000_000_000), 10_000)
    assert.equal(durationOfNanoseconds(5), 1)
    assert.equal(durationOfNanoseconds(0), 0)
  })

  test('must be whole, finite and not negative', () => {
    for (const value of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) assert.equal(durationOfNanoseconds(value), undefined)
  })
})

suite('a size', () => {
  const good: Record<string, number> = {
    '0': 0,
    '4194304': 4_194_304,
    '64MiB': 67_108_864,
    '64 mib': 67_108_864,
    '1.5GB': 1_500_000_000,
    '1KB': 1000,
    '10B': 10,
    '2TiB': 2_199_023_255_552,
  }
  for (const [text, bytes] of Object.entries(good)) test(`${text} is ${bytes} bytes`, () => assert.equal(parseSize(text), bytes))

  for (const text of ['', '-1', 'MiB', '1 2', '64M', '64k', '1e9', '0x10', '9999999TiB', '1..5KB', '64MiBs']) {
    test(`${JSON.stringify(text)} is none`, () => assert.equal(parseSize(text), undefined))
  }

  test('comes back from what it is shown as', () => {
    fc.assert(fc.property(fc.integer({ min: 0, max: 2 ** 50 }), (bytes) => parseSize(formatSize(bytes)) === bytes))
  })
})
