/** The clock of the machine is set, to and fro, while the registry works. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemPorts, type Ports } from '#lib/ports.ts'
import { collectGarbage } from '#registry/collect-garbage.ts'
import { purgeUploads } from '#registry/purge-uploads.ts'
import { openPeople, password, type People } from '../api/people.ts'
import { basicAuthorization } from '../support/http-client.ts'
import { mediaTypes, registryClient } from '../support/registry-client.ts'

const minuteMs = 60_000
const stepMs = 10 * minuteMs
/** Hardly longer than a step: what is judged by another time than the wall clock's, or a little too early, takes a blob. */
const leaseMs = 11 * minuteMs
const lifetimeMs = 60 * minuteMs
/** As of bearer-tokens.ts: so far the clocks of processes may differ. */
const leewayMs = minuteMs

interface SteppedClock {
  readonly ports: Ports
  step(ms: number): void
  /** How far the wall clock was set from the true one, in all. */
  offsetMs(): number
}

/** The machine's ports with a wall clock that is set by hand; the monotonic one goes on. */
function steppingPorts(): SteppedClock {
  let offsetMs = 0
  const { clock } = systemPorts
  return {
    ports: { ...systemPorts, clock: { now: () => clock.now() + offsetMs, monotonic: () => clock.monotonic() } },
    step: (ms) => void (offsetMs += ms),
    offsetMs: () => offsetMs,
  }
}

interface Bearer {
  readonly authorization: string
  readonly givenAtMs: number
}

const place = '/v2/clock/steps'

/** Takes a token as docker does: with the password, for one repository. */
async function takeToken({ rooms }: People, { offsetMs }: SteppedClock): Promise<Bearer> {
  const headers = { authorization: basicAuthorization('root', password) }
  const answer = await registryClient(rooms.url).send('/token?service=berth&scope=repository:clock/steps:pull,push', { headers })
  assert.equal(answer.status, 200, answer.body.toString())
  const { token } = JSON.parse(answer.body.toString()) as { token: string }
  return { authorization: `Bearer ${token}`, givenAtMs: offsetMs() }
}

/** Good from when it was given, less the leeway, to its end; before and after it is refused with the way to a new one. */
async function isGood({ rooms }: People, { offsetMs }: SteppedClock, { authorization, givenAtMs }: Bearer): Promise<boolean> {
  const ageMs = offsetMs() - givenAtMs
  const expected = ageMs >= -leewayMs && ageMs < lifetimeMs
  const answer = await registryClient(rooms.url, { authorization }).send(`${place}/tags/list`)
  assert.equal(answer.status, expected ? 200 : 401, `a token that is ${ageMs / minuteMs} minutes old`)
  if (!expected) assert.match(String(answer.headers['www-authenticate']), /^Bearer realm="[^"]+\/token"/u)
  return expected
}

test('while the clock steps by ten minutes, to and fro, tokens are good within their time, pushes go on, and collections take what is beyond its lease and nothing else', async () => {
  const clock = steppingPorts()
  const storage = { garbageDelayMs: leaseMs, readersDelayMs: 0 }
  await using people = await openPeople({ storage, tokens: { lifetimeMs } }, { ports: clock.ports })
  const { rooms, root } = people
  const { signal } = new AbortController()
  const collect = async () => {
    const { blobs, links, keys } = await collectGarbage(rooms.registry, { signal })
    return [blobs, links, keys]
  }
  assert.equal((await root.call('POST', '/projects', { name: 'clock' })).status, 201)
  const config = await root.registry.pushBlob('clock/steps', Buffer.from('{}'), mediaTypes.config)
  const tokens: Bearer[] = []
  for (const [round, ms] of [stepMs, -2 * stepMs, stepMs, stepMs, -stepMs, stepMs].entries()) {
    const token = await takeToken(people, clock)
    tokens.push(token)
    const before = registryClient(rooms.url, token)
    const layer = await before.pushBlob('clock/steps', Buffer.from(`layer of round ${round}`), mediaTypes.layer)
    const begun = await before.send(`${place}/blobs/uploads/`, { method: 'POST', body: '' })
    const part = await before.send(begun.headers.location ?? '', { method: 'PATCH', body: 'half of it' })
    assert.equal(part.status, 202)
    clock.step(ms)
    assert.deepEqual(await collect(), [0, 0, 0], 'no burst of garbage')
    assert.deepEqual(await purgeUploads(rooms.registry, { ageMs: 24 * 60 * minuteMs, signal }), { sessions: 0, orphans: 0 })
    const states: boolean[] = []
    for (const each of tokens) states.push(await isGood(people, clock, each))
    assert.equal(states.at(-1), ms > 0, 'a step forward leaves a token within its time, a step back is beyond the leeway')
    const held = ms > 0 ? token : await takeToken(people, clock)
    const after = registryClient(rooms.url, held)
    const rest = await after.send(part.headers.location ?? '', { method: 'PATCH', body: ' and the rest' })
    assert.equal(rest.status, 202, 'an upload goes on')
    const { descriptor } = await after.pushManifest('clock/steps', `v${round}`, {
      schemaVersion: 2,
      mediaType: mediaTypes.manifest,
      config,
      layers: [layer],
    })
    await after.pullBlob('clock/steps', layer.digest)
    assert.equal(await after.digestOf('clock/steps', `v${round}`), descriptor.digest)
  }
  const loose = await root.registry.pushBlob('clock/steps', Buffer.from('named by nothing'))
  clock.step(stepMs)
  assert.deepEqual(await collect(), [0, 0, 0], 'its lease lasts')
  await root.registry.pullBlob('clock/steps', loose.digest)
  clock.step(leaseMs - stepMs + minuteMs)
  assert.deepEqual((await collect()).slice(0, 2), [1, 1], 'its lease is over')
  assert.equal((await root.registry.send(`${place}/blobs/${loose.digest}`)).status, 404)
  for (let round = 0; round < 6; round++) assert.ok(await root.registry.digestOf('clock/steps', `v${round}`))
  clock.step(lifetimeMs)
  for (const each of tokens) assert.equal(await isGood(people, clock, each), false, 'ended')
})
