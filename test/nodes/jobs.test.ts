import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { suite, test } from 'node:test'
import { pushImage } from '../support/registry-client.ts'
import { until } from '../support/until.ts'
import { startCluster, type Cluster } from './cluster.ts'

const api = async (cluster: Cluster, method: string, path: string, body?: object) => {
  const answer = await cluster.balanced.send(`/api/v1${path}`, {
    method,
    ...(body !== undefined && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  })
  assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${answer.body.toString()}`)
  return JSON.parse(answer.body.toString()) as Record<string, unknown>
}

const metric = async (cluster: Cluster, node: number, pattern: RegExp) => {
  const page = (await cluster.at(node).send('/metrics')).body.toString()
  return page.split('\n').reduce((sum, line) => sum + Number(pattern.exec(line)?.[1] ?? 0), 0)
}

suite('jobs of several nodes', { concurrency: 2 }, () => {
  test('are shared: each is run once, by whichever node has room', async () => {
    await using cluster = await startCluster()
    const projects = Array.from({ length: 12 }, (_, n) => `shared-${n}`)
    for (const project of projects) {
      await api(cluster, 'POST', '/projects', { name: project })
      for (const tag of ['a', 'b']) await pushImage(cluster.balanced, `${project}/app`, tag)
      const rules = [{ name: 'one', keep: { latestPushed: 1 } }]
      await api(cluster, 'POST', `/projects/${project}/retention-policies`, { name: 'life', rules })
    }
    const runs = await Promise.all(
      projects.map((project) => api(cluster, 'POST', `/projects/${project}/retention-policies/life/runs`, { dryRun: true })),
    )
    for (const [n, run] of runs.entries())
      await until(
        'its end',
        async () => (await api(cluster, 'GET', `/projects/${projects[n]}/retention-runs/${Number(run['id'])}`))['state'] === 'done',
      )
    const ran = await Promise.all(
      cluster.nodes.map((_, node) => metric(cluster, node, /^registry_job_duration_seconds_count\{.*kind="retention.*\} (\d+)$/)),
    )
    assert.equal(
      ran.reduce((sum, each) => sum + each, 0),
      projects.length,
      ran.join(', '),
    )
    assert.ok(ran.filter((each) => each > 0).length > 1, `more than one node ran some: ${ran.join(', ')}`)
  })

  test('go on at another node when theirs is killed, and nodes tell who is gone', async () => {
    await using cluster = await startCluster({ config: { scrub: { rate: '2MiB' } } })
    for (let n = 0; n < 12; n += 1) await cluster.balanced.pushBlob('team/app', randomBytes(4 << 20))
    const read = /^registry_scrub_read_bytes_total (\d+)$/
    const { job } = await api(cluster, 'POST', '/scrub/runs', { full: true })
    let worker = -1
    await until('a node reads', async () => {
      const bytes = await Promise.all(cluster.nodes.map((_, node) => metric(cluster, node, read)))
      worker = bytes.findIndex((each) => each > 4 << 20)
      return worker >= 0
    })
    await cluster.nodes[worker]?.kill9()
    const others = [0, 1, 2].filter((node) => node !== worker)
    await until(
      'another node goes on',
      async () => {
        const bytes = await Promise.all(others.map((node) => metric(cluster, node, read)))
        return Math.max(...bytes) > 0
      },
      90_000,
    )
    const states = async () => ((await api(cluster, 'GET', '/nodes'))['items'] as { state: string }[]).map(({ state }) => state).toSorted()
    await until('the dead node is told', async () => (await states()).join() === 'serving,serving,silent', 60_000)
    const { warnings } = await api(cluster, 'GET', '/nodes')
    assert.match(String((warnings as string[])[0]), new RegExp(`not heard of since .*${cluster.nodes[worker]?.url}`))
    await cluster.nodes[worker]?.restart()
    await until('it has taken its place again', async () => (await states()).join() === 'serving,serving,serving')
    await until('the job ends', async () => (await api(cluster, 'GET', `/jobs/${Number(job)}`))['state'] === 'done', 90_000)
    assert.deepEqual((await api(cluster, 'GET', '/scrub'))['findings'], [])
  })
})
