import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { GcsSigner } from './gcs-sign.ts'

function signerOf(sign: (text: string) => Promise<Buffer | undefined>) {
  const clock = { time: Date.UTC(2026, 10, 21, 9, 5, 7, 123), now: () => clock.time }
  const asked: string[] = []
  const identity = {
    email: async () => 'a@b',
    sign: async (text: string) => {
      asked.push(text)
      return sign(text)
    },
  }
  return { signer: new GcsSigner('https://storage.googleapis.com', identity, clock), asked, clock }
}

suite('a signed URL of Google Cloud Storage', () => {
  test('has the form that Google documents, and a time within what it allows', async () => {
    const { signer, asked } = signerOf(async () => Buffer.from('beef', 'hex'))
    assert.equal(
      await signer.url('/images/blobs/u/aa/1', 30 * 24 * 3_600_000),
      'https://storage.googleapis.com/images/blobs/u/aa/1?X-Goog-Algorithm=GOOG4-RSA-SHA256' +
        '&X-Goog-Credential=a%40b%2F20261121%2Fauto%2Fstorage%2Fgoog4_request&X-Goog-Date=20261121T090507Z&X-Goog-Expires=604800' +
        '&X-Goog-SignedHeaders=host&X-Goog-Signature=beef',
    )
    assert.match(asked[0] ?? '', /^GOOG4-RSA-SHA256\n20261121T090507Z\n20261121\/auto\/storage\/goog4_request\n[0-9a-f]{64}$/)
  })

  test('is signed once in a quarter of its time', async () => {
    const { signer, asked, clock } = signerOf(async () => Buffer.from('beef', 'hex'))
    for (const later of [0, 299_000, 2_000]) {
      clock.time += later
      await signer.url('/images/a', 1_200_000)
    }
    assert.equal(asked.length, 2)
  })

  test('is none where nobody signs or the right for it lacks; that is not asked for again at once', async () => {
    for (const sign of [async () => undefined, async () => Promise.reject(new Error('403'))]) {
      const { signer, asked, clock } = signerOf(sign)
      assert.equal(await signer.url('/images/a', 60_000), undefined)
      assert.equal(await signer.url('/images/b', 60_000), undefined)
      assert.equal(asked.length, 1)
      clock.time += 61_000
      await signer.url('/images/a', 60_000)
      assert.equal(asked.length, 2)
    }
  })
})
