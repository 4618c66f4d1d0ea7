/** Work in the background: what runs, what came of it, what begins by itself. */
import type { ResponseOf } from '#api/contract.ts'
import type { listJobs, listSchedules } from '#api/routes/jobs.ts'
import { Badge, Button, Drawer, Group, Progress, SegmentedControl, Stack, Switch, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { ListChecks, Play } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { change, pages, query } from '../../api/client.ts'
import {
  listJobs as jobsRoute,
  listSchedules as schedulesRoute,
  readJob,
  readJobLines,
  retryJob,
  runSchedule,
  stopJob,
  updateSchedule,
} from '../../api/routes.ts'
import { useLiveJobs } from '../../api/live-activity.ts'
import { useWho } from '../../api/session.ts'
import { DataTable, type Column } from '../../parts/data-table.tsx'
import { Empty, PageHead, Panel, Waiting } from '../../parts/layout.tsx'
import { useList } from '../../parts/list.ts'
import { LiveSign } from '../../parts/live-sign.tsx'
import { Problem, tell } from '../../parts/problem.tsx'
import { RelativeTime } from '../../parts/relative-time.tsx'
import { formatBytes, formatNumber } from '../../parts/sizes.ts'
import { useTry } from '../../parts/use-try.ts'

type Job = ResponseOf<typeof listJobs>['items'][number]
type Schedule = ResponseOf<typeof listSchedules>['items'][number]

const views = ['all', 'running', 'waiting', 'failed', 'done'] as const
const refreshMs = 3_000

export function JobsPage() {
  const { t } = useTranslation()
  const navigate = useNavigate({ from: '/admin/jobs' })
  const { view = 'all', job } = useSearch({ from: '/shell/admin/jobs' })
  const live = useLiveJobs({ isOn: true })
  const list = useList({
    ...pages(jobsRoute, { query: { limit: 100, ...(view !== 'all' && { state: view as 'running' }) } }),
    ...(live !== 'on' && { refreshMs }),
  })
  const set = (search: { view?: string | undefined; job?: number | undefined }) =>
    void navigate({ search: (before) => ({ ...before, ...search }), replace: true, resetScroll: false })
  return (
    <Stack gap="lg">
      <div>
        <PageHead title={t('jobs.title')} description={t('jobs.text')} actions={<LiveSign state={live} />} />
      </div>
      <div>
        <Group mb="sm" style={{ overflowX: 'auto' }} wrap="nowrap">
          <SegmentedControl
            size="xs"
            aria-label={t('jobs.state')}
            data={views.map((value) => ({ value, label: t(`jobs.views.${value}`) }))}
            value={view}
            onChange={(value) => set({ view: value === 'all' ? undefined : value })}
          />
        </Group>
        {list.error !== null && <Problem error={list.error} retry={list.refetch} />}
        {list.error === null && list.isLoading && <Waiting />}
        {list.error === null && !list.isLoading && list.items.length === 0 && (
          <Empty icon={<ListChecks size={28} />} title={t('jobs.none')} />
        )}
        {list.items.length > 0 && <Jobs list={list} open={(id) => set({ job: id })} />}
      </div>
      <Schedules />
      <Drawer
        opened={job !== undefined}
        onClose={() => set({ job: undefined })}
        position="right"
        size="min(640px, 100vw)"
        title={t('jobs.one')}
        closeButtonProps={{ 'aria-label': t('common.close') }}
      >
        {job !== undefined && <OneJob id={job} isLive={live === 'on'} />}
      </Drawer>
    </Stack>
  )
}

const colors = { waiting: 'gray', running: 'blue', done: 'tide', failed: 'red', stopped: 'yellow' } as const

function State({ job }: { readonly job: Pick<Job, 'state' | 'stopRequested'> }) {
  const { t } = useTranslation()
  return (
    <Badge variant="dot" color={colors[job.state]}>
      {t(`jobs.states.${job.state}`)}
    </Badge>
  )
}

function Jobs({ list, open }: { readonly list: ReturnType<typeof useList<Job>>; readonly open: (id: number) => void }) {
  const { t } = useTranslation()
  const columns: readonly Column<Job>[] = [
    {
      key: 'title',
      name: t('jobs.work'),
      cell: (job) => (
        <button type="button" className="plain link cut" onClick={() => open(job.id)}>
          {job.title}
        </button>
      ),
    },
    { key: 'state', name: t('jobs.state'), width: 120, cell: (job) => <State job={job} /> },
    { key: 'progress', name: t('jobs.progress'), width: 190, hidden: 'wide', cell: (job) => <ProgressOf job={job} /> },
    { key: 'by', name: t('audit.actor'), width: 170, hidden: 'wide', cell: ({ createdBy }) => <div className="cut">{createdBy}</div> },
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

function ProgressOf({ job: { progress, state } }: { readonly job: Job }) {
  const { t } = useTranslation()
  if (progress === undefined) return null
  const shown = (value: number) => (progress.unit === 'bytes' ? formatBytes(value) : formatNumber(value))
  const text = `${shown(progress.done)}${progress.total === undefined ? '' : ` / ${shown(progress.total)}`}${progress.unit === undefined || progress.unit === 'bytes' ? '' : ` ${progress.unit}`}`
  return (
    <div>
      <Text size="xs" className="number cut">
        {text}
      </Text>
      {progress.total !== undefined && progress.total > 0 && state === 'running' && (
        <Progress size="xs" value={(progress.done / progress.total) * 100} aria-label={t('jobs.progress')} />
      )}
    </div>
  )
}

function OneJob({ id, isLive }: { readonly id: number; readonly isLive: boolean }) {
  const { t } = useTranslation()
  const who = useWho()
  const { data: job, error } = useQuery({
    ...query(readJob, { params: { job: id } }),
    refetchInterval: ({ state }) =>
      !isLive && (state.data === undefined || state.data.state === 'running' || state.data.state === 'waiting') ? refreshMs : false,
  })
  const isOver = job !== undefined && job.state !== 'running' && job.state !== 'waiting'
  const { data: lines } = useQuery({
    ...query(readJobLines, { params: { job: id }, query: { limit: 1000 } }),
    refetchInterval: isOver ? false : refreshMs,
  })
  const { error: failure, isBusy, attempt } = useTry()
  if (error !== null) return <Problem error={error} />
  if (job === undefined) return <Waiting />
  return (
    <Stack>
      <Group>
        <Text fw={600}>{job.title}</Text>
        <State job={job} />
      </Group>
      <ProgressOf job={job} />
      {job.error !== undefined && (
        <Text size="sm" className="wrap" c="red">
          {job.error}
        </Text>
      )}
      {failure !== undefined && <Problem error={failure} />}
      <Group>
        {who.may('job:stop') && !isOver && (
          <Button
            variant="default"
            disabled={isBusy || job.stopRequested}
            onClick={() => attempt(() => change(stopJob, { params: { job: id } }, [jobsRoute, readJob]))}
          >
            {t('jobs.stop')}
          </Button>
        )}
        {who.may('job:retry') && (job.state === 'failed' || job.state === 'stopped') && (
          <Button
            variant="default"
            disabled={isBusy}
            onClick={() => attempt(() => change(retryJob, { params: { job: id } }, [jobsRoute, readJob]))}
          >
            {t('jobs.retry')}
          </Button>
        )}
      </Group>
      {job.result !== undefined && job.result !== null && (
        <Panel title={t('jobs.result')} isFlush>
          <pre className="json" tabIndex={0}>
            {JSON.stringify(job.result, undefined, 2)}
          </pre>
        </Panel>
      )}
      <Panel title={t('jobs.lines')} isFlush>
        <pre className="json" tabIndex={0} aria-live={isOver ? 'off' : 'polite'}>
          {lines === undefined || lines.items.length === 0
            ? t('jobs.noLines')
            : lines.items
                .map(({ at, level, message }) => `${at.slice(11, 19)} ${level === 'info' ? '' : `${level}: `}${message}`)
                .join('\n')}
        </pre>
      </Panel>
    </Stack>
  )
}

function Schedules() {
  const { t } = useTranslation()
  const { data, error } = useQuery(query(schedulesRoute))
  if (error !== null) return <Problem error={error} />
  return (
    <Panel title={t('jobs.schedules')} isFlush>
      {data === undefined && <Waiting rows={3} />}
      <ul className="rows">
        {data?.items.map((schedule) => (
          <ScheduleRow key={schedule.name} schedule={schedule} />
        ))}
      </ul>
    </Panel>
  )
}

function ScheduleRow({ schedule }: { readonly schedule: Schedule }) {
  const { t } = useTranslation()
  const who = useWho()
  const { error, isBusy, attempt } = useTry()
  const params = { schedule: schedule.name }
  const run = async () => {
    await change(runSchedule, { params }, [jobsRoute, schedulesRoute])
    tell(t('jobs.begun', { name: schedule.title }))
  }
  const toggle = () =>
    change(updateSchedule, { params, body: { isEnabled: !schedule.isEnabled }, ifMatch: schedule.version }, [schedulesRoute])
  return (
    <li>
      <div style={{ minWidth: 0 }}>
        <Text fw={500} className="cut">
          {schedule.title}
        </Text>
        <Text size="sm" c="dimmed" component="div">
          <span className="mono">{schedule.cron}</span>
          {schedule.nextAt !== null && schedule.isEnabled && (
            <>
              {' '}
              · <RelativeTime at={schedule.nextAt} />
            </>
          )}
        </Text>
        {error !== undefined && <Problem error={error} />}
      </div>
      {who.may('job:schedule') && (
        <Group gap="sm" wrap="nowrap">
          <Switch
            size="xs"
            aria-label={t('jobs.enabled', { name: schedule.title })}
            checked={schedule.isEnabled}
            disabled={isBusy}
            onChange={() => attempt(toggle)}
          />
          <Button
            size="compact-sm"
            variant="default"
            leftSection={<Play size={13} />}
            loading={isBusy}
            onClick={() => attempt(run)}
            aria-label={t('jobs.runThis', { name: schedule.title })}
          >
            {t('jobs.run')}
          </Button>
        </Group>
      )}
    </li>
  )
}
