import type { ResponseOf } from '#api/contract.ts'
import type { listRepositories } from '#api/routes/repositories.ts'
import { Link } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import { DataTable, type Column } from '../../parts/data-table.tsx'
import type { Listed } from '../../parts/list.ts'
import { RelativeTime } from '../../parts/relative-time.tsx'
import { formatNumber } from '../../parts/sizes.ts'

export type RepositoryRow = ResponseOf<typeof listRepositories>['items'][number]

interface TableProps {
  readonly list: Listed<RepositoryRow>
  readonly sort: string
  readonly onSort: (sort: string) => void
  /** Whose they all are: then it is not said of each. */
  readonly project?: string
}

export function RepositoryTable({ list, sort, onSort, project }: TableProps) {
  const { t } = useTranslation()
  const columns: readonly Column<RepositoryRow>[] = [
    {
      key: 'name',
      name: t('common.name'),
      sort: 'name',
      cell: ({ name }) => (
        <Link to="/repositories/$" params={{ _splat: name }} search={{}} className="link" title={name}>
          {project !== undefined && name.startsWith(`${project}/`) ? name.slice(project.length + 1) : name}
        </Link>
      ),
    },
    ...(project === undefined
      ? [
          {
            key: 'project',
            name: t('common.project'),
            width: 160,
            hidden: 'wide',
            cell: (row: RepositoryRow) => (
              <Link to="/projects/$" params={{ _splat: row.project }} search={{}} className="link">
                {row.project}
              </Link>
            ),
          } as const,
        ]
      : []),
    {
      key: 'description',
      name: t('common.description'),
      hidden: 'wide',
      cell: ({ description }) => <div className="cut">{description}</div>,
    },
    {
      key: 'tags',
      name: t('project.tags'),
      width: 90,
      isEnd: true,
      cell: ({ tagCount, tagCountIsExact }) => <span className="number">{`${formatNumber(tagCount)}${tagCountIsExact ? '' : '+'}`}</span>,
    },
    {
      key: 'updatedAt',
      name: t('common.changed'),
      sort: 'updatedAt',
      width: 160,
      isEnd: true,
      hidden: 'middle',
      cell: ({ updatedAt }) => <RelativeTime at={updatedAt} />,
    },
  ]
  return (
    <DataTable
      label={t('nav.repositories')}
      columns={columns}
      rows={list.items}
      keyOf={({ name }) => name}
      sort={sort}
      onSort={onSort}
      more={list.more}
    />
  )
}
