/**
 * Certificates by ACME (RFC 8555), as the listeners see them.
 *
 * The problem: several equal processes need the same certificates, one of them shall ask, and the authority's look may reach any of them. The way: everything
 * is rows, sealed: accounts, certificates, what is to be answered. A job (acme-job.ts, one at a time) asks; each process looks every few seconds for
 * certificates that changed, and for challenges when it is asked. To add a challenge: a kind in config, a proof in acme-issue.ts, a listener that answers.
 */
import type { AcmeConfig } from '#config/config.ts'
import type { Jobs } from '#jobs/jobs.ts'
import { makeAuthority, makeServerCertificate, type KeyedCertificate } from '#lib/make-certificate.ts'
import { acmeChallenges, certificateRows, type CertificateRow } from '#metadata/certificates.ts'
import { renewalJobName, renewalKey } from './acme-job.ts'
import { openSealed, sealContexts, type AcmeParts } from './acme-store.ts'
import { isDue } from './acme-times.ts'

/** A certificate that can be served: PEM. */
export interface HostCertificate extends KeyedCertificate {
  readonly host: string
}

/** One per process. */
export interface AcmeCertificates extends AsyncDisposable {
  /** Hosts that certificates are for. */
  readonly hosts: ReadonlySet<string>
  /** Whether challenges come in handshakes (tls-alpn-01). */
  readonly answersHandshakes: boolean
  /** For clients that come before the first certificate: nobody believes it. */
  readonly placeholder: { readonly cert: string; readonly key: string }
  /** As they are known here now. */
  current(): readonly HostCertificate[]
  /** Calls whenever that changed; the result ends it. */
  onChange(listener: () => void): () => void
  /** The certificate that answers tls-alpn-01 for the host now. */
  tlsChallenge(host: string): Promise<KeyedCertificate | undefined>
  /** What answers http-01 for the token now. */
  httpChallenge(token: string): Promise<string | undefined>
}

/** How often rows are looked at; each second while a certificate is missing or due. */
const lookMs = 10_000
const tickMs = 1_000
/** How old what is known of challenges may be. Less than acme-issue.ts waits. */
const freshMs = 1_000
/** Handshakes wait no longer for the database. */
const patienceMs = 2_000
const dayMs = 86_400_000

/** Reads what there is, and begins to look for changes. `readOnly`: asks for nothing. */
export async function openAcme(
  parts: AcmeParts,
  config: AcmeConfig,
  { jobs, isReadOnly }: { readonly jobs: Pick<Jobs, 'enqueue'>; readonly isReadOnly: boolean },
): Promise<AcmeCertificates> {
  const { clock, random, timers } = parts.ports
  const keeper = new Keeper(parts, config, isReadOnly ? undefined : jobs)
  const made = await makePlaceholder(random, clock.now())
  await keeper.look()
  if (isReadOnly) parts.log.warn('this registry is read-only: it asks for no certificates by ACME, and serves those that there are')
  const timer = timers.every(tickMs, () => void keeper.tick())
  const challenges = createChallenges(parts, config)
  return {
    hosts: new Set(config.hosts),
    answersHandshakes: config.challenge === 'tls-alpn-01',
    placeholder: { cert: made.certificate, key: made.key },
    current: () => keeper.current,
    onChange: (listener) => keeper.onChange(listener),
    async tlsChallenge(host) {
      const proof = (await challenges('tls-alpn-01')).find((each) => each.host === host)?.proof
      return proof === undefined ? undefined : (JSON.parse(proof) as KeyedCertificate)
    },
    httpChallenge: async (token) => (await challenges('http-01')).find((each) => each.token === token)?.proof,
    async [Symbol.asyncDispose]() {
      timer[Symbol.dispose]()
      await keeper.settled()
    },
  }
}

async function makePlaceholder(random: AcmeParts['ports']['random'], now: number): Promise<KeyedCertificate> {
  const wanted = {
    commonName: 'Berth waits for its certificate',
    names: ['waiting.invalid'],
    notBefore: now - dayMs,
    notAfter: now + 365 * dayMs,
  }
  const { key } = await makeAuthority(random, wanted)
  return await makeServerCertificate(random, wanted, { name: wanted.commonName, key })
}

class Keeper {
  current: readonly HostCertificate[] = []
  readonly #parts: AcmeParts
  readonly #config: AcmeConfig
  readonly #jobs: Pick<Jobs, 'enqueue'> | undefined
  readonly #listeners = new Set<() => void>()
  #stamp = ''
  #lookedAt = 0
  #isWaiting = false
  /** When the next certificate is due, as far as is known. */
  #nextAt = Number.POSITIVE_INFINITY
  #looking: Promise<void> | undefined

  constructor(parts: AcmeParts, config: AcmeConfig, jobs: Pick<Jobs, 'enqueue'> | undefined) {
    this.#parts = parts
    this.#config = config
    this.#jobs = jobs
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  settled(): Promise<void> {
    return this.#looking ?? Promise.resolve()
  }

  async tick(): Promise<void> {
    const { ports, log } = this.#parts
    const isEarly = ports.clock.now() < this.#nextAt && ports.clock.monotonic() - this.#lookedAt < lookMs
    if (this.#looking !== undefined || (!this.#isWaiting && isEarly)) return
    this.#looking = this.look().catch((error: unknown) => log.debug({ err: error }, 'certificates cannot be looked at now'))
    await this.#looking
    this.#looking = undefined
  }

  async look(): Promise<void> {
    const { metadata, ports } = this.#parts
    const { directoryUrl, hosts } = this.#config
    this.#lookedAt = ports.clock.monotonic()
    const rows = (await certificateRows(metadata.reader)).filter(({ host }) => hosts.includes(host))
    this.#take(rows)
    const now = ports.clock.now()
    const served = new Set(this.current.map(({ host }) => host))
    const due = hosts.filter((host) => {
      const row = rows.find((each) => each.host === host)
      // A certificate whose key cannot be opened is none.
      const usable = row === undefined || served.has(host) ? row : { ...row, certificate: null }
      return isDue(usable, { now, directoryUrl })
    })
    this.#isWaiting = due.length > 0
    this.#nextAt = Math.min(...rows.map(({ renewAt, nextTryAt }) => Math.max(renewAt ?? 0, nextTryAt ?? 0)).filter((at) => at > now))
    if (due.length > 0)
      await this.#jobs?.enqueue({ kind: renewalJobName, uniqueKey: renewalKey, payload: { hosts: due }, createdBy: '', attemptsMax: 2 })
  }

  #take(rows: readonly CertificateRow[]): void {
    const stamp = rows.map(({ id, updatedAt, notAfter }) => `${id}:${updatedAt}:${notAfter}`).join(' ')
    if (stamp === this.#stamp) return
    const before = this.current.map(({ certificate }) => certificate).join('')
    this.#stamp = stamp
    this.current = rows.flatMap(({ host, certificate, privateKey }) => {
      const key = openSealed(this.#parts, privateKey, sealContexts.certificate(host))
      return certificate === null || key === undefined ? [] : [{ host, certificate, key }]
    })
    if (this.current.map(({ certificate }) => certificate).join('') === before) return
    this.#parts.log.info({ hosts: this.current.map(({ host }) => host) }, 'certificates by ACME taken up')
    for (const listener of this.#listeners) listener()
  }
}

interface OpenChallenge {
  readonly host: string
  readonly token: string
  readonly proof: string
}

/** What is to be answered, read at most once a second however many ask; what was known before where the database does not answer. */
function createChallenges(
  parts: AcmeParts,
  { challenge }: AcmeConfig,
): (kind: AcmeConfig['challenge']) => Promise<readonly OpenChallenge[]> {
  const { clock, timers } = parts.ports
  let known: readonly OpenChallenge[] = []
  let readAt: number | undefined
  let reading: Promise<void> | undefined
  const read = async () => {
    readAt = clock.monotonic()
    known = (await acmeChallenges(parts.metadata.reader, challenge)).flatMap(({ host, token, proof }) => {
      const opened = openSealed(parts, proof, sealContexts.challenge(token))
      return opened === undefined ? [] : [{ host, token, proof: opened }]
    })
  }
  return async (kind) => {
    if (kind !== challenge) return []
    if (readAt === undefined || clock.monotonic() - readAt >= freshMs) {
      reading ??= read()
        .catch((error: unknown) => parts.log.warn({ err: error }, 'challenges of ACME cannot be read'))
        .finally(() => (reading = undefined))
    }
    if (reading === undefined) return known
    const enough = new AbortController()
    const late = timers.sleep(patienceMs, enough.signal).catch(() => undefined)
    await Promise.race([reading, late])
    enough.abort(new Error('it came in time'))
    return known
  }
}
