import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { ObjectError, type ObjectBackend } from './object-backend.ts'
import { retrying, RetryPolicy, type RetryParts } from './object-retry.ts'

/** Time passes by being waited for. */
function virtualTime(): RetryParts & { readonly seconds: () => number } {
  let now = 0
  return {
    seconds: () => now / 1_000,
    clock: { monotonic: () => now },
    random: { bytes: (count) => Buffer.alloc(count) },
    timers: {
      after(delayMs, callback) {
        let isOver = false
        setImmediate(() => {
          if (isOver) return
          now += delayMs
          callback()
        })
        return { [Symbol.dispose]: () => void (isOver = true) }
      },
      sleep: async (delayMs) => void (now += delayMs),
    },
  }
}

const silent = (signal: AbortSignal) =>
  new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }))

suite('a store that does not answer', () => {
  for (const [what, sizeBytes, seconds] of [
    ['a small request', 0, 26],
    ['a part of 16 MiB', 16 * 1024 ** 2, 26 + 128],
  ] as const)
    test(`costs who waits for ${what} no more than ${seconds} s`, async () => {
      const time = virtualTime()
      const policy = new RetryPolicy(time)
      let attempts = 0
      const attempt = (signal: AbortSignal) => (attempts++, silent(signal))
      await assert.rejects(policy.run('put', { signal: new AbortController().signal, sizeBytes }, attempt), { name: 'ObjectError' })
      assert.ok(time.seconds() <= seconds, `${time.seconds()} s`)
      assert.equal(attempts, 2)
    })

  test('and then does is asked again, and heard', async () => {
    const time = virtualTime()
    let attempts = 0
    const attempt = async (signal: AbortSignal) => (++attempts === 1 ? silent(signal) : 'here')
    assert.equal(await new RetryPolicy(time).run('put', { signal: new AbortController().signal }, attempt), 'here')
  })

  test('a refusal is final: nothing is repeated', async () => {
    let attempts = 0
    const attempt = () => (attempts++, Promise.reject(new ObjectError('refused', 'no')))
    await assert.rejects(new RetryPolicy(virtualTime()).run('put', { signal: new AbortController().signal }, attempt))
    assert.equal(attempts, 1)
  })
})

test('a listing of multipart uploads that breaks off is begun anew, and tells each of them once', async () => {
  let listings = 0
  const backend = {
    async *listMultiparts() {
      listings++
      if (listings === 1) throw new ObjectError('busy', 'slow down')
      yield { name: 'a', multipartId: '1', startedAt: 0 }
      if (listings === 2) throw new ObjectError('passing', 'cut')
      yield { name: 'b', multipartId: '2', startedAt: 0 }
    },
  } as Partial<ObjectBackend> as ObjectBackend
  const found = retrying(backend, new RetryPolicy(virtualTime())).listMultiparts('', new AbortController().signal)
  const names: string[] = []
  for await (const { name } of found) names.push(name)
  assert.deepEqual([names, listings], [['a', 'b'], 3])
})
