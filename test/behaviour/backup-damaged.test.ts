import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { copyFile, mkdir, open, readdir, readFile, rm, stat, truncate, unlink, writeFile } from 'node:fs/promises'
import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { suite, test } from 'node:test'
import { testDialect } from '#metadata/test-postgres.ts'
import { assertThere, clientOf, fill, makeTarget, pushStaged } from '../support/backup-stage.ts'
import { mediaTypes, pushImage } from '../support/registry-client.ts'
import { runBerth, tryBerth } from '../support/run-berth.ts'
import { startBerth } from '../support/start-berth.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { violationsOf } from '../support/violations.ts'

const launcher = new URL('../../bin/berth.mjs', import.meta.url).pathname

async function filesBelow(path: string, word: string): Promise<string[]> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => file.includes(word))
}

async function flipBit(path: string): Promise<void> {
  await using file = await open(path, 'r+')
  const { size } = await file.stat()
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size >> 1)
  await file.write(Buffer.of((buffer[0] ?? 0) ^ 1), 0, 1, size >> 1)
}

/** The file of a blob as it lies in a place that is not encrypted. */
function fileOf(place: string, digest: string): string {
  const [algorithm = '', hex = ''] = digest.split(':')
  return join(place, 'blobs', algorithm, hex.slice(0, 2), hex)
}

interface Report {
  readonly lost: readonly { readonly digest: string; readonly neededBy: readonly string[] }[]
}

suite('a restore of a damaged backup', { concurrency: 2 }, () => {
  test('names each blob that cannot be given back and who needs it, and with --skip-damaged gives back all others; a push of one heals it', async () => {
    await using berth = await startBerth()
    const client = clientOf(berth)
    const images = await fill(client)
    const [flipped, whole, gone] = images
    assert.ok(flipped !== undefined && whole !== undefined && gone !== undefined)
    await using place = await temporaryDirectory('backups')
    await runBerth('backup', 'create', berth.configFile, '--at', place.path)
    await berth.stop()
    await flipBit(fileOf(place.path, flipped.layer.digest))
    await unlink(fileOf(place.path, gone.layer.digest))
    await using target = await makeTarget()
    for (let count = 0; count < 2; count++) {
      const refused = await tryBerth('restore', target.configFile, '--from', place.path)
      assert.equal(refused.status, 1)
      const lines = refused.stderr.split('\n')
      const [first, second] = [flipped, gone].map(({ layer }) => lines.find((line) => line.startsWith(`blob ${layer.digest} `)) ?? '')
      assert.match(first ?? '', /is not what its digest says .*; needed by library\/app:v1$/)
      assert.match(second ?? '', /is not there .*; needed by team\/deep\/tool:latest$/)
      assert.match(refused.stderr, /^berth: 2 of the \d+ blobs of backup \S+ cannot be given back, .*--skip-damaged/m)
      // It is not served before somebody has said so.
      assert.match((await tryBerth('serve', target.configFile)).stderr, /did not come to its end/)
    }
    const restored = await tryBerth('restore', target.configFile, '--from', place.path, '--skip-damaged', '--json')
    assert.equal(restored.status, 1, restored.output)
    const { lost } = JSON.parse(restored.stdout) as Report
    assert.deepEqual(
      new Map(lost.map(({ digest, neededBy }) => [digest, neededBy])),
      new Map([
        [flipped.layer.digest, ['library/app:v1']],
        [gone.layer.digest, ['team/deep/tool:latest']],
      ]),
    )
    assert.match((await tryBerth('doctor', target.configFile)).stdout, /2 blobs .*quarantine/)
    await using served = await target.start()
    const again = clientOf(served)
    await assertThere(again, [whole])
    for (const { repository, digest, layer } of [flipped, gone]) {
      const { status, body } = await again.send(`/v2/${repository}/blobs/${layer.digest}`)
      assert.equal(status, 404)
      assert.match(body.toString(), /BLOB_UNKNOWN/)
      assert.equal((await again.pullManifest(repository, digest)).descriptor.digest, digest)
      await again.pushBlob(repository, layer.bytes, mediaTypes.layer)
    }
    await assertThere(again, images)
    assert.deepEqual(await violationsOf(served, { orphanUploadsAreFine: true }), [])
  })

  test('names digests where the place is encrypted, and the tag of an index by which an image is reached', async () => {
    await using berth = await startBerth()
    const client = clientOf(berth)
    const image = await pushStaged(client, 'library/app', 'v1')
    const { descriptor } = await client.pullManifest('library/app', image.digest)
    await client.pushManifest('library/app', 'many', { schemaVersion: 2, mediaType: mediaTypes.index, manifests: [descriptor] })
    await client.send('/v2/library/app/manifests/v1', { method: 'DELETE' })
    await using place = await temporaryDirectory('backups')
    const [keyFile, at] = [join(place.path, 'key'), join(place.path, 'at')]
    await writeFile(keyFile, `${randomBytes(32).toString('base64')}\n`)
    await runBerth('backup', 'create', berth.configFile, '--at', at, '--key-file', keyFile)
    const sizes = await Promise.all((await filesBelow(at, '/blobs/')).map(async (file) => ({ file, size: (await stat(file)).size })))
    const largest = sizes.toSorted((a, b) => b.size - a.size)[0]
    assert.ok(largest !== undefined)
    await flipBit(largest.file)
    await using target = await makeTarget()
    const { stderr, status } = await tryBerth('restore', target.configFile, '--from', at, '--key-file', keyFile)
    assert.equal(status, 1)
    assert.match(stderr, new RegExp(`^blob ${image.layer.digest} cannot be opened: .*changed or cut.*; needed by library/app:many$`, 'm'))
    const restored = await tryBerth('restore', target.configFile, '--from', at, '--key-file', keyFile, '--skip-damaged')
    assert.equal(restored.status, 1)
    assert.match(restored.stdout, /^1 blob could not be given back/m)
  })

  test('whose blob was put right meanwhile has all, though it went on without it before and died', async () => {
    await using berth = await startBerth()
    const images = await fill(clientOf(berth))
    await using place = await temporaryDirectory('backups')
    await runBerth('backup', 'create', berth.configFile, '--at', place.path)
    const [image] = images
    assert.ok(image !== undefined)
    const file = fileOf(place.path, image.layer.digest)
    await copyFile(file, join(place.path, 'kept'))
    await truncate(file, 10)
    await using target = await makeTarget()
    const refused = await tryBerth('restore', target.configFile, '--from', place.path)
    assert.match(refused.stderr, /has 10 bytes in place of 100000/)
    // As one with --skip-damaged leaves it that is killed near its end.
    if (testDialect !== 'postgres') {
      const database = new DatabaseSync(join(target.dataDir, 'berth.db'))
      database.exec(`update blobs set state = 'quarantined' where size_bytes = 100000`)
      database.close()
    }
    await copyFile(join(place.path, 'kept'), file)
    await unlink(join(place.path, 'kept'))
    const { stderr } = await runBerth('restore', target.configFile, '--from', place.path)
    assert.doesNotMatch(stderr, /^blob /m)
    await using served = await target.start()
    await assertThere(clientOf(served), images)
  })

  test('whose list of blobs is lost takes the blobs that the rows name, if that is said; without its rows a backup is nothing', async () => {
    await using berth = await startBerth()
    const images = await fill(clientOf(berth))
    await using place = await temporaryDirectory('backups')
    await runBerth('backup', 'create', berth.configFile, '--at', place.path)
    const [list] = await filesBelow(place.path, '/digests-')
    const [rows] = await filesBelow(place.path, '/rows-')
    assert.ok(list !== undefined && rows !== undefined)
    await flipBit(list)
    await using target = await makeTarget()
    assert.match((await tryBerth('restore', target.configFile, '--from', place.path)).stderr, /list of blobs is damaged; --skip-damaged/)
    await runBerth('restore', target.configFile, '--from', place.path, '--skip-damaged')
    await using served = await target.start()
    await assertThere(clientOf(served), images)
    await flipBit(rows)
    await using other = await makeTarget()
    const refused = await tryBerth('restore', other.configFile, '--from', place.path, '--skip-damaged')
    assert.equal(refused.status, 1)
    assert.match(refused.stderr, /without its rows backup \S+ is nothing, restore another one/)
  })
})

suite('a list of backups', () => {
  test('tells what verify found damaged, of the backups that need it alone, until it is written anew', async () => {
    await using berth = await startBerth()
    const client = clientOf(berth)
    const first = await pushImage(client, 'library/app', 'v1')
    await using place = await temporaryDirectory('backups')
    await runBerth('backup', 'create', berth.configFile, '--at', place.path)
    const later = await pushStaged(client, 'library/app', 'v2')
    await runBerth('backup', 'create', berth.configFile, '--at', place.path)
    assert.ok(first)
    const list = async () => {
      const { stdout } = await runBerth('backup', 'list', '--at', place.path, '--json')
      return (JSON.parse(stdout) as { items: { damagedBlobs: number }[] }).items.map(({ damagedBlobs }) => damagedBlobs)
    }
    await unlink(fileOf(place.path, later.layer.digest))
    assert.deepEqual(await list(), [0, 0])
    assert.equal((await tryBerth('backup', 'verify', '--at', place.path)).status, 1)
    assert.deepEqual(await list(), [1, 0])
    const { stdout } = await runBerth('backup', 'list', '--at', place.path)
    assert.match(stdout, /^ID .* DAMAGED /m)
    await runBerth('backup', 'create', berth.configFile, '--at', place.path)
    assert.deepEqual(await list(), [0, 0, 0])
  })

  test('has no notes any more of blobs that prune took', async () => {
    await using berth = await startBerth()
    const client = clientOf(berth)
    const image = await pushStaged(client, 'library/app', 'v1')
    await using place = await temporaryDirectory('backups')
    await runBerth('backup', 'create', berth.configFile, '--at', place.path)
    await unlink(fileOf(place.path, image.layer.digest))
    await tryBerth('backup', 'verify', '--at', place.path)
    assert.equal((await filesBelow(place.path, '/damaged/')).length, 1)
    await rm(join(place.path, 'backups'), { recursive: true })
    await mkdir(join(place.path, 'backups'))
    await runBerth('backup', 'prune', '--at', place.path, '--yes')
    assert.equal((await filesBelow(place.path, '/damaged/')).length, 0)
  })
})

/** Runs a command with the file on its standard input, through a pipe. */
async function piped(
  file: string,
  directory: string,
  ...args: readonly string[]
): Promise<{ readonly status: number | null; readonly output: string }> {
  const child = spawn(process.execPath, [launcher, ...args], { env: { PATH: process.env['PATH'], TMPDIR: directory }, stdio: 'pipe' })
  const chunks: Buffer[] = []
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  child.stdin.on('error', () => undefined)
  createReadStream(file).pipe(child.stdin)
  const { promise, resolve } = Promise.withResolvers<number | null>()
  child.once('close', resolve)
  return { status: await promise, output: Buffer.concat(chunks).toString() }
}

suite('an archive on standard input', { concurrency: 2 }, () => {
  test('is restored, proved and listed as from a file, by a pipe too, and leaves nothing behind', async () => {
    await using berth = await startBerth()
    const images = await fill(clientOf(berth))
    await using place = await temporaryDirectory('backups')
    const archive = join(place.path, 'all.tar')
    await runBerth('backup', 'create', berth.configFile, '--at', archive)
    const temporary = join(place.path, 'tmp')
    await mkdir(temporary)
    const verified = await piped(archive, temporary, 'backup', 'verify', '--at', '-')
    assert.equal(verified.status, 0, verified.output)
    assert.match(verified.output, /1 backup, .*\nAll is what was written/)
    assert.match((await piped(archive, temporary, 'backup', 'list', '--at', '-')).output, /^[0-9]{8}T[0-9]{6}Z-/m)
    await using target = await makeTarget()
    const restored = await piped(archive, temporary, 'restore', target.configFile, '--from', '-')
    assert.equal(restored.status, 0, restored.output)
    await using served = await target.start()
    await assertThere(clientOf(served), images)
    await using other = await makeTarget()
    await using handle = await open(archive, 'r')
    const child = spawn(process.execPath, [launcher, 'restore', other.configFile, '--from', '-'], {
      env: { PATH: process.env['PATH'] },
      stdio: [handle.fd, 'ignore', 'ignore'],
    })
    const { promise, resolve } = Promise.withResolvers<number | null>()
    child.once('close', resolve)
    assert.equal(await promise, 0, 'a file is read where it lies')
    assert.deepEqual(await readdir(temporary), [])
    assert.match((await piped(archive, temporary, 'backup', 'prune', '--at', '-', '--yes')).output, /nothing can be removed/)
  })

  test('that is cut says so, wherever it was, and so does a file', async () => {
    await using berth = await startBerth()
    await fill(clientOf(berth))
    await using place = await temporaryDirectory('backups')
    const [archive, part] = [join(place.path, 'all.tar'), join(place.path, 'part.tar')]
    await runBerth('backup', 'create', berth.configFile, '--at', archive)
    const bytes = await readFile(archive)
    await using target = await makeTarget()
    for (const [size, where] of [
      [bytes.length >> 1, /is cut: it ends after \d+ bytes, within /],
      [bytes.length - 1024, /is cut: it ends after \d+ bytes, before its end is written/],
      [700, /is cut: it ends after 700 bytes, /],
      [100, /is no tar archive/],
      [0, /is no tar archive/],
    ] as const) {
      await writeFile(part, bytes.subarray(0, size))
      const fromFile = await tryBerth('restore', target.configFile, '--from', part)
      assert.equal(fromFile.status, 1)
      assert.match(fromFile.stderr, where)
      const fromPipe = await piped(part, place.path, 'restore', target.configFile, '--from', '-')
      assert.equal(fromPipe.status, 1)
      assert.match(fromPipe.output, where)
      assert.match(fromPipe.output, /standard input is/)
    }
  })
})
