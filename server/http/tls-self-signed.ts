/**
 * TLS for a first try (`http.tls.selfsigned`): an authority of this installation's own, and a certificate by it for the names and addresses of this machine.
 *
 * The authority is made once, and it is what clients are told to trust; the certificate is made again when it ends soon or when this machine has other names
 * than it had, which clients do not notice. Key and certificate share a file, which is put in its place whole, so that neither a kill nor several processes that
 * start at once leave a pair that does not fit.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { hostname, networkInterfaces } from 'node:os'
import { dirname } from 'node:path'
import { isIP } from 'node:net'
import type { TlsConfig } from '#config/config.ts'
import type { Logger } from '#lib/logger.ts'
import { makeAuthority, makeServerCertificate } from '#lib/make-certificate.ts'
import type { Ports } from '#lib/ports.ts'

/** What it is made with. */
export interface SelfSignedParts {
  readonly ports: Pick<Ports, 'clock' | 'files' | 'random'>
  readonly log: Logger
}

const dayMs = 86_400_000
const authorityDays = 3_650
/** Some clients take none that last longer than 398 days. */
const serverDays = 397
const renewalDays = 60
/** Clocks of clients may be behind. */
const backdatedMs = dayMs

/** Makes what is missing or ends soon; nothing where `selfsigned` is off. */
export async function ensureSelfSigned(parts: SelfSignedParts, { certificate: file, selfSigned }: TlsConfig): Promise<void> {
  if (selfSigned === undefined || file === undefined) return
  await parts.ports.files.mkdir(dirname(file), { recursive: true, mode: 0o700 })
  const authority = await ensureAuthority(parts, selfSigned)
  const names = namesOfMachine(selfSigned.hosts)
  const found = await readPair(parts, file)
  if (found !== undefined && lastsFor(parts, found.certificate, renewalDays) && found.certificate.checkIssued(authority.certificate)) {
    if (names.every((name) => covers(found.certificate, name))) return
    parts.log.info({ names }, 'this machine has other names than its self-signed certificate: another one is made')
  }
  const now = parts.ports.clock.now()
  const wanted = {
    commonName: (names[0] ?? '').slice(0, 64),
    names,
    notBefore: now - backdatedMs,
    notAfter: now + serverDays * dayMs - backdatedMs,
  }
  const made = await makeServerCertificate(parts.ports.random, wanted, { name: authorityName(authority.certificate), key: authority.key })
  await write(parts, { file, text: made.certificate + made.key, mode: 0o600 })
  parts.log.warn({ file, names }, 'a self-signed certificate was made: clients need to be told to trust its authority')
}

interface Authority {
  readonly certificate: X509Certificate
  /** PEM. */
  readonly key: string
}

async function ensureAuthority(parts: SelfSignedParts, places: NonNullable<TlsConfig['selfSigned']>): Promise<Authority> {
  const authority = (await lastingPair(parts, places.authorityKey)) ?? (await makeOwnAuthority(parts, places.authorityKey))
  const text = `${authority.certificate.toString().trim()}\n`
  const shown = await parts.ports.files.readFile(places.authority, 'utf8').catch(() => '')
  if (shown !== text) await write(parts, { file: places.authority, text, mode: 0o644 })
  return authority
}

async function lastingPair(parts: SelfSignedParts, file: string): Promise<Authority | undefined> {
  const found = await readPair(parts, file)
  return found !== undefined && lastsFor(parts, found.certificate, serverDays) ? found : undefined
}

async function makeOwnAuthority(parts: SelfSignedParts, file: string): Promise<Authority> {
  const now = parts.ports.clock.now()
  // Two installations on one client must not go by one name.
  const commonName = `Berth of ${hostname()} ${parts.ports.random.bytes(4).toString('hex')}`.slice(-64)
  const made = await makeAuthority(parts.ports.random, { commonName, notBefore: now - backdatedMs, notAfter: now + authorityDays * dayMs })
  const isFirst = await write(parts, {
    file,
    text: made.certificate + made.key,
    mode: 0o600,
    isNew: (await readPair(parts, file)) === undefined,
  })
  const kept = isFirst ? undefined : await lastingPair(parts, file)
  return kept ?? { certificate: new X509Certificate(made.certificate), key: made.key }
}

/** Undefined when it is missing, broken, or not a certificate and its key. */
async function readPair({ ports }: SelfSignedParts, file: string): Promise<Authority | undefined> {
  try {
    const key = await ports.files.readFile(file, 'utf8')
    const certificate = new X509Certificate(key)
    return certificate.checkPrivateKey(createPrivateKey(key)) ? { certificate, key } : undefined
  } catch (error) {
    // A file that is there and may not be read is for the operator; writing over it would lose what clients trust.
    const code = (error as NodeJS.ErrnoException).code ?? ''
    if (code === 'EACCES' || code === 'EPERM' || code === 'EIO') throw error
    return undefined
  }
}

function lastsFor({ ports }: SelfSignedParts, { validTo }: X509Certificate, days: number): boolean {
  return Date.parse(validTo) > ports.clock.now() + days * dayMs
}

function covers(certificate: X509Certificate, name: string): boolean {
  return (isIP(name) === 0 ? certificate.checkHost(name) : certificate.checkIP(name)) !== undefined
}

function authorityName({ subject }: X509Certificate): string {
  return subject.replace(/^CN=/, '')
}

interface Written {
  readonly file: string
  readonly text: string
  readonly mode: number
  /** Only where nobody else has put one meanwhile. */
  readonly isNew?: boolean
}

/** Puts a whole file in its place; false when somebody else was first. */
async function write({ ports: { files, random } }: SelfSignedParts, { file, text, mode, isNew = false }: Written): Promise<boolean> {
  const part = `${file}.${random.uuid()}.part`
  {
    await using handle = await files.open(part, 'wx', mode)
    await handle.writeFile(text)
    await handle.sync()
  }
  if (!isNew) {
    await files.rename(part, file)
    return true
  }
  try {
    await files.link(part, file)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    return false
  } finally {
    await files.unlink(part)
  }
}

/** What a client on this machine or beside it may call it: `hosts` first, which the configuration names. */
function namesOfMachine(hosts: readonly string[]): readonly string[] {
  const own = hostname().toLowerCase()
  const addresses = Object.values(networkInterfaces()).flatMap((each) => (each ?? []).map(({ address }) => address))
  // Link-local addresses have a zone, which no certificate can name.
  const shown = addresses.filter((address) => isIP(address) !== 0 && !address.toLowerCase().startsWith('fe80:'))
  const isName = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/.test(own)
  return [...new Set([...hosts, ...(isName ? [own] : []), 'localhost', '127.0.0.1', '::1', ...shown])]
}
