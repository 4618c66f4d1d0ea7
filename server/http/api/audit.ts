/** Audit: features/audit-*.ts over HTTP. */
import { hostname } from 'node:os'
import { Readable } from 'node:stream'
import type { ProjectFacts } from '#access/decide.ts'
import type { QueryOf, ResponseOf } from '#api/contract.ts'
import * as contract from '#api/routes/audit.ts'
import { exportAudit } from '#features/audit-export.ts'
import { listAudit, verifyAudit, type AuditFilter, type AuditRecord } from '#features/audit-list.ts'
import type { Exchange } from '#http/exchange.ts'
import { programVersion } from '#lib/version.ts'
import { instantOf, pageBody } from './page-body.ts'
import { serve, type ApiCall, type ServedRoute } from './serve-route.ts'
import { sortedPage } from './sorted-page.ts'

const sorts = { id: 'number' } as const

/** A record as answers have it. */
export function present({ at, ...record }: AuditRecord): ResponseOf<typeof contract.listAudit>['items'][number] {
  return { ...record, at: instantOf(at) }
}

function filterOf(query: Omit<QueryOf<typeof contract.listAudit>, 'limit' | 'cursor' | 'sort'>): AuditFilter {
  const { actor, action, outcome, repository, address, credential, reason, requestId, target, project, since, until } = query
  const times = { since: since === undefined ? undefined : Date.parse(since), until: until === undefined ? undefined : Date.parse(until) }
  return { actor, action, outcome, repository, address, credential, reason, requestId, target, project, ...times }
}

/** Bytes are counted as they leave. */
async function* counted(text: AsyncIterable<string>, { notes }: Exchange): AsyncIterable<Buffer> {
  for await (const piece of text) {
    const bytes = Buffer.from(piece)
    notes.sentBytes += bytes.length
    yield bytes
  }
}

/** All of it, or of a project. */
async function answerExport(
  { parts, who, exchange }: Pick<ApiCall<typeof contract.exportAudit>, 'parts' | 'who' | 'exchange'>,
  { format = 'json', ...filters }: QueryOf<typeof contract.exportAudit>,
  project?: ProjectFacts,
) {
  await parts.audit.flush()
  const source = { version: programVersion(), node: hostname() }
  const text = await exportAudit(parts.directory, { format, filter: filterOf(filters), project, source }, who)
  const headers = {
    'Content-Type': contentTypes[format],
    'Content-Disposition': `attachment; filename="audit.${format === 'json' ? 'ndjson' : 'csv'}"`,
    'Cache-Control': 'no-store',
  }
  return { body: undefined, stream: Readable.from(counted(text, exchange), { objectMode: false }), headers }
}

const contentTypes = { json: 'application/x-ndjson; charset=utf-8', csv: 'text/csv; charset=utf-8' } as const
const verifiedMax = 20_000

/** Served by the app. */
export const auditRoutes: readonly ServedRoute[] = [
  serve(contract.listAudit, async ({ parts, query, page }) => {
    await parts.audit.flush()
    return { body: pageBody(await listAudit(parts.directory, filterOf(query), sortedPage(page, sorts)), present) }
  }),
  serve(contract.listProjectAudit, async ({ parts, query, page, project }) => {
    await parts.audit.flush()
    const filter = { ...filterOf(query), projectId: project.id }
    return { body: pageBody(await listAudit(parts.directory, filter, sortedPage(page, sorts)), present) }
  }),
  serve(contract.exportAudit, ({ query, ...call }) => answerExport(call, query)),
  serve(contract.exportProjectAudit, ({ query, project, ...call }) => answerExport(call, query, project)),
  serve(contract.verifyAudit, async ({ parts, query }) => {
    const { after, limit = verifiedMax, expected } = query
    const found = await verifyAudit(parts.directory, { after, maximumEvents: limit, expected })
    return { body: presentVerification(found) }
  }),
]

function presentVerification(found: Awaited<ReturnType<typeof verifyAudit>>): ResponseOf<typeof contract.verifyAudit> {
  const { seals, events, purgedSeals, fault, next, head, unsealed, isExpectedFound } = found
  return {
    seals,
    records: events,
    purgedSeals,
    fault: fault === undefined ? null : { ...fault, sealedAt: instantOf(fault.sealedAt) },
    next: next ?? null,
    head: head === undefined ? null : { ...head, at: instantOf(head.at) },
    unsealed,
    isExpectedFound,
  }
}
