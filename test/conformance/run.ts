/**
 * Runs the project's own conformance tests and the official suite of opencontainers/distribution-spec, the latter as a program
 * against a fresh Berth for each profile. A failed check, and a skipped one that the suite does not disable itself, fails the run.
 * To add a profile: a line in `profiles`.
 */
import { spawn } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { knownAbsence } from '../support/absences.ts'
import { makeCertificates } from '../support/certificates.ts'
import { startBerth } from '../support/start-berth.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { runSuite, type Verdict } from './official-suite.ts'

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

async function runProfile({ version, guarded }: Profile): Promise<Verdict> {
  await using work = await temporaryDirectory('conformance')
  const tls = guarded ? await makeCertificates(work.path, ['DNS:localhost', 'IP:127.0.0.1']) : undefined
  const guard = tls === undefined ? {} : { tls, users: { alice: 'wonderland' } }
  await using berth = await startBerth(guard)
  const account =
    tls === undefined
      ? { OCI_TLS: 'disabled' }
      : { OCI_TLS: 'enabled', OCI_USERNAME: 'alice', OCI_PASSWORD: 'wonderland', SSL_CERT_FILE: tls.authorityFile }
  return await runSuite(suite, work.path, { OCI_REGISTRY: berth.host, OCI_VERSION: version, ...account })
}
