import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite, test } from 'node:test'
import { pushImage } from '../support/registry-client.ts'
import { assertThere, clientOf, makeTarget, pushStaged, type StagedImage } from '../support/backup-stage.ts'
import { runBerth, tryBerth } from '../support/run-berth.ts'
import { startBerth, type RunningBerth } from '../support/start-berth.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { violationsOf } from '../support/violations.ts'

const launcher = fileURLToPath(new URL('../../bin/berth.mjs', import.meta.url))

async function countFiles(path: string): Promise<number> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true }).catch(() => [])
  return entries.filter((entry) => entry.isFile() && !entry.parentPath.includes('unfinished')).length
}

/** Runs a command and kills it as soon as there are so many files below `path`; false when it ended before. */
async function killAt(args: readonly string[], path: string, files: number): Promise<boolean> {
  const child = spawn(process.execPath, [launcher, ...args], { env: { PATH: process.env['PATH'] }, stdio: 'ignore', detached: true })
  const ended = new Promise<NodeJS.Signals | null>((resolve) => child.once('exit', (_code, signal) => resolve(signal)))
  let isOver = false
  void ended.then(() => (isOver = true))
  while (!isOver && (await countFiles(path)) < files) await new Promise((resolve) => setTimeout(resolve, 2))
  if (!isOver && child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
  return (await ended) === 'SIGKILL'
}

async function filled(): Promise<{ readonly berth: RunningBerth; readonly images: StagedImage[] }> {
  const berth = await startBerth()
  const images: StagedImage[] = []
  for (let count = 0; count < 30; count++) images.push(await pushStaged(clientOf(berth), `team/r${count % 5}`, `v${count}`, 300_000))
  return { berth, images }
}

suite('kill -9', { concurrency: 2 }, () => {
  test('in the middle of a backup leaves nothing that looks like one; the next copies only what lacks, and is whole', async () => {
    const { berth, images } = await filled()
    await using _berth = berth
    await using place = await temporaryDirectory('backups')
    assert.ok(await killAt(['backup', 'create', berth.configFile, '--at', place.path], join(place.path, 'blobs'), 8))
    const before = await countFiles(join(place.path, 'blobs'))
    assert.ok(before >= 8 && before < 60, `${before} blobs were copied`)
    assert.match((await tryBerth('backup', 'list', '--at', place.path)).stdout, /there is no backup yet/)
    const made = JSON.parse((await runBerth('backup', 'create', berth.configFile, '--at', place.path, '--json')).stdout) as {
      readonly blobs: { readonly count: number; readonly addedCount: number }
    }
    assert.equal(made.blobs.count, 60)
    assert.ok(made.blobs.addedCount <= 60 - before, `${made.blobs.addedCount} blobs were copied again or anew`)
    await runBerth('backup', 'verify', '--at', place.path)
    await using target = await makeTarget()
    await runBerth('restore', target.configFile, '--from', place.path)
    await using restored = await target.start()
    await assertThere(clientOf(restored), images)
    assert.deepEqual(await violationsOf(restored), [])
  })

  test('in the middle of a restore leaves what nothing serves on; the same command goes on, and ends', async () => {
    const { berth, images } = await filled()
    await using _berth = berth
    await using place = await temporaryDirectory('backups')
    await runBerth('backup', 'create', berth.configFile, '--at', place.path)
    await using target = await makeTarget()
    const restore = ['restore', target.configFile, '--from', place.path, '--json']
    assert.ok(await killAt(restore, join(target.dataDir, 'blobs/sha256'), 8))
    const refused = await tryBerth('serve', target.configFile)
    assert.equal(refused.status, 1)
    assert.match(refused.stderr, /the restore of backup .* did not come to its end: run berth restore again/)
    assert.match((await tryBerth('garbage-collect', target.configFile)).stderr, /did not come to its end/)
    const report = JSON.parse((await runBerth(...restore)).stdout) as {
      readonly blobs: { readonly there: number }
      readonly proved: number
    }
    assert.ok(report.blobs.there >= 7, 'what was copied is not copied again')
    assert.equal(report.proved, 60)
    await using restored = await target.start()
    await assertThere(clientOf(restored), images)
    assert.deepEqual(await violationsOf(restored, { orphanUploadsAreFine: true }), [])
    await pushImage(clientOf(restored), 'team/after', 'v1')
  })
})

test('a blob that is damaged in the store is left out and told; the others are there, and a push heals it after the restore', async () => {
  await using berth = await startBerth()
  const client = clientOf(berth)
  const [good, bad] = [await pushStaged(client, 'library/app', 'good'), await pushStaged(client, 'library/app', 'bad')]
  const directory = join(berth.dataDir, 'blobs/sha256', bad.layer.digest.slice(7, 9), bad.layer.digest.slice(7))
  const [generation = ''] = await readdir(directory)
  const bytes = await readFile(join(directory, generation))
  bytes[5000] = (bytes[5000] ?? 0) ^ 1
  await writeFile(join(directory, generation), bytes)
  await using place = await temporaryDirectory('backups')
  const made = await tryBerth('backup', 'create', berth.configFile, '--at', place.path)
  assert.equal(made.status, 1)
  assert.match(made.stderr, /1 blob could not be read and is not in it/)
  await runBerth('backup', 'verify', '--at', place.path)
  await using target = await makeTarget()
  assert.match((await runBerth('restore', target.configFile, '--from', place.path)).stdout, /1 blob is not in the backup/)
  await using restored = await target.start()
  await assertThere(clientOf(restored), [good])
  assert.equal((await clientOf(restored).send(`/v2/library/app/blobs/${bad.layer.digest}`, { method: 'HEAD' })).status, 404)
  await clientOf(restored).pushBlob('library/app', bad.layer.bytes)
  await assertThere(clientOf(restored), [bad])
})
