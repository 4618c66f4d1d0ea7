/** The certificates that this registry serves, from files and by ACME, as people and metrics see them; and how ones by ACME are asked for by hand. */
import { X509Certificate } from 'node:crypto'
import type { TlsConfig } from '#config/config.ts'
import { startJob, type Enqueued } from '#jobs/enqueue-job.ts'
import type { Who } from '#events/event.ts'
import type { Ports } from '#lib/ports.ts'
import { certificateRows, type CertificateRow } from '#metadata/certificates.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { transaction } from '#metadata/transaction.ts'
import { RegistryError } from '#oci/errors.ts'
import { renewalJobName, renewalKey } from './acme-job.ts'

/** A certificate, or the want of one. Instants are milliseconds. */
export interface CertificateFacts {
  /** Host by ACME; the file's name else. */
  readonly name: string
  readonly source: 'file' | 'self-signed' | 'acme'
  /** Names that clients may use; empty where there is no certificate. */
  readonly names: readonly string[]
  readonly issuer: string | undefined
  readonly serialNumber: string | undefined
  readonly fingerprint256: string | undefined
  readonly notBefore: number | undefined
  readonly notAfter: number | undefined
  /** By ACME: when it will be asked for again. */
  readonly renewAt: number | undefined
  /** Why there is none, or why it could not be read or renewed. */
  readonly error: string | undefined
}

/** What lists look with. */
export interface CertificateListParts {
  readonly tls: TlsConfig | undefined
  readonly metadata: Pick<Metadata, 'reader'>
  readonly files: Pick<Ports['files'], 'readFile'>
}

/** All of them, the default one first. */
export async function listCertificates({ tls, metadata, files }: CertificateListParts): Promise<readonly CertificateFacts[]> {
  if (tls === undefined) return []
  const { certificate, certificates = [], acme } = tls
  const source = tls.selfSigned === undefined ? 'file' : 'self-signed'
  const names = [...(certificate === undefined ? [] : [certificate]), ...certificates.map((pair) => pair.certificate)]
  const found = await Promise.all(names.map((name) => readFacts({ name, source }, () => files.readFile(name))))
  if (acme === undefined) return found
  const rows = new Map((await certificateRows(metadata.reader)).map((row) => [row.host, row]))
  return [...found, ...(await Promise.all(acme.hosts.map((host) => factsOfRow(host, rows.get(host)))))]
}

async function factsOfRow(host: string, row: CertificateRow | undefined): Promise<CertificateFacts> {
  const about = { name: host, source: 'acme' } as const
  const bare = row === undefined || row.certificate === null
  const facts = bare ? { ...empty, ...about } : await readFacts(about, () => Promise.resolve(Buffer.from(row.certificate ?? '')))
  const renewAt = row === undefined || row.failures > 0 ? row?.nextTryAt : row.renewAt
  return { ...facts, renewAt: renewAt ?? undefined, error: row?.lastError ?? facts.error }
}

const empty = {
  names: [],
  issuer: undefined,
  serialNumber: undefined,
  fingerprint256: undefined,
  notBefore: undefined,
  notAfter: undefined,
  renewAt: undefined,
  error: undefined,
} as const

async function readFacts(about: Pick<CertificateFacts, 'name' | 'source'>, read: () => Promise<Buffer>): Promise<CertificateFacts> {
  try {
    const found = new X509Certificate(await read())
    return {
      ...empty,
      ...about,
      names: namesOf(found),
      issuer: found.issuer.replaceAll('\n', ', '),
      serialNumber: found.serialNumber,
      fingerprint256: found.fingerprint256,
      notBefore: Date.parse(found.validFrom),
      notAfter: Date.parse(found.validTo),
    }
  } catch (error) {
    return { ...empty, ...about, error: error instanceof Error ? error.message : String(error) }
  }
}

function namesOf({ subjectAltName = '' }: X509Certificate): readonly string[] {
  return [...subjectAltName.matchAll(/(?:^|, )(?:DNS|IP Address):([^,"]+)/g)].map(([, name = '']) => name)
}

interface Renewal {
  readonly hosts: readonly string[]
  readonly now: number
  readonly who: Who
}

const renew = transaction(import.meta.url, 'certificates/renew', (tx, { hosts, now, who }: Renewal): Promise<Enqueued> =>
  startJob(tx, { kind: renewalJobName, uniqueKey: renewalKey, payload: { hosts }, attemptsMax: 2, now }, who),
)

/** Asks for certificates now, due or not; `host` undefined: all. Throws RESOURCE_UNKNOWN for a host that is not configured, UNSUPPORTED without ACME. */
export async function renewCertificates(
  parts: { readonly tls: TlsConfig | undefined; readonly metadata: Metadata; readonly clock: Ports['clock'] },
  host: string | undefined,
  who: Who,
): Promise<Enqueued> {
  const { acme } = parts.tls ?? {}
  if (acme === undefined)
    throw new RegistryError('UNSUPPORTED', undefined, {
      message: 'certificates are renewed where they come by ACME (http.tls.letsencrypt); these are files',
    })
  if (host !== undefined && !acme.hosts.includes(host))
    throw new RegistryError('RESOURCE_UNKNOWN', undefined, { message: `${host} is none of http.tls.letsencrypt.hosts` })
  return await parts.metadata.write(renew, { hosts: host === undefined ? acme.hosts : [host], now: parts.clock.now(), who })
}
