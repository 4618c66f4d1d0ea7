import { Button, Group } from '@mantine/core'
import { SearchX } from 'lucide-react'
import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { Empty, Waiting } from './layout.tsx'
import type { Listed } from './list.ts'
import { Problem } from './problem.tsx'

interface ListingProps<Item> {
  readonly list: Listed<Item>
  /** What narrows it; not shown where there is nothing to narrow. */
  readonly filters?: ReactNode
  readonly isNarrowed?: boolean
  /** They stay where nothing is: they lead elsewhere too. */
  readonly areFiltersKept?: boolean
  /** What to do where there is nothing yet. */
  readonly empty: ReactNode
  readonly children: ReactNode
}

function stateOf({ list }: Pick<ListingProps<unknown>, 'list'>): 'failed' | 'loading' | 'empty' | 'rows' {
  if (list.error !== null) return 'failed'
  if (list.isLoading) return 'loading'
  return list.items.length === 0 && !list.more.has ? 'empty' : 'rows'
}

/** A list as it stands: what went wrong, rows to come, what to do where there are none, or its rows. */
export function Listing<Item>({ list, filters, isNarrowed = false, areFiltersKept = false, empty, children }: ListingProps<Item>) {
  const { t } = useTranslation()
  const state = stateOf({ list })
  const isNew = state === 'empty' && !isNarrowed
  const hasFilters = filters !== undefined && filters !== false && (!isNew || areFiltersKept)
  return (
    <div>
      {hasFilters && (
        <Group mb="md" gap="sm">
          {filters}
        </Group>
      )}
      {state === 'failed' && <Problem error={list.error} retry={list.refetch} />}
      {state === 'loading' && <Waiting />}
      {isNew && empty}
      {state === 'empty' && isNarrowed && <Empty icon={<SearchX size={28} />} title={t('common.nothingFound')} />}
      {state === 'rows' && children}
    </div>
  )
}

/** The next page of a list that is no table. */
export function More({ more }: Pick<Listed<unknown>, 'more'>) {
  const { t } = useTranslation()
  if (!more.has) return null
  return (
    <Group justify="center" p="sm">
      <Button size="compact-sm" variant="default" onClick={more.load} loading={more.isLoading}>
        {t('common.more')}
      </Button>
    </Group>
  )
}
