/** The entries of an index: one image for each platform. */
import { Badge } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import { query } from '../../api/client.ts'
import { readManifest } from '../../api/routes.ts'
import { placeOf } from '../../app/named-place.ts'
import { Digest } from '../../parts/copy.tsx'
import { DataTable, type Column } from '../../parts/data-table.tsx'
import { formatBytes } from '../../parts/sizes.ts'
import type { Manifest } from './image-page.tsx'

type Entry = Manifest['platforms'][number]

export function Platforms({ repository, manifest }: { readonly repository: string; readonly manifest: Manifest }) {
  const { t } = useTranslation()
  const columns: readonly Column<Entry>[] = [
    { key: 'platform', name: t('config.platform'), cell: (entry) => <Platform repository={repository} entry={entry} /> },
    {
      key: 'type',
      name: t('tags.kind'),
      hidden: 'wide',
      cell: ({ artifactType, annotations }) => annotations?.['vnd.docker.reference.type'] ?? artifactType ?? t('kind.image'),
    },
    { key: 'digest', name: t('common.digest'), width: 170, hidden: 'middle', cell: ({ digest }) => <Digest digest={digest} /> },
    { key: 'size', name: t('common.size'), width: 110, isEnd: true, cell: (entry) => <Size repository={repository} entry={entry} /> },
  ]
  return (
    <DataTable
      label={t('image.platforms')}
      columns={columns}
      rows={manifest.platforms}
      keyOf={({ digest, os, architecture, variant }) => [digest, os, architecture, variant].join(' ')}
    />
  )
}

/** Of the image, which the index does not tell. */
function Size({ repository, entry }: { readonly repository: string; readonly entry: Entry }) {
  const { data } = useQuery({ ...query(readManifest, { params: { repository, digest: entry.digest } }), enabled: entry.isPresent })
  return <span className="number">{data === undefined ? (entry.isPresent ? '…' : '–') : formatBytes(data.totalSizeBytes)}</span>
}

function Platform({ repository, entry }: { readonly repository: string; readonly entry: Entry }) {
  const { t } = useTranslation()
  const name = [entry.os, entry.architecture, entry.variant].filter((each) => each !== undefined && each !== '').join('/')
  const shown = name === '' ? entry.digest.slice(0, 19) : name
  if (!entry.isPresent) {
    return (
      <span>
        {shown} <Badge size="sm">{t('image.absent')}</Badge>
      </span>
    )
  }
  return (
    <Link to="/repositories/$" params={{ _splat: placeOf(repository, 'manifests', entry.digest) }} search={{}} className="link">
      {shown}
    </Link>
  )
}
