/** Work in the background: what runs, what came of it, what begins by itself. */
import type { ResponseOf } from '#api/contract.ts'
import type { listJobs } from '#api/routes/jobs.ts'
import { Stack } from '@mantine/core'
import { useSearch } from '@tanstack/react-router'
import { ListChecks } from 'lucide-react'
import { pages } from '../../api/client.ts'
import { useLiveJobs } from '../../api/live-activity.ts'
import { listJobs as jobsRoute } from '../../api/routes.ts'
import { useSetSearch } from '../../app/search-state.ts'
import { Choice } from '../../parts/choice.tsx'
import { DataTable, type Column } from '../../parts/data-table.tsx'
import { Side } from '../../parts/form.tsx'
import { Empty, PageHead } from '../../parts/layout.tsx'
import { useList } from '../../parts/list.ts'
import { Listing } from '../../parts/listing.tsx'
import { LiveSign } from '../../parts/live-sign.tsx'
import { RelativeTime } from '../../parts/relative-time.tsx'
import { useWords } from '../../parts/use-words.ts'
import { JobDetails, JobMaker, JobProgress, JobState, refreshMs } from './job-details.tsx'
import { Schedules } from './schedules.tsx'

type Job = ResponseOf<typeof listJobs>['items'][number]

const views = ['all', 'running', 'waiting', 'failed', 'done'] as const

export function JobsPage() {
  const { t } = useWords()
  const { view = 'all', job } = useSearch({ from: '/shell/admin/jobs' })
  const live = useLiveJobs({ isOn: true })
  const list = useList({
    ...pages(jobsRoute, { query: { limit: 100, ...(view !== 'all' && { state: view as 'running' }) } }),
    ...(live !== 'on' && { refreshMs }),
  })
  const set = useSetSearch()
  return (
    <>
      <PageHead title={t('jobs.title')} description={t('jobs.text')} actions={<LiveSign state={live} />} />
      <Stack gap="lg">
        <Listing
          list={list}
          filters={
            <Choice
              label={t('jobs.state')}
              values={views}
              value={view}
              say={(each) => t(`jobs.views.${each}`)}
              onChange={(each) => set({ view: each })}
            />
          }
          isNarrowed={view !== 'all'}
          empty={<Empty icon={<ListChecks size={28} />} title={t('jobs.none')} />}
        >
          <Jobs list={list} open={(id) => set({ job: id })} />
        </Listing>
        <Schedules />
      </Stack>
      <Side title={t('jobs.one')} opened={job !== undefined} close={() => set({ job: undefined })} width={640}>
        {job !== undefined && <JobDetails id={job} isLive={live === 'on'} />}
      </Side>
    </>
  )
}

function Jobs({ list, open }: { readonly list: ReturnType<typeof useList<Job>>; readonly open: (id: number) => void }) {
  const { t } = useWords()
  const columns: readonly Column<Job>[] = [
    {
      key: 'title',
      name: t('jobs.work'),
      cell: (job) => (
        <button type="button" className="plain link cut" lang="en" title={job.title} onClick={() => open(job.id)}>
          {job.title}
        </button>
      ),
    },
    { key: 'state', name: t('jobs.state'), width: 120, cell: (job) => <JobState job={job} /> },
    { key: 'progress', name: t('jobs.progress'), width: 190, hidden: 'wide', cell: (job) => <JobProgress job={job} /> },
    { key: 'by', name: t('audit.actor'), width: 130, hidden: 'wide', cell: ({ createdBy }) => <JobMaker by={createdBy} /> },
    {
      key: 'at',
      name: t('audit.at'),
      width: 130,
      isEnd: true,
      hidden: 'middle',
      cell: ({ startedAt, createdAt }) => <RelativeTime at={startedAt ?? createdAt} />,
    },
  ]
  return <DataTable label={t('jobs.title')} columns={columns} rows={list.items} keyOf={({ id }) => String(id)} more={list.more} />
}
