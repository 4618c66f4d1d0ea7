import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, suite, test } from 'node:test'
import { sendRequest } from '../support/http-client.ts'
import { digestOfBytes } from '../support/registry-client.ts'
import { closing, openPatch, startUpload } from '../support/upload.ts'
import { until } from '../support/until.ts'
import { startCluster, type Cluster } from './cluster.ts'

const mebibyte = 1024 ** 2

suite('an upload of several nodes', { concurrency: 2 }, () => {
  for (const store of ['s3', 'directory'] as const) {
    // One after the other within: one of them kills a node.
    suite(`blobs in ${store === 's3' ? 'Ceph RGW' : 'a directory that all see'}`, { concurrency: 1 }, () => {
      let cluster: Cluster
      before(async () => {
        cluster = await startCluster({ store })
      })
      after(() => cluster?.[Symbol.asyncDispose]())

      /** The same place at another node. */
      const elsewhere = (place: string, node: number) => {
        const url = new URL(place)
        url.host = cluster.nodes[node]?.host ?? ''
        return url.href
      }
      const bytesAt = async (node: number, repository: string, digest: string) => {
        const answer = await cluster.at(node).send(`/v2/${repository}/blobs/${digest}`)
        return answer.status === 307 ? (await sendRequest(answer.headers.location ?? '')).body : answer.body
      }

      test('is begun at one node, gets its bytes at two others and is closed at the first; all serve what came of it', async () => {
        const bytes = randomBytes(40 * mebibyte + 7)
        const cuts = [0, 17 * mebibyte, 18 * mebibyte + 3, bytes.length]
        let place = await startUpload(cluster.at(0), cluster.nodes[0]?.url ?? '', 'team/app')
        for (const [at, node] of [1, 2, 0].entries()) {
          const [from = 0, to = 0] = cuts.slice(at)
          const answer = await cluster.at(node).send(elsewhere(place, node), {
            method: 'PATCH',
            body: bytes.subarray(from, to),
            headers: { 'content-range': `${from}-${to - 1}`, 'content-type': 'application/octet-stream' },
          })
          assert.equal(answer.status, 202, answer.body.toString())
          assert.equal(answer.headers['range'], `0-${to - 1}`)
          place = new URL(answer.headers.location ?? '', elsewhere(place, node)).href
        }
        const status = await cluster.at(1).send(elsewhere(place, 1))
        assert.deepEqual([status.status, status.headers['range']], [204, `0-${bytes.length - 1}`])
        const digest = digestOfBytes(bytes)
        const put = await cluster.at(2).send(closing(elsewhere(place, 2), digest), { method: 'PUT', body: '' })
        assert.equal(put.status, 201, put.body.toString())
        for (const node of [0, 1, 2]) assert.ok(bytes.equals(await bytesAt(node, 'team/app', digest)))
      })

      test('that is closed at another node with the wrong digest is refused there', async () => {
        const place = await startUpload(cluster.at(0), cluster.nodes[0]?.url ?? '', 'team/app')
        const answer = await cluster.at(1).send(elsewhere(place, 1), { method: 'PATCH', body: randomBytes(mebibyte) })
        assert.equal(answer.status, 202)
        const put = await cluster.at(2).send(closing(elsewhere(place, 2), digestOfBytes(randomBytes(8))), { method: 'PUT', body: '' })
        assert.equal(put.status, 400, put.body.toString())
      })

      test('of which two nodes get bytes at once takes those of one; the other is told that it is busy, and nothing is mixed', async () => {
        const place = await startUpload(cluster.at(0), cluster.nodes[0]?.url ?? '', 'team/app')
        const bytes = randomBytes(6 * mebibyte)
        const headers = { authorization: cluster.authorization }
        const first = openPatch(elsewhere(place, 0), headers)
        first.request.write(bytes.subarray(0, mebibyte))
        const received = async () => Number(/^registry_storage_open_uploads (\d+)$/m.exec(await metricsOf(0))?.[1])
        await until('the first node holds it', async () => (await received()) > 0)
        const second = await cluster.at(1).send(elsewhere(place, 1), { method: 'PATCH', body: randomBytes(mebibyte) })
        assert.deepEqual([second.status, JSON.parse(second.body.toString()).errors[0].code], [409, 'BLOB_UPLOAD_BUSY'])
        first.request.end(bytes.subarray(mebibyte))
        const outcome = await first.outcome
        assert.ok(
          !(outcome instanceof Error) && outcome.status === 202,
          `${JSON.stringify(outcome)}\n${cluster.nodes[0]?.logs().slice(-4000)}`,
        )
        const put = await cluster.at(2).send(closing(elsewhere(place, 2), digestOfBytes(bytes)), { method: 'PUT', body: '' })
        assert.equal(put.status, 201, put.body.toString())
      })

      test('whose node is killed goes on at another from what was durable', async () => {
        const place = await startUpload(cluster.at(0), cluster.nodes[0]?.url ?? '', 'team/app')
        const bytes = randomBytes(30 * mebibyte)
        const begun = await cluster.at(0).send(place, { method: 'PATCH', body: bytes.subarray(0, 20 * mebibyte) })
        assert.equal(begun.status, 202)
        const lost = openPatch(place, { authorization: cluster.authorization })
        lost.request.write(bytes.subarray(20 * mebibyte, 26 * mebibyte))
        await new Promise((resolve) => setTimeout(resolve, 300))
        await cluster.nodes[0]?.kill9()
        assert.ok((await lost.outcome) instanceof Error)
        let offset = 0
        await until(
          'another node takes it over',
          async () => {
            const status = await cluster.at(1).send(elsewhere(place, 1))
            offset = Number(/^0-(\d+)$/.exec(String(status.headers['range']))?.[1] ?? -1) + 1
            const answer = await cluster.at(1).send(elsewhere(place, 1), {
              method: 'PATCH',
              body: bytes.subarray(offset),
              headers: { 'content-range': `${offset}-${bytes.length - 1}` },
            })
            assert.ok([202, 409, 416].includes(answer.status), `${answer.status} ${answer.body.toString()}`)
            return answer.status === 202
          },
          60_000,
        )
        assert.ok(offset >= 20 * mebibyte, 'what was acknowledged is there')
        const put = await cluster.at(2).send(closing(elsewhere(place, 2), digestOfBytes(bytes)), { method: 'PUT', body: '' })
        assert.equal(put.status, 201, put.body.toString())
        await cluster.nodes[0]?.restart()
        assert.deepEqual(await cluster.violations(), [])
      })

      const metricsOf = async (node: number) => (await cluster.at(node).send('/metrics')).body.toString()
    })
  }
})
