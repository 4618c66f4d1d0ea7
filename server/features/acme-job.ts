/** The job that asks for certificates: one at a time in all processes, each host on its own, so that one that fails does not keep the others from theirs. */
import type { AcmeConfig } from '#config/config.ts'
import type { JobKind } from '#jobs/jobs.ts'
import { createAddressGuard } from '#lib/address-guard.ts'
import { createOutgoingHttp } from '#lib/outgoing-http.ts'
import { certificateRows, findCertificate } from '#metadata/certificates.ts'
import { AcmeClient } from './acme-client.ts'
import { issueCertificate, type Issuance } from './acme-issue.ts'
import { AcmeProblem } from './acme-problem.ts'
import { keepFailure, type AcmeParts } from './acme-store.ts'
import { isDue, waitAfter } from './acme-times.ts'

/** In rows, and of {@link renewalKey}. */
export const renewalJobName = 'renew-certificates'

/** While one waits or runs there is no second one. */
export const renewalKey = 'acme'

/** `hosts`: those, due or not. Without: what is due. */
export interface RenewalPayload {
  readonly hosts?: readonly string[]
}

/** What a run did. */
export interface RenewalReport {
  readonly issued: readonly string[]
  readonly failed: readonly string[]
}

/** How one try for one host ended, for metrics. */
export type RenewalListener = (outcome: 'success' | 'failure') => void

const timeoutMs = 30_000

/** The kind of job. */
export function renewCertificatesJob(
  parts: AcmeParts,
  config: AcmeConfig,
  onEnd?: RenewalListener,
): JobKind<RenewalPayload | null, RenewalReport> {
  return {
    name: renewalJobName,
    title: 'Ask for certificates by ACME that are missing or due',
    async run({ signal, log }, payload) {
      await using outgoing = createOutgoingHttp({
        // The operator's file names the authority, private ones included; acme-client.ts goes nowhere else.
        guard: createAddressGuard(everywhere),
        timers: parts.ports.timers,
        authorities: config.trustedCa === undefined ? undefined : await parts.ports.files.readFile(config.trustedCa, 'utf8'),
        timeoutMs,
      })
      const { directoryUrl } = config
      const client = new AcmeClient({ outgoing, ports: parts.ports, directoryUrl, signal })
      const issuance: Issuance = { parts, config, client, signal, say: (message) => log('info', message) }
      const issued: string[] = []
      const failed: string[] = []
      for (const host of await wantedHosts(parts, config, payload?.hosts)) {
        signal.throwIfAborted()
        try {
          await issueCertificate(issuance, host)
          issued.push(host)
          onEnd?.('success')
        } catch (error) {
          signal.throwIfAborted()
          failed.push(host)
          onEnd?.('failure')
          log('error', `${host}: ${await noteFailure(parts, host, error)}`)
        }
      }
      return { issued, failed }
    },
  }
}

const everywhere = ['0.0.0.0/0', '::/0']

async function wantedHosts(
  { metadata, ports }: AcmeParts,
  config: AcmeConfig,
  asked: readonly string[] | undefined,
): Promise<readonly string[]> {
  if (asked !== undefined) return config.hosts.filter((host) => asked.includes(host))
  const rows = new Map((await certificateRows(metadata.reader)).map((row) => [row.host, row]))
  const now = ports.clock.now()
  return config.hosts.filter((host) => isDue(rows.get(host), { now, directoryUrl: config.directoryUrl }))
}

/** What authorities say of an order that is spent. */
const lastingTypes: ReadonlySet<string> = new Set(['rateLimited', 'serverInternal', 'badNonce', 'accountDoesNotExist'])

async function noteFailure({ metadata, ports, log }: AcmeParts, host: string, error: unknown): Promise<string> {
  const now = ports.clock.now()
  const failures = ((await findCertificate(metadata.reader, host))?.failures ?? 0) + 1
  const problem = error instanceof AcmeProblem ? error : undefined
  const message = error instanceof Error ? error.message : String(error)
  const nextTryAt = now + waitAfter(failures, problem?.retryAfterMs, ports.random)
  await metadata.write(keepFailure, {
    host,
    failures,
    nextTryAt,
    lastError: message.slice(0, 1_000),
    at: now,
    endsOrder: problem !== undefined && !lastingTypes.has(problem.type),
    reason: problem?.type ?? 'unreachable',
  })
  const next = new Date(nextTryAt).toISOString()
  log.error({ err: error, host, failures, nextTryAt: next }, 'no certificate by ACME: it is tried again')
  return `${message}; the next try is at ${next}`
}
