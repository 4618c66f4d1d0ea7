/** Uploads whose requests land on several processes that share a database and a store. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pino } from 'pino'
import { createFilesystemStore } from '#blobs/filesystem.ts'
import { systemPorts, type Ports } from '#lib/ports.ts'
import { watchAccess } from '#metadata/watch-access.ts'
import { digestOf } from '#oci/digest.ts'
import { closeRegistry, openRegistry } from './open-registry.ts'
import { abandonUpload, appendUpload, finishUpload, startUpload, statUpload } from './push-blob.ts'
import type { Registry } from './registry.ts'
import { alice, bodyOf, failsWith, noSignal as signal, openTestRegistry, repositoryA, TestClock } from './test-registry.ts'

interface Node extends AsyncDisposable {
  readonly registry: Registry
  /** Says that this process lives, as it does every few seconds. */
  beat(): Promise<void>
}

/** Two processes; their pauses move the one clock that they share. */
async function openNodes() {
  await using stack = new AsyncDisposableStack()
  const one = stack.use(await openTestRegistry({ on: 'files' }))
  const { metadata, rootDirectory = '' } = one.parts
  const clock = new TestClock()
  const openNode = (): Node => {
    let sayAlive = () => {}
    const timers: Ports['timers'] = {
      ...systemPorts.timers,
      sleep: async (delayMs) => {
        clock.advance(delayMs)
        await new Promise((resolve) => setImmediate(resolve))
      },
      every: (_periodMs, run) => {
        sayAlive = run
        return { [Symbol.dispose]: () => undefined }
      },
    }
    const ports: Ports = { ...systemPorts, clock, timers }
    const registry = openRegistry({
      ...watchAccess(metadata, clock),
      store: createFilesystemStore({ rootDirectory, files: ports.files }),
      options: one.registry.options,
      hooks: { admission: [], missingContent: [] },
      ports,
      log: pino({ enabled: false }),
      cacheBytes: 0,
      isShared: true,
    })
    return {
      registry,
      async beat() {
        sayAlive()
        // What it writes is done before what comes next is.
        await metadata.reader.selectFrom('upload_sessions').select('id').execute()
        await new Promise((resolve) => setTimeout(resolve, 30))
      },
      [Symbol.asyncDispose]: () => closeRegistry(registry),
    }
  }
  const [a, b] = [stack.use(openNode()), stack.use(openNode())]
  const opened = stack.move()
  return { a: a.registry, b: b.registry, beatA: () => a.beat(), clock, [Symbol.asyncDispose]: () => opened.disposeAsync() }
}

/** A body that gives a piece and then waits until it is told to go on. */
function pausing(first: string, rest: string) {
  const { promise, resolve } = Promise.withResolvers<void>()
  const { promise: began, resolve: begin } = Promise.withResolvers<void>()
  async function* body() {
    yield Buffer.from(first)
    begin()
    await promise
    yield Buffer.from(rest)
  }
  return { body: body(), began, goOn: resolve }
}

test('each request of an upload may land on another process', async () => {
  await using nodes = await openNodes()
  const { a, b } = nodes
  const { uploadId } = await startUpload(a, repositoryA, alice)
  const target = { repository: repositoryA, uploadId, actor: alice }
  await appendUpload(b, target, bodyOf('one '), { signal })
  await appendUpload(a, target, bodyOf('two '), { signal })
  assert.equal((await statUpload(b, target)).offsetBytes, 8)
  await finishUpload(b, target, { body: bodyOf('three'), digest: digestOf(Buffer.from('one two three')), signal })
  await assert.rejects(statUpload(a, target), failsWith('BLOB_UPLOAD_UNKNOWN'))
  await finishUpload(a, target, { body: bodyOf(), digest: digestOf(Buffer.from('one two three')), signal })
})

test('while one process receives, another one says that the upload is busy, and neither loses a byte', async () => {
  await using nodes = await openNodes()
  const { a, b } = nodes
  const { uploadId } = await startUpload(a, repositoryA, alice)
  const target = { repository: repositoryA, uploadId, actor: alice }
  const slow = pausing('half', ' whole')
  const appended = appendUpload(a, target, slow.body, { signal })
  await slow.began
  await assert.rejects(appendUpload(b, target, bodyOf('other'), { signal }), failsWith('BLOB_UPLOAD_BUSY'))
  await assert.rejects(abandonUpload(b, target), failsWith('BLOB_UPLOAD_BUSY'))
  assert.equal((await statUpload(b, target)).offsetBytes, 0)
  slow.goOn()
  assert.equal((await appended).offsetBytes, 10)
  await finishUpload(b, target, { body: bodyOf(), digest: digestOf(Buffer.from('half whole')), signal })
})

test('a process that says it lives keeps its upload however long the body takes', async () => {
  await using nodes = await openNodes()
  const { a, b, clock } = nodes
  const { uploadId } = await startUpload(a, repositoryA, alice)
  const target = { repository: repositoryA, uploadId, actor: alice }
  const slow = pausing('half', ' whole')
  const appended = appendUpload(a, target, slow.body, { signal })
  await slow.began
  for (let beats = 0; beats < 5; beats++) {
    clock.advance(10_000)
    await nodes.beatA()
  }
  await assert.rejects(appendUpload(b, target, bodyOf('other'), { signal }), failsWith('BLOB_UPLOAD_BUSY'))
  slow.goOn()
  await appended
})

test('the upload of a process that fell silent goes on elsewhere, and what that one then does is refused', async () => {
  await using nodes = await openNodes()
  const { a, b, clock } = nodes
  const { uploadId } = await startUpload(a, repositoryA, alice)
  const target = { repository: repositoryA, uploadId, actor: alice }
  const slow = pausing('half', '')
  const appended = appendUpload(a, target, slow.body, { signal }).catch((error: unknown) => error)
  await slow.began
  clock.advance(31_000)
  await appendUpload(b, target, bodyOf('all of it'), { signal })
  slow.goOn()
  assert.ok(failsWith('BLOB_UPLOAD_UNKNOWN')(await appended))
  assert.equal((await statUpload(b, target)).offsetBytes, 9)
})

test('a process that hears that it lost an upload stops to receive it', async () => {
  await using nodes = await openNodes()
  const { a, b, clock } = nodes
  const { uploadId } = await startUpload(a, repositoryA, alice)
  const target = { repository: repositoryA, uploadId, actor: alice }
  const slow = pausing('half', ' never')
  const appended = appendUpload(a, target, slow.body, { signal }).catch((error: unknown) => error)
  await slow.began
  clock.advance(31_000)
  const taken = pausing('all', ' of it')
  const other = appendUpload(b, target, taken.body, { signal })
  await taken.began
  await nodes.beatA()
  assert.ok(failsWith('BLOB_UPLOAD_UNKNOWN')(await appended))
  taken.goOn()
  assert.equal((await other).offsetBytes, 9)
})
