import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { overlappingRangesMax, parseContentRange, parseRange, rangesMax, type ByteRange } from './range.ts'

type Answer = [number, number][] | 'unsatisfiable' | 'ignored' | 'too-many'

/** The answer in short: pairs of start and end. */
function answer(header: string, sizeBytes: number): Answer {
  const ranges = parseRange(header, sizeBytes)
  return typeof ranges === 'string' ? ranges : ranges.map(({ start, end }) => [start, end])
}

function holds(cases: Record<string, Answer>, sizeBytes: number): void {
  for (const [header, expected] of Object.entries(cases)) assert.deepEqual(answer(header, sizeBytes), expected, header)
}

suite('parseRange (RFC 9110 §14.2)', () => {
  test('the ranges of the OCI conformance suite', () => {
    holds(
      {
        'bytes=500-1499': [[500, 1499]],
        'bytes=500-': [[500, 2047]],
        'bytes=-500': [[1548, 2047]],
        'bytes=2000-5000': [[2000, 2047]],
        'bytes=500-0': 'unsatisfiable',
        'bytes=5000-10000': 'unsatisfiable',
      },
      2048,
    )
  })

  test('both ends count, and are clamped to the blob', () => {
    holds(
      {
        'bytes=0-0': [[0, 0]],
        'bytes=0-99': [[0, 99]],
        'bytes=0-100': [[0, 99]],
        'bytes=99-99': [[99, 99]],
        'bytes=99-': [[99, 99]],
        'bytes=100-': 'unsatisfiable',
        'bytes=100-100': 'unsatisfiable',
        'bytes=-1': [[99, 99]],
        'bytes=-100': [[0, 99]],
        'bytes=-101': [[0, 99]],
        'bytes=-0': 'unsatisfiable',
        'bytes=-00': 'unsatisfiable',
        'bytes=007-08': [[7, 8]],
      },
      100,
    )
  })

  test('several ranges keep the order of the client', () => {
    assert.deepEqual(answer('bytes=50-59,0-9,-10', 100), [
      [50, 59],
      [0, 9],
      [90, 99],
    ])
  })

  test('ranges beyond the end are dropped as long as one is left', () => {
    assert.deepEqual(answer('bytes=200-300,0-9,-0,100-', 100), [[0, 9]])
    assert.equal(answer('bytes=200-300,-0,100-', 100), 'unsatisfiable')
  })

  test('white space and empty elements of the list are skipped, the unit is of any case', () => {
    for (const header of ['bytes=0-1,5-6', 'Bytes=0-1, 5-6', 'BYTES= 0-1 ,\t5-6 ', 'bytes=,0-1,,5-6,', ' bytes =0-1,5-6']) {
      assert.deepEqual(
        answer(header, 100),
        [
          [0, 1],
          [5, 6],
        ],
        header,
      )
    }
  })

  test('what is not understood asks for nothing', () => {
    const headers = ['', 'bytes', 'bytes=', 'bytes=,', 'bytes= , ,', 'bytes 0-1', 'items=0-1', 'bytes-x=0-1', 'xbytes=0-1', '=0-1', '0-1']
    const specs = [
      '-',
      '--5',
      '5',
      '5-3-2',
      '5--3',
      '+5-6',
      '5-+6',
      '0x1-0x2',
      '1e1-1e2',
      '1.0-2',
      'a-b',
      '0 - 1',
      '0-1;',
      '*',
      '0–1',
      '٠-١',
      '0-1\n0',
    ]
    for (const header of [...headers, ...specs.flatMap((spec) => [`bytes=${spec}`, `bytes=0-1,${spec}`])])
      assert.equal(answer(header, 100), 'ignored', header)
  })

  test('one reversed range refuses the whole set', () => {
    for (const header of ['bytes=5-3', 'bytes=0-1,5-3', 'bytes=5-3,0-1', 'bytes=1-0'])
      assert.equal(answer(header, 100), 'unsatisfiable', header)
    assert.equal(answer('bytes=5-3,x', 100), 'ignored')
  })

  test('an empty blob is served whole: no range names anything of it', () => {
    for (const header of ['bytes=0-', 'bytes=0-0', 'bytes=-5', 'bytes=10-20', 'bytes=0-1,5-6'])
      assert.equal(answer(header, 0), 'ignored', header)
    assert.equal(answer('bytes=5-3', 0), 'unsatisfiable')
  })

  test('positions of any length are beyond the end', () => {
    const huge = '9'.repeat(10_000)
    holds(
      {
        [`bytes=0-${huge}`]: [[0, 99]],
        [`bytes=${huge}-`]: 'unsatisfiable',
        [`bytes=${huge}-${huge}`]: 'unsatisfiable',
        [`bytes=-${huge}`]: [[0, 99]],
        'bytes=0-18446744073709551616': [[0, 99]],
        'bytes=9007199254740993-9007199254740994': 'unsatisfiable',
        [`bytes=${'0'.repeat(10_000)}-1`]: [[0, 1]],
      },
      100,
    )
  })

  test('positions near 2^53 are exact', () => {
    const size = Number.MAX_SAFE_INTEGER
    assert.deepEqual(answer(`bytes=${size - 2}-${size - 1}`, size), [[size - 2, size - 1]])
    assert.deepEqual(answer('bytes=-1', size), [[size - 1, size - 1]])
  })

  test('1,024 ranges are served, one more is too many', () => {
    const specs = Array.from({ length: rangesMax + 1 }, (_, index) => `${index * 10}-${index * 10 + 4}`)
    assert.equal(parseRange(`bytes=${specs.slice(0, rangesMax).join(',')}`, 1_000_000).length, rangesMax)
    assert.equal(answer(`bytes=${specs.join(',')}`, 1_000_000), 'too-many')
  })

  test('ranges beyond the end count as well', () => {
    assert.equal(answer(`bytes=${'200-300,'.repeat(rangesMax + 1)}0-1`, 100), 'too-many')
  })

  test('a few overlapping ranges are served, many are too many', () => {
    const overlapping = (count: number) => `bytes=0-9${',5-9'.repeat(count)}`
    assert.equal(parseRange(overlapping(overlappingRangesMax), 10_000).length, overlappingRangesMax + 1)
    assert.equal(answer(overlapping(overlappingRangesMax + 1), 10_000), 'too-many')
  })

  test('ranges that share one byte overlap', () => {
    const specs = Array.from({ length: overlappingRangesMax + 2 }, (_, index) => `${index * 10}-${index * 10 + 10}`)
    assert.equal(answer(`bytes=${specs.join(',')}`, 10_000), 'too-many')
  })

  test('a range within a much earlier one overlaps', () => {
    const specs = Array.from({ length: overlappingRangesMax + 1 }, (_, index) => `${100 + index * 10}-${100 + index * 10}`)
    assert.equal(answer(`bytes=0-999,${specs.join(',')}`, 10_000), 'too-many')
  })

  test('ranges that touch do not overlap, in any order', () => {
    const specs = Array.from({ length: 100 }, (_, index) => `${index * 10}-${index * 10 + 9}`)
    assert.equal(parseRange(`bytes=${specs.join(',')}`, 1000).length, 100)
    assert.equal(parseRange(`bytes=${specs.toReversed().join(',')}`, 1000).length, 100)
  })

  test('more bytes than the blob has are too many', () => {
    assert.equal(answer('bytes=0-,0-', 100), 'too-many')
    assert.equal(answer('bytes=0-49,-51', 100), 'too-many')
    assert.deepEqual(answer('bytes=0-49,-50', 100), [
      [0, 49],
      [50, 99],
    ])
  })

  test('a hostile header of 64 KiB takes linear time', () => {
    const headers = [',', ' ', '\t,', '0', '-', '0-', '0-0,', '0-,', '-1,', ' -', 'bytes='].map(
      (unit) => `bytes=${unit.repeat(65_536 / unit.length)}`,
    )
    headers.push(' '.repeat(65_536), `${' '.repeat(65_536)}x`, `bytes${' '.repeat(65_536)}x`, `bytes=0-1${' '.repeat(65_536)}x`)
    for (const header of headers) {
      const startedAt = performance.now()
      parseRange(header, 1_000_000)
      assert.ok(performance.now() - startedAt < 250, JSON.stringify(header.slice(0, 12)))
    }
  })

  test('whatever is asked, what is served lies within the blob and is no more than it', () => {
    const position = fc.oneof(fc.nat({ max: 50 }).map(String), fc.constant(''))
    const spec = fc.tuple(position, position).map(([first, last]) => `${first}-${last}`)
    const header = fc
      .array(fc.oneof({ weight: 9, arbitrary: spec }, fc.string({ maxLength: 3 })), { maxLength: 6 })
      .map((specs) => `bytes=${specs.join(',')}`)
    fc.assert(
      fc.property(header, fc.nat({ max: 40 }), (text, sizeBytes) => {
        const ranges = parseRange(text, sizeBytes)
        if (typeof ranges === 'string') return
        assert.ok(ranges.length > 0)
        for (const { start, end } of ranges) assert.ok(0 <= start && start <= end && end < sizeBytes)
        assert.ok(ranges.reduce((sum, { start, end }) => sum + end - start + 1, 0) <= sizeBytes)
      }),
      { numRuns: 500 },
    )
  })
})

suite('parseContentRange', () => {
  test('takes the form of OCI, of Docker, and of the RFC with or without a size', () => {
    const cases: Record<string, ByteRange> = {
      '0-0': { start: 0, end: 0 },
      '0-1023': { start: 0, end: 1023 },
      'bytes 0-1023': { start: 0, end: 1023 },
      'Bytes 1024-2047/2048': { start: 1024, end: 2047 },
      'bytes 1024-2047/*': { start: 1024, end: 2047 },
      '5-9/10': { start: 5, end: 9 },
      ' 5-9 ': { start: 5, end: 9 },
      [`0-${Number.MAX_SAFE_INTEGER}`]: { start: 0, end: Number.MAX_SAFE_INTEGER },
    }
    for (const [header, range] of Object.entries(cases)) assert.deepEqual(parseContentRange(header), range, header)
  })

  test('refuses what contradicts itself or is something else', () => {
    const headers = [
      '',
      '-',
      '5',
      '5-',
      '-5',
      '9-5',
      '0--1',
      'bytes */10',
      'bytes 5-9/9',
      'bytes 5-9/',
      'bytes=5-9',
      'bytes5-9',
      'items 5-9',
      '5-9,10-11',
      '5 - 9',
      '+5-9',
      '0x1-0x2',
    ]
    headers.push('5-9/-1', '5-9\r\nX: y', '0-9007199254740992', `0-${'9'.repeat(1000)}`, `${'9'.repeat(1000)}-${'9'.repeat(1000)}`)
    for (const header of headers) assert.equal(parseContentRange(header), undefined, header)
  })

  test('takes linear time', () => {
    for (const unit of ['0', '0-', ' ', 'bytes ', '-']) {
      const startedAt = performance.now()
      assert.equal(parseContentRange(`${unit.repeat(65_536 / unit.length)}x`), undefined)
      assert.ok(performance.now() - startedAt < 250, unit)
    }
  })
})
