import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { after, suite, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { changeStorage, migrateUnderFire, openMigrating, pullAll, pushSome, putS3InFront, underFire } from '../support/migrating.ts'
import { registryClient } from '../support/registry-client.ts'
import { tryBerth } from '../support/run-berth.ts'
import { startS3Double } from '../support/s3-double.ts'
import { startBerth } from '../support/start-berth.ts'
import { until } from '../support/until.ts'
import { violationsOf } from '../support/violations.ts'

const double = await startS3Double()
after(() => double[Symbol.asyncDispose]())

const launcher = fileURLToPath(new URL('../../bin/berth.mjs', import.meta.url))

suite('moving a registry from a directory to an object store', () => {
  test('a start whose configuration lost the store that has the blobs is refused with one sentence', async () => {
    const { berth, client, blobs } = await openMigrating()
    await using _berth = berth
    await pushSome(client, blobs, 1)
    await berth.stop()
    await putS3InFront(berth, double)
    await changeStorage(berth, ({ stores: _stores, ...rest }) => rest)
    const { status, stderr } = await tryBerth('serve', berth.configFile)
    assert.notEqual(status, 0)
    assert.match(stderr, /blobs are in the store filesystem, which the configuration does not name: add it below storage\.stores/)
    const doctor = await tryBerth('doctor', berth.configFile)
    assert.match(doctor.stdout, /the store filesystem/)
  })

  test(underFire, () => migrateUnderFire(double))

  test('works as a command on the data beside a running open server, and goes on after kill -9 of the command', async () => {
    await using berth = await startBerth({ config: { storage: { readersdelay: '1s', redirect: { disable: true } } } })
    const client = registryClient(berth.url)
    const blobs = new Map<string, Buffer>()
    await pushSome(client, blobs, 20)
    await berth.stop()
    await putS3InFront(berth, double)
    await berth.restart()
    const move = ['storage', 'migrate', berth.configFile, '--from', 'filesystem', '--to', 's3'] as const
    const dry = await tryBerth(...move, '--dry-run')
    assert.match(dry.stdout, /^would move 40 blobs/)
    const child = spawn(process.execPath, [launcher, ...move, '--rate', '256KiB'], {
      env: { PATH: process.env['PATH'] ?? '' },
      detached: true,
    })
    const listed = async () => (await tryBerth('storage', 'list', berth.configFile)).stdout
    await until('it moves', async () => /^filesystem\s+filesystem\s+other\s+(?:[1-9]|[123]\d)\s/m.test(await listed()), 60_000)
    process.kill(-(child.pid ?? 0), 'SIGKILL')
    await pullAll(client, blobs)
    const { stdout, stderr, status } = await tryBerth(...move)
    assert.equal(status, 0, stderr)
    assert.match(stdout, /^\d+ blobs? moved/)
    assert.match(stderr, /the former bytes of \d+ blobs stay for pulls under way/)
    await pullAll(client, blobs)
    await berth.stop()
    assert.deepEqual(await violationsOf(berth, { orphanUploadsAreFine: true }), [])
    const wrong = await tryBerth('storage', 'migrate', berth.configFile, '--from', 'nowhere', '--to', 's3')
    assert.match(wrong.stderr, /there is no store nowhere/)
    assert.notEqual(wrong.status, 0)
  })
})
