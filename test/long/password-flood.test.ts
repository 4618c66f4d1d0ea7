import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent } from 'node:http'
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

/** So many pairs of a calm and a flooded stretch, one right after the other: what else the machine does meets both alike. */
const rounds = 7
const stretch = { forMs: 2_500, intervalMs: 5 }

interface Round {
  readonly calm: ReturnType<typeof percentilesOf>
  readonly flooded: ReturnType<typeof percentilesOf>
  readonly report: FloodReport
}

async function measure(asked: Asked, order: FloodOrder): Promise<Round> {
  const calm = await pulls(asked, stretch)
  const flooding = await flood(order)
  await sleep(500)
  const flooded = await pulls(asked, stretch)
  const report = await flooding.stop()
  await sleep(500)
  return { calm, flooded, report }
}

/** Hundreds of pulls make a p99, so a single stretch says little; half of the pairs must do as well as the middle one, or better. */
function medianRatio(measured: readonly Round[]): number {
  const ratios = measured.map(({ calm, flooded }) => flooded.p99 / calm.p99).toSorted((one, other) => one - other)
  return ratios[Math.floor(ratios.length / 2)] ?? Number.NaN
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
      const measured: Round[] = []
      for (let round = 0; round < rounds; round++) {
        // Another one each time: who is shut out already costs no hash.
        const address = spread ? undefined : `198.18.0.${round}`
        const found = await measure(asked, { url: asked.url, connections: 32, address })
        measured.push(found)
        const { calm, flooded, report } = found
        t.diagnostic(`ms of a pull, calm ${JSON.stringify(calm)}, flooded ${JSON.stringify(flooded)}; flood ${JSON.stringify(report)}`)
        assert.deepEqual(Object.keys(report.statuses).toSorted(), ['401', '429'], 'wrong passwords are refused, and nothing breaks')
      }
      agent.destroy()
      const ratio = medianRatio(measured)
      t.diagnostic(`the p99 in the flood is ${ratio.toFixed(2)} times the calm one (median of ${rounds} pairs)`)
      assert.ok(ratio <= 2, `the p99 of a pull is ${ratio.toFixed(2)} times what it is without the flood`)
    },
  )
}
