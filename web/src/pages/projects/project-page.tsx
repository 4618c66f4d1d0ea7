/** A project: what is in it, who works with it, what it may use. Each part is a file that is loaded when it is opened. */
import { Anchor, Breadcrumbs, Group, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { lazy, Suspense } from 'react'
import { useTranslation } from 'react-i18next'
import { query } from '../../api/client.ts'
import { readProject } from '../../api/routes.ts'
import { useProjectRights, useWho } from '../../api/session.ts'
import { withManageWords } from '../../app/i18n.ts'
import { placeOf, readPlace } from '../../app/named-place.ts'
import { Missing } from '../../app/broken.tsx'
import { PageHead, Waiting } from '../../parts/layout.tsx'
import { Problem } from '../../parts/problem.tsx'
import { TabLinks, type TabLink } from '../../parts/tab-links.tsx'
import { UploadButton } from '../repositories/upload-button.tsx'
import { ProjectOverview } from './project-overview.tsx'
import { Visibility } from './projects-page.tsx'

const parts = {
  members: lazy(async () => ({ default: (await import('./members.tsx')).Members })),
  robots: lazy(async () => ({ default: (await withManageWords(() => import('./robots.tsx'))).Robots })),
  activity: lazy(async () => ({ default: (await import('./activity.tsx')).Activity })),
  rules: lazy(async () => ({ default: (await withManageWords(() => import('../rules/project-rules.tsx'))).ProjectRules })),
  labels: lazy(async () => ({ default: (await withManageWords(() => import('../labels/project-labels.tsx'))).ProjectLabels })),
  uploads: lazy(async () => ({ default: (await withManageWords(() => import('../uploads/project-uploads.tsx'))).ProjectUploads })),
  settings: lazy(async () => ({ default: (await withManageWords(() => import('./project-settings.tsx'))).ProjectSettings })),
} as const

export function ProjectPage() {
  const { t } = useTranslation()
  const { _splat } = useParams({ from: '/shell/projects/$' })
  const { name, part } = readPlace(_splat)
  const { data: project, error, refetch } = useQuery(query(readProject, { params: { project: name } }))
  const rights = useProjectRights(name)
  const who = useWho()
  if (error !== null) return <Problem error={error} retry={() => void refetch()} />
  if (project === undefined) return <Waiting />
  const tabs: readonly TabLink[] = [
    { part: undefined, name: t('project.overview') },
    ...(rights.has('grant:list') ? [{ part: 'members', name: t('project.members') }] : []),
    ...(rights.has('robot:list') ? [{ part: 'robots', name: t('project.robots') }] : []),
    ...(rights.has('retention:list') || rights.has('immutability:list') ? [{ part: 'rules', name: t('places.rules') }] : []),
    ...(rights.has('label:list') ? [{ part: 'labels', name: t('places.labels') }] : []),
    ...(rights.has('upload:list') ? [{ part: 'uploads', name: t('places.uploads') }] : []),
    ...(rights.has('audit:list') ? [{ part: 'activity', name: t('project.activity') }] : []),
    ...(rights.has('project:update') || who.may('quota:update') ? [{ part: 'settings', name: t('project.settings') }] : []),
  ]
  const Part = part in parts ? parts[part as keyof typeof parts] : undefined
  if (part !== '' && Part === undefined) return <Missing />
  return (
    <>
      <Breadcrumbs mb={8} separatorMargin={6} fz="sm">
        <Anchor component={Link} to="/projects" c="dimmed" fz="sm">
          {t('nav.projects')}
        </Anchor>
        <Text inherit c="dimmed">
          {project.name}
        </Text>
      </Breadcrumbs>
      <PageHead
        title={project.name}
        shown={
          <Group gap="sm">
            <span className="wrap">{project.name}</span>
            <Visibility isPublic={project.isPublic} />
          </Group>
        }
        {...(part === '' && rights.has('repository:push') && { actions: <UploadButton place={`${project.name}/`} /> })}
      />
      <TabLinks label={t('project.parts')} to="/projects/$" place={(each) => placeOf(project.name, each)} current={part} tabs={tabs} />
      <Suspense fallback={<Waiting />}>
        {Part === undefined ? <ProjectOverview project={project} rights={rights} /> : <Part project={project} rights={rights} />}
      </Suspense>
    </>
  )
}
