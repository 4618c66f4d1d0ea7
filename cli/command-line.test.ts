import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { suite, test } from 'node:test'
import type { Command } from 'commander'
import { ConfigError } from '#config/problem.ts'
import { generatedPages, referenceDirectory } from './docs.ts'
import { describeFailure } from './failure.ts'
import { greeting } from './greeting.ts'
import { withVerb } from './main.ts'
import { createProgram } from './program.ts'

for (const [name, text] of await generatedPages(await createProgram())) {
  test(`docs/reference/${name} is what the code says`, () => {
    assert.equal(readFileSync(new URL(name, referenceDirectory), 'utf8'), text, 'run `npm run docs`')
  })
}

test('a file without a verb is served, as by the entry point of registry:2’s image', () => {
  assert.deepEqual(withVerb(['/etc/docker/registry/config.yml']), ['serve', '/etc/docker/registry/config.yml'])
  assert.deepEqual(withVerb(['x.yaml', '--help']), ['serve', 'x.yaml', '--help'])
  assert.deepEqual(withVerb(['garbage-collect', '-m', 'x.yml']), ['garbage-collect', '-m', 'x.yml'])
  assert.deepEqual(withVerb([]), [])
})

test('every verb says what it does, and so does each of its arguments and options', async () => {
  const all = (command: Command): readonly Command[] => [command, ...command.commands.flatMap((child) => all(child))]
  for (const command of all(await createProgram())) {
    assert.notEqual(command.description(), '', command.name())
    for (const argument of command.registeredArguments) assert.notEqual(argument.description, '', `${command.name()} ${argument.name()}`)
    for (const option of command.options) assert.notEqual(option.description, '', `${command.name()} ${option.flags}`)
  }
})

test('every verb that may be told not to ask takes -y for it', async () => {
  const all = (command: Command): readonly Command[] => [command, ...command.commands.flatMap((child) => all(child))]
  const telling = all(await createProgram()).flatMap((command) => command.options.filter(({ long }) => long === '--yes'))
  assert.ok(telling.length > 15)
  for (const { short } of telling) assert.equal(short, '-y')
})

test('the help of a command that does something without a verb shows the options of that, as registry garbage-collect --help does', async () => {
  for (const [name, verb, shown] of [
    [
      'garbage-collect',
      'run',
      ['Usage: berth garbage-collect [options] [config-or-directory]', '--dry-run', '--delete-untagged', 'status'],
    ],
    ['scrub', 'run', ['Usage: berth scrub [options] [config-or-directory]', '--full', 'findings']],
    ['usage', 'show', ['Usage: berth usage [options] [name]', '--repository', 'verify']],
  ] as const) {
    const program = await createProgram(name)
    const command = program.commands.find((each) => each.name() === name)
    const help = command?.helpInformation() ?? ''
    for (const text of shown) assert.ok(help.includes(text), `${text} in ${help}`)
    const ofVerb = command?.commands.find((each) => each.name() === verb)?.options ?? []
    assert.ok(ofVerb.length > 0)
    for (const { flags } of ofVerb) assert.ok(help.includes(flags), `${flags} in ${help}`)
    // The other verbs show what is theirs.
    const other = command?.commands.findLast((each) => each.name() !== verb)
    assert.ok(other?.helpInformation().startsWith(`Usage: berth ${name} ${other.name()} `), other?.helpInformation())
  }
})

suite('a failure', () => {
  test('of the configuration names all problems', () => {
    const error = new ConfigError([
      { path: 'a', expected: 'x' },
      { path: 'b', expected: 'y', found: '"z"', origin: 'line 3' },
    ])
    assert.equal(describeFailure(error), 'berth: the configuration has 2 problems:\n  a: expected x\n  b: expected y, found "z" (line 3)')
  })

  test('is told with its causes and without a stack', () => {
    const error = new Error('cannot open the database', { cause: new Error('disk I/O error', { cause: new Error('disk I/O error') }) })
    assert.equal(describeFailure(error), 'berth: cannot open the database: disk I/O error')
    const refused = new Error('connect ECONNREFUSED 127.0.0.1:1')
    const told = new Error('cannot be opened', { cause: new Error('127.0.0.1:1: connect ECONNREFUSED 127.0.0.1:1', { cause: refused }) })
    assert.equal(describeFailure(told), 'berth: cannot be opened: 127.0.0.1:1: connect ECONNREFUSED 127.0.0.1:1')
    assert.equal(describeFailure('just text'), "berth: 'just text'")
    assert.equal(describeFailure(undefined), 'berth: unknown failure')
  })

  test('whose cause is itself ends', () => {
    const error = new Error('round')
    error.cause = error
    assert.equal(describeFailure(error), 'berth: round')
  })

  const listening = (code: string, more: object) => Object.assign(new Error(`listen ${code}`), { code, syscall: 'listen', ...more })

  test('to listen says which key to change', () => {
    assert.match(describeFailure(listening('EADDRINUSE', { port: 5000, address: '::' })), /^berth: port 5000 is in use: .*http\.addr/)
    assert.match(describeFailure(listening('EADDRINUSE', { address: '/run/x.sock' })), /^berth: \/run\/x\.sock is in use/)
    assert.match(
      describeFailure(listening('EACCES', { port: 80, address: '0.0.0.0' })),
      /^berth: port 80 of 0\.0\.0\.0 may not be opened by this user/,
    )
    assert.match(
      describeFailure(listening('EADDRNOTAVAIL', { port: 80, address: '10.9.9.9' })),
      /^berth: 10\.9\.9\.9 is no address of this machine/,
    )
    assert.match(describeFailure(listening('EINVAL', {})), /^berth: listen EINVAL/)
  })
})

suite('a data directory that cannot be made', () => {
  const failure = (code: string) => Object.assign(new Error(`${code}: mkdir '/data'`), { code, syscall: 'mkdir', path: '/data' })

  for (const [code, expected] of [
    ['EACCES', /^berth: \/data may not be written by this user: .*storage\.filesystem\.rootdirectory/],
    ['EEXIST', /^berth: \/data is, or lies below, a file/],
    ['ENOSPC', /^berth: \/data cannot be made, the disk is full/],
    ['ELOOP', /^berth: ELOOP: mkdir '\/data'/],
  ] as const) {
    test(`for ${code} is told with what to do`, () => assert.match(describeFailure(failure(code)), expected))
  }
})

suite('the greeting', () => {
  type Parts = Parameters<typeof greeting>
  let [readOnly, deleteEnabled] = [false, true]
  const config = (http: object, auth: object = { kind: 'accounts', realm: 'Berth' }, storage: object = {}) =>
    ({
      http: { host: undefined, listen: { host: undefined, port: 5000 }, ...http },
      auth,
      storage: { readOnly, deleteEnabled, rootDirectory: '/data', ...storage },
      database: { driver: 'sqlite', file: '/data/berth.db' },
    }) as Parts[0]
  const running = (more: object = {}) => ({ url: 'http://127.0.0.1:5000/', administrator: undefined, ...more }) as Parts[1]

  test('names the registry as docker can reach it', () => {
    assert.match(greeting(config({}), running(), 'berth 1'), /docker login localhost:5000\n.*docker tag busybox localhost:5000\/busybox\n/)
    assert.match(greeting(config({ host: 'https://r.example.com' }), running(), 'berth 1'), /docker push r\.example\.com\/busybox/)
    const elsewhere = running({ url: 'https://10.1.2.3:5000/' })
    assert.match(
      greeting(config({ listen: { host: '10.1.2.3', port: 5000 } }), elsewhere, 'berth 1'),
      /docker push 10\.1\.2\.3:5000\/busybox/,
    )
  })

  test('of an open registry says so and asks for no login', () => {
    const text = greeting(config({}, { kind: 'open' }), running(), 'berth 1')
    assert.match(text, /open: whoever reaches it/)
    assert.doesNotMatch(text, /login/)
  })

  test('of an open registry promises no more than it lets in', () => {
    const text = () => greeting(config({}, { kind: 'open' }), running(), 'berth 1')
    assert.match(text(), /may push, pull and delete\n/)
    deleteEnabled = false
    assert.match(text(), /may push and pull\n/)
    readOnly = true
    assert.match(text(), /may pull \(read-only\)\n/)
    assert.doesNotMatch(text(), /docker push/)
    readOnly = false
    deleteEnabled = true
  })

  test('names an IPv6 listener by its address', () => {
    const listener = running({ url: 'http://[::1]:5000/' })
    assert.match(greeting(config({ listen: { host: '::1', port: 5000 } }), listener, 'berth 1'), /docker login \[::1\]:5000\n/)
  })

  test('of one in memory says that all is lost at the end', () => {
    const inMemory = config({}, undefined, { rootDirectory: undefined })
    assert.match(greeting(inMemory, running(), 'berth 1'), /data      in memory, lost at the end/)
  })

  test('of one on an object store names the bucket, and never a key', () => {
    const s3 = { bucket: 'images', endpoint: 'https://s3.example.com', prefix: 'registry/', credentials: { secretAccessKey: 'hidden' } }
    const text = greeting(config({}, undefined, { rootDirectory: undefined, s3 }), running(), 'berth 1')
    assert.match(text, /data      bucket images at s3\.example\.com, below registry\n {2}database  \/data\/berth\.db\n/)
    assert.doesNotMatch(text, /hidden/)
  })

  test('of one behind a socket names no docker command', () => {
    assert.doesNotMatch(greeting(config({ listen: { path: '/run/x' } }), running({ url: 'unix:/run/x' }), 'berth 1'), /docker push/)
  })
})
