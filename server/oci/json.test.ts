import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { RegistryError } from './errors.ts'
import { excerpt, jsonNamesMax, jsonNestingMax, parseStrictJson } from './json.ts'

const parse = (text: string) => parseStrictJson(Buffer.from(text))

function reasonOf(input: string | Uint8Array): string {
  try {
    parseStrictJson(Buffer.from(input as string))
  } catch (error) {
    assert.ok(error instanceof RegistryError)
    assert.equal(error.code, 'MANIFEST_INVALID')
    return String(error.detail)
  }
  return 'accepted'
}

/** Whether JSON.parse takes the text. */
function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

suite('parseStrictJson', () => {
  test('gives what JSON.parse gives', () => {
    const texts = [
      '{}',
      '[]',
      'null',
      ' 1 ',
      '-0',
      '"x"',
      '{"a":{"a":[{"a":1},{"a":2}]},"b":"a","":""}',
      '{"a":"{\\"a\\":1,\\"a\\":2}"}',
      '["a","a",{"a":"a"}]',
    ]
    texts.push(
      '{"\\\\":1,"\\"":2,"\\\\\\"":3}',
      '"\\ud83d\\ude00 😀 é"',
      '\t\r\n{ "a" : [ 1 , 2 ] }',
      '{"a":["b","a"],"b":1}',
      '{"a":{"x":1},"b":{"x":1}}',
    )
    for (const text of texts) assert.deepEqual(parse(text), JSON.parse(text), text)
  })

  test('refuses what is not JSON', () => {
    const texts = [
      '',
      ' ',
      '{',
      '}',
      '[',
      ']',
      '{"a"}',
      '{"a":}',
      '{"a":1,}',
      '[1,]',
      '[,1]',
      '{a:1}',
      "{'a':1}",
      '"',
      '"\\',
      '"\\"',
      '"a\nb"',
      '"\\x41"',
      '"\\u12"',
    ]
    texts.push(
      '01',
      '1.',
      '.1',
      '+1',
      'NaN',
      'Infinity',
      'undefined',
      'True',
      '1 2',
      '{} {}',
      '{}x',
      '// c\n{}',
      '/**/{}',
      '{"a":1]',
      '[1}',
      '\u00a0{}',
      '{"a" "b"}',
    )
    for (const text of texts) assert.match(reasonOf(text), /not JSON/, text)
  })

  test('refuses a name that occurs twice in one object, at any level', () => {
    const texts = [
      '{"a":1,"a":1}',
      '{"a":1,"b":2,"a":3}',
      '[[{"x":{"a":1,"a":1}}]]',
      '{"b":{"a":1},"a":{},"a":1}',
      '{"a":{"b":1},"a":{"b":1}}',
      '{"a":[1,{"c":2}],"a":0}',
    ]
    for (const text of texts) assert.equal(reasonOf(text), 'the name "a" occurs twice in one object', text)
  })

  test('sees through escapes in names', () => {
    const texts = [
      '{"a":1,"\\u0061":2}',
      '{"\\u0061":1,"a":2}',
      '{"\\u0061":1,"\\u0061":2}',
      '{"\\/":1,"/":2}',
      '{"\\u00e9":1,"é":2}',
      '{"\\ud83d\\ude00":1,"😀":2}',
    ]
    for (const text of [...texts, '{"\\n":1,"\\u000A":2}', '{"":1,"":2}', '{"__proto__":1,"__proto__":2}'])
      assert.match(reasonOf(text), /occurs twice/, text)
    for (const text of ['{"\\\\u0061":1,"a":2}', '{"a\\u0000":1,"a":2}', '{"A":1,"a":2}', '{"é":1,"e\u0301":2}'])
      assert.deepEqual(parse(text), JSON.parse(text), text)
  })

  test('finds a duplicate among many names', () => {
    const names = Array.from({ length: 1000 }, (_, index) => `"n${index}":${index}`)
    assert.equal(Object.keys(parse(`{${names.join()}}`) as object).length, 1000)
    for (const twice of [0, 7, 8, 9, 500]) assert.match(reasonOf(`{${names.join()},"n${twice}":0}`), /occurs twice/)
  })

  test('names the duplicate in a short and escaped form', () => {
    const name = `\u0000${'x'.repeat(1000)}`
    const reason = reasonOf(`{${JSON.stringify(name)}:1,${JSON.stringify(name)}:2}`)
    assert.ok(reason.length < 150 && reason.includes('\\u0000'), reason)
  })

  test('refuses bytes that are not UTF-8', () => {
    const malformed = [[0xff], [0xc3, 0x28], [0xc0, 0x80], [0xe2, 0x82], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0x80]]
    for (const bytes of malformed) assert.equal(reasonOf(Buffer.from([0x22, ...bytes, 0x22])), 'the document is not valid UTF-8')
    assert.equal(reasonOf(Buffer.from('{}', 'utf16le')), 'the document is not JSON')
  })

  test('refuses a byte order mark', () => {
    assert.equal(reasonOf('\ufeff{}'), 'the document begins with a byte order mark')
    assert.match(reasonOf('{}\ufeff'), /not JSON/)
  })

  test('refuses half a surrogate pair, in names and in values', () => {
    for (const text of ['"\\ud800"', '"\\uDFFF"', '["\\udc00\\ud800"]', '{"\\ud83d":1}', '{"a":"x\\uD83Dy"}']) {
      assert.equal(reasonOf(text), 'a string holds half a surrogate pair', text)
    }
    for (const text of ['"\\\\ud800"', '"\\ud7ff\\ue000"', '"\\uD83D\\uDE00"']) assert.equal(parse(text), JSON.parse(text), text)
  })

  test('takes the deepest nesting that is allowed, and no deeper', () => {
    const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth)
    const nestedObjects = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`
    for (const nest of [nested, nestedObjects]) {
      assert.deepEqual(parse(nest(jsonNestingMax)), JSON.parse(nest(jsonNestingMax)))
      assert.match(reasonOf(nest(jsonNestingMax + 1)), /nests deeper than 64 levels/)
    }
    assert.equal(reasonOf(`[${'[],'.repeat(1000)}[]]`), 'accepted')
    assert.equal(reasonOf(JSON.stringify('['.repeat(1000))), 'accepted')
  })

  test('takes as many names in an object as are allowed, and no more', () => {
    const objectOf = (count: number) => `{${Array.from({ length: count }, (_, index) => `"${index}":0`).join()}}`
    assert.equal(Object.keys(parse(objectOf(jsonNamesMax)) as object).length, jsonNamesMax)
    assert.match(reasonOf(objectOf(jsonNamesMax + 1)), /more than 10000 names/)
  })

  test('answers hostile documents of 4 MiB in time that grows with their length only', () => {
    const bytes = 4 * 2 ** 20
    const fill = (unit: string) => unit.repeat(bytes / unit.length)
    const documents = {
      'open arrays': fill('['),
      'open objects': fill('{"a":'),
      'arrays that open and close': fill('[]'),
      'distinct names': `{${Array.from({ length: 300_000 }, (_, index) => `"n${index}":1`).join()}}`,
      'escaped names': `{${Array.from({ length: 300_000 }, (_, index) => `"\\n${index}":1`).join()}}`,
      'small objects': `[${fill('{"a":1},')}{}]`,
      quotes: fill('"'),
      'escaped quotes': `"${fill('\\"')}"`,
      'an odd number of backslashes': `"${fill('\\')}\\"`,
      backslashes: `"${fill('\\\\')}"`,
      'backslashes that never end': `"${fill('\\')}`,
      'surrogate pairs': `[${fill('"\\ud83d\\ude00",')}1]`,
      'one number': fill('9'),
      'small numbers': `[${fill('1,')}1]`,
      spaces: fill(' '),
      commas: `[${fill(',')}]`,
      'closing brackets': fill(']'),
    }
    for (const [what, document] of Object.entries(documents)) {
      const startedAt = performance.now()
      reasonOf(document)
      const tookMs = performance.now() - startedAt
      assert.ok(tookMs < 1500, `${what}: ${tookMs} ms`)
    }
  })

  test('agrees with JSON.parse on every value, however it is laid out', () => {
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: 'binary' }), fc.constantFrom('', ' ', '\t'), (value, indent) => {
        const text = JSON.stringify(value, undefined, indent)
        assert.deepEqual(parse(text), JSON.parse(text))
      }),
      { numRuns: 300 },
    )
  })

  test('refuses whatever JSON.parse refuses', () => {
    const token = fc.constantFrom('{', '}', '[', ']', ',', ':', '"', '\\', '"a"', '"b"', '"\\u0061"', '1', '-', 'true', 'null', ' ')
    fc.assert(
      fc.property(fc.array(token, { maxLength: 12 }), (tokens) => {
        const text = tokens.join('')
        const reason = reasonOf(text)
        if (isJson(text)) assert.ok(reason === 'accepted' || reason.includes('occurs twice'), `${text}: ${reason}`)
        else assert.notEqual(reason, 'accepted', text)
      }),
      { numRuns: 3000 },
    )
  })

  test('refuses what remains of a document when a part of it is lost', () => {
    const text = JSON.stringify({ a: [{ b: 'c"\\' }, null, -1.5e3], d: { e: true } })
    for (let cut = 0; cut < text.length; cut++) {
      for (const broken of [text.slice(0, cut), text.slice(cut + 1)]) assert.equal(reasonOf(broken) === 'accepted', isJson(broken), broken)
    }
  })

  test('finds a duplicate wherever one is put, in whatever spelling', () => {
    const escapeAll = (name: string) =>
      Array.from({ length: name.length }, (_, index) => `\\u${name.charCodeAt(index).toString(16).padStart(4, '0')}`).join('')
    const dictionary = fc.dictionary(fc.string({ unit: 'binary', maxLength: 5 }), fc.jsonValue({ maxDepth: 2 }), {
      minKeys: 1,
      maxKeys: 12,
    })
    fc.assert(
      fc.property(dictionary, fc.nat(), fc.nat(), fc.boolean(), (object, which, where, escaped) => {
        const members = Object.entries(object).map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`)
        const name = Object.keys(object)[which % members.length] ?? ''
        members.splice(where % (members.length + 1), 0, `${escaped ? `"${escapeAll(name)}"` : JSON.stringify(name)}:0`)
        assert.match(reasonOf(`[{"x":{${members.join()}}}]`), /occurs twice/)
      }),
      { numRuns: 300 },
    )
  })
})

suite('excerpt', () => {
  test('quotes, escapes and shortens', () => {
    assert.equal(excerpt('a"\n'), '"a\\"\\n"')
    assert.equal(excerpt('x'.repeat(81)), `"${'x'.repeat(80)}…"`)
    assert.equal(excerpt(`${'x'.repeat(79)}😀y`).isWellFormed(), true)
  })
})
