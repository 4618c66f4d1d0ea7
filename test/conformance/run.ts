/**
 * Runs the project's own conformance tests and the official suite of opencontainers/distribution-spec, the latter as a program
 * against a fresh Berth for each profile. A failed check, and a skipped one that the suite does not disable itself, fails the run.
 * To add a profile: a line in `profiles`.
 */
import { spawn } from 'node:child_process'
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { knownAbsence } from '../support/absences.ts'
import { makeCertificates } from '../support/certificates.ts'
import { tryCommand } from '../support/run-command.ts'
import { startBerth } from '../support/start-berth.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

interface Profile {
  readonly version: 'dev' | '1.1'
  /** TLS and htpasswd, as a guarded registry has them. */
  readonly guarded: boolean
}

const profiles: readonly Profile[] = [
  { version: 'dev', guarded: false },
  { version: '1.1', guarded: false },
  { version: 'dev', guarded: true },
]
/** What registry:2 2.8.2 is asked; a run of fewer checks did not run whole. */
const leastChecks = 800

const suite = process.env['BERTH_CONFORMANCE_SUITE'] ?? ''
const lacks = process.env['BERTH_CONFORMANCE_LACKS'] ?? ''
const ownStatus = await runOwnTests()
const officialPassed = suite === '' ? absenceIsKnown() : await runOfficialSuite()
process.exitCode = ownStatus === 0 && officialPassed ? 0 : 1

async function runOwnTests(): Promise<number> {
  const directory = fileURLToPath(new URL('.', import.meta.url))
  const files = (await readdir(directory)).filter((name) => name.endsWith('.test.ts')).toSorted()
  const reporter = ['--test-reporter=spec', '--test-reporter-destination=stdout']
  const child = spawn(process.execPath, ['--test', ...reporter, ...files.map((name) => join(directory, name))], {
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  process.once('exit', () => child.kill())
  return await new Promise((resolve) => child.once('close', (code) => resolve(code ?? 1)))
}

function absenceIsKnown(): boolean {
  const absence = knownAbsence('official-conformance-suite', lacks)
  console.log(`\nThe official conformance suite did NOT run. ${lacks.trim()}`)
  if (absence === undefined) console.log('This is no absence that test/absences.json lists, so the run fails.')
  else console.log(`Listed in test/absences.json: ${absence.reason}\n${absence.instead}`)
  return absence !== undefined
}

async function runOfficialSuite(): Promise<boolean> {
  let passed = true
  for (const profile of profiles) {
    const name = `OCI_VERSION=${profile.version}${profile.guarded ? ', TLS and htpasswd' : ''}`
    const { counts, problems } = await runProfile(profile)
    console.log(`\nOfficial conformance suite, ${name}: ${counts}`)
    for (const problem of problems) console.log(`  ${problem}`)
    passed &&= problems.length === 0
  }
  return passed
}

async function runProfile({ version, guarded }: Profile) {
  await using work = await temporaryDirectory('conformance')
  const tls = guarded ? await makeCertificates(work.path, ['DNS:localhost', 'IP:127.0.0.1']) : undefined
  const guard = tls === undefined ? {} : { tls, users: { alice: 'wonderland' } }
  await using berth = await startBerth(guard)
  const results = join(work.path, 'results')
  await mkdir(results)
  const account =
    tls === undefined
      ? { OCI_TLS: 'disabled' }
      : { OCI_TLS: 'enabled', OCI_USERNAME: 'alice', OCI_PASSWORD: 'wonderland', SSL_CERT_FILE: tls.authorityFile }
  const env = {
    PATH: process.env['PATH'] ?? '',
    HOME: work.path,
    OCI_REGISTRY: berth.host,
    OCI_VERSION: version,
    OCI_RESULTS_DIR: results,
    ...account,
  }
  const { status, output } = await tryCommand([suite], { env, cwd: work.path, timeoutMs: 300_000 })
  const report = await readFile(join(results, 'junit.xml'), 'utf8').catch(() => '')
  const summary = await readFile(join(results, 'results.yaml'), 'utf8').catch(() => '')
  if (report === '' || summary === '') return { counts: `ended with ${status} and no report`, problems: [output.slice(-4000)] }
  return {
    counts: countsOf(report, summary),
    problems: [...problemsOf(report, summary), ...(status === 0 ? [] : [`the suite ended with ${status}`])],
  }
}

function attributeOf(report: string, name: string): number {
  const tag = /<testsuite [^>]*>/u.exec(report)?.[0] ?? ''
  return Number(new RegExp(`\\b${name}="(\\d+)"`, 'u').exec(tag)?.[1] ?? 0)
}

function statusesOf(summary: string): [string, string][] {
  const { apis, data } = parse(summary) as { apis: Record<string, string>; data: Record<string, string> }
  return [...Object.entries(apis), ...Object.entries(data)]
}

function countsOf(report: string, summary: string): string {
  const [checks, failed, errors, skipped, disabled] = ['tests', 'failures', 'errors', 'skipped', 'disabled'].map((name) =>
    attributeOf(report, name),
  )
  const names = statusesOf(summary).flatMap(([name, status]) => (status === 'Disabled' ? [name] : []))
  return `${checks} checks, ${failed} failed, ${errors} errors, ${skipped} skipped, ${disabled} disabled by the suite itself (${names.join(', ')})`
}

/** What makes the run fail, a line each: checks by name with what they said, areas that did not pass, and a run that was not whole. */
function problemsOf(report: string, summary: string): string[] {
  const cases = report.split('<testcase ').slice(1)
  const checks = cases.flatMap((text) => {
    const [name, status, said] = [/name="([^"]*)"/u, /status="([^"]*)"/u, /<system-out>([^<]*)/u].map(
      (pattern) => pattern.exec(text)?.[1] ?? '',
    )
    const disabled = status === 'skipped' && said === '' // The suite says why it skipped, except where it was told not to ask.
    return status === 'passed' || disabled ? [] : [`${status} ${name}: ${said?.replaceAll('&#xA;', ' ') ?? ''}`]
  })
  const areas = statusesOf(summary).flatMap(([name, status]) => (status === 'Pass' || status === 'Disabled' ? [] : [`${status} ${name}`]))
  const few = attributeOf(report, 'tests') < leastChecks ? [`only ${attributeOf(report, 'tests')} checks ran`] : []
  const hidden = attributeOf(report, 'skipped') > 0 && checks.length === 0 ? ['checks were skipped that the report does not name'] : []
  return [...checks, ...areas, ...few, ...hidden]
}
