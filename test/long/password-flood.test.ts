import assert from 'node:assert/strict'
import { Agent } from 'node:http'
import { once } from 'node:events'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { basicAuthorization } from '../support/http-client.ts'
import { pushImage, registryClient } from '../support/registry-client.ts'
import { startBerth } from '../support/start-berth.ts'
import { ask, type Asked, type FloodOrder, type FloodReport } from './flood-sender.ts'
import { until } from '../support/until.ts'

const shown = /^ +password +(\S+)$/m

/** Times of pulls, one each `intervalMs`, for so long. */
async function pulls(asked: Asked, { forMs, intervalMs }: { readonly forMs: number; readonly intervalMs: number }) {
  const times: number[] = []
  const end = performance.now() + forMs
  while (performance.now() < end) {
    const at = performance.now()
    assert.equal(await ask(asked), 200)
    times.push(performance.now() - at)
    await sleep(intervalMs)
  }
  return percentilesOf(times)
}

function percentilesOf(times: readonly number[]) {
  const sorted = times.toSorted((one, other) => one - other)
  const at = (part: number) => Number((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0).toFixed(2))
  return { count: sorted.length, p50: at(0.5), p99: at(0.99), max: at(1) }
}

/** {@link flood-sender.ts} in a thread of its own, so that its work does not hold up the measuring one. */
async function flood(data: FloodOrder): Promise<{ stop(): Promise<FloodReport> }> {
  const worker = new Worker(new URL('./flood-sender.ts', import.meta.url), { workerData: data })
  await once(worker, 'online')
  return {
    async stop() {
      worker.postMessage('stop')
      const [report] = (await once(worker, 'message')) as [FloodReport]
      await worker.terminate()
      return report
    },
  }
}

for (const spread of [false, true]) {
  test(
    `wrong passwords ${spread ? 'from ever new addresses' : 'from one address'} double the p99 of a pull at most`,
    { timeout: 180_000 },
    async (t) => {
      await using berth = await startBerth({ config: { auth: { accounts: {} }, log: { level: 'warn', accesslog: { disabled: true } } } })
      await until('the password is shown', () => shown.test(berth.logs()))
      const authorization = basicAuthorization('admin', shown.exec(berth.logs())?.[1] ?? '')
      await pushImage(registryClient(berth.url, { authorization }), 'flooded/app', 'v1')
      const agent = new Agent({ keepAlive: true, maxSockets: 1 })
      const asked = { url: `${berth.url}/v2/flooded/app/manifests/v1`, headers: { authorization }, agent }
      await pulls(asked, { forMs: 3_000, intervalMs: 2 })
      const calm = await pulls(asked, { forMs: 10_000, intervalMs: 5 })
      const flooding = await flood({ url: asked.url, connections: 32, spread })
      await sleep(1_000)
      const flooded = await pulls(asked, { forMs: 10_000, intervalMs: 5 })
      const { sent, statuses } = await flooding.stop()
      agent.destroy()
      t.diagnostic(
        `ms of a pull, calm ${JSON.stringify(calm)}, flooded ${JSON.stringify(flooded)}; ${sent} wrong passwords: ${JSON.stringify(statuses)}`,
      )
      // Below a few milliseconds it is the machine that is measured.
      assert.ok(flooded.p99 <= Math.max(2 * calm.p99, 5), `p99 was ${calm.p99} ms and is ${flooded.p99} ms`)
    },
  )
}
