/**
 * The certificates of the data port: from files and by ACME, chosen by the name that a client asks for.
 *
 * The problem: certificates are replaced while connections live, one file at a time, sometimes by nonsense. The way: each certificate is read apart and
 * looked at every few seconds; what is whole is taken up by the handshakes that follow, what is broken leaves the one before in use and is said once.
 * Connections that are open keep what they have, but where clients show certificates: what those are worth may have changed.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls'
import type { CertificateFiles, TlsConfig } from '#config/config.ts'
import type { AcmeCertificates } from '#features/acme.ts'
import type { Logger } from '#lib/logger.ts'
import type { Ports } from '#lib/ports.ts'
import { certificateFilesOf, readTrust, stampOf } from './tls.ts'

/** What certificates are read with. */
export interface CertificateParts {
  readonly ports: Pick<Ports, 'clock' | 'files' | 'timers'>
  readonly log: Logger
  /** Certificates by ACME; absent: none. */
  readonly acme?: AcmeCertificates | undefined
}

/** Who is told of changes. */
export interface CertificateListener {
  /** The options of the certificate for clients that name no host, or one that nothing is known of. */
  setDefault(options: SecureContextOptions): void
  /** Something was taken up anew. */
  changed(): void
}

/** The certificates that are served now. Disposing stops looking for changes. */
export interface Certificates extends Disposable {
  /** The certificate for the name; undefined: the default one. */
  find(serverName: string): SecureContext | undefined
}

const intervalMs = 10_000

interface Served {
  readonly certificate: X509Certificate
  readonly options: SecureContextOptions
  readonly context: SecureContext
}

interface Pair {
  readonly files: CertificateFiles
  /** What the served one was read from. */
  stamp: string
  /** What could not be read last: it is said once. */
  brokenStamp: string | undefined
  served: Served | undefined
}

/** Reads all of them. Rejects when a file cannot be read, or holds no certificate, or a key that does not fit. */
export async function openCertificates(parts: CertificateParts, tls: TlsConfig, listener: CertificateListener): Promise<Certificates> {
  const book = new CertificateBook(parts, tls, listener)
  await book.load()
  const timer = parts.ports.timers.every(intervalMs, () => void book.reload())
  const unsubscribe = parts.acme?.onChange(() => book.takeAcme())
  return {
    find: (serverName) => book.find(serverName),
    [Symbol.dispose]() {
      timer[Symbol.dispose]()
      unsubscribe?.()
    },
  }
}

class CertificateBook {
  readonly #parts: CertificateParts
  readonly #tls: TlsConfig
  readonly #listener: CertificateListener
  readonly #pairs: readonly Pair[]
  #acme: readonly Served[] = []
  #trust: SecureContextOptions = {}
  #trustStamp = ''
  #brokenTrustStamp: string | undefined
  #isReloading = false

  constructor(parts: CertificateParts, tls: TlsConfig, listener: CertificateListener) {
    this.#parts = parts
    this.#tls = tls
    this.#listener = listener
    this.#pairs = certificateFilesOf(tls).map((files) => ({ files, stamp: '', brokenStamp: undefined, served: undefined }))
  }

  async load(): Promise<void> {
    const { ports } = this.#parts
    this.#trust = await readTrust(ports, this.#tls)
    this.#trustStamp = await stampOf(ports, this.#trustFiles())
    for (const pair of this.#pairs) await this.#take(pair, await stampOf(ports, [pair.files.certificate, pair.files.key]))
    this.takeAcme()
  }

  /** Takes up what changed, each on its own. */
  async reload(): Promise<void> {
    if (this.#isReloading) return
    this.#isReloading = true
    try {
      const isNewTrust = await this.#reloadTrust()
      let isChanged = isNewTrust
      for (const pair of this.#pairs) isChanged = (await this.#reloadPair(pair, isNewTrust)) || isChanged
      if (isNewTrust) this.takeAcme()
      else if (isChanged) this.#setDefault()
      if (isChanged) this.#listener.changed()
    } finally {
      this.#isReloading = false
    }
  }

  takeAcme(): void {
    const { acme, log } = this.#parts
    this.#acme = (acme?.current() ?? []).flatMap(({ host, certificate, key }) => {
      try {
        return [servedOf(certificate, key, this.#trust)]
      } catch (error) {
        log.error({ err: error, host }, 'a certificate by ACME cannot be served')
        return []
      }
    })
    this.#setDefault()
  }

  find(serverName: string): SecureContext | undefined {
    // OpenSSL compares what it is given; nothing else can be a host's name.
    if (!/^[a-z0-9._-]{1,253}$/i.test(serverName)) return undefined
    const now = this.#parts.ports.clock.now()
    const fitting = this.#all().filter(({ certificate }) => certificate.checkHost(serverName) !== undefined)
    return (fitting.find(({ certificate }) => Date.parse(certificate.validTo) > now) ?? fitting[0])?.context
  }

  #all(): readonly Served[] {
    return [...this.#pairs.flatMap(({ served }) => served ?? []), ...this.#acme]
  }

  #setDefault(): void {
    const first = this.#all()[0]?.options ?? this.#parts.acme?.placeholder
    if (first !== undefined) this.#listener.setDefault({ ...first, ...this.#trust })
  }

  #trustFiles(): readonly string[] {
    return [...this.#tls.clientCas, ...this.#tls.crls]
  }

  async #reloadTrust(): Promise<boolean> {
    const { ports, log } = this.#parts
    let stamp = 'unreadable'
    try {
      stamp = await stampOf(ports, this.#trustFiles())
      if (stamp === this.#trustStamp) return false
      const trust = await readTrust(ports, this.#tls)
      // Throws for what is no certificate or list.
      createSecureContext(trust)
      this.#trust = trust
      this.#trustStamp = stamp
      log.info({ files: this.#trustFiles() }, 'authorities and revocation lists taken up anew')
      return true
    } catch (error) {
      if (this.#brokenTrustStamp !== stamp)
        log.error(
          { files: this.#trustFiles() },
          `authorities or revocation lists not taken up (${reasonOf(error)}): those before stay in use`,
        )
      this.#brokenTrustStamp = stamp
      return false
    }
  }

  async #reloadPair(pair: Pair, isNewTrust: boolean): Promise<boolean> {
    const { ports, log } = this.#parts
    let stamp = 'unreadable'
    try {
      stamp = await stampOf(ports, [pair.files.certificate, pair.files.key])
      if (stamp === pair.stamp && !isNewTrust) return false
      await this.#take(pair, stamp)
      if (!isNewTrust) log.info({ file: pair.files.certificate }, 'certificate taken up anew')
      return true
    } catch (error) {
      // A half-written pair fails here and is tried again; the one in use goes on.
      if (pair.brokenStamp !== stamp)
        log.error({ file: pair.files.certificate }, `certificate not taken up (${reasonOf(error)}): the one before stays in use`)
      pair.brokenStamp = stamp
      return false
    }
  }

  async #take(pair: Pair, stamp: string): Promise<void> {
    const { ports, log } = this.#parts
    const [certificate, key] = await Promise.all([ports.files.readFile(pair.files.certificate), ports.files.readFile(pair.files.key)])
    pair.served = readPair(pair.files, { certificate, key }, this.#trust)
    pair.stamp = stamp
    pair.brokenStamp = undefined
    const { validTo } = pair.served.certificate
    if (Date.parse(validTo) <= ports.clock.now())
      log.warn({ file: pair.files.certificate, validTo }, 'this certificate has ended: clients refuse it until it is replaced')
  }
}

/** A file that was written half, or that cannot be read: where in the program that was noticed tells nobody anything. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause === undefined ? error.message : `${error.message}: ${reasonOf(error.cause)}`
}

function readPair(
  files: CertificateFiles,
  { certificate, key }: { readonly certificate: Buffer; readonly key: Buffer },
  trust: SecureContextOptions,
): Served {
  let found: X509Certificate
  let fits: boolean
  try {
    found = new X509Certificate(certificate)
    fits = found.checkPrivateKey(createPrivateKey(key))
  } catch (cause) {
    throw new Error(`${files.certificate} and ${files.key} are not a certificate and its private key in PEM`, { cause })
  }
  if (!fits) throw new Error(`${files.key} is not the key of ${files.certificate}`)
  return servedOf(certificate, key, trust)
}

function servedOf(certificate: string | Buffer, key: string | Buffer, trust: SecureContextOptions): Served {
  const options = { cert: certificate, key }
  return { certificate: new X509Certificate(certificate), options, context: createSecureContext({ ...trust, ...options }) }
}
