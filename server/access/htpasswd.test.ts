import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { parseHtpasswd, unmatchableHash } from './htpasswd.ts'

const bcrypt = (cost = '05', prefix = '$2y') => `${prefix}$${cost}$${'a'.repeat(53)}`

suite('an htpasswd file', () => {
  test('gives the bcrypt entries by name', () => {
    const { hashes, faults } = parseHtpasswd(`alice:${bcrypt()}\nbob:${bcrypt('12', '$2a')}\ncarol:${bcrypt('10', '$2b')}\n`)
    assert.deepEqual([...hashes.keys()], ['alice', 'bob', 'carol'])
    assert.deepEqual(faults, [])
  })

  test('may have CRLF line ends, comments, empty lines, a byte order mark and no last line end', () => {
    const { hashes, faults } = parseHtpasswd(`\uFEFF# users\r\n\r\n  alice:${bcrypt()}  \r\nbob:${bcrypt()}`)
    assert.deepEqual(
      [...hashes],
      [
        ['alice', bcrypt()],
        ['bob', bcrypt()],
      ],
    )
    assert.deepEqual(faults, [])
  })

  const refused: Record<string, [string, RegExp]> = {
    'Apache MD5': ['$apr1$mQ2yqvuI$rbkEgT0FzVEmLTqDJkjFy.', /Apache MD5/],
    'SHA-1': ['{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=', /SHA-1/],
    crypt: ['rqXexS6ZhobKA', /a crypt hash/],
    'SHA-256 crypt': ['$5$salt$hash', /SHA-256 crypt/],
    'SHA-512 crypt': ['$6$salt$hash', /SHA-512 crypt/],
    'plain text': ['secretpassword', /no known hash/],
    nothing: ['', /no known hash/],
    'a cut bcrypt': [bcrypt().slice(0, -1), /malformed bcrypt/],
    'bcrypt with a trailing field': [`${bcrypt()}:x`, /malformed bcrypt/],
    'the faulty 2x': [bcrypt('05', '$2x'), /malformed bcrypt/],
    'a cost that takes minutes': [bcrypt('31'), /cost 31/],
    'a cost below the least': [bcrypt('03'), /cost 3,/],
  }
  for (const [kind, [hash, expected]] of Object.entries(refused)) {
    test(`an entry with ${kind} does not count, and its line and name are told, not its hash`, () => {
      const { hashes, faults } = parseHtpasswd(`alice:${bcrypt()}\nbob:${hash}\n`)
      assert.deepEqual([...hashes.keys()], ['alice'])
      assert.match(faults[0] ?? '', expected)
      assert.match(faults[0] ?? '', /^line 2 \(bob\) /)
      if (hash !== '') assert.ok(!faults[0]?.includes(hash))
    })
  }

  test('a line without a colon or without a name is told by its number only', () => {
    const { hashes, faults } = parseHtpasswd(`${bcrypt()}\n:${bcrypt()}\n`)
    assert.equal(hashes.size, 0)
    assert.deepEqual(faults, ['line 1 is not name:hash; it does not count', 'line 2 is not name:hash; it does not count'])
  })

  test('the last of two lines for one name counts, even when it is refused', () => {
    assert.equal(parseHtpasswd(`a:${bcrypt('05')}\na:${bcrypt('06')}`).hashes.get('a'), bcrypt('06'))
    const refused = parseHtpasswd(`a:${bcrypt('05')}\nb:${bcrypt()}\na:{SHA}x\na:{SHA}y`)
    assert.deepEqual([...refused.hashes.keys()], ['b'])
    assert.deepEqual(
      refused.faults.map((fault) => fault.replace(/^.*; /, '')),
      ['it does not count, and neither does line 1 of the same name', 'it does not count'],
    )
    assert.deepEqual([...parseHtpasswd(`a:{SHA}x\na:${bcrypt()}`).hashes.keys()], ['a'])
  })

  test('a name may be __proto__', () => {
    assert.deepEqual([...parseHtpasswd(`__proto__:${bcrypt()}`).hashes.keys()], ['__proto__'])
  })
})

test('the hash that stands in for a missing name costs as much as the dearest entry', () => {
  assert.match(unmatchableHash(parseHtpasswd(`a:${bcrypt('05')}\nb:${bcrypt('11')}`).hashes), /^\$2b\$11\$\.{53}$/)
})
