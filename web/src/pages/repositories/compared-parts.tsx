/** What differs between two images, part by part. A sign and a word tell it beside each colour. */
import type { ResponseOf } from '#api/contract.ts'
import type { compareImages } from '#api/routes/images.ts'
import { Alert, Badge, Stack, Text } from '@mantine/core'
import { FileCheck, Layers, Package, Settings2 } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { Digest } from '../../parts/copy.tsx'
import { DataTable, type Column } from '../../parts/data-table.tsx'
import { Empty, Panel } from '../../parts/layout.tsx'
import type { Listed } from '../../parts/list.ts'
import { formatBytes } from '../../parts/sizes.ts'
import { visible, visibleName } from '../../parts/visible.ts'

export type Comparison = ResponseOf<typeof compareImages>
type ComparedFile = Comparison['files']['items'][number]
type ComparedPackage = Comparison['packages'][number]
type Change = ComparedFile['change']

const signs = { added: '+', removed: '−', changed: '±' } as const
const colors = { added: 'tide', removed: 'red', changed: 'yellow' } as const

function ChangeBadge({ change }: { readonly change: Change }) {
  const { t } = useTranslation()
  return (
    <Badge variant="dot" size="sm" color={colors[change]}>
      {signs[change]} {t(`compare.changes.${change}`)}
    </Badge>
  )
}

interface LayersProps {
  readonly compared: Comparison
  readonly from: string
  readonly to: string
}

export function ComparedLayers({ compared: { layers }, from, to }: LayersProps) {
  const { t } = useTranslation()
  if (layers.length === 0) return <Empty icon={<Layers size={28} />} title={t('compare.noLayers')} />
  const sides = [
    { name: from, shown: layers.filter((layer) => layer.in !== 'to') },
    { name: to, shown: layers.filter((layer) => layer.in !== 'from') },
  ]
  const widest = Math.max(1, ...sides.map(({ shown }) => total(shown)))
  return (
    <Stack gap="lg">
      <Panel>
        {sides.map(({ name, shown }, side) => (
          <div key={side} className="side-bar">
            <span className="mono cut" title={name}>
              {name}
            </span>
            <div aria-hidden>
              {shown.map(({ digest, sizeBytes, in: place }) => (
                <span
                  key={digest}
                  data-in={place}
                  style={{ flexGrow: Math.max(sizeBytes, widest / 200) }}
                  title={`${digest.slice(7, 19)} · ${formatBytes(sizeBytes)} · ${t(`compare.in.${place}`)}`}
                />
              ))}
              <i style={{ flexGrow: widest - total(shown) }} />
            </div>
            <span className="number">{formatBytes(total(shown))}</span>
          </div>
        ))}
        <div className="legend">
          {(['both', 'from', 'to'] as const).map((place) => (
            <span key={place}>
              <i data-in={place} aria-hidden /> {t(`compare.in.${place}`)}
            </span>
          ))}
        </div>
      </Panel>
      <Panel title={t('compare.layers')} isFlush>
        <ul className="rows">
          {layers.map(({ digest, sizeBytes, in: place }, at) => (
            <li key={`${digest} ${at}`}>
              <Digest digest={digest} />
              <span style={{ marginLeft: 'auto' }}>{t(`compare.in.${place}`)}</span>
              <span className="number" style={{ width: 84, textAlign: 'right' }}>
                {formatBytes(sizeBytes)}
              </span>
            </li>
          ))}
        </ul>
      </Panel>
    </Stack>
  )
}

function total(layers: readonly { readonly sizeBytes: number }[]): number {
  return layers.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
}

export function ComparedConfig({ compared: { config, configProblems } }: { readonly compared: Comparison }) {
  const { t } = useTranslation()
  return (
    <Stack gap="sm">
      {configProblems.map((problem) => (
        <Alert key={problem} color="yellow">
          <span lang="en">{visible(problem)}</span>
        </Alert>
      ))}
      {config.length === 0 ? (
        <Empty icon={<Settings2 size={28} />} title={t('compare.noConfig')} />
      ) : (
        <div className="panel table-scroll">
          <table className="table compared" aria-label={t('compare.config')}>
            <thead>
              <tr>
                <th scope="col">{t('compare.field')}</th>
                <th scope="col">{t('compare.from')}</th>
                <th scope="col">{t('compare.to')}</th>
              </tr>
            </thead>
            <tbody>
              {config.map(({ field, name, from, to }) => (
                <tr key={`${field} ${name ?? ''}`}>
                  <th scope="row" className="mono">
                    {name === undefined ? field : `${field} ${visibleName(name)}`}
                  </th>
                  <td className="mono">{from === undefined ? '–' : <del>{visible(from)}</del>}</td>
                  <td className="mono">{to === undefined ? '–' : <ins>{visible(to)}</ins>}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Stack>
  )
}

function changeOf({ from, to }: Pick<ComparedPackage, 'from' | 'to'>): Change {
  return from === undefined ? 'added' : to === undefined ? 'removed' : 'changed'
}

export function ComparedPackages({ compared: { packages, unreadPackages } }: { readonly compared: Comparison }) {
  const { t } = useTranslation()
  const columns: readonly Column<ComparedPackage>[] = [
    {
      key: 'name',
      name: t('compare.package'),
      cell: ({ name, type }) => (
        <span className="mono">
          {visibleName(name)} <Badge size="xs">{type}</Badge>
        </span>
      ),
    },
    { key: 'change', name: t('compare.change'), width: 130, hidden: 'middle', cell: (each) => <ChangeBadge change={changeOf(each)} /> },
    { key: 'from', name: t('compare.from'), width: '26%', cell: ({ from }) => <span className="mono">{visibleName(from ?? '–')}</span> },
    { key: 'to', name: t('compare.to'), width: '26%', cell: ({ to }) => <span className="mono">{visibleName(to ?? '–')}</span> },
  ]
  return (
    <Stack gap="sm">
      {unreadPackages.map(({ path, reason }) => (
        <Alert key={path} color="yellow">
          {t('compare.unreadPackages', { path: visibleName(path) })} <span lang="en">{visible(reason)}</span>
        </Alert>
      ))}
      {packages.length === 0 ? (
        <Empty icon={<Package size={28} />} title={t('compare.noPackages')} />
      ) : (
        <DataTable label={t('compare.packages')} columns={columns} rows={packages} keyOf={({ name, type }) => `${type} ${name}`} />
      )}
    </Stack>
  )
}

interface FilesProps {
  readonly compared: Comparison
  /** Of all pages that were read. */
  readonly items: readonly ComparedFile[]
  readonly more: Listed<ComparedFile>['more']
}

export function ComparedFiles({ compared: { files }, items, more }: FilesProps) {
  const { t } = useTranslation()
  const columns: readonly Column<ComparedFile>[] = [
    {
      key: 'path',
      name: t('files.path'),
      cell: ({ path }) => (
        <div className="mono cut" title={visibleName(path)}>
          {visibleName(path)}
        </div>
      ),
    },
    { key: 'change', name: t('compare.change'), width: 120, cell: ({ change }) => <ChangeBadge change={change} /> },
    {
      key: 'aspects',
      name: t('compare.field'),
      width: 170,
      hidden: 'wide',
      cell: ({ aspects }) => (
        <Text size="sm" c="dimmed" className="cut">
          {aspects.map((aspect) => t(`compare.aspects.${aspect}`)).join(', ')}
        </Text>
      ),
    },
    { key: 'size', name: t('common.size'), width: 180, isEnd: true, hidden: 'middle', cell: (file) => <Sizes file={file} /> },
  ]
  if (items.length === 0) return <Empty icon={<FileCheck size={28} />} title={t('compare.noFiles')} />
  return (
    <Stack gap="sm">
      {files.isTruncated && <Alert color="yellow">{t('compare.truncated')}</Alert>}
      <DataTable label={t('compare.files')} columns={columns} rows={items} keyOf={({ path }) => path} more={more} />
    </Stack>
  )
}

function Sizes({ file: { fromSizeBytes, toSizeBytes } }: { readonly file: ComparedFile }) {
  const shown = [fromSizeBytes, toSizeBytes].map((size) => (size === undefined ? '–' : formatBytes(size)))
  return <span className="number">{shown[0] === shown[1] ? shown[0] : shown.join(' → ')}</span>
}
