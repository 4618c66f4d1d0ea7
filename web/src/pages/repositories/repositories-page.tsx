/** Every repository that somebody may see. */
import { Group } from '@mantine/core'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { Package, SearchX } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { pages } from '../../api/client.ts'
import { listRepositories } from '../../api/routes.ts'
import { useWho } from '../../api/session.ts'
import { Empty, PageHead, Waiting } from '../../parts/layout.tsx'
import { useList } from '../../parts/list.ts'
import { Problem } from '../../parts/problem.tsx'
import { PushWalk } from '../../parts/push-walk.tsx'
import { SearchBox } from '../../parts/search-box.tsx'
import { RepositoryTable } from './repository-table.tsx'

export function RepositoriesPage() {
  const { t } = useTranslation()
  const who = useWho()
  const navigate = useNavigate({ from: '/repositories/' })
  const { q = '', sort = 'name' } = useSearch({ from: '/shell/repositories/' })
  const list = useList(pages(listRepositories, { query: { limit: 100, sort: sort as 'name', ...(q !== '' && { q }) } }))
  const set = (search: { q?: string | undefined; sort?: string }) =>
    void navigate({ search: (before) => ({ ...before, ...search }), replace: true })
  const isEmpty = list.items.length === 0 && !list.more.has
  return (
    <>
      <PageHead title={t('nav.repositories')} description={t('repositories.text')} />
      <Group mb="md">
        <SearchBox label={t('repositories.search')} value={q} onChange={(value) => set({ q: value === '' ? undefined : value })} />
      </Group>
      {list.error !== null && <Problem error={list.error} retry={list.refetch} />}
      {list.error === null && list.isLoading && <Waiting />}
      {list.error === null && !list.isLoading && isEmpty && q !== '' && (
        <Empty icon={<SearchX size={28} />} title={t('common.nothingFound')} />
      )}
      {list.error === null && !list.isLoading && isEmpty && q === '' && (
        <Empty icon={<Package size={30} />} title={t('repositories.none')}>
          {who.isSignedIn || who.isOpen ? <PushWalk place="library" /> : t('projects.noneSigned')}
        </Empty>
      )}
      {list.items.length > 0 && <RepositoryTable list={list} sort={sort} onSort={(value) => set({ sort: value })} />}
    </>
  )
}
