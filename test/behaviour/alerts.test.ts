import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import { parse } from 'yaml'
import { watchCertificates } from '#lib/certificate-metrics.ts'
import { watchDatabase } from '#lib/database-metrics.ts'
import { freePort } from '../support/free-port.ts'
import { sendRequest } from '../support/http-client.ts'
import { pushImage, registryClient } from '../support/registry-client.ts'
import { startBerth } from '../support/start-berth.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

interface Rules {
  readonly groups: readonly { readonly rules: readonly { readonly alert: string; readonly expr: string }[] }[]
}

const file = new URL('../../deploy/prometheus/berth-alerts.yml', import.meta.url)

/** Names of series as a page of metrics has them. Those of a database server are there on PostgreSQL alone, those of certificates with TLS. */
async function namesOn(page: string): Promise<ReadonlySet<string>> {
  const pool = { open: 0, idle: 0, waiting: 0 }
  const registry = new Registry()
  watchCertificates(registry, async () => [])
  watchDatabase(registry, () => ({
    isAway: false,
    reads: pool,
    writes: pool,
    counts: { conflicts: 0, repeats: 0, refusals: 0, unknown: 0 },
  }))
  const text = `${page}\n${await registry.metrics()}`
  const kinds = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)]
  return new Set(
    kinds.flatMap(([, name = '', kind]) => (kind === 'histogram' ? [`${name}_count`, `${name}_sum`, `${name}_bucket`] : [name])),
  )
}

test('every figure that an alert asks for is on the page of metrics of a registry, and those of its disk and its backups have a value', async () => {
  await using place = await temporaryDirectory('alerts')
  const debug = `127.0.0.1:${await freePort()}`
  await using berth = await startBerth({
    config: {
      http: { debug: { addr: debug, prometheus: { enabled: true } } },
      backup: { store: { filesystem: { rootdirectory: join(place.path, 'backups') } } },
    },
  })
  await pushImage(registryClient(berth.url), 'library/app', 'v1')
  const page = (await sendRequest(`http://${debug}/metrics`)).body.toString()
  const names = await namesOn(page)
  const rules = (parse(await readFile(file, 'utf8')) as Rules).groups.flatMap((group) => group.rules)
  assert.ok(rules.length >= 10)
  for (const { alert, expr } of rules) {
    const asked = [...expr.matchAll(/\b(?:registry_\w+|up)\b/g)].map(([name]) => name)
    assert.ok(asked.length > 0, alert)
    for (const name of asked) assert.ok(name === 'up' || names.has(name), `${alert} asks for ${name}`)
  }
  const valueOf = (name: string) => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(page)?.[1])
  assert.ok(valueOf('registry_storage_free_bytes') > 0)
  assert.ok(valueOf('registry_storage_size_bytes') >= valueOf('registry_storage_free_bytes'))
  assert.equal(valueOf('registry_backup_last_success_timestamp_seconds'), 0)
  for (const label of [
    'registry_http_requests_total{code="201"',
    'registry_nodes{state="silent"',
    'registry_scrub_findings{kind="missing"',
  ])
    assert.ok(page.includes(`\n${label}`), label)
})
