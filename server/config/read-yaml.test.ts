import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { formatProblem } from './problem.ts'
import { plainValue } from './raw-value.ts'
import { readYaml } from './read-yaml.ts'

function read(text: string, origin?: string) {
  const problems: string[] = []
  const raw = readYaml(text, origin, (problem) => problems.push(formatProblem(problem)))
  return { raw, value: raw === undefined ? undefined : plainValue(raw), problems }
}

suite('YAML', () => {
  test('keeps the text of a scalar beside its value', () => {
    const { raw } = read('realm: 007\nyes: yes\nversion: 0.10')
    assert.ok(raw?.kind === 'map')
    assert.deepEqual(
      [...raw.entries].map(([key, value]) => [key, value.kind === 'scalar' && value.text, value.origin]),
      [
        ['realm', '007', 'line 1'],
        ['yes', 'yes', 'line 2'],
        ['version', '0.10', 'line 3'],
      ],
    )
  })

  test('reads yes, no, on and off as registry:2 does', () => {
    assert.deepEqual(read('[yes, no, on, off, true]').value, [true, false, true, false, true])
  })

  test('merges maps, and what stands there wins', () => {
    const text = 'base: &base {a: 1, b: 2}\none:\n  <<: *base\n  b: 3\ntwo:\n  <<: [{c: 4}, *base]\n'
    assert.deepEqual(read(text).value, { base: { a: 1, b: 2 }, one: { b: 3, a: 1 }, two: { c: 4, a: 1, b: 2 } })
  })

  test('gives what comes from a variable that name as its origin', () => {
    assert.equal(read('[nosniff]', 'REGISTRY_X').raw?.origin, 'REGISTRY_X')
  })

  test('of nothing, or of comments, is null', () => {
    for (const text of ['', '\n', '# nothing\n', '---\n']) assert.equal(read(text).value, null)
  })

  test('may have CRLF line ends', () => {
    assert.deepEqual(read('a: 1\r\nb:\r\n  c: text\r\n').value, { a: 1, b: { c: 'text' } })
  })

  test('does not let a key reach the prototype', () => {
    const { value } = read('__proto__: {polluted: true}\nconstructor: 1')
    assert.equal(({} as { polluted?: boolean }).polluted, undefined)
    assert.deepEqual(Object.keys(value as object), ['__proto__', 'constructor'])
  })

  const malformed: Record<string, [string, RegExp]> = {
    'a key that stands twice': ['a: 1\nb: 2\na: 3\n', /the key a a second time \(line 3\)/],
    'a key that stands twice further in': ['http:\n  addr: x\n  addr: y\n', /the key addr a second time \(line 3\)/],
    'a tab as indentation': ['a:\n\tb: 1\n', /tab .*\(line 2\)/],
    'an open bracket': ['a: [1, 2\nb: 3\n', /well-formed YAML/],
    'an open quote': ['a: "secret\n', /well-formed YAML/],
    'two documents': ['a: 1\n---\nb: 2\n', /more than one document/],
    'an alias without its anchor': ['a: *nowhere\n', /anchor/],
    'a reserved character': ['a: @secret\n', /well-formed YAML/],
    'wrong indentation': ['a:\n    b: 1\n  c: 2\n', /well-formed YAML.*\(line \d\)/],
  }
  for (const [name, [text, expected]] of Object.entries(malformed)) {
    test(`with ${name} is a problem that names the line and quotes no value`, () => {
      const { raw, problems } = read(text)
      assert.equal(raw, undefined)
      assert.match(problems.join('\n'), expected)
      assert.doesNotMatch(problems.join('\n'), /secret/)
    })
  }
})

suite('hostile YAML', () => {
  function refusedQuickly(text: string) {
    const started = performance.now()
    const { raw, problems } = read(text)
    assert.equal(raw, undefined)
    assert.ok(problems.length >= 1 && problems.length <= 20)
    assert.ok(performance.now() - started < 2000, `${performance.now() - started} ms`)
  }

  test('whose aliases multiply is refused', () => {
    const level = (name: string, of: string) => `${name}: &${name} [${`*${of},`.repeat(9)}]\n`
    refusedQuickly('a: &a [x,x,x,x,x,x,x,x,x]\n' + level('b', 'a') + level('c', 'b') + level('d', 'c') + level('e', 'd') + level('f', 'e'))
    refusedQuickly(`a: &a [${'x,'.repeat(2000)}]\nb: [${'*a,'.repeat(20)}]\n`)
  })

  test('that contains itself is refused', () => refusedQuickly('a: &a [*a]\n'))
  test('of many aliases is refused', () => refusedQuickly(`a: &a x\nb: [${'*a,'.repeat(5000)}]`))
  test('that is nothing but brackets is refused', () => refusedQuickly('['.repeat(20_000)))
  test('that is nested too deep is refused', () => refusedQuickly('{a: '.repeat(50) + '1' + '}'.repeat(50)))
  test('of a megabyte is refused unread', () => refusedQuickly('a'.repeat(1024 * 1024)))
  test('that is not YAML at all gives few problems', () => refusedQuickly('}]:{[\n'.repeat(1000)))
})
