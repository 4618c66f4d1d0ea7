import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { openPeople, password, type People } from '../test/api/people.ts'
import { dockerSave, layerOf } from '../test/support/image-archive.ts'
import { pushLayers } from '../test/support/layered-image.ts'
import { tarEntries } from '../test/support/tar-entries.ts'
import { WrongUsage } from './command-failure.ts'
import { parseImage } from './image.ts'
import { runVerb } from './test-verb.ts'

test('an image is named by tag or digest', () => {
  assert.deepEqual(parseImage('team/app:1.2'), { repository: 'team/app', reference: '1.2' })
  assert.deepEqual(parseImage('app@sha256:abc'), { repository: 'app', reference: 'sha256:abc' })
  for (const text of ['', 'team/app', ':1', 'app:', 'app@', 'host:5000/app']) assert.throws(() => parseImage(text), WrongUsage)
})

suite('berth image', () => {
  let people: People
  let directory: string
  before(async () => {
    people = await openPeople()
    directory = await mkdtemp(join(tmpdir(), 'berth-image-'))
    assert.equal((await people.root.call('POST', '/projects', { name: 'team' })).status, 201)
    const { registry } = people.root
    const lower = [
      { path: 'etc/name', content: 'one\n', mode: 0o640, uid: 5 },
      { path: 'bin/su', content: 'x', mode: 0o4755 },
      { path: 'sh', type: '2', link: 'bin/su' },
    ]
    await pushLayers(registry, { repository: 'team/app', tag: 'v1' }, [lower], { Env: ['A=1'] })
    await pushLayers(registry, { repository: 'team/other', tag: 'v2' }, [lower, [{ path: 'etc/name', content: 'two two\n' }]], {
      Env: ['A=2'],
    })
  })
  after(async () => {
    await people[Symbol.asyncDispose]()
    await rm(directory, { recursive: true })
  })
  const run = (...args: string[]) => runVerb(args, { BERTH_SERVER: people.rooms.url, BERTH_USER: 'root', BERTH_TOKEN: password })

  test('files lists a directory as ls does', async () => {
    const { lines } = await run('image', 'files', 'team/app:v1', '/')
    assert.equal(lines.length, 4)
    assert.match(lines[3] ?? '', /^lrw-r--r-- +0:0 +0 +2023-11-14T22:13:20 +sh -> bin\/su$/)
    assert.match((await run('image', 'files', 'team/app:v1', '/bin')).lines[1] ?? '', /^-rwsr-xr-x .* su$/)
    const json = JSON.parse((await run('image', 'files', 'team/app:v1', '--json')).lines.join('\n')) as { items: unknown[] }
    assert.equal(json.items.length, 3)
  })

  test('cat writes a file, or a part of it', async () => {
    const out = join(directory, 'name')
    await run('image', 'cat', 'team/other:v2', '/etc/name', '-o', out)
    assert.equal(await readFile(out, 'utf8'), 'two two\n')
    await run('image', 'cat', 'team/other:v2', '/etc/name', '--offset', '4', '--limit', '3', '--output', out)
    assert.equal(await readFile(out, 'utf8'), 'two')
    await assert.rejects(run('image', 'cat', 'team/other:v2', '/nothing', '-o', join(directory, 'none')), /no file \/nothing/)
    assert.deepEqual(await readdir(directory), ['name'])
  })

  test('compare tells what differs, across repositories', async () => {
    const { lines } = await run('image', 'compare', 'team/app:v1', 'team/other:v2', '--files')
    const text = lines.join('\n')
    assert.match(text, /Layers: +1 shared, 0 gone, 1 new/)
    assert.match(text, /Files: +0 added, 0 removed, 1 changed/)
    assert.match(text, /env A +1 +2/)
    assert.match(text, /\/etc\/name +changed +content,mode,owner +4 +8/)
  })

  test('save and load take an image somewhere else', async () => {
    for (const format of ['docker', 'oci']) {
      const file = join(directory, `${format}.tar`)
      await run('image', 'save', 'team/app:v1', '--format', format, '-o', file)
      const { lines } = await run('image', 'load', file, `team/${format}:moved`)
      assert.match(lines[1] ?? '', /^team\/\w+@sha256:[0-9a-f]{64} +moved +-$/)
      assert.equal(await people.root.registry.digestOf(`team/${format}`, 'moved'), await people.root.registry.digestOf('team/app', 'v1'))
      await run('image', 'load', file, `team/again-${format}`)
      assert.notEqual(await people.root.registry.digestOf(`team/again-${format}`, 'v1'), undefined)
    }
  })

  test('load tells what is wrong with the archive, or with its file', async () => {
    const file = join(directory, 'bad.tar')
    await writeFile(file, tarEntries(dockerSave([{ layers: [layerOf('x')] }])).subarray(0, 3000))
    await assert.rejects(run('image', 'load', file, 'team/bad'), /cannot be taken/)
    await assert.rejects(run('image', 'load', join(directory, 'nothing'), 'team/bad'), /cannot be read/)
    await assert.rejects(run('image', 'load', directory, 'team/bad'), /is no file/)
    await assert.rejects(run('image', 'load', file, 'team/bad@sha256:abc'), WrongUsage)
  })
})
