import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { openPortal } from './portal-files.ts'

const files = { readFile, readdir }

suite('the files of the portal', () => {
  let directory: string
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'berth-portal-'))
    await mkdir(join(directory, 'assets'))
    await writeFile(
      join(directory, 'index.html'),
      '<link nonce="{{nonce}}" href="./assets/a.css"><script nonce="{{nonce}}" src="./assets/a.js"></script>',
    )
    await writeFile(join(directory, 'assets/a.js'), 'let a')
    await writeFile(join(directory, 'assets/a.js.gz'), 'zipped')
    await writeFile(join(directory, '.inputs'), 'secret of the build')
  })
  after(() => rm(directory, { recursive: true }))

  test('are read with their compressed forms; what has no type is left where it is', async () => {
    const portal = await openPortal(files, directory, '/')
    assert.deepEqual([...(portal?.files.keys() ?? [])], ['assets/a.js'])
    const file = portal?.files.get('assets/a.js')
    assert.deepEqual(
      [file?.plain.toString(), file?.gzip?.toString(), file?.brotli, file?.isImmutable],
      ['let a', 'zipped', undefined, true],
    )
  })

  test('the document names its files below the prefix, and has a place for each nonce', async () => {
    const portal = await openPortal(files, directory, '/registry/')
    assert.equal(portal?.page.length, 3)
    assert.equal(
      portal?.page.join('N'),
      '<link nonce="N" href="/registry/assets/a.css"><script nonce="N" src="/registry/assets/a.js"></script>',
    )
  })

  test('where nothing was built there is no portal', async () => {
    assert.equal(await openPortal(files, join(directory, 'none'), '/'), undefined)
    assert.equal(await openPortal(files, join(directory, 'assets'), '/'), undefined)
  })
})
