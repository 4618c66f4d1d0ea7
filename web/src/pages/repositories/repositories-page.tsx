/** Every repository that somebody may see. */
import { useSearch } from '@tanstack/react-router'
import { Package } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { pages } from '../../api/client.ts'
import { listRepositories } from '../../api/routes.ts'
import { useWho } from '../../api/session.ts'
import { useSetSearch } from '../../app/search-state.ts'
import { Empty, PageHead } from '../../parts/layout.tsx'
import { useList } from '../../parts/list.ts'
import { Listing } from '../../parts/listing.tsx'
import { PushWalk } from '../../parts/push-walk.tsx'
import { SearchBox } from '../../parts/search-box.tsx'
import { RepositoryTable } from './repository-table.tsx'

export function RepositoriesPage() {
  const { t } = useTranslation()
  const who = useWho()
  const { q = '', sort = 'name' } = useSearch({ from: '/shell/repositories/' })
  const set = useSetSearch()
  const list = useList(pages(listRepositories, { query: { limit: 100, sort: sort as 'name', ...(q !== '' && { q }) } }))
  return (
    <>
      <PageHead title={t('nav.repositories')} description={t('repositories.text')} />
      <Listing
        list={list}
        filters={<SearchBox label={t('repositories.search')} value={q} onChange={(value) => set({ q: value })} />}
        isNarrowed={q !== ''}
        empty={
          <Empty icon={<Package size={30} />} title={t('repositories.none')}>
            {who.isSignedIn || who.isOpen ? <PushWalk place="library" /> : t('projects.noneSigned')}
          </Empty>
        }
      >
        <RepositoryTable list={list} sort={sort} onSort={(value) => set({ sort: value })} />
      </Listing>
    </>
  )
}
