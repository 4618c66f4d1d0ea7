import { Group } from '@mantine/core'
import { SearchX } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { DataTable, type Column } from '../../parts/data-table.tsx'
import { Empty } from '../../parts/layout.tsx'
import { SearchBox } from '../../parts/search-box.tsx'

interface Key {
  readonly key: string
  readonly value: string
  readonly source: string
}

/** Every key of the configuration with its value and where that comes from. */
export function ConfigurationTable({ keys }: { readonly keys: readonly Key[] }) {
  const { t } = useTranslation()
  const [q, setQ] = useState('')
  const columns: readonly Column<Key>[] = [
    {
      key: 'key',
      name: t('configuration.key'),
      cell: ({ key }) => (
        <div className="mono cut" title={key}>
          {key}
        </div>
      ),
    },
    {
      key: 'value',
      name: t('configuration.value'),
      cell: ({ value }) => (
        <div className="mono cut" title={value}>
          {value}
        </div>
      ),
    },
    {
      key: 'source',
      name: t('configuration.source'),
      width: 200,
      hidden: 'middle',
      cell: ({ source }) => (
        <div className="cut" title={source}>
          {source}
        </div>
      ),
    },
  ]
  const found = keys.filter(({ key, value }) => `${key} ${value}`.toLowerCase().includes(q.toLowerCase()))
  return (
    <div>
      <Group mb="sm">
        <SearchBox label={t('configuration.search')} value={q} onChange={setQ} />
      </Group>
      {found.length === 0 ? (
        <Empty icon={<SearchX size={28} />} title={t('common.nothingFound')} />
      ) : (
        <DataTable label={t('configuration.title')} columns={columns} rows={found} keyOf={({ key }) => key} />
      )}
    </div>
  )
}
