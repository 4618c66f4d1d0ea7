import assert from 'node:assert/strict'
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { tryBerth } from '../support/run-berth.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const commands = [
  ['garbage-collect'],
  ['garbage-collect', '--dry-run'],
  ['scrub'],
  ['usage', 'verify'],
  ['secrets', 'rotate'],
  ['store', 'accept'],
  ['trash', 'list'],
  ['tag', 'history', 'team/app:v1'],
  ['export', '--layout', 'registry2', '/nonexistent/target'],
]

suite('a place without a registry', () => {
  for (const command of commands)
    test(`is refused by ${command.join(' ')}, and nothing is made there`, async () => {
      await using directory = await temporaryDirectory('absent')
      const typo = join(directory.path, 'typo')
      await mkdir(typo)
      const { status, output } = await tryBerth(...command, typo)
      assert.equal(status, 4, output)
      assert.match(output, /no Berth data at .*typo: .*registry:2 is taken over by berth serve or berth import/u)
      assert.deepEqual(await readdir(typo), [])
    })

  for (const flags of [[], ['--dry-run'], ['--verify', 'digest']])
    test(`is refused by import ${flags.join(' ')}, and nothing is made there`, async () => {
      await using directory = await temporaryDirectory('absent')
      const typo = join(directory.path, 'typo')
      await mkdir(typo)
      const { status, output } = await tryBerth('import', ...flags, typo)
      assert.equal(status, 2, output)
      assert.match(
        output,
        /there is no data of registry:2 to adopt: no docker\/registry\/v2\/repositories below the root directory .*typo/u,
      )
      assert.deepEqual(await readdir(typo), [])
    })

  test('of registry:2 stays as it is under a dry run of import', async () => {
    await using directory = await temporaryDirectory('absent')
    await mkdir(join(directory.path, 'docker/registry/v2/repositories/app'), { recursive: true })
    const { status, output } = await tryBerth('import', '--dry-run', directory.path)
    assert.equal(status, 0, output)
    assert.match(output, /found, and nothing written/u)
    assert.deepEqual(await readdir(directory.path, { recursive: true }), [
      'docker',
      'docker/registry',
      'docker/registry/v2',
      'docker/registry/v2/repositories',
      'docker/registry/v2/repositories/app',
    ])
    assert.equal((await tryBerth('import', directory.path)).status, 0)
  })

  test('of registry:2 is not collected before it is taken over', async () => {
    await using directory = await temporaryDirectory('absent')
    await mkdir(join(directory.path, 'docker/registry/v2/repositories'), { recursive: true })
    const { status, output } = await tryBerth('garbage-collect', '--dry-run', directory.path)
    assert.equal(status, 4)
    assert.match(output, /no Berth data at/u)
    assert.deepEqual(await readdir(directory.path), ['docker'])
  })

  test('that is named by its directory gets no account, and nothing is made there', async () => {
    await using directory = await temporaryDirectory('absent')
    const { status, output } = await tryBerth('user', 'create', 'ann', '--admin', '--no-password', '--data', directory.path)
    assert.equal(status, 4, output)
    assert.match(output, /no Berth data at .*: no database .*berth\.db: name the config\.yml/u)
    const applied = await tryBerth('migrate', 'up', directory.path)
    assert.equal(applied.status, 4, applied.output)
    assert.deepEqual(await readdir(directory.path), [])
  })

  test('that is not there at all is not there for every command', async () => {
    await using directory = await temporaryDirectory('absent')
    const nowhere = join(directory.path, 'nope', 'config.yml')
    for (const command of [
      ['garbage-collect', 'status', nowhere],
      ['garbage-collect', nowhere],
      ['usage', 'verify', nowhere],
      ['migrate', 'status', nowhere],
      ['user', 'create', 'ann', '--no-password', '--data', nowhere],
      ['database', 'copy', '--from', nowhere, '--to', 'postgres://u@127.0.0.1:1/d'],
    ]) {
      const { status, output } = await tryBerth(...command)
      assert.equal(status, 4, `${command.join(' ')}: ${output}`)
      assert.match(output, /nope.*(?:there is no such file or directory|cannot be read \(ENOENT\))/u)
    }
  })

  test('may be what makes the first account, where a configuration names it', async () => {
    await using directory = await temporaryDirectory('absent')
    const config = join(directory.path, 'config.yml')
    await writeFile(config, `version: 0.1\nstorage: { filesystem: { rootdirectory: ${directory.path} } }\n`)
    const create = (...more: string[]) => tryBerth('user', 'create', 'ann', '--no-password', '--data', config, ...more)
    for (const more of [
      ['--email', 'bad'],
      ['--display-name', 'x'.repeat(201)],
      ['--display-name', 'a\u0001b'],
    ]) {
      const { status, output } = await create(...more)
      assert.equal(status, 2, output)
      assert.match(output, /^berth: (?:email|displayName|--display-name|--email)\b/mu)
    }
    const { status, output } = await create('--email', 'ann@example.com', '--display-name', 'Ann')
    assert.equal(status, 0, output)
    await rm(join(directory.path, 'blobs'), { recursive: true, force: true })
    assert.equal((await tryBerth('garbage-collect', directory.path)).status, 0, 'nothing was stored yet')
  })
})
