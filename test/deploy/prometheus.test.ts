import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { run } from '../support/run-command.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { deployFile } from './example.ts'

const promtool = process.env['BERTH_TEST_PROMTOOL'] ?? 'promtool'
const rules = deployFile('prometheus/berth-alerts.yml')

/** What a registry tells each minute for more than a day, in promtool's words: a value, a step, how often. */
interface Told {
  readonly [series: string]: string
}

const calm: Told = {
  'up{job="berth", instance="a"}': '1x1700',
  'registry_nodes{job="berth", instance="a", state="silent"}': '0x1700',
  'registry_http_requests_total{job="berth", instance="a", code="200"}': '0+60x1700',
  'registry_http_requests_total{job="berth", instance="a", code="503"}': '0+1x1700',
  'registry_database_away{job="berth", instance="a"}': '0x1700',
  'registry_jobs_queue_seconds{job="berth", instance="a"}': '2x1700',
  // Made at the 20th hour of the first day.
  'registry_backup_last_success_timestamp_seconds{job="berth", instance="a"}': '72000x1700',
  'registry_backup_broken{job="berth", instance="a"}': '0x1700',
  'registry_backup_last_missing_blobs{job="berth", instance="a"}': '0x1700',
  'registry_certificate_expiry_timestamp_seconds{job="berth", instance="a", name="r.example", source="file"}': '8640000x1700',
  'registry_storage_free_bytes{job="berth", instance="a"}': '50x1700',
  'registry_storage_size_bytes{job="berth", instance="a"}': '100x1700',
  'registry_journal_lag_seconds{job="berth", instance="a"}': '2x1700',
  'registry_scrub_findings{job="berth", instance="a", kind="damaged"}': '0x1700',
  'registry_scrub_findings{job="berth", instance="a", kind="orphan"}': '9x1700',
}

/** One bad day each. */
const bad: Readonly<Record<string, Told>> = {
  BerthInstanceDown: { 'up{job="berth", instance="a"}': '0x1700' },
  BerthNodeSilent: { 'registry_nodes{job="berth", instance="a", state="silent"}': '1x1700' },
  BerthErrors: { 'registry_http_requests_total{job="berth", instance="a", code="503"}': '0+10x1700' },
  BerthDatabaseAway: { 'registry_database_away{job="berth", instance="a"}': '1x1700' },
  BerthJobsFailing: { 'registry_job_duration_seconds_count{job="berth", instance="a", kind="scrub", outcome="failed"}': '_x1640 1x60' },
  BerthJobsWaiting: { 'registry_jobs_queue_seconds{job="berth", instance="a"}': '4000x1700' },
  BerthBackupOld: { 'registry_backup_last_success_timestamp_seconds{job="berth", instance="a"}': '100x1700' },
  BerthBackupNever: { 'registry_backup_last_success_timestamp_seconds{job="berth", instance="a"}': '0x1700' },
  BerthBackupBroken: { 'registry_backup_broken{job="berth", instance="a"}': '1x1700' },
  BerthCertificateEnds: {
    'registry_certificate_expiry_timestamp_seconds{job="berth", instance="a", name="r.example", source="file"}': '900000x1700',
  },
  BerthDiskNearlyFull: { 'registry_storage_free_bytes{job="berth", instance="a"}': '5x1700' },
  BerthJournalBehind: { 'registry_journal_lag_seconds{job="berth", instance="a"}': '300x1700' },
  BerthBlobsQuarantined: { 'registry_scrub_findings{job="berth", instance="a", kind="damaged"}': '3x1700' },
}

function caseOf(name: string, told: Told) {
  const series = Object.entries({ ...calm, ...told }).map(([text, values]) => ({ series: text, values }))
  // At the 28th hour: the backup of calm days is eight hours old.
  const counted = { expr: 'count(ALERTS{alertstate="firing"}) or vector(0)', eval_time: '28h' }
  const sample = { labels: '{}', value: name === 'calm' ? 0 : 1 }
  const named = { expr: `count(ALERTS{alertstate="firing", alertname="${name}"}) or vector(0)`, eval_time: '28h' }
  return {
    interval: '1m',
    name,
    input_series: series,
    promql_expr_test: [counted, named].map((each) => ({ ...each, exp_samples: [sample] })),
  }
}

suite('the alerts for Prometheus', () => {
  test('are what Prometheus takes', async () => {
    await run([promtool, 'check', 'rules', rules])
  })

  test('are silent on a calm day, and on a bad one the one that is meant speaks alone', async () => {
    await using place = await temporaryDirectory('alerts')
    const file = join(place.path, 'test.yml')
    const tests = [caseOf('calm', {}), ...Object.entries(bad).map(([name, told]) => caseOf(name, told))]
    await writeFile(file, JSON.stringify({ rule_files: [rules], evaluation_interval: '1m', tests }))
    await run([promtool, 'test', 'rules', file])
  })
})
