import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { BufferPool } from './buffer-pool.ts'

suite('a buffer pool', () => {
  const pool = () => new BufferPool({ bufferBytes: 16, maximumIdle: 2, maximumLeased: 3 })

  test('hands a released buffer out again, once however often it is released', () => {
    const buffers = pool()
    const first = buffers.lease()
    first.release()
    first.release()
    assert.deepEqual([buffers.leased, buffers.idle], [0, 1])
    const [second, third] = [buffers.lease(), buffers.lease()]
    assert.equal(second.buffer, first.buffer)
    assert.notEqual(third.buffer, second.buffer)
  })

  test('keeps no more idle buffers than it is told to, and refuses a polite lease beyond its bound', () => {
    const buffers = pool()
    const leases = [buffers.tryLease(), buffers.tryLease(), buffers.tryLease()]
    assert.equal(buffers.tryLease(), undefined)
    assert.equal(buffers.lease().buffer.length, 16)
    for (const lease of leases) lease?.release()
    assert.deepEqual([buffers.leased, buffers.idle], [1, 2])
  })

  test('an abandoned buffer does not count, and comes back only when it is released', () => {
    const buffers = pool()
    const lease = buffers.lease()
    lease.abandon()
    lease.abandon()
    assert.deepEqual([buffers.leased, buffers.idle], [0, 0])
    lease.release()
    assert.deepEqual([buffers.leased, buffers.idle], [0, 1])
  })
})
