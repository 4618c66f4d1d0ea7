import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { ConfigPlace, minimal } from './test-place.ts'

const key = Buffer.alloc(32, 7).toString('base64')

suite('the keys of backup', () => {
  test('without them there is a journal, and no backup is made', async () => {
    await using place = await ConfigPlace.make()
    const { config } = await place.load(minimal)
    const keep = { last: 3, daily: 7, weekly: 4, monthly: 6 }
    const nothing = { place: undefined, keyFile: undefined, keys: [], includesKey: false, schedule: undefined }
    assert.deepEqual(config?.backup, { ...nothing, keep, hasJournal: true })
  })

  test('say where to, by which key, when, and how many stay', async () => {
    await using place = await ConfigPlace.make()
    const own = `backup: {store: {filesystem: {rootdirectory: /backup}}, key: ${key}, includekey: true, keep: {last: 1, monthly: 0}, journal: false}\n`
    const { config } = await place.load(`${minimal}${own}`)
    assert.equal(config?.backup.place?.rootDirectory, '/backup')
    assert.deepEqual(config.backup.keys, [Buffer.alloc(32, 7)])
    assert.equal(config.backup.schedule, '0 2 * * *')
    assert.deepEqual(config.backup.keep, { last: 1, daily: 7, weekly: 4, monthly: 0 })
    assert.deepEqual([config.backup.includesKey, config.backup.hasJournal], [true, false])
    const remote = await place.load(`${minimal}backup: {store: {s3: {bucket: backups, region: eu-central-1}}, schedule: "off"}\n`)
    assert.equal(remote.config?.backup.place?.s3?.bucket, 'backups')
    assert.equal(remote.config.backup.schedule, undefined)
  })

  test('are refused when they make no sense', async () => {
    await using place = await ConfigPlace.make()
    for (const [written, path] of [
      ['{store: {}}', 'backup.store'],
      ['{store: s3}', 'backup.store'],
      ['{store: {filesystem: {}}}', 'backup.store.filesystem.rootdirectory'],
      ['{store: {filesystem: {rootdirectory: /a}, gcs: {bucket: b}}}', 'backup.store'],
      ['{schedule: sometimes}', 'backup.schedule'],
      ['{keep: {last: -1}}', 'backup.keep.last'],
      ['{includekey: true}', 'backup.includekey'],
      ['{key: short}', 'backup.key'],
      [`{key: ${key}, keyfile: /there}`, 'backup.key'],
      ['{kept: 1}', 'backup.kept'],
      // `minimal` has the default root directory.
      ['{store: {filesystem: {rootdirectory: /var/lib/registry}}}', 'backup.store'],
      ['{store: {filesystem: {rootdirectory: /var/lib/registry/backups}}}', 'backup.store'],
    ] as const) {
      const { problems } = await place.load(`${minimal}backup: ${written}\n`)
      assert.equal(problems.length, 1, `${written}: ${problems.join(' | ')}`)
      assert.ok(problems[0]?.startsWith(`${path}:`), `${written}: ${problems[0]}`)
    }
  })
})
