import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, suite, test } from 'node:test'
import { createImageContents, viewOf } from '#features/image-contents.ts'
import type { Descriptor } from '#oci/descriptor.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { pushLayers, type Layer } from '../support/layered-image.ts'
import { registryClient } from '../support/registry-client.ts'
import { serveRooms, type ServedRooms } from '../support/serve-rooms.ts'

const repository = 'app'

suite('layers that many look into at once', () => {
  let rooms: ServedRooms
  before(async () => {
    rooms = await serveRooms()
  })
  after(() => rooms[Symbol.asyncDispose]())
  const push = (tag: string, layers: readonly Layer[]) => pushLayers(registryClient(rooms.url), { repository, tag }, layers)

  const outcomes: string[] = []
  const limits = { entries: 1000, layerBytes: 1024 ** 3, fileBytes: 1000, cacheBytes: 1024 ** 2, readers: 1 }
  const open = (readers = 1) =>
    createImageContents(rooms.registry, { ...limits, readers }, { layerRead: (outcome) => void outcomes.push(outcome) })
  const viewer = (signal = new AbortController().signal) => ({
    repository: repository as RepositoryName,
    actor: { name: '', requestId: 'test' },
    signal,
  })

  test('are read once for all of them', async () => {
    const { layers } = await push('shared', [[{ path: 'one', content: randomBytes(3_000_000) }]])
    const contents = open()
    const views = await Promise.all(Array.from({ length: 20 }, () => viewOf(contents, layers as unknown as Descriptor[], viewer())))
    assert.ok(views.every((view) => view.layers[0]?.tree?.root.children?.has('one') === true))
    assert.deepEqual(outcomes, ['read'])
    await viewOf(contents, layers as unknown as Descriptor[], viewer())
    assert.deepEqual(outcomes, ['read'])
  })

  test('are given up when the last of them goes, and go on when one stays', async () => {
    outcomes.length = 0
    const { layers } = await push('left', [[{ path: 'one', content: randomBytes(8_000_000) }]])
    const contents = open()
    const look = (signal?: AbortSignal) => viewOf(contents, layers as unknown as Descriptor[], viewer(signal))
    const leaving = [new AbortController(), new AbortController()]
    const left = leaving.map(({ signal }) => look(signal))
    const gone = new Error('gone')
    setTimeout(() => leaving.forEach((controller) => controller.abort(gone)), 5)
    for (const each of left) await assert.rejects(each, gone)
    const [controller] = [new AbortController()]
    const both = [look(controller.signal), look()]
    controller.abort(gone)
    await assert.rejects(both[0] as Promise<unknown>, gone)
    assert.equal((await (both[1] as ReturnType<typeof look>)).layers[0]?.tree?.entryCount, 1)
    assert.equal(contents.pending.size, 0)
    assert.deepEqual([contents.turns.trees.active, contents.turns.trees.waiting], [0, 0])
  })

  test('wait for their turn, and are sent away when too many wait', async () => {
    const images = await Promise.all(
      Array.from({ length: 70 }, (_, index) => push(`crowd-${index}`, [[{ path: `f${index}`, content: randomBytes(100_000) }]])),
    )
    const contents = open()
    const held = await contents.turns.trees.take(new AbortController().signal)
    let refusals = 0
    const looks = images.map(({ layers }) => viewOf(contents, layers as unknown as Descriptor[], viewer()))
    for (const look of looks)
      look.catch((error: { readonly code?: string }) => {
        assert.equal(error.code, 'UNAVAILABLE')
        refusals++
      })
    while (refusals + contents.turns.trees.waiting < images.length) await new Promise((resolve) => setTimeout(resolve, 20))
    assert.deepEqual([refusals, contents.turns.trees.waiting], [6, 64])
    held?.[Symbol.dispose]()
    const settled = await Promise.allSettled(looks)
    assert.equal(settled.filter(({ status }) => status === 'fulfilled').length, 64)
  })
})
