/**
 * The files of an image, a directory at a time, as a container would see them, or of one layer alone. Where one is stands in the URL: `path` is the
 * directory, `file` the file that is open beside it, `layer` and `platform` what is looked into.
 */
import { ApiProblem } from '#api/client.ts'
import type { ResponseOf } from '#api/contract.ts'
import type { listImageFiles as listRoute } from '#api/routes/images.ts'
import { ActionIcon, Alert, Group, Select, Stack, Text, Tooltip } from '@mantine/core'
import { useInfiniteQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { CornerDownRight, Download, File, FileX, Folder, FolderOpen, Link2, TriangleAlert, Usb, type LucideIcon } from 'lucide-react'
import { useEffect, useMemo } from 'react'
import { useTranslation } from 'react-i18next'
import { addressOf } from '../../api/address.ts'
import { client, keyOf } from '../../api/client.ts'
import { listImageFiles, readImageFile } from '../../api/routes.ts'
import { DataTable, type Column } from '../../parts/data-table.tsx'
import { Empty, Waiting } from '../../parts/layout.tsx'
import { Problem } from '../../parts/problem.tsx'
import { RelativeTime } from '../../parts/relative-time.tsx'
import { formatBytes } from '../../parts/sizes.ts'
import { visible, visibleName } from '../../parts/visible.ts'
import { FileViewer } from './file-viewer.tsx'
import type { Manifest } from './image-page.tsx'
import './image-files.css'

type Entry = ResponseOf<typeof listRoute>['items'][number]

/** What in the image is looked into. */
export interface FilesPlace {
  readonly repository: string
  /** Of the manifest or index. */
  readonly digest: string
  readonly platform: string | undefined
  readonly layer: string | undefined
}

export function ImageFiles({ repository, manifest }: { readonly repository: string; readonly manifest: Manifest }) {
  const { t } = useTranslation()
  const navigate = useNavigate({ from: '/repositories/$' })
  const { path, file, layer, platform, sort = 'name' } = useSearch({ from: '/shell/repositories/$' })
  const directory = path ?? (file === undefined ? '/' : parentOf(file))
  const place: FilesPlace = { repository, digest: manifest.digest, platform, layer }
  const { data, error, isPending, refetch, hasNextPage, isFetchingNextPage, fetchNextPage } = useFiles(place, directory, sort)
  const rows = useMemo(() => data?.pages.flatMap(({ items }) => items) ?? [], [data])
  const columns = useColumns(place, directory)
  // A link may lead to a file as well as to a directory: which of them is known when it was followed.
  const isFile = error instanceof ApiProblem && error.code === 'REQUEST_INVALID' && directory !== '/' && file === undefined
  useEffect(() => {
    if (isFile) void navigate({ search: (before) => ({ ...before, path: parentOf(directory), file: directory }), replace: true })
  }, [isFile, directory, navigate])
  const first = data?.pages[0]
  const set = (search: { sort?: string; file?: undefined }) =>
    void navigate({ search: (before) => ({ ...before, ...search }), replace: true, resetScroll: false })
  return (
    <Stack gap="sm">
      <Group justify="space-between" align="flex-end" gap="sm">
        <Trail directory={directory} />
        <Choices manifest={manifest} platform={first?.platform ?? platform} layer={layer} />
      </Group>
      {first !== undefined && <Remarks asked={directory} listed={first} />}
      {error !== null && !isFile && <Problem error={error} retry={() => void refetch()} />}
      {error === null && isPending && (
        <>
          <Text size="sm" c="dimmed" role="status">
            {t('files.reading')}
          </Text>
          <Waiting />
        </>
      )}
      {error === null && first !== undefined && rows.length === 0 && <Empty icon={<FolderOpen size={28} />} title={t('files.empty')} />}
      {error === null && rows.length > 0 && (
        <DataTable
          label={t('image.files')}
          columns={columns}
          rows={rows}
          keyOf={({ name }) => name}
          sort={sort}
          onSort={(value) => set({ sort: value })}
          more={{ has: hasNextPage, isLoading: isFetchingNextPage, load: () => void fetchNextPage() }}
        />
      )}
      <FileViewer place={place} path={file} close={() => set({ file: undefined })} />
    </Stack>
  )
}

function useFiles({ repository, digest, platform, layer }: FilesPlace, path: string, sort: string) {
  const input = {
    params: { repository, reference: digest },
    query: { limit: 200, path, sort: sort as 'name', ...(platform !== undefined && { platform }), ...(layer !== undefined && { layer }) },
  }
  return useInfiniteQuery({
    queryKey: [...keyOf(listImageFiles, input), 'pages'],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam, signal }) =>
      client.call(listImageFiles, {
        params: input.params,
        query: { ...input.query, ...(pageParam !== undefined && { cursor: pageParam }) },
        signal,
      }),
    getNextPageParam: (page) => page.next,
    // Of a digest nothing changes; what could not be read may be read later.
    staleTime: 300_000,
    placeholderData: (before, query) => (query?.queryKey[1] !== undefined && isSamePlace(query.queryKey[1], input) ? before : undefined),
  })
}

/** Only the order differs: then what was shown stays until it comes. */
function isSamePlace(before: unknown, now: { readonly query: { readonly path: string } }): boolean {
  const left = before as typeof now
  return JSON.stringify({ ...left, query: { ...left.query, sort: '' } }) === JSON.stringify({ ...now, query: { ...now.query, sort: '' } })
}

export function parentOf(path: string): string {
  const parts = path.split('/').filter((part) => part !== '')
  return `/${parts.slice(0, -1).join('/')}`
}

function below(directory: string, name: string): string {
  return directory.endsWith('/') ? `${directory}${name}` : `${directory}/${name}`
}

function Trail({ directory }: { readonly directory: string }) {
  const { t } = useTranslation()
  const parts = directory.split('/').filter((part) => part !== '')
  return (
    <nav className="file-trail mono" aria-label={t('files.path')}>
      <ToDirectory path="/" isCurrent={parts.length === 0} label={t('files.root')}>
        /
      </ToDirectory>
      {parts.map((part, at) => (
        <span key={at} style={{ display: 'contents' }}>
          {at > 0 && <span aria-hidden>/</span>}
          <ToDirectory path={`/${parts.slice(0, at + 1).join('/')}`} isCurrent={at === parts.length - 1}>
            {visibleName(part)}
          </ToDirectory>
        </span>
      ))}
    </nav>
  )
}

interface ToDirectoryProps {
  readonly path: string
  readonly isCurrent?: boolean
  readonly label?: string
  readonly children: string
}

function ToDirectory({ path, isCurrent = false, label, children }: ToDirectoryProps) {
  return (
    <Link
      from="/repositories/$"
      to="."
      search={(before) => ({ ...before, path: path === '/' ? undefined : path, file: undefined })}
      resetScroll={false}
      className={isCurrent ? 'link' : 'crumb'}
      {...(label !== undefined && { 'aria-label': label })}
      {...(isCurrent && { 'aria-current': 'location' as const })}
    >
      {children}
    </Link>
  )
}

interface ChoicesProps {
  readonly manifest: Manifest
  readonly platform: string | undefined
  readonly layer: string | undefined
}

/** Which image of an index, and whether all of it or a layer. */
function Choices({ manifest, platform, layer }: ChoicesProps) {
  const { t } = useTranslation()
  const navigate = useNavigate({ from: '/repositories/$' })
  const platforms = platformsOf(manifest)
  const layers = [...new Set(manifest.layers.map(({ digest }) => digest))]
  const isOfLayer = layer !== undefined
  const set = (search: { platform?: string; layer?: string | undefined }) =>
    void navigate({ search: (before) => ({ ...before, path: undefined, file: undefined, ...search }), replace: true, resetScroll: false })
  return (
    <Group gap="sm">
      {platforms.length > 1 && (
        <Select
          label={t('files.platform')}
          data={platforms}
          value={platform ?? null}
          onChange={(value) => value !== null && set({ platform: value, layer: undefined })}
          w={180}
        />
      )}
      {(layers.length > 1 || isOfLayer) && (
        <Select
          label={t('files.layer')}
          data={[
            { value: '', label: t('files.all') },
            ...layers.map((digest, at) => ({ value: digest, label: `${at + 1} · ${digest.slice(7, 19)}` })),
            ...(isOfLayer && !layers.includes(layer) ? [{ value: layer, label: layer.slice(7, 19) }] : []),
          ]}
          value={layer ?? ''}
          onChange={(value) => set({ layer: value === null || value === '' ? undefined : value })}
          w={200}
        />
      )}
    </Group>
  )
}

/** Platforms that can be run: no attestations, nothing that is not here. */
export function platformsOf(manifest: Manifest): readonly string[] {
  const names = manifest.platforms
    .filter(({ isPresent, annotations }) => isPresent && annotations?.['vnd.docker.reference.type'] === undefined)
    .map(({ os, architecture, variant }) => [os, architecture, variant].filter((each) => each !== undefined && each !== '').join('/'))
  return [...new Set(names.filter((name) => name.includes('/') && !name.startsWith('unknown/')))]
}

/** What one should know of what is listed. */
function Remarks({ asked, listed }: { readonly asked: string; readonly listed: ResponseOf<typeof listRoute> }) {
  const { t } = useTranslation()
  return (
    <>
      {listed.path !== asked && (
        <Text size="sm" c="dimmed" className="wrap">
          {t('files.isAt', { path: visibleName(listed.path) })}
        </Text>
      )}
      {listed.isOpaque && <Alert color="blue">{t('files.opaque')}</Alert>}
      <Unreadable layers={listed.unreadable} />
    </>
  )
}

/** Layers that could not be read, and why. */
export function Unreadable({ layers }: { readonly layers: readonly { readonly layer: string; readonly reason: string }[] }) {
  const { t } = useTranslation()
  if (layers.length === 0) return null
  return (
    <Alert color="yellow" icon={<TriangleAlert size={17} />}>
      <Text size="sm" c="var(--mantine-color-text)">
        {t('files.unreadable')}
      </Text>
      <ul style={{ margin: '4px 0 0', paddingLeft: 18 }}>
        {layers.map(({ layer, reason }) => (
          <li key={layer}>
            <Text size="sm" c="var(--mantine-color-text)" className="wrap" component="span">
              <span className="mono" title={layer}>
                {layer.slice(7, 19)}
              </span>
              : <span lang="en">{visible(reason)}</span>
            </Text>
          </li>
        ))}
      </ul>
    </Alert>
  )
}

const icons: Readonly<Record<Entry['type'], LucideIcon>> = {
  file: File,
  directory: Folder,
  symlink: Link2,
  hardlink: File,
  'character-device': Usb,
  'block-device': Usb,
  fifo: CornerDownRight,
  other: File,
  whiteout: FileX,
}

function useColumns({ repository, digest, platform, layer }: FilesPlace, directory: string): readonly Column<Entry>[] {
  const { t } = useTranslation()
  return [
    { key: 'name', name: t('files.name'), sort: 'name', cell: (entry) => <EntryName entry={entry} path={below(directory, entry.name)} /> },
    {
      key: 'mode',
      name: t('files.mode'),
      width: 120,
      hidden: 'wide',
      cell: ({ mode, type }) => (type === 'whiteout' ? null : <span className="mono">{modeText(mode)}</span>),
    },
    {
      key: 'owner',
      name: t('files.owner'),
      width: 110,
      hidden: 'wide',
      cell: ({ uid, gid, type }) => (type === 'whiteout' ? null : <span className="number">{`${uid}:${gid}`}</span>),
    },
    {
      key: 'size',
      name: t('common.size'),
      sort: 'sizeBytes',
      width: 100,
      isEnd: true,
      cell: ({ sizeBytes, type }) =>
        type === 'file' || type === 'hardlink' ? <span className="number">{formatBytes(sizeBytes)}</span> : null,
    },
    {
      key: 'modifiedAt',
      name: t('files.modified'),
      sort: 'modifiedAt',
      width: 140,
      isEnd: true,
      hidden: 'middle',
      cell: ({ modifiedAt, type }) => (type === 'whiteout' || isUnset(modifiedAt) ? null : <RelativeTime at={modifiedAt} />),
    },
    {
      key: 'download',
      name: t('files.downloadFile'),
      isNameHidden: true,
      width: 52,
      isEnd: true,
      hidden: 'middle',
      cell: ({ name, isReadable }) => {
        if (!isReadable) return null
        const label = t('files.download', { name: visibleName(name) })
        const address = addressOf(readImageFile, { repository, reference: digest }, { path: below(directory, name), platform, layer })
        return (
          <Tooltip label={label}>
            <ActionIcon component="a" href={address} download aria-label={label} size="sm">
              <Download size={14} />
            </ActionIcon>
          </Tooltip>
        )
      },
    },
  ]
}

function EntryName({ entry, path }: { readonly entry: Entry; readonly path: string }) {
  const { t } = useTranslation()
  const { name, type, linkTarget, isReadable } = entry
  const Icon = icons[type]
  const shown = visibleName(name)
  const leads = type === 'directory' || type === 'symlink'
  return (
    <Group gap={8} wrap="nowrap" style={{ minWidth: 0 }}>
      <Icon size={15} aria-label={t(`files.types.${type}`)} role="img" style={{ flex: 'none', opacity: 0.7 }} />
      {leads || isReadable ? (
        <Link
          from="/repositories/$"
          to="."
          search={(before) => (leads ? { ...before, path, file: undefined } : { ...before, path: before.path, file: path })}
          resetScroll={false}
          className="link cut mono"
          title={shown}
        >
          {shown}
        </Link>
      ) : (
        <Text component="span" className="cut mono" title={shown} c="dimmed" td={type === 'whiteout' ? 'line-through' : undefined}>
          {shown}
        </Text>
      )}
      {linkTarget !== undefined && linkTarget !== '' && (
        <Text component="span" size="xs" c="dimmed" className="cut mono" title={visibleName(linkTarget)}>
          → {visibleName(linkTarget)}
        </Text>
      )}
      {type === 'whiteout' && (
        <Text component="span" size="xs" c="dimmed" className="cut">
          {t('files.hides')}
        </Text>
      )}
    </Group>
  )
}

/** As `ls -l` has it: `rwxr-xr-x`. */
export function modeText(mode: number): string {
  const letters = ['r', 'w', 'x'] as const
  const text: string[] = [8, 7, 6, 5, 4, 3, 2, 1, 0].map((bit) => ((mode >> bit) & 1 ? (letters[(8 - bit) % 3] ?? '-') : '-'))
  for (const [bit, at, letter] of [
    [11, 2, 's'],
    [10, 5, 's'],
    [9, 8, 't'],
  ] as const) {
    if ((mode >> bit) & 1) text[at] = text[at] === 'x' ? letter : letter.toUpperCase()
  }
  return text.join('')
}

/** Builds that are to give the same bytes each time set every file to the beginning of time. */
function isUnset(at: string): boolean {
  return Date.parse(at) <= 86_400_000
}
