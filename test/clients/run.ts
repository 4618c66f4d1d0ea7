/**
 * Runs the real-client tests, one file per client, one after the other, against the same three registries: `plain` (HTTP,
 * htpasswd), `tls` (TLS on ::1 under a host name, htpasswd) and `open` (HTTP, no account: a mirror). The clients share them as
 * they would share a company's registry. To add a client: a file `NAME.test.ts` here, its package in scripts/install-test-tools.mjs.
 */
import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { makeCertificates } from '../support/certificates.ts'
import { serverUnderTest, startBerth } from '../support/start-berth.ts'
import type { RunningBerth } from '../support/start-berth.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import type { ServersFile } from './servers.ts'

const hostname = 'berth.test'
const hostsFile = '/etc/hosts'
const hostsLine = `::1 ${hostname} # line of a running Berth client test`
const users = { alice: 'wonderland', bob: 'builder' }

const directory = fileURLToPath(new URL('.', import.meta.url))
const wanted = process.argv.slice(2)
const all = (await readdir(directory)).filter((name) => name.endsWith('.test.ts')).toSorted()
const files = all.filter((name) => wanted.length === 0 || wanted.includes(name.replace('.test.ts', '')))
if (files.length === 0) throw new Error(`No client test is called ${wanted.join(' or ')}; there are: ${all.join(', ')}`)

addHostsLine()
process.once('exit', removeHostsLine)
process.exitCode = await runAll()

async function runAll(): Promise<number> {
  await using work = await temporaryDirectory('clients')
  const certificates = await makeCertificates(work.path, [`DNS:${hostname}`, 'IP:::1', 'IP:127.0.0.1'])
  await using plain = await startBerth({ users })
  await using tls = await startBerth({ users, tls: certificates, address: '[::1]', hostname })
  await using open = await startBerth({})
  const servers: ServersFile = {
    plain: { url: plain.url, host: plain.host, users },
    tls: { url: tls.url, host: tls.host, users, authorityFile: certificates.authorityFile },
    open: { url: open.url, host: open.host, users: {} },
  }
  const serversFile = join(work.path, 'servers.json')
  await writeFile(serversFile, JSON.stringify(servers))
  console.log(`Real clients against ${serverUnderTest}: ${plain.url} (htpasswd), ${tls.url} (htpasswd), ${open.url} (open)`)
  const status = await runTests(serversFile)
  for (const server of [plain, tls, open]) await server.stop() // The log's last lines come with the end.
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n')
  const leftovers = mounts.filter((line) => line.includes('/berth-client-')).map((line) => `left mounted: ${line}`)
  const faults = Object.entries({ plain, tls, open }).flatMap(([name, server]) => serverFaults(server).map((line) => `${name}: ${line}`))
  if (faults.length > 0) console.error(`The registries answered with a fault of their own:\n${faults.slice(0, 20).join('\n')}`)
  if (leftovers.length > 0) console.error(leftovers.join('\n'))
  return status === 0 && faults.length === 0 && leftovers.length === 0 ? 0 : 1
}

async function runTests(serversFile: string): Promise<number> {
  const reporters = ['--test-reporter=spec', '--test-reporter-destination=stdout']
  const limits = ['--test-concurrency=1', '--test-timeout=600000']
  const paths = files.map((name) => join(directory, name))
  const child = spawn(process.execPath, ['--test', ...reporters, ...limits, ...paths], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, BERTH_CLIENTS_SERVERS: serversFile },
  })
  process.once('exit', () => child.kill())
  return await new Promise((resolve) => child.once('close', (code) => resolve(code ?? 1)))
}

/** Lines of a registry's log that tell of a 5xx answer or a crash: no client may cause one, whatever it asks. */
function serverFaults(server: RunningBerth): string[] {
  if (serverUnderTest !== 'berth') return []
  return server
    .logs()
    .split('\n')
    .filter((line) => /\blevel="?(?:error|fatal)|"level":"?(?:error|fatal|50|60)|\bstatus"?[=:]"?5\d\d\b/u.test(line))
}

function addHostsLine() {
  removeHostsLine() // A run that was killed leaves its line.
  writeFileSync(hostsFile, `${readFileSync(hostsFile, 'utf8').trimEnd()}\n${hostsLine}\n`)
}

function removeHostsLine() {
  const before = readFileSync(hostsFile, 'utf8')
  if (before.includes(hostsLine)) writeFileSync(hostsFile, before.replaceAll(`${hostsLine}\n`, ''))
}
