/** The official suite of opencontainers/distribution-spec as a program: runs it against a registry, and judges what it reports. */
import { mkdir, mkdtemp, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse } from 'yaml'
import { tryCommand } from '../support/run-command.ts'

/** What registry:2 2.8.2 is asked; a run of fewer checks did not run whole. */
const leastChecks = 800

/** How a run went: counts for people, and what makes it fail, a line each. */
export interface Verdict {
  readonly counts: string
  readonly problems: readonly string[]
}

/** Runs the program; `env` says which registry (`OCI_REGISTRY`), which version and who. Files go below `directory`. */
export async function runSuite(program: string, directory: string, env: Readonly<Record<string, string>>): Promise<Verdict> {
  const work = await mkdtemp(join(directory, 'suite-'))
  const results = join(work, 'results')
  await mkdir(results)
  const { status, output } = await tryCommand([program], {
    env: { PATH: process.env['PATH'] ?? '', HOME: work, OCI_RESULTS_DIR: results, ...env },
    cwd: work,
    timeoutMs: 300_000,
  })
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
