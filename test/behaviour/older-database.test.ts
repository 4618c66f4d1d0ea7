import assert from 'node:assert/strict'
import { copyFile, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { testDialect } from '#metadata/test-postgres.ts'
import { orphansOf } from '../support/orphans.ts'
import { pushImage, registryClient } from '../support/registry-client.ts'
import { runBerth, tryBerth } from '../support/run-berth.ts'
import { startBerth } from '../support/start-berth.ts'
import { violationsOf } from '../support/violations.ts'

const skip = testDialect === 'sqlite' ? false : 'takes the file of the database away'

/** Bytes of blobs, by their keys. */
async function keysIn(dataDir: string): Promise<string[]> {
  const entries = await readdir(join(dataDir, 'blobs'), { recursive: true, withFileTypes: true })
  return entries.flatMap((entry) => (entry.isFile() && !entry.name.startsWith('.') ? [join(entry.parentPath, entry.name)] : [])).toSorted()
}

test(
  'an older database over a newer store: what is newer is told as orphans, nothing deletes it, and a push or the right database has it again',
  { skip },
  async () => {
    await using berth = await startBerth()
    const client = registryClient(berth.url)
    const file = join(berth.dataDir, 'berth.db')
    const kept = `${file}.of-yesterday`
    const older = await pushImage(client, 'team/app', 'v1')
    await berth.stop()
    await copyFile(file, kept)
    await berth.restart()
    const newer = await pushImage(client, 'team/app', 'v2', { files: { new: 'since the backup' } })
    const digests = [...newer.layers, newer.config].map(({ digest }) => digest)
    await berth.stop()
    const keys = await keysIn(berth.dataDir)
    await copyFile(file, `${file}.of-today`)

    const put = async (source: string) => {
      for (const end of ['-wal', '-shm']) await rm(`${file}${end}`, { force: true })
      await copyFile(source, file)
    }
    await put(kept)
    assert.deepEqual(
      (await orphansOf(berth.configFile)).filter((digest) => !digests.includes(digest)),
      [],
    )
    assert.equal((await orphansOf(berth.configFile)).length, digests.length, 'all of them are told')
    await runBerth('garbage-collect', '--now', '--delete-untagged', berth.configFile)
    assert.deepEqual(await keysIn(berth.dataDir), keys, 'a collection leaves what no row names')
    assert.match(
      (await tryBerth('doctor', berth.configFile)).stdout,
      new RegExp(`scrub knows of ${digests.length} things that are wrong`, 'u'),
    )
    await berth.restart()
    assert.equal(await client.digestOf('team/app', 'v1'), older.descriptor.digest)
    assert.equal(await client.digestOf('team/app', 'v2'), undefined)
    assert.equal((await client.send(`/v2/team/app/blobs/${digests[0]}`)).status, 404, 'its bytes are nobody’s until it is pushed')
    await pushImage(client, 'team/app', 'v2', { files: { new: 'since the backup' } })
    for (const digest of digests) await client.pullBlob('team/app', digest)
    await berth.stop()

    await put(`${file}.of-today`)
    await berth.restart()
    assert.equal(await client.digestOf('team/app', 'v2'), newer.descriptor.digest)
    for (const digest of digests) await client.pullBlob('team/app', digest)
    const violations = await violationsOf(berth)
    assert.ok(
      violations.every((each) => each.includes('nobody knows the key')),
      violations.join('\n'),
    )
  },
)
