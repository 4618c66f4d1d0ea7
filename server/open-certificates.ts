/** The part of the composition root that wires certificates: who asks for them by ACME, and what metrics say of all of them. */
import type { Directory } from '#access/directory.ts'
import type { Config } from '#config/config.ts'
import { listCertificates } from '#features/acme-certificates.ts'
import { openAcme, type AcmeCertificates } from '#features/acme.ts'
import type { RenewalListener } from '#features/acme-job.ts'
import type { Jobs } from '#jobs/jobs.ts'
import { watchCertificates } from '#lib/certificate-metrics.ts'
import type { Metrics } from '#lib/metrics.ts'

/** For the list of kinds of jobs; counts certificates from now on. */
export function certificateHook(
  { http: { tls } }: Config,
  { directory, metrics }: { readonly directory: Directory; readonly metrics: Metrics },
): { readonly parts: Directory; readonly onEnd?: RenewalListener } {
  if (tls === undefined) return { parts: directory }
  const { metadata, ports } = directory
  const counted = watchCertificates(metrics.registry, async () =>
    (await listCertificates({ tls, metadata, files: ports.files })).flatMap(({ name, source, notAfter }) =>
      notAfter === undefined ? [] : [{ name, source, notAfter }],
    ),
  )
  return { parts: directory, onEnd: (outcome) => counted.countRenewal(outcome) }
}

/** Certificates by ACME for the listener; undefined where none are configured. */
export async function openAcmeCertificates({
  config,
  directory,
  jobs,
}: {
  readonly config: Config
  readonly directory: Directory
  readonly jobs: Jobs
}): Promise<AcmeCertificates | undefined> {
  const { acme } = config.http.tls ?? {}
  if (acme === undefined) return undefined
  return await openAcme(directory, acme, { jobs, isReadOnly: config.storage.readOnly })
}
