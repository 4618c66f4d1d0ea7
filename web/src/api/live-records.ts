/** What live updates carry: the same as the lists. */
import type { ResponseOf } from '#api/contract.ts'
import type { listAudit } from '#api/routes/audit.ts'
import type { listJobs } from '#api/routes/jobs.ts'

export type AuditRecord = ResponseOf<typeof listAudit>['items'][number]
export type JobRecord = ResponseOf<typeof listJobs>['items'][number]
