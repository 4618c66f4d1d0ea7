import { pages } from '../../api/client.ts'
import { listProjectAudit } from '../../api/routes.ts'
import { AuditTable } from '../../parts/audit-table.tsx'
import { useList } from '../../parts/list.ts'
import type { ProjectPartProps } from './project-parts.ts'

/** What happened in a project, latest first. */
export function Activity({ project }: ProjectPartProps) {
  const list = useList(pages(listProjectAudit, { params: { project: project.name }, query: { limit: 100 } }))
  return <AuditTable list={list} />
}
