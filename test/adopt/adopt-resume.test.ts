import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { digestFromBytes } from '#oci/digest.ts'
import { contentsOf, openPlace, type AdoptionPlace } from './adoption-place.ts'
import { changeInBerth, forgetBlob } from './berth-changes.ts'
import { contentOf } from './registry2-directory.ts'

const repositories = 12

async function fill({ directory }: AdoptionPlace): Promise<void> {
  const shared = contentOf('a base layer that all have')
  for (let index = 0; index < repositories; index++) {
    const name = `team-${index % 3}/app-${index}`
    const image = await directory.image(name, `image ${index}`)
    await directory.layer(name, shared)
    await directory.tag(name, 'latest', image.digest)
    await directory.tag(name, `v${index}`, image.digest)
  }
}

test('an adoption stopped at any step goes on where it was and ends with the same rows', async () => {
  await using whole = await openPlace()
  await fill(whole)
  let steps = 0
  const expected = (await whole.adopt({ onProgress: () => steps++ })).tally
  const rows = await contentsOf(whole.metadata)
  assert.equal(rows.tags.length, 2 * repositories)

  for (let stopAt = 1; stopAt <= steps; stopAt += 7) {
    await using place = await openPlace()
    await fill(place)
    const controller = new AbortController()
    let step = 0
    const onProgress = () => {
      if (++step === stopAt) controller.abort(new Error('stopped by the test'))
    }
    await place
      .adopt({ onProgress, signal: controller.signal })
      .catch((error: unknown) => assert.match(String(error), /stopped by the test/))
    await place.reopen()
    const { tally } = await place.adopt()
    assert.deepEqual(await contentsOf(place.metadata), rows, `stopped at step ${stopAt}`)
    const { repositories: count, links, manifests, tags } = tally
    assert.deepEqual({ ...expected, repositories: count, links, manifests, tags }, expected, `stopped at step ${stopAt}`)
  }
})

test('a killed process loses nothing: the next one resumes', async () => {
  await using whole = await openPlace()
  await fill(whole)
  await whole.adopt()
  await using place = await openPlace()
  await fill(place)
  for (const killAt of [5, 20]) {
    const child = spawn(process.execPath, ['--no-warnings', fileURLToPath(new URL('adopt-process.ts', import.meta.url)), place.root], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const exited = once(child, 'exit')
    let step = 0
    for await (const _ of createInterface({ input: child.stdout })) if (++step === killAt) child.kill('SIGKILL')
    assert.deepEqual(await exited, [null, 'SIGKILL'])
  }
  await place.reopen()
  const report = await place.adopt()
  assert.equal(report.isResumed, true)
  assert.deepEqual(await contentsOf(place.metadata), await contentsOf(whole.metadata))
})

function bytesOf(digest: string): Buffer {
  const bytes = Buffer.concat([Buffer.from([1]), Buffer.from(digest.slice(7), 'hex')])
  assert.equal(digestFromBytes(bytes), digest)
  return bytes
}

test('what was moved or deleted in Berth stays so when the old directory is imported again', async () => {
  await using place = await openPlace()
  const { directory } = place
  const [old, mine, deleted] = [
    await directory.image('app', 'old'),
    await directory.image('app', 'mine'),
    await directory.image('app', 'deleted'),
  ]
  for (const tag of ['moved', 'deleted', 'left alone']) await directory.tag('app', tag.replace(' ', '-'), old.digest)
  await directory.tag('app', 'gone', deleted.digest)
  await place.adopt()
  await place.metadata.write(changeInBerth, { deleted: bytesOf(deleted.digest), moveTo: bytesOf(mine.digest), now: Date.now() })
  const before = await contentsOf(place.metadata)
  assert.deepEqual(before.tags, [`app:left-alone ${old.digest}`, `app:moved ${mine.digest}`])

  await directory.tag('app', 'left-alone', mine.digest)
  const { tally } = await place.adopt()
  assert.deepEqual([tally.tagsMoved, tally.tagsKept, tally.tagsAdded, tally.manifestsAdded], [1, 3, 0, 0])
  const after = await contentsOf(place.metadata)
  assert.deepEqual(after.tags, [`app:left-alone ${mine.digest}`, `app:moved ${mine.digest}`])
  assert.deepEqual(after.manifests, before.manifests)
})

test('bytes that garbage collection is about to delete are not adopted again', async () => {
  await using place = await openPlace()
  const blob = await place.directory.layer('app', contentOf('condemned'))
  await place.adopt()
  await place.metadata.write(forgetBlob, bytesOf(blob.digest))
  const report = await place.adopt()
  assert.deepEqual(
    report.found.map((one) => one.kind),
    ['blob-leaving'],
  )
  assert.deepEqual((await contentsOf(place.metadata)).links, [])
})
