/** The clock of the machine is set, to and fro, while the registry works. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemPorts, type Ports } from '#lib/ports.ts'
import { collectGarbage } from '#registry/collect-garbage.ts'
import { purgeUploads } from '#registry/purge-uploads.ts'
import { mediaTypes, registryClient } from '../support/registry-client.ts'
import { serveRooms } from '../support/serve-rooms.ts'

const tenMinutesMs = 10 * 60_000

/** The machine's ports with a wall clock that is set by hand; the monotonic one goes on. */
function steppingPorts(): { readonly ports: Ports; step(ms: number): void } {
  let offsetMs = 0
  const { clock } = systemPorts
  return {
    ports: { ...systemPorts, clock: { now: () => clock.now() + offsetMs, monotonic: () => clock.monotonic() } },
    step: (ms) => void (offsetMs += ms),
  }
}

test('while the clock steps by ten minutes, to and fro, pushes go on and collections take nothing of them', async () => {
  const { ports, step } = steppingPorts()
  await using rooms = await serveRooms({}, { ports })
  const client = registryClient(rooms.url)
  const { signal } = new AbortController()
  const config = await client.pushBlob('clock/steps', Buffer.from('{}'), mediaTypes.config)
  for (const ms of [tenMinutesMs, -2 * tenMinutesMs, tenMinutesMs, tenMinutesMs, -tenMinutesMs]) {
    const layer = await client.pushBlob(
      'clock/steps',
      Buffer.from(`layer before a step of ${ms} ms, number ${String(Math.abs(ms))}`),
      mediaTypes.layer,
    )
    const begun = await client.send('/v2/clock/steps/blobs/uploads/', { method: 'POST', body: '' })
    const part = await client.send(begun.headers.location ?? '', { method: 'PATCH', body: 'half of it' })
    assert.equal(part.status, 202)
    step(ms)
    const report = await collectGarbage(rooms.registry, { signal })
    assert.deepEqual([report.blobs, report.links, report.keys], [0, 0, 0], 'no burst of garbage')
    assert.deepEqual(await purgeUploads(rooms.registry, { ageMs: 24 * 6 * tenMinutesMs, signal }), { sessions: 0, orphans: 0 })
    const rest = await client.send(part.headers.location ?? '', { method: 'PATCH', body: ' and the rest' })
    assert.equal(rest.status, 202, 'an upload goes on')
    await client.pushManifest('clock/steps', 'latest', {
      schemaVersion: 2,
      mediaType: mediaTypes.manifest,
      config,
      layers: [layer],
      annotations: { ms: String(ms) },
    })
    await client.pullBlob('clock/steps', layer.digest)
  }
})
