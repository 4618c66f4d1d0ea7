import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { assertThere, clientOf, makeTarget, pushStaged } from '../support/backup-stage.ts'
import { runBerth, tryBerth } from '../support/run-berth.ts'
import { startBerth } from '../support/start-berth.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { smallDisk } from './small-disk.ts'

test('a disk that a backup fills leaves the backup before it whole, nothing that looks like one, and the registry untouched', async () => {
  await using berth = await startBerth()
  const client = clientOf(berth)
  const first = await pushStaged(client, 'library/app', 'v1', 1 << 20)
  await using disk = await smallDisk(6)
  const at = join(disk.path, 'at')
  await runBerth('backup', 'create', berth.configFile, '--at', at)
  const second = await pushStaged(client, 'library/app', 'v2', 8 << 20)
  const full = await tryBerth('backup', 'create', berth.configFile, '--at', at)
  assert.equal(full.status, 1)
  assert.match(full.stderr, /at, the place of the backups, has no space left/)
  assert.deepEqual(await readdir(join(at, 'unfinished')), [])
  const listed = JSON.parse((await runBerth('backup', 'list', '--at', at, '--json')).stdout) as { items: unknown[] }
  assert.equal(listed.items.length, 1)
  await runBerth('backup', 'verify', '--at', at)
  await assertThere(client, [first, second])
  // What it left is taken by the next prune, and then there is room for one again.
  await runBerth('backup', 'prune', '--at', at, '--keep-last', '1', '--yes')
  await using target = await makeTarget()
  await runBerth('restore', target.configFile, '--from', at)
  await using restored = await target.start()
  await assertThere(clientOf(restored), [first])
})

test('a disk that an archive fills is told as that of the backups, and nothing of the archive stays', async () => {
  await using berth = await startBerth()
  await pushStaged(clientOf(berth), 'library/app', 'v1', 8 << 20)
  await using disk = await smallDisk(6)
  const full = await tryBerth('backup', 'create', berth.configFile, '--at', join(disk.path, 'all.tar'))
  assert.equal(full.status, 1)
  assert.match(full.stderr, /all\.tar, the place of the backups, has no space left/)
  assert.deepEqual(await readdir(disk.path), [])
})

test('a disk that a restore fills leaves what nothing serves on; with room, the same command ends', async () => {
  await using berth = await startBerth()
  const image = await pushStaged(clientOf(berth), 'library/app', 'v1', 8 << 20)
  await using place = await temporaryDirectory('backups')
  await runBerth('backup', 'create', berth.configFile, '--at', place.path)
  await using target = await makeTarget()
  {
    await using disk = await smallDisk(6)
    await using small = await makeTarget({ storage: { filesystem: { rootdirectory: disk.path } } })
    const full = await tryBerth('restore', small.configFile, '--from', place.path)
    assert.equal(full.status, 1)
    assert.match((await tryBerth('serve', small.configFile)).stderr, /did not come to its end/)
  }
  await runBerth('restore', target.configFile, '--from', place.path)
  await using restored = await target.start()
  await assertThere(clientOf(restored), [image])
})
