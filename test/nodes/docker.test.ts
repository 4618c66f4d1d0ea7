import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdir, open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { startEngine } from '../deploy/engine.ts'
import { until } from '../support/until.ts'
import { startCluster, type Cluster } from './cluster.ts'

const layers = 2
const layerBytes = 512 * 1024 ** 2
const digestSaid = /digest: (sha256:[0-9a-f]{64})/

/** How many uploads each node is receiving. */
async function receiving(cluster: Cluster): Promise<readonly number[]> {
  const pages = await Promise.all(cluster.nodes.map((_, node) => cluster.at(node).send('/metrics')))
  return pages.map(({ body }) => Number(/^registry_storage_open_uploads (\d+)$/m.exec(body.toString())?.[1]))
}

/** Bytes that nothing makes smaller. */
async function writeRandom(path: string): Promise<void> {
  await using file = await open(path, 'w')
  const piece = randomBytes(1 << 20)
  for (let at = 0; at < layerBytes; at += piece.length) {
    piece.writeBigUInt64BE(BigInt(at), 0)
    randomBytes(4096).copy(piece, 8)
    await file.write(piece)
  }
}

test(
  'a docker push of a gibibyte survives kill -9 of the node that receives it, and what is pulled back is what was pushed',
  { timeout: 480_000 },
  async (t) => {
    await using cluster = await startCluster()
    await using engine = await startEngine()
    const context = engine.file('context')
    await mkdir(context)
    for (let n = 0; n < layers; n += 1) await writeRandom(join(context, `layer-${n}`))
    const lines = Array.from({ length: layers }, (_, n) => `COPY layer-${n} /layer-${n}`)
    await writeFile(join(context, 'Dockerfile'), ['FROM scratch', ...lines, 'CMD ["/none"]'].join('\n'))
    const image = `${cluster.host}/big/app:v1`
    await engine.docker(['build', '--network', 'none', '-t', image, context], { env: { DOCKER_BUILDKIT: '0' }, timeoutMs: 240_000 })
    await engine.docker(['login', '-u', 'admin', '--password-stdin', cluster.host], { input: cluster.password })

    const pushed = engine.docker(['push', image], { timeoutMs: 400_000 })
    let victim = -1
    await until('a node receives a layer', async () => {
      victim = (await receiving(cluster)).findIndex((count) => count > 0)
      return victim >= 0
    })
    await new Promise((resolve) => setTimeout(resolve, 2_000))
    const before = await receiving(cluster)
    victim = before[victim] === 0 ? before.findIndex((count) => count > 0) : victim
    assert.ok(victim >= 0, 'a layer is on its way')
    const begun = performance.now()
    await cluster.nodes[victim]?.kill9()
    const digest = digestSaid.exec((await pushed).stdout)?.[1]
    t.diagnostic(`the push ended ${Math.round((performance.now() - begun) / 1000)} s after the kill`)
    await cluster.nodes[victim]?.restart()
    await cluster.untilReady(victim)

    for (const node of [0, 1, 2]) assert.equal(await cluster.at(node).digestOf('big/app', 'v1'), digest)
    const id = (await engine.docker(['image', 'inspect', '--format', '{{.Id}}', image])).stdout
    await engine.docker(['rmi', '-f', image])
    assert.match((await engine.docker(['pull', image], { timeoutMs: 240_000 })).stdout, new RegExp(`Digest: ${digest}`))
    assert.equal((await engine.docker(['image', 'inspect', '--format', '{{.Id}}', image])).stdout, id)
    assert.deepEqual(await cluster.violations(), [])
  },
)
