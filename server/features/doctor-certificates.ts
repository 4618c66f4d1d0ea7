/** The certificates of the listener: do they fit their keys, for how long, and does somebody see to their renewal. */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import type { CertificateFiles } from '#config/config.ts'
import { certificateRows, type CertificateRow } from '#metadata/certificates.ts'
import type { Reader } from '#metadata/metadata.ts'
import { fine, problem, runChecks, warning, type Diagnosis } from './doctor-check.ts'
import { statOf, type DoctorParts } from './doctor-files.ts'

const dayMs = 24 * 60 * 60 * 1_000
const renewalDays = 14

/** Certificates that are files. */
export async function checkCertificates(parts: DoctorParts): Promise<readonly Diagnosis[]> {
  const { tls } = parts.config.http
  if (tls === undefined) return [fine('certificate', 'TLS is not configured here: a proxy before Berth, or clients on this machine only')]
  const { certificate, key, certificates = [], acme } = tls
  const pairs = certificate === undefined || key === undefined ? certificates : [{ certificate, key }, ...certificates]
  if (acme !== undefined)
    return [
      fine('certificate', `${acme.hosts.join(', ')}: by ACME from ${new URL(acme.directoryUrl).host}; berth certificate list tells more`),
    ]
  if (tls.selfSigned !== undefined && certificate !== undefined && (await statOf(parts.ports, certificate)) === undefined)
    return [fine('certificate', `${certificate} is not there: the next start makes it`)]
  return await runChecks(Object.fromEntries(pairs.map((files) => [files.certificate, async () => [await judge(parts, files)]]))).then(
    (found) => found.map((each) => ({ ...each, check: 'certificate' })),
  )
}

async function judge({ ports }: DoctorParts, { certificate: file, key: keyFile }: CertificateFiles): Promise<Diagnosis> {
  const certificate = new X509Certificate(await ports.files.readFile(file))
  const key = createPrivateKey(await ports.files.readFile(keyFile))
  if (!certificate.checkPrivateKey(key)) return problem('certificate', `${keyFile} is not the key of ${file}: no client can connect`)
  const now = ports.clock.now()
  const [from, until] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)]
  const days = Math.floor((until - now) / dayMs)
  if (until < now) return problem('certificate', `${file} ended on ${certificate.validTo}: renew it; it is taken up without a restart`)
  if (from > now) return problem('certificate', `${file} begins on ${certificate.validFrom}: is the clock right?`)
  if (days < renewalDays) return warning('certificate', `${file} ends in ${days} days, on ${certificate.validTo}: renew it`)
  return fine('certificate', `${file} fits its key and ends in ${days} days`)
}

const acmeCheck = 'certificates by ACME'

/** Certificates that are rows; none where ACME is not configured. */
export async function checkAcme({ config, ports }: DoctorParts, reader: Reader): Promise<readonly Diagnosis[]> {
  const { acme } = config.http.tls ?? {}
  if (acme === undefined) return []
  const rows = new Map((await certificateRows(reader)).map((row) => [row.host, row]))
  return acme.hosts.map((host) => judgeRow(host, rows.get(host), ports.clock.now()))
}

function judgeRow(host: string, row: CertificateRow | undefined, now: number): Diagnosis {
  const why = row === undefined || row.lastError === null ? '' : `: ${row.lastError}`
  if (row === undefined || row.certificate === null || row.notAfter === null)
    return problem(acmeCheck, `${host} has no certificate yet${why}; berth certificate renew ${host} tries now`)
  const days = Math.floor((row.notAfter - now) / dayMs)
  if (row.notAfter < now) return problem(acmeCheck, `the certificate of ${host} has ended${why}`)
  if (row.failures > 0) return warning(acmeCheck, `the certificate of ${host} ends in ${days} days and could not be renewed${why}`)
  return fine(acmeCheck, `the certificate of ${host} ends in ${days} days, and is renewed before`)
}
