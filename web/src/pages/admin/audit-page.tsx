/** What happened in the whole registry, narrowed in the URL, to take along as a file. */
import { Button } from '@mantine/core'
import { useSearch } from '@tanstack/react-router'
import { Download } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { pages } from '../../api/client.ts'
import { useLiveActivity } from '../../api/live-activity.ts'
import { listAudit } from '../../api/routes.ts'
import { useWho } from '../../api/session.ts'
import { prefix } from '../../app/place.ts'
import { useSetSearch } from '../../app/search-state.ts'
import { AuditTable } from '../../parts/audit-table.tsx'
import { Choice } from '../../parts/choice.tsx'
import { PageHead } from '../../parts/layout.tsx'
import { useList } from '../../parts/list.ts'
import { LiveSign } from '../../parts/live-sign.tsx'
import { SearchBox } from '../../parts/search-box.tsx'

const outcomes = ['all', 'success', 'failure'] as const

export function AuditPage() {
  const { t } = useTranslation()
  const who = useWho()
  const { q = '', actor = '', view = 'all' } = useSearch({ from: '/shell/admin/audit' })
  const filters = { ...(q !== '' && { action: q }), ...(actor !== '' && { actor }), ...(view !== 'all' && { outcome: view as 'success' }) }
  const list = useList(pages(listAudit, { query: { limit: 100, ...filters } }))
  const live = useLiveActivity({ isOn: true })
  const set = useSetSearch()
  const address = `${prefix}api/v1/audit/export?${new URLSearchParams({ format: 'csv', ...filters }).toString()}`
  return (
    <>
      <PageHead
        title={t('auditPage.title')}
        description={t('auditPage.text')}
        actions={
          <>
            <LiveSign state={live} />
            {who.may('audit:export') && (
              <Button component="a" href={address} download="audit.csv" variant="default" leftSection={<Download size={15} />}>
                {t('auditPage.export')}
              </Button>
            )}
          </>
        }
      />
      <AuditTable
        list={list}
        isNarrowed={Object.keys(filters).length > 0}
        filters={
          <>
            <SearchBox label={t('auditPage.action')} value={q} onChange={(value) => set({ q: value })} />
            <SearchBox label={t('auditPage.actor')} value={actor} onChange={(value) => set({ actor: value })} isFirst={false} />
            <Choice
              label={t('auditPage.outcome')}
              values={outcomes}
              value={view}
              say={(outcome) => t(`auditPage.outcomes.${outcome}`)}
              onChange={(outcome) => set({ view: outcome })}
            />
          </>
        }
      />
    </>
  )
}
