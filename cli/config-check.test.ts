import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { runProcess } from './test-process.ts'

const cwd = await mkdtemp(join(tmpdir(), 'berth-check-'))
after(() => rm(cwd, { recursive: true, force: true }))

suite('berth config check', () => {
  test('says that a configuration is fine, and prints its warnings', async () => {
    await writeFile(join(cwd, 'fine.yml'), 'version: 0.1\nstorage: {filesystem: {}, cache: {blobdescriptor: inmemory}}\n')
    const { code, stdout, stderr } = await runProcess(['config', 'check', 'fine.yml'], { cwd })
    assert.equal(code, 0)
    assert.equal(stdout, `${join(cwd, 'fine.yml')} is fine, with the warnings above.\n`)
    assert.match(stderr, /^warning: storage\.cache: .*\nwarning: auth: this registry is open/)
  })

  test('counts the lines of the file of users that do not count, by their numbers', async () => {
    await writeFile(join(cwd, 'users.yml'), 'version: 0.1\nstorage: {filesystem: {}}\nauth: {htpasswd: {realm: x, path: users}}\n')
    const good = `$2y$05$${'a'.repeat(53)}`
    await writeFile(join(cwd, 'users'), `one:${good}\ntwo:${good}\n# more\nthree:{SHA}x\ntwo:{SHA}secret\n`)
    const check = () => runProcess(['config', 'check', 'users.yml'], { cwd })
    const { code, stdout, stderr } = await check()
    assert.deepEqual([code, stdout], [0, `${join(cwd, 'users.yml')} is fine, with the warnings above.\n`])
    assert.match(stderr, /^warning: auth\.htpasswd\.path: 2 lines of .*users do not count \(4, 5\); line 4 has a SHA-1 hash, only bcrypt/)
    assert.doesNotMatch(stderr, /secret/)
    await writeFile(join(cwd, 'users'), `one:${good}\n`)
    assert.deepEqual([(await check()).stderr, (await check()).stdout], ['', `${join(cwd, 'users.yml')} is fine.\n`])
  })

  test('ends with 1 when there is a problem, and prints warnings too', async () => {
    await writeFile(join(cwd, 'bad.yml'), 'version: 0.1\nstorage: {filesystem: {}}\nlog: {level: loud, colour: red}\n')
    const { code, stdout, stderr } = await runProcess(['config', 'check', 'bad.yml'], { cwd })
    assert.equal(code, 1)
    assert.equal(stdout, '')
    assert.match(stderr, /warning: log\.colour: unknown key/)
    assert.match(
      stderr,
      /the configuration has a problem:\n {2}log\.level: expected one of info, error, warn, debug, found "loud" \(line 3\)\n$/,
    )
  })

  test('prints what is in force, without secrets', async () => {
    const env = { REGISTRY_HTTP_ADDR: ':6000', REGISTRY_HTTP_SECRET: 'hunter2' }
    const { code, stdout } = await runProcess(['config', 'check', '--effective'], { cwd, env })
    assert.equal(code, 0)
    assert.match(stdout, /^http\.addr: :6000 {2}# REGISTRY_HTTP_ADDR$/m)
    assert.doesNotMatch(stdout, /hunter2/)
  })
})
