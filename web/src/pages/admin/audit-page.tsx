/** What happened in the whole registry, narrowed in the URL, to take along as a file. */
import { Button, Group, SegmentedControl } from '@mantine/core'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { Download } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { pages } from '../../api/client.ts'
import { useLiveActivity } from '../../api/live-activity.ts'
import { listAudit } from '../../api/routes.ts'
import { useWho } from '../../api/session.ts'
import { prefix } from '../../app/place.ts'
import { AuditTable } from '../../parts/audit-table.tsx'
import { PageHead } from '../../parts/layout.tsx'
import { useList } from '../../parts/list.ts'
import { LiveSign } from '../../parts/live-sign.tsx'
import { SearchBox } from '../../parts/search-box.tsx'

const outcomes = ['all', 'success', 'failure'] as const

export function AuditPage() {
  const { t } = useTranslation()
  const who = useWho()
  const navigate = useNavigate({ from: '/admin/audit' })
  const { q = '', actor = '', view = 'all' } = useSearch({ from: '/shell/admin/audit' })
  const filters = { ...(q !== '' && { action: q }), ...(actor !== '' && { actor }), ...(view !== 'all' && { outcome: view as 'success' }) }
  const list = useList(pages(listAudit, { query: { limit: 100, ...filters } }))
  const live = useLiveActivity({ isOn: true })
  const set = (search: { q?: string | undefined; actor?: string | undefined; view?: string | undefined }) =>
    void navigate({ search: (before) => ({ ...before, ...search }), replace: true })
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
      <Group mb="md">
        <SearchBox label={t('auditPage.action')} value={q} onChange={(value) => set({ q: value === '' ? undefined : value })} />
        <SearchBox label={t('auditPage.actor')} value={actor} onChange={(value) => set({ actor: value === '' ? undefined : value })} />
        <SegmentedControl
          size="xs"
          aria-label={t('auditPage.outcome')}
          data={outcomes.map((value) => ({ value, label: t(`auditPage.outcomes.${value}`) }))}
          value={view}
          onChange={(value) => set({ view: value === 'all' ? undefined : value })}
        />
      </Group>
      <AuditTable list={list} />
    </>
  )
}
