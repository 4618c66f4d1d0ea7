import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { cp, open, readdir, readFile, rm, stat, symlink, truncate, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { assertThere, clientOf, fill, makeTarget, pushStaged, type StagedImage } from '../support/backup-stage.ts'
import { runBerth, tryBerth } from '../support/run-berth.ts'
import { startBerth } from '../support/start-berth.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { violationsOf } from '../support/violations.ts'

interface Record {
  readonly id: string
  readonly blobs: { readonly count: number; readonly addedCount: number; readonly missingCount: number }
}

async function backup(configFile: string, ...args: readonly string[]): Promise<Record> {
  return JSON.parse((await runBerth('backup', 'create', configFile, '--json', ...args)).stdout) as Record
}

async function filesBelow(path: string): Promise<string[]> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}

async function flipBit(path: string): Promise<void> {
  await using file = await open(path, 'r+')
  const { size } = await file.stat()
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size >> 1)
  await file.write(Buffer.of((buffer[0] ?? 0) ^ 1), 0, 1, size >> 1)
}

suite('a backup', { concurrency: 2 }, () => {
  test('that is made while images are pushed, deleted and collected comes back whole: every digest is pulled, and equal', async () => {
    await using berth = await startBerth({ config: { storage: { garbagedelay: '1s', readersdelay: '0s', trash: { window: '0s' } } } })
    const client = clientOf(berth)
    const images = await fill(client)
    await using place = await temporaryDirectory('backups')
    const stop = new AbortController()
    const pushed: StagedImage[] = []
    const pushes = (async () => {
      for (let count = 0; !stop.signal.aborted; count++) {
        // Whoever is slower than the short grace time of this registry pushes again.
        const image = await pushStaged(client, 'busy/app', `v${count}`, 20_000).catch(() => undefined)
        if (image !== undefined) pushed.push(image)
        const gone = await pushStaged(client, 'busy/gone', 'v', 20_000).catch(() => undefined)
        if (gone !== undefined) await client.send(`/v2/busy/gone/manifests/${gone.digest}`, { method: 'DELETE' })
      }
    })()
    const collections = (async () => {
      while (!stop.signal.aborted) await runBerth('garbage-collect', berth.configFile, '-m', '-q')
    })()
    const made: Record[] = []
    for (let count = 0; count < 3; count++) made.push(await backup(berth.configFile, '--at', place.path))
    const before = [...pushed]
    stop.abort()
    await Promise.all([pushes, collections])
    assert.deepEqual(
      made.map(({ blobs }) => blobs.missingCount),
      [0, 0, 0],
    )
    assert.match((await runBerth('backup', 'verify', '--at', place.path)).stdout, /3 backups.*\nAll is what was written/)
    await using target = await makeTarget()
    const { stdout } = await runBerth('restore', target.configFile, '--from', place.path)
    assert.match(stdout, /blobs read back and found right/)
    await using restored = await target.start()
    await assertThere(clientOf(restored), images)
    assert.ok(before.length > 0)
    const { body } = await clientOf(restored).send('/v2/busy/app/tags/list')
    const tags = new Set((JSON.parse(body.toString()) as { readonly tags: readonly string[] }).tags)
    await assertThere(
      clientOf(restored),
      pushed.filter(({ tag }) => tags.has(tag)),
    )
    assert.deepEqual(await violationsOf(restored, { orphanUploadsAreFine: true }), [])
    await pushStaged(clientOf(restored), 'library/app', 'after')
  })

  test('copies each blob once however many backups there are, and prune takes what none of the others needs', async () => {
    await using berth = await startBerth()
    const client = clientOf(berth)
    const first = await pushStaged(client, 'library/app', 'v1')
    await using place = await temporaryDirectory('backups')
    const one = await backup(berth.configFile, '--at', place.path)
    assert.deepEqual([one.blobs.count, one.blobs.addedCount], [2, 2])
    const again = await backup(berth.configFile, '--at', place.path)
    assert.deepEqual([again.blobs.count, again.blobs.addedCount], [2, 0])
    await client.send(`/v2/library/app/manifests/${first.digest}`, { method: 'DELETE' })
    await runBerth('trash', 'delete', '--data', berth.configFile, '--yes', '--all').catch(() => undefined)
    const second = await pushStaged(client, 'library/app', 'v2')
    const three = await backup(berth.configFile, '--at', place.path)
    const listed = JSON.parse((await runBerth('backup', 'list', '--at', place.path, '--json')).stdout) as { items: { id: string }[] }
    assert.deepEqual(
      listed.items.map(({ id }) => id),
      [three.id, again.id, one.id].toSorted().reverse(),
    )
    const dry = await runBerth('backup', 'prune', '--at', place.path, '--keep-last', '1', '--dry-run')
    assert.match(dry.stdout, /would remove 2 backups/)
    const { stdout } = await runBerth('backup', 'prune', '--at', place.path, '--keep-last', '1', '--yes')
    assert.match(stdout, /removed 2 backups/)
    assert.match((await runBerth('backup', 'verify', '--at', place.path)).stdout, /1 backup, .*\nAll is what was written/)
    await using target = await makeTarget()
    await runBerth('restore', target.configFile, '--from', place.path)
    await using restored = await target.start()
    await assertThere(clientOf(restored), [second])
  })

  test('that was damaged afterwards is found by verify, and by a restore, whatever the file', async () => {
    await using berth = await startBerth()
    await fill(clientOf(berth))
    await using place = await temporaryDirectory('backups')
    await backup(berth.configFile, '--at', join(place.path, 'whole'))
    await using target = await makeTarget()
    for (const [what, damage] of [
      // In the order in which a restore meets them, for it goes on where one before it ended.
      ['/backup.json', flipBit],
      ['/rows-', flipBit],
      ['/digests-', unlink],
      ['blobs/', flipBit],
      ['blobs/', (path: string) => truncate(path, 10)],
      ['blobs/', unlink],
    ] as const) {
      const damaged = join(place.path, 'damaged')
      await rm(damaged, { recursive: true, force: true })
      await cp(join(place.path, 'whole'), damaged, { recursive: true })
      const path = (await filesBelow(damaged)).find((file) => file.includes(what))
      assert.ok(path !== undefined)
      await damage(path)
      const verified = await tryBerth('backup', 'verify', '--at', damaged)
      assert.equal(verified.status, 1, `${what}: ${verified.output}`)
      assert.match(verified.stdout, /Broken: /)
      // Whatever of it went in is taken out again by the next one.
      assert.equal((await tryBerth('restore', target.configFile, '--from', damaged)).status, 1)
    }
  })

  for (const isEncrypted of [false, true])
    test(`${isEncrypted ? 'that is encrypted, ' : ''}of which a blob is damaged in its place, is healed by the next one once verify has found it`, async () => {
      await using berth = await startBerth()
      const images = await fill(clientOf(berth))
      await using place = await temporaryDirectory('backups')
      const at = join(place.path, 'here')
      const keyFile = join(place.path, 'backup.key')
      await writeFile(keyFile, `${randomBytes(32).toString('base64')}\n`)
      const keys = isEncrypted ? ['--key-file', keyFile] : []
      await backup(berth.configFile, '--at', at, ...keys)
      const blob = (await filesBelow(at)).find((file) => file.startsWith(join(at, 'blobs/')))
      assert.ok(blob !== undefined)
      await flipBit(blob)
      const damaged = await readFile(blob)
      const verify = (...args: readonly string[]) => tryBerth('backup', 'verify', '--at', at, ...keys, ...args)
      for (let count = 0; count < 2; count++) {
        const found = await verify()
        assert.equal(found.status, 1)
        assert.match(found.stdout, /^\S+: blob sha256:.*; the next backup writes it anew, if the registry has it$/m)
        assert.deepEqual(await readFile(blob), damaged, 'what may be all that is left stays')
      }
      assert.equal((await verify('--quick')).status, 1)
      assert.equal((await backup(berth.configFile, '--at', at, ...keys)).blobs.addedCount, 1)
      assert.match((await verify()).stdout, /2 backups.*\nAll is what was written/)
      assert.equal((await backup(berth.configFile, '--at', at, ...keys)).blobs.addedCount, 0)
      assert.ok(!(await readdir(at)).includes('damaged'))
      await using target = await makeTarget()
      await runBerth('restore', target.configFile, '--from', at, ...keys)
      await using restored = await target.start()
      await assertThere(clientOf(restored), images)
    })

  test('of which a damaged blob was put right by hand is whole again for verify', async () => {
    await using berth = await startBerth()
    await fill(clientOf(berth))
    await using place = await temporaryDirectory('backups')
    await backup(berth.configFile, '--at', place.path)
    const blob = (await filesBelow(place.path)).find((file) => file.includes('/blobs/'))
    assert.ok(blob !== undefined)
    for (const status of [1, 0]) {
      await flipBit(blob)
      assert.equal((await tryBerth('backup', 'verify', '--at', place.path)).status, status)
    }
    assert.equal((await tryBerth('backup', 'verify', '--at', place.path, '--quick')).status, 0)
  })

  test('is made in no place that cannot be one: among the blobs, in a file, in what looks like a packed archive', async () => {
    await using berth = await startBerth()
    await using place = await temporaryDirectory('backups')
    const file = join(place.path, 'file')
    await writeFile(file, 'something')
    await symlink(berth.dataDir, join(place.path, 'link'))
    for (const [at, sentence] of [
      [berth.dataDir, /lies in .*, the registry's own data/],
      [join(berth.dataDir, 'backups'), /lies in .*, the registry's own data/],
      [join(berth.dataDir, 'all.tar'), /lies in .*, the registry's own data/],
      [join(place.path, 'link/backups'), /lies in .*, the registry's own data/],
      [file, /file is a file, and backups lie in a directory/],
      [join(file, 'below'), /file is a file, and backups lie in a directory/],
      [join(place.path, 'all.tar.gz'), /an archive ends with \.tar/],
      [join(place.path, 'all.tgz'), /an archive ends with \.tar/],
    ] as const) {
      const refused = await tryBerth('backup', 'create', berth.configFile, '--at', at)
      assert.equal(refused.status, 1, at)
      assert.match(refused.stderr, sentence)
      assert.equal(refused.stderr.match(/^berth: /gm)?.length, 1, refused.stderr)
    }
    const never = await tryBerth('backup', 'create', berth.configFile, '--at', '/proc/nope/deeper')
    assert.equal(never.status, 1, never.output)
    assert.match(never.stderr, /where nothing can be made/)
    assert.match((await tryBerth('backup', 'verify', '--at', file)).stderr, /file is a file/)
    assert.deepEqual((await readdir(place.path)).toSorted(), ['file', 'link'])
    assert.ok(!(await readdir(berth.dataDir)).includes('backups'))
  })

  test('is refused by the check of a configuration that names such a place, in a directory, a bucket or a cache', async () => {
    await using place = await temporaryDirectory('backups')
    const at = (name: string) => join(place.path, name)
    await writeFile(at('file'), 'something')
    const bucket = { bucket: 'images', region: 'us-east-1', regionendpoint: 'http://127.0.0.1:9', accesskey: 'a', secretkey: 'b' }
    const inBucket = (rootdirectory: string) => ({ s3: { ...bucket, rootdirectory } })
    const inDirectory = (name: string) => ({ filesystem: { rootdirectory: at(name) } })
    const database = { file: at('db/berth.db') }
    for (const [storage, store, sentence] of [
      [inDirectory('blobs'), inDirectory('file'), /backup\.store: .*file is a file/],
      [inDirectory('blobs'), inDirectory('blobs/backups'), /backup\.store: expected another place than that of the blobs/],
      [inBucket('/registry'), inBucket('/registry'), /backup\.store: bucket images .* is where blobs are/],
      [inBucket('/registry'), inBucket('/registry/backups'), /is where blobs are, or around or among them/],
      [inBucket('/registry'), inBucket('/'), /is where blobs are, or around or among them/],
      [inBucket('/registry'), inDirectory('db'), /db, the registry's own data, lies in/],
      [{ ...inBucket('/registry'), readthrough: { directory: at('cache'), size: '1GiB' } }, inDirectory('cache/x'), /lies in .*cache/],
      [inBucket('/registry'), inBucket('/backups'), undefined],
      [inBucket('/registry'), inBucket('/registry-backups'), undefined],
      [inBucket('/registry'), { s3: { ...bucket, bucket: 'other', rootdirectory: '/registry' } }, undefined],
    ] as const) {
      await writeFile(at('config.yml'), JSON.stringify({ version: 0.1, storage, database, backup: { store } }))
      const { status, output } = await tryBerth('config', 'check', at('config.yml'))
      assert.equal(status, sentence === undefined ? 0 : 1, `${JSON.stringify(store)} ${output}`)
      if (sentence !== undefined) assert.match(output, sentence)
    }
  })

  test('can be an archive, in a file or on standard output, and is restored from it', async () => {
    await using berth = await startBerth()
    const images = await fill(clientOf(berth))
    await using place = await temporaryDirectory('backups')
    const [file, piped] = [join(place.path, 'all.tar'), join(place.path, 'piped.tar')]
    await backup(berth.configFile, '--at', file)
    assert.match((await tryBerth('backup', 'create', berth.configFile, '--at', file)).stderr, /is there already/)
    const { spawn } = await import('node:child_process')
    const launcher = new URL('../../bin/berth.mjs', import.meta.url).pathname
    const child = spawn(process.execPath, [launcher, 'backup', 'create', berth.configFile, '--at', '-'], {
      env: { PATH: process.env['PATH'] },
    })
    await writeFile(piped, await Array.fromAsync(child.stdout as AsyncIterable<Buffer>).then((chunks) => Buffer.concat(chunks)))
    assert.match((await tryBerth('backup', 'verify', '--at', '/nowhere/else.tar')).output, /there is no archive \/nowhere\/else\.tar/)
    for (const archive of [file, piped]) {
      await runBerth('backup', 'verify', '--at', archive)
      await using target = await makeTarget()
      await runBerth('restore', target.configFile, '--from', archive)
      await using restored = await target.start()
      await assertThere(clientOf(restored), images)
    }
    assert.deepEqual((await readdir(place.path)).toSorted(), ['all.tar', 'piped.tar'])
    await truncate(piped, (await stat(piped)).size >> 1)
    assert.equal((await tryBerth('backup', 'verify', '--at', piped)).status, 1)
  })
})

suite('an encrypted backup', () => {
  test('is read with its key alone, tells nothing by its names, and may have the key of secrets', async () => {
    await using berth = await startBerth()
    const images = await fill(clientOf(berth))
    await using place = await temporaryDirectory('backups')
    const [key, other, at] = [join(place.path, 'key'), join(place.path, 'other'), join(place.path, 'at')]
    for (const file of [key, other]) await writeFile(file, `# of backups\n${randomBytes(32).toString('base64')}\n`)
    const made = await backup(berth.configFile, '--at', at, '--key-file', key, '--include-key')
    assert.ok(made.blobs.addedCount > 0)
    for (const file of await filesBelow(at)) {
      const bytes = await readFile(file)
      for (const { repository, digest, layer } of images)
        for (const word of [repository, digest.slice(7), layer.digest.slice(7)])
          assert.ok(!file.includes(word) && !bytes.includes(word), file)
    }
    assert.match((await tryBerth('backup', 'verify', '--at', at)).stderr, /are encrypted: give their key/)
    assert.match((await tryBerth('backup', 'verify', '--at', at, '--key-file', other)).stderr, /the key is not the one/)
    assert.match((await tryBerth('backup', 'create', berth.configFile, '--at', at, '--key-file', other)).stderr, /the key is not the one/)
    await runBerth('backup', 'verify', '--at', at, '--key-file', key)
    await using target = await makeTarget()
    const { stdout } = await runBerth('restore', target.configFile, '--from', at, '--key-file', key, '--restore-key')
    assert.match(stdout, /secrets\.keyfile is restored/)
    await using restored = await target.start()
    await assertThere(clientOf(restored), images)
    const changed = (await filesBelow(at)).find((file) => file.includes('blobs/'))
    assert.ok(changed !== undefined)
    await flipBit(changed)
    assert.match((await tryBerth('backup', 'verify', '--at', at, '--key-file', key)).stdout, /was changed or cut/)
  })

  test('has the key of secrets only where it is encrypted and that is asked for', async () => {
    await using berth = await startBerth()
    await using place = await temporaryDirectory('backups')
    const refused = await tryBerth('backup', 'create', berth.configFile, '--at', place.path, '--include-key')
    assert.match(refused.stderr, /into encrypted backups alone/)
    await backup(berth.configFile, '--at', place.path)
    const names = await filesBelow(place.path)
    assert.ok(names.every((name) => !name.endsWith('secrets.key')))
    const keyText = (await readFile(join(berth.dataDir, 'berth.key'), 'utf8').catch(() => '')).split('\n')[1] ?? ''
    for (const name of names) if (keyText !== '') assert.ok(!(await readFile(name)).includes(keyText))
  })
})

suite('a restore', () => {
  test('refuses a database or a store in which something is, and changes neither', async () => {
    await using berth = await startBerth()
    const images = await fill(clientOf(berth))
    await using place = await temporaryDirectory('backups')
    await backup(berth.configFile, '--at', place.path)
    await berth.stop()
    const full = await tryBerth('restore', berth.configFile, '--from', place.path)
    assert.equal(full.status, 1)
    assert.match(full.stderr, /the database .* is not empty/)
    await using target = await makeTarget()
    const { mkdir } = await import('node:fs/promises')
    await mkdir(join(target.dataDir, 'blobs/sha256/ab/abcd'), { recursive: true })
    await writeFile(join(target.dataDir, 'blobs/sha256/ab/abcd/1'), 'x')
    assert.match((await tryBerth('restore', target.configFile, '--from', place.path)).stderr, /the store is not empty/)
    await runBerth('restore', target.configFile, '--from', place.path, '--keep-blobs')
    await berth.restart()
    await assertThere(clientOf(berth), images)
  })

  test('of a place where no backup is says so in a sentence', async () => {
    await using place = await temporaryDirectory('backups')
    await using target = await makeTarget()
    assert.match((await tryBerth('restore', target.configFile, '--from', place.path)).stderr, /there are no backups of Berth at/)
    assert.match((await tryBerth('restore', target.configFile)).stderr, /no place for backups is named/)
    await writeFile(join(place.path, 'something'), 'else')
    await using berth = await startBerth()
    assert.match((await tryBerth('backup', 'create', berth.configFile, '--at', place.path)).stderr, /there is something else in it/)
  })
})
