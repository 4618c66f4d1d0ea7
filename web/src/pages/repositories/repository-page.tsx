/** A repository: its tags, one of its images opened up, its settings. */
import { Anchor, Breadcrumbs, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { lazy, Suspense } from 'react'
import { useTranslation } from 'react-i18next'
import { query } from '../../api/client.ts'
import { readRepository } from '../../api/routes.ts'
import { useRepositoryRights } from '../../api/session.ts'
import { Missing } from '../../app/broken.tsx'
import { withManageWords } from '../../app/i18n.ts'
import { placeOf, readPlace } from '../../app/named-place.ts'
import { PageHead, Waiting } from '../../parts/layout.tsx'
import { Problem } from '../../parts/problem.tsx'
import { TabLinks, type TabLink } from '../../parts/tab-links.tsx'
import { formatBytes, formatNumber } from '../../parts/sizes.ts'
import { PullMenu } from './pull-menu.tsx'
import { Tags } from './tags.tsx'
import { UploadButton } from './upload-button.tsx'

const Markdown = lazy(async () => ({ default: (await import('../../parts/markdown.tsx')).Markdown }))
const ImagePage = lazy(async () => ({ default: (await import('./image-page.tsx')).ImagePage }))
const ComparePage = lazy(async () => ({ default: (await import('./compare-page.tsx')).ComparePage }))
const RepositorySettings = lazy(async () => ({
  default: (await withManageWords(() => import('./repository-settings.tsx'))).RepositorySettings,
}))
const RepositoryUploads = lazy(async () => ({
  default: (await withManageWords(() => import('../uploads/repository-uploads.tsx'))).RepositoryUploads,
}))

export function RepositoryPage() {
  const { _splat } = useParams({ from: '/shell/repositories/$' })
  const { name, part, rest } = readPlace(_splat)
  if ((part === 'tags' || part === 'manifests') && rest !== '') {
    return (
      <Suspense fallback={<Waiting />}>
        <ImagePage key={`${name} ${rest}`} repository={name} reference={rest} isTag={part === 'tags'} />
      </Suspense>
    )
  }
  if (part === 'compare') {
    return (
      <Suspense fallback={<Waiting />}>
        <ComparePage key={name} repository={name} rest={rest} />
      </Suspense>
    )
  }
  if (part !== '' && part !== 'settings' && part !== 'uploads') return <Missing />
  return <RepositoryFront key={name} name={name} part={part} />
}

function RepositoryFront({ name, part }: { readonly name: string; readonly part: '' | 'settings' | 'uploads' }) {
  const { t } = useTranslation()
  const { data: repository, error, refetch } = useQuery(query(readRepository, { params: { repository: name } }))
  const rights = useRepositoryRights(name)
  if (error !== null) return <Problem error={error} retry={() => void refetch()} />
  if (repository === undefined) return <Waiting />
  const tabs: readonly TabLink[] = [
    { part: undefined, name: t('project.tags') },
    ...(rights.has('upload:list') ? [{ part: 'uploads', name: t('places.uploads') }] : []),
    ...(rights.has('repository:update') || rights.has('repository:delete') || rights.has('repository:move')
      ? [{ part: 'settings', name: t('project.settings') }]
      : []),
  ]
  const size = `${repository.sizeIsExact ? '' : '>'}${formatBytes(repository.sizeBytes)}`
  return (
    <>
      <RepositoryTrail project={repository.project} repository={repository.name} />
      <PageHead
        title={repository.name}
        description={
          <span className="number">
            {size} · {t('repository.manifests', { count: repository.manifestCount, shown: formatNumber(repository.manifestCount) })}
          </span>
        }
        actions={
          <>
            {part === '' && rights.has('repository:push') && <UploadButton place={repository.name} />}
            <PullMenu repository={repository.name} reference={{ tag: 'latest' }} />
          </>
        }
      />
      {tabs.length > 1 && (
        <TabLinks
          label={t('repository.parts')}
          to="/repositories/$"
          place={(each) => placeOf(repository.name, each)}
          current={part}
          tabs={tabs}
        />
      )}
      {part === '' && repository.description !== '' && (
        <div className="panel" style={{ padding: 16, marginBottom: 20 }}>
          <Suspense fallback={<Text className="wrap">{repository.description}</Text>}>
            <Markdown text={repository.description} />
          </Suspense>
        </div>
      )}
      {part === '' && <Tags repository={repository.name} project={repository.project} rights={rights} />}
      {part === 'uploads' && (
        <Suspense fallback={<Waiting />}>
          <RepositoryUploads repository={repository.name} />
        </Suspense>
      )}
      {part === 'settings' && (
        <Suspense fallback={<Waiting />}>
          <RepositorySettings repository={repository} rights={rights} />
        </Suspense>
      )}
    </>
  )
}

/** The way back up. */
export function RepositoryTrail({
  project,
  repository,
  leaf,
}: {
  readonly project: string
  readonly repository: string
  readonly leaf?: string
}) {
  const { t } = useTranslation()
  const short = repository.startsWith(`${project}/`) ? repository.slice(project.length + 1) : repository
  return (
    <Breadcrumbs mb={8} separatorMargin={6} fz="sm" style={{ flexWrap: 'wrap' }}>
      <Anchor component={Link} to="/projects" c="dimmed" fz="sm">
        {t('nav.projects')}
      </Anchor>
      <Link to="/projects/$" params={{ _splat: project }} search={{}} className="crumb">
        {project}
      </Link>
      {leaf === undefined ? (
        <Text inherit c="dimmed" className="wrap">
          {short}
        </Text>
      ) : (
        <Link to="/repositories/$" params={{ _splat: repository }} search={{}} className="crumb">
          {short}
        </Link>
      )}
      {leaf !== undefined && (
        <Text inherit c="dimmed" className="cut" maw={220}>
          {leaf}
        </Text>
      )}
    </Breadcrumbs>
  )
}
