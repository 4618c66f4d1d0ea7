import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
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

  test('refuses a CDN that anybody could sign for: an empty or a short key, given or in its file', async () => {
    const check = async (cdn: string) => {
      const storage = `{s3: {bucket: images, region: r}, cdn: {url: "https://cdn.example.com", ${cdn}}}`
      await writeFile(join(cwd, 'cdn.yml'), `version: 0.1\nauth: accounts\ndatabase: {file: /x/berth.db}\nstorage: ${storage}\n`)
      return await runProcess(['config', 'check', 'cdn.yml'], { cwd })
    }
    for (const [text, says] of [
      ['', /storage\.cdn\.keyfile: .*cdn\.key: there is no key in it/],
      ['short\n', /storage\.cdn\.keyfile: .*cdn\.key: its key has 5 bytes/],
    ] as const) {
      await writeFile(join(cwd, 'cdn.key'), text)
      const { code, stderr } = await check('keyfile: cdn.key')
      assert.equal(code, 1)
      assert.match(stderr, says)
    }
    await writeFile(join(cwd, 'cdn.key'), 'no key of RSA')
    assert.match((await check('kind: cloudfront, keyid: K, keyfile: cdn.key')).stderr, /cdn\.key: it has no private key in PEM/)
    await writeFile(join(cwd, 'cdn.key'), 'sixteen-bytes...\n')
    assert.equal((await check('keyfile: cdn.key')).code, 0)
    const away = await check('keyfile: not-there.key')
    assert.equal(away.code, 0)
    assert.match(away.stderr, /^warning: storage\.cdn\.keyfile: .*not-there\.key cannot be read \(ENOENT\)$/m)
    for (const cdn of ["key: ''", 'key: short', 'key: sixteen-bytes..., keyfile: cdn.key']) assert.equal((await check(cdn)).code, 1, cdn)
  })

  test('refuses a place of backups within the data of the registry, at any depth and by any name, and one around it', async () => {
    await mkdir(join(cwd, 'own/deep'), { recursive: true })
    await symlink(join(cwd, 'own/deep'), join(cwd, 'link'))
    const check = async (place: string) => {
      const store = `{filesystem: {rootdirectory: ${join(cwd, place)}}}`
      await writeFile(
        join(cwd, 'kept.yml'),
        `version: 0.1\nauth: accounts\nstorage: {filesystem: {rootdirectory: ${cwd}/own}}\nbackup: {store: ${store}}\n`,
      )
      return await runProcess(['config', 'check', 'kept.yml'], { cwd })
    }
    for (const place of ['own', 'own/deep/er/still', 'link/not/there', '.']) {
      const { code, stderr } = await check(place)
      assert.equal(code, 1, place)
      assert.match(stderr, /backup\.store/, place)
    }
    for (const place of ['owner', 'elsewhere/deep', 'own/../beside'])
      assert.deepEqual([(await check(place)).code, (await check(place)).stderr], [0, ''], place)
    await check('link/backups')
    const served = await runProcess(['serve', 'kept.yml'], { cwd })
    assert.equal(served.code, 1)
    assert.match(served.stderr, /backup\.store: \S+link\/backups lies in \S+own, the registry's own data/)
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
