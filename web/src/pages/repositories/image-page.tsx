/** An image opened up: by a tag, which has a history, or by its digest. Parts keep their place in the URL (`view`). */
import { ApiProblem } from '#api/client.ts'
import type { ResponseOf } from '#api/contract.ts'
import type { readManifest } from '#api/routes/manifests.ts'
import { Badge, Button, Group, Stack } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link, useSearch } from '@tanstack/react-router'
import { GitCompare } from 'lucide-react'
import { lazy, Suspense } from 'react'
import { useTranslation } from 'react-i18next'
import { query } from '../../api/client.ts'
import { readManifest as readManifestRoute, readRepository, readTag } from '../../api/routes.ts'
import { useRepositoryRights } from '../../api/session.ts'
import { withManageWords } from '../../app/i18n.ts'
import { placeOf } from '../../app/named-place.ts'
import { Digest } from '../../parts/copy.tsx'
import { PageHead, Waiting } from '../../parts/layout.tsx'
import { Problem } from '../../parts/problem.tsx'
import { RelativeTime } from '../../parts/relative-time.tsx'
import { Tabs } from '../../parts/tab-links.tsx'
import { formatBytes } from '../../parts/sizes.ts'
import { ImageAnnotations } from './image-annotations.tsx'
import { ImageConfig } from './image-config.tsx'
import { ImageLayers } from './image-layers.tsx'
import { ImageFiles } from './image-files.tsx'
import { Platforms } from './image-platforms.tsx'
import { ImageJson } from './image-json.tsx'
import { kindOfManifest } from './kind-of-manifest.ts'
import { PullMenu } from './pull-menu.tsx'
import { Referrers } from './referrers.tsx'
import { RepositoryTrail } from './repository-page.tsx'
import { TagMenu } from './tag-menu.tsx'
import { TagHistory } from './tag-history.tsx'

const ManifestLabels = lazy(async () => ({
  default: (await withManageWords(() => import('../labels/manifest-labels.tsx'))).ManifestLabels,
}))

export type Manifest = ResponseOf<typeof readManifest>

interface ImageProps {
  readonly repository: string
  readonly reference: string
  readonly isTag: boolean
}

export function ImagePage({ repository, reference, isTag }: ImageProps) {
  const { data: tag, error: tagError } = useQuery({ ...query(readTag, { params: { repository, tag: reference } }), enabled: isTag })
  const digest = isTag ? tag?.digest : reference
  const { data: manifest, error } = useQuery({
    ...query(readManifestRoute, { params: { repository, digest: digest ?? '-' } }),
    enabled: digest !== undefined,
  })
  const { data: facts } = useQuery(query(readRepository, { params: { repository } }))
  const isGoneTag = tagError instanceof ApiProblem && tagError.status === 404
  if (tagError !== null && !isGoneTag) return <Problem error={tagError} />
  if (error !== null) return <Problem error={error} />
  if (isGoneTag) return <GoneTag repository={repository} tag={reference} project={facts?.project} error={tagError} />
  if (manifest === undefined) return <Waiting rows={8} />
  return (
    <Opened
      repository={repository}
      project={facts?.project}
      manifest={manifest}
      tag={isTag ? reference : undefined}
      expiresAt={tag?.expiresAt}
    />
  )
}

/** What it was is still told: from its history it can come back. */
function GoneTag({
  repository,
  tag,
  project,
  error,
}: {
  readonly repository: string
  readonly tag: string
  readonly project: string | undefined
  readonly error: unknown
}) {
  const rights = useRepositoryRights(repository)
  return (
    <>
      {project !== undefined && <RepositoryTrail project={project} repository={repository} leaf={tag} />}
      <PageHead title={`${repository}:${tag}`} />
      <Stack>
        <Problem error={error} />
        <TagHistory repository={repository} tag={tag} rights={rights} />
      </Stack>
    </>
  )
}

interface OpenedProps {
  readonly repository: string
  readonly project: string | undefined
  readonly manifest: Manifest
  readonly tag: string | undefined
  readonly expiresAt: string | undefined
}

function Opened({ repository, project, manifest, tag, expiresAt }: OpenedProps) {
  const { t } = useTranslation()
  const { view } = useSearch({ from: '/shell/repositories/$' })
  const rights = useRepositoryRights(repository)
  const views = viewsOf(manifest, tag, rights)
  const current = views.find((each) => each === view) ?? views[0] ?? 'json'
  const kind = kindOfManifest(manifest)
  const short = manifest.digest.slice(0, 19)
  const splat = tag === undefined ? placeOf(repository, 'manifests', manifest.digest) : placeOf(repository, 'tags', tag)
  return (
    <>
      {project !== undefined && <RepositoryTrail project={project} repository={repository} leaf={tag ?? short} />}
      <PageHead
        title={tag === undefined ? `${repository}@${short}` : `${repository}:${tag}`}
        description={<Facts manifest={manifest} kind={t(`kind.${kind}`)} expiresAt={expiresAt} />}
        actions={
          <>
            {kind !== 'artifact' && rights.has('repository:pull') && (
              <CompareButton repository={repository} reference={tag ?? manifest.digest} />
            )}
            <PullMenu
              repository={repository}
              reference={tag === undefined ? { digest: manifest.digest } : { tag }}
              isChart={kind === 'chart'}
              digest={manifest.digest}
            />
            <TagMenu repository={repository} digest={manifest.digest} tag={tag} rights={rights} />
          </>
        }
      />
      <Suspense>
        <ManifestLabels project={project} repository={repository} digest={manifest.digest} rights={rights} />
      </Suspense>
      <Tabs label={t('image.parts')} current={current}>
        {views.map((each) => (
          <Link
            key={each}
            to="/repositories/$"
            params={{ _splat: splat }}
            search={{ view: each === views[0] ? undefined : each }}
            replace
            resetScroll={false}
            className="tab"
            {...(each === current && { 'data-active': true, 'aria-current': 'page' as const })}
          >
            {t(`image.${each}`)}
          </Link>
        ))}
      </Tabs>
      <Part
        view={current}
        repository={repository}
        manifest={manifest}
        tag={tag}
        rights={rights}
        filesAt={views.includes('files') ? splat : undefined}
      />
    </>
  )
}

interface PartProps {
  readonly view: View
  readonly repository: string
  readonly manifest: Manifest
  readonly tag: string | undefined
  readonly rights: ReadonlySet<string>
  readonly filesAt: string | undefined
}

function Part({ view, repository, manifest, tag, rights, filesAt }: PartProps) {
  if (view === 'platforms') return <Platforms repository={repository} manifest={manifest} />
  if (view === 'layers') return <ImageLayers manifest={manifest} filesAt={filesAt} />
  if (view === 'files') return <ImageFiles repository={repository} manifest={manifest} />
  if (view === 'config') return <ImageConfig manifest={manifest} />
  if (view === 'referrers') return <Referrers repository={repository} digest={manifest.digest} />
  if (view === 'history' && tag !== undefined) return <TagHistory repository={repository} tag={tag} rights={rights} />
  if (view === 'annotations') return <ImageAnnotations manifest={manifest} />
  return <ImageJson repository={repository} manifest={manifest} />
}

function CompareButton({ repository, reference }: { readonly repository: string; readonly reference: string }) {
  const { t } = useTranslation()
  return (
    <Button
      variant="default"
      leftSection={<GitCompare size={15} />}
      renderRoot={(props) => (
        <Link to="/repositories/$" params={{ _splat: placeOf(repository, 'compare', reference) }} search={{}} {...props} />
      )}
    >
      {t('compare.title')}
    </Button>
  )
}

type View = 'platforms' | 'layers' | 'files' | 'config' | 'referrers' | 'history' | 'annotations' | 'json'

/** What there is of this one, the most telling first. */
function viewsOf(manifest: Manifest, tag: string | undefined, rights: ReadonlySet<string>): readonly View[] {
  const hasFiles = kindOfManifest(manifest) !== 'artifact' && (manifest.kind === 'index' || manifest.layers.length > 0)
  return [
    ...(manifest.kind === 'index' ? (['platforms'] as const) : (['layers'] as const)),
    ...(hasFiles && rights.has('repository:pull') ? (['files'] as const) : []),
    ...(manifest.config !== undefined || manifest.configProblem !== undefined ? (['config'] as const) : []),
    ...(manifest.referrers.length > 0 ? (['referrers'] as const) : []),
    ...(tag === undefined ? [] : (['history'] as const)),
    ...(Object.keys(manifest.annotations).length > 0 ? (['annotations'] as const) : []),
    'json',
  ]
}

interface FactsProps {
  readonly manifest: Manifest
  readonly kind: string
  readonly expiresAt: string | undefined
}

function Facts({ manifest, kind, expiresAt }: FactsProps) {
  const { t } = useTranslation()
  const platform =
    manifest.config === undefined
      ? []
      : [manifest.config.os, manifest.config.architecture, manifest.config.variant].filter((each) => each !== undefined)
  return (
    <Group gap={8} mt={4}>
      <Badge>{kind}</Badge>
      {platform.length > 0 && <Badge>{platform.join('/')}</Badge>}
      <span className="number">{`${manifest.totalSizeIsExact ? '' : '>'}${formatBytes(manifest.totalSizeBytes)}`}</span>
      <Digest digest={manifest.digest} />
      <RelativeTime at={manifest.createdAt} />
      {expiresAt !== undefined && (
        <Badge color="yellow" variant="light" c="var(--mantine-color-text)">
          {t('tags.expires')} <RelativeTime at={expiresAt} />
        </Badge>
      )}
    </Group>
  )
}
