/** A job, opened: how far it is, what came of it, what it said on the way. */
import type { ResponseOf } from '#api/contract.ts'
import type { readJob as ReadJob, readJobLines as ReadLines } from '#api/routes/jobs.ts'
import { Badge, Group, Progress, Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { change, query } from '../../api/client.ts'
import { listJobs, readJob, readJobLines, retryJob, stopJob } from '../../api/routes.ts'
import { useWho } from '../../api/session.ts'
import { WorkButton } from '../../parts/form.tsx'
import { Panel } from '../../parts/layout.tsx'
import { Loaded } from '../../parts/loaded.tsx'
import { clockText, RelativeTime } from '../../parts/relative-time.tsx'
import { Facts } from '../../parts/rows.tsx'
import { formatBytes, formatDuration, formatNumber } from '../../parts/sizes.ts'

type Job = ResponseOf<typeof ReadJob>
type Line = ResponseOf<typeof ReadLines>['items'][number]

/** How often lists of jobs are read where nothing comes by itself. */
export const refreshMs = 3_000
const colors = { waiting: 'gray', running: 'blue', done: 'tide', failed: 'red', stopped: 'yellow' } as const
const isOver = ({ state }: Pick<Job, 'state'>) => state !== 'running' && state !== 'waiting'

export function JobState({ job }: { readonly job: Pick<Job, 'state'> }) {
  const { t } = useTranslation()
  return (
    <Badge variant="dot" color={colors[job.state]}>
      {t(`jobs.states.${job.state}`)}
    </Badge>
  )
}

export function JobProgress({ job: { progress, state } }: { readonly job: Pick<Job, 'progress' | 'state'> }) {
  const { t } = useTranslation()
  if (progress === undefined) return null
  const { done, total, unit } = progress
  const shown = (value: number) => (unit === 'bytes' ? formatBytes(value) : formatNumber(value))
  const text = `${shown(done)}${total === undefined ? '' : ` / ${shown(total)}`}${unit === undefined || unit === 'bytes' ? '' : ` ${unit}`}`
  return (
    <div>
      <Text size="xs" className="number cut">
        {text}
      </Text>
      {total !== undefined && total > 0 && state === 'running' && (
        <Progress size="xs" value={(done / total) * 100} aria-label={t('jobs.progress')} />
      )}
    </div>
  )
}

export function JobDetails({ id, isLive }: { readonly id: number; readonly isLive: boolean }) {
  const job = useQuery({
    ...query(readJob, { params: { job: id } }),
    refetchInterval: ({ state }) => (!isLive && (state.data === undefined || !isOver(state.data)) ? refreshMs : false),
  })
  return <Loaded of={job}>{(data) => <Opened job={data} />}</Loaded>
}

function Opened({ job }: { readonly job: Job }) {
  const { t } = useTranslation()
  return (
    <Stack>
      <Group>
        <Text fw={600} lang="en">
          {job.title}
        </Text>
        <JobState job={job} />
      </Group>
      <JobProgress job={job} />
      {job.error !== undefined && (
        <Text size="sm" className="wrap" c="red" lang="en">
          {job.error}
        </Text>
      )}
      <Times job={job} />
      <Deeds job={job} />
      {job.result !== undefined && job.result !== null && (
        <Panel title={t('jobs.result')} isFlush>
          <pre className="json" tabIndex={0}>
            {JSON.stringify(job.result, undefined, 2)}
          </pre>
        </Panel>
      )}
      <Lines job={job} />
    </Stack>
  )
}

/** Who wanted it: somebody, or a schedule. */
export function JobMaker({ by }: { readonly by: string }) {
  const { t } = useTranslation()
  return (
    <span className="cut" title={by} style={{ display: 'block' }}>
      {by.startsWith('schedule:') ? t('jobs.bySchedule') : by}
    </span>
  )
}

function Times({ job: { createdBy, createdAt, startedAt, endedAt } }: { readonly job: Job }) {
  const { t } = useTranslation()
  const took = startedAt === null || endedAt === null ? undefined : formatDuration(Date.parse(endedAt) - Date.parse(startedAt))
  return (
    <Facts
      facts={[
        [t('audit.actor'), <JobMaker key="by" by={createdBy} />],
        [t('audit.at'), <RelativeTime key="at" at={startedAt ?? createdAt} />],
        [t('jobs.took'), took],
      ]}
    />
  )
}

function Deeds({ job }: { readonly job: Job }) {
  const { t } = useTranslation()
  const who = useWho()
  const params = { job: job.id }
  const touched = [listJobs, readJob]
  return (
    <Group>
      {who.may('job:stop') && !isOver(job) && (
        <WorkButton variant="default" disabled={job.stopRequested} work={() => change(stopJob, { params }, touched)}>
          {t('jobs.stop')}
        </WorkButton>
      )}
      {who.may('job:retry') && (job.state === 'failed' || job.state === 'stopped') && (
        <WorkButton variant="default" work={() => change(retryJob, { params }, touched)}>
          {t('jobs.retry')}
        </WorkButton>
      )}
    </Group>
  )
}

/** Live updates tell of jobs, not of their lines: those are read again while it runs. */
function Lines({ job }: { readonly job: Job }) {
  const { t, i18n } = useTranslation()
  const { data } = useQuery({
    ...query(readJobLines, { params: { job: job.id }, query: { limit: 1000 } }),
    refetchInterval: isOver(job) ? false : refreshMs,
  })
  const lineOf = ({ at, level, message }: Line) => `${clockText(at, i18n.language)} ${level === 'info' ? '' : `${level}: `}${message}`
  return (
    <Panel title={t('jobs.lines')} isFlush>
      <pre className="json" tabIndex={0} aria-live={isOver(job) ? 'off' : 'polite'}>
        {data === undefined || data.items.length === 0 ? t('jobs.noLines') : data.items.map(lineOf).join('\n')}
      </pre>
    </Panel>
  )
}
