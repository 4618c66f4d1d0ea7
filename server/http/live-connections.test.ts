import assert from 'node:assert/strict'
import { setImmediate as turn } from 'node:timers/promises'
import { test } from 'node:test'
import type { LiveEnd } from '#lib/live-metrics.ts'
import { systemPorts } from '#lib/ports.ts'
import { RegistryError } from '#oci/errors.ts'
import { LiveConnection, usualLiveLimits, type LiveParts } from './live-connections.ts'

const event = (length: number) => ({ event: 'x', data: 'y'.repeat(length) })

function partsWith(limits: Partial<typeof usualLiveLimits>): {
  readonly parts: LiveParts
  readonly ends: LiveEnd[]
  readonly open: () => number
} {
  const ends: LiveEnd[] = []
  let open = 0
  const metrics = {
    opened: () => void open++,
    ended(reason: LiveEnd) {
      open--
      ends.push(reason)
    },
  }
  const nowhere = undefined as never
  return { parts: { activity: nowhere, jobs: nowhere, metrics, limits: { ...usualLiveLimits, ...limits } }, ends, open: () => open }
}

test('who leaves more unread than there is room for is cut, and their place is free', async () => {
  const { parts, ends, open } = partsWith({ unreadBytes: 10_000, perAccount: 1 })
  const connection = new LiveConnection(parts, 'user:1', systemPorts)
  for (let at = 0; at < 9; at++) connection.send(event(1_000))
  assert.equal(connection.signal.aborted, false)
  assert.throws(() => new LiveConnection(parts, 'user:1', systemPorts), /has 1 live connections open/)
  connection.send(event(1_000))
  await turn()
  assert.deepEqual([connection.signal.aborted, ends, open()], [true, ['slow'], 0])
  connection.send(event(1_000))
  connection.end('closing')
  await connection.room()
  const next = new LiveConnection(parts, 'user:1', systemPorts)
  next.stream.destroy()
  await turn()
  assert.deepEqual(ends, ['slow', 'client'])
})

test('whoever has much to say waits until it is read', async () => {
  const { parts } = partsWith({ unreadBytes: 1_000_000 })
  const connection = new LiveConnection(parts, 'user:1', systemPorts)
  await connection.room()
  connection.send(event(100_000))
  let hasRoom = false
  const waiting = connection.room().then(() => (hasRoom = true))
  await turn()
  assert.equal(hasRoom, false)
  connection.stream.resume()
  await waiting
  connection.stream.destroy()
})

test('an end is said before the answer is over, and the answer is cut where nobody reads it', async () => {
  const { parts, ends } = partsWith({ lookMs: 20 })
  const read = new LiveConnection(parts, 'user:1', systemPorts)
  read.end('right')
  const text = (await read.stream.toArray()).join('')
  assert.match(text, /^retry: 3000\n\nevent: end\ndata: \{"reason":"right"\}\n\n$/)
  const unread = new LiveConnection(parts, 'user:1', systemPorts)
  unread.end('right')
  await new Promise((resolve) => unread.stream.once('close', resolve))
  assert.deepEqual(ends, ['right', 'right'])
})

test('a process has so many connections, whoever opens them', async () => {
  const { parts } = partsWith({ perProcess: 3 })
  const open = ['user:1', 'user:2', 'user:3'].map((account) => new LiveConnection(parts, account, systemPorts))
  assert.throws(
    () => new LiveConnection(parts, 'user:4', systemPorts),
    (error: unknown) => error instanceof RegistryError && error.code === 'TOOMANYREQUESTS' && (error.retryAfterSeconds ?? 0) > 0,
  )
  for (const { stream } of open) stream.destroy()
  await turn()
  new LiveConnection(parts, 'user:4', systemPorts).stream.destroy()
})
