/** Serves api/routes/certificates.ts. */
import type { ResponseOf } from '#api/contract.ts'
import * as routes from '#api/routes/certificates.ts'
import { listCertificates, renewCertificates, type CertificateFacts } from '#features/acme-certificates.ts'
import { instantOrNull } from './page-body.ts'
import { serve, type ServedRoute } from './serve-route.ts'

function present({ name, source, names, ...facts }: CertificateFacts): ResponseOf<typeof routes.listCertificates>['items'][number] {
  return {
    name,
    source,
    names: [...names],
    issuer: facts.issuer ?? null,
    serialNumber: facts.serialNumber ?? null,
    fingerprint256: facts.fingerprint256 ?? null,
    notBefore: instantOrNull(facts.notBefore ?? null),
    notAfter: instantOrNull(facts.notAfter ?? null),
    renewAt: instantOrNull(facts.renewAt ?? null),
    error: facts.error ?? null,
  }
}

/** Served by the app. */
export const certificateRoutes: readonly ServedRoute[] = [
  serve(routes.listCertificates, async ({ parts }) => {
    const { config, directory, ports } = parts
    const found = await listCertificates({ tls: config.http.tls, metadata: directory.metadata, files: ports.files })
    return { body: { items: found.map(present) } }
  }),
  serve(routes.renewCertificates, async ({ parts, body, who }) => {
    const { config, directory, ports } = parts
    const wanted = { tls: config.http.tls, metadata: directory.metadata, clock: ports.clock }
    const { jobId, isNew } = await renewCertificates(wanted, body.host?.toLowerCase(), who)
    return { body: { job: jobId, isNew } }
  }),
]
