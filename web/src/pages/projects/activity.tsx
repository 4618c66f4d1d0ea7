import { Group } from '@mantine/core'
import { pages } from '../../api/client.ts'
import { useLiveActivity } from '../../api/live-activity.ts'
import { listProjectAudit } from '../../api/routes.ts'
import { AuditTable } from '../../parts/audit-table.tsx'
import { useList } from '../../parts/list.ts'
import { LiveSign } from '../../parts/live-sign.tsx'
import type { ProjectPartProps } from './project-parts.ts'

/** What happened in a project, latest first. */
export function Activity({ project }: ProjectPartProps) {
  const list = useList(pages(listProjectAudit, { params: { project: project.name }, query: { limit: 100 } }))
  const live = useLiveActivity({ isOn: true, project: project.name })
  return (
    <>
      <Group justify="flex-end" mb="sm">
        <LiveSign state={live} />
      </Group>
      <AuditTable list={list} />
    </>
  )
}
