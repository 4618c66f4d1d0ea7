import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, suite, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { tryCommand } from '../test/support/run-command.ts'

const launcher = fileURLToPath(new URL('../bin/berth.mjs', import.meta.url))

suite('what commands on the data look at', () => {
  let directory: string
  beforeEach(async () => {
    directory = await realpath(await mkdtemp(join(tmpdir(), 'berth-looks-')))
  })
  afterEach(async () => {
    await rm(directory, { recursive: true })
  })

  const berth = (...args: readonly string[]) =>
    tryCommand([process.execPath, launcher, ...args], {
      cwd: directory,
      env: { PATH: process.env['PATH'] ?? '', XDG_CONFIG_HOME: directory },
    })

  test('doctor says it first, and is not well where nothing was named and nothing is', async () => {
    const { status, stdout, output } = await berth('doctor')
    assert.equal(status, 1, output)
    const [first = '', second = '', ...rest] = stdout.trimEnd().split('\n')
    assert.ok(first.startsWith('Looking at no config.yml, data in '), output)
    assert.match(second, /^PROBLEM +storage +there is no data directory .*: name a config\.yml or a data directory, or --server/u)
    assert.deepEqual(rest, [])
    const data = join(directory, 'data')
    await mkdir(data, { mode: 0o700 })
    const named = await berth('doctor', data)
    assert.equal(named.stdout.split('\n')[0], `Looking at no config.yml, data in ${data}, database ${join(data, 'berth.db')}`, named.output)
  })

  test('usage verify says it, and makes no empty registry where there is none', async () => {
    const { status, stderr, output } = await berth('usage', 'verify')
    assert.equal(status, 4, output)
    assert.match(stderr, /^Looking at no config\.yml, data in /u)
    assert.match(stderr, /no Berth data at .*: there is no such directory: name the config\.yml/u)
    assert.deepEqual(await readdir(directory), [])
  })
})
