/** Backups: how they stand, what there is, and the buttons that make, prove and clear them away. */
import type { ItemOf } from '../../api/client.ts'
import { Alert, Badge, Button, Group, SimpleGrid, Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate } from '@tanstack/react-router'
import { ArchiveRestore, BadgeCheck, Eraser, Info, Play, TriangleAlert } from 'lucide-react'
import { change, query } from '../../api/client.ts'
import { listBackups, readBackupStatus, startBackup, startPruning, startVerification } from '../../api/manage-routes.ts'
import { listJobs } from '../../api/routes.ts'
import { useWho } from '../../api/session.ts'
import { Command } from '../../parts/copy.tsx'
import { DataTable, type Column } from '../../parts/data-table.tsx'
import { Empty, Figure, PageHead, Waiting } from '../../parts/layout.tsx'
import { Problem, tell } from '../../parts/problem.tsx'
import { RelativeTime } from '../../parts/relative-time.tsx'
import { formatBytes, formatNumber } from '../../parts/sizes.ts'
import { useTry } from '../../parts/use-try.ts'
import { useWords } from '../../parts/use-words.ts'

type Backup = ItemOf<typeof listBackups>

export function BackupsPage() {
  const { t } = useWords()
  const { data: status, error } = useQuery({
    ...query(readBackupStatus),
    refetchInterval: ({ state }) => (state.data?.current == null ? 30_000 : 3_000),
  })
  const hasPlace = status !== undefined && status.place !== null
  return (
    <>
      <PageHead
        title={t('manage:backups.title')}
        description={status?.place == null ? t('manage:backups.text') : t('manage:backups.place', { place: status.place })}
        actions={hasPlace ? <Buttons /> : undefined}
      />
      {error !== null && <Problem error={error} />}
      {status === undefined && error === null && <Waiting />}
      {status !== undefined && !hasPlace && (
        <Empty icon={<ArchiveRestore size={28} />} title={t('manage:backups.noPlace')}>
          <Text size="sm">{t('manage:backups.noPlaceText')}</Text>
          <div style={{ textAlign: 'left', marginTop: 10 }}>
            <Command
              text={'backup: {store: {filesystem: {rootdirectory: /backup/berth}}, schedule: 0 2 * * *}'}
              label={t('manage:backups.noPlace')}
            />
          </div>
        </Empty>
      )}
      {hasPlace && (
        <Stack gap="lg">
          <Status />
          <Backups />
          <Alert icon={<Info size={17} />} color="blue">
            <Text size="sm" c="var(--mantine-color-text)">
              {t('manage:backups.restore')} <span className="mono">berth restore</span>
            </Text>
          </Alert>
        </Stack>
      )}
    </>
  )
}

function Buttons() {
  const { t } = useWords()
  const who = useWho()
  const navigate = useNavigate()
  const { error, isBusy, attempt } = useTry()
  const touched = [listJobs, readBackupStatus, listBackups]
  const follow = async (job: number, title: string) => {
    tell(title)
    if (who.may('job:list')) await navigate({ to: '/admin/jobs', search: { job } })
  }
  const start = async () => await follow((await change(startBackup, {}, touched)).job, t('manage:backups.begun'))
  const verify = async () => await follow((await change(startVerification, { body: {} }, touched)).job, t('manage:backups.verifying'))
  const prune = async () => await follow((await change(startPruning, {}, touched)).job, t('manage:backups.pruning'))
  return (
    <Group gap="xs">
      {who.may('backup:prune') && (
        <Button variant="default" leftSection={<Eraser size={15} />} disabled={isBusy} onClick={() => attempt(prune)}>
          {t('manage:backups.prune')}
        </Button>
      )}
      {who.may('backup:start') && (
        <>
          <Button variant="default" leftSection={<BadgeCheck size={15} />} disabled={isBusy} onClick={() => attempt(verify)}>
            {t('manage:backups.verify')}
          </Button>
          <Button leftSection={<Play size={15} />} loading={isBusy} onClick={() => attempt(start)}>
            {t('manage:backups.start')}
          </Button>
        </>
      )}
      {error !== undefined && <Problem error={error} />}
    </Group>
  )
}

function Status() {
  const { t } = useWords()
  const { data } = useQuery(query(readBackupStatus))
  if (data === undefined) return null
  const { last, failure, verified, current, nextAt } = data
  return (
    <Stack gap="md">
      {failure !== null && (
        <Alert color="red" icon={<TriangleAlert size={17} />} title={t('manage:backups.failed')}>
          <Text size="sm" c="var(--mantine-color-text)" className="wrap" lang="en">
            <RelativeTime at={failure.at} />: {failure.error}
          </Text>
        </Alert>
      )}
      <SimpleGrid cols={{ base: 1, xs: 2, md: 4 }}>
        <Figure
          name={t('manage:backups.last')}
          {...(last !== null && { hint: `${formatBytes(last.bytes)}, +${formatBytes(last.addedBytes)}` })}
        >
          {last === null ? t('tags.never') : <RelativeTime at={last.endedAt} />}
        </Figure>
        <Figure name={t('manage:backups.next')}>{nextAt === null ? t('manage:backups.byHand') : <RelativeTime at={nextAt} />}</Figure>
        <Figure
          name={t('manage:backups.verified')}
          {...(verified !== null && {
            hint: verified.broken === 0 ? t('manage:backups.allWhole') : t('manage:backups.broken', { shown: verified.broken }),
          })}
        >
          {verified === null ? t('tags.never') : <RelativeTime at={verified.at} />}
        </Figure>
        <Figure name={t('manage:common.now')}>
          {current === null ? (
            t('manage:common.nothingRuns')
          ) : (
            <Link to="/admin/jobs" search={{ job: current.job }} className="text-link">
              {t(`jobs.states.${current.state}`)}
            </Link>
          )}
        </Figure>
      </SimpleGrid>
    </Stack>
  )
}

function Backups() {
  const { t } = useWords()
  const who = useWho()
  const navigate = useNavigate()
  const { data, error } = useQuery(query(listBackups, { query: { limit: 1000 } }))
  const { error: failure, isBusy, attempt } = useTry()
  const verify = async (id: string) => {
    const { job } = await change(startVerification, { body: { id } }, [listJobs, readBackupStatus])
    tell(t('manage:backups.verifying'))
    if (who.may('job:list')) await navigate({ to: '/admin/jobs', search: { job } })
  }
  const shown = useColumns()
  const verifying: Column<Backup> = {
    key: 'actions',
    name: t('common.actions'),
    width: 104,
    isEnd: true,
    hidden: 'middle',
    cell: ({ id }) => (
      <Button
        size="compact-xs"
        variant="default"
        disabled={isBusy}
        onClick={() => attempt(() => verify(id))}
        aria-label={t('manage:backups.verifyThis', { name: id })}
      >
        {t('manage:backups.verifyOne')}
      </Button>
    ),
  }
  if (error !== null) return <Problem error={error} />
  if (data === undefined) return <Waiting />
  if (data.items.length === 0) {
    return (
      <Empty icon={<ArchiveRestore size={28} />} title={t('manage:backups.none')}>
        {t('manage:backups.noneText')}
      </Empty>
    )
  }
  const columns = [...shown, ...(who.may('backup:start') ? [verifying] : [])]
  return (
    <Stack gap="sm">
      {failure !== undefined && <Problem error={failure} />}
      <DataTable label={t('manage:backups.title')} columns={columns} rows={data.items} keyOf={({ id }) => id} />
    </Stack>
  )
}

function useColumns(): readonly Column<Backup>[] {
  const { t } = useWords()
  return [
    {
      key: 'id',
      name: t('manage:backups.one'),
      cell: ({ id, madeAt }) => (
        <span title={id}>{madeAt === undefined ? <span className="mono">{id}</span> : <RelativeTime at={madeAt} />}</span>
      ),
    },
    { key: 'state', name: t('jobs.state'), width: 200, cell: (backup) => <State backup={backup} /> },
    {
      key: 'size',
      name: t('common.size'),
      width: 100,
      isEnd: true,
      cell: ({ bytes }) => <span className="number">{bytes === undefined ? '–' : formatBytes(bytes)}</span>,
    },
    {
      key: 'added',
      name: t('manage:backups.added'),
      width: 100,
      isEnd: true,
      hidden: 'middle',
      cell: ({ addedBytes }) => <span className="number">{addedBytes === undefined ? '–' : formatBytes(addedBytes)}</span>,
    },
    {
      key: 'blobs',
      name: t('system.blobs'),
      width: 100,
      isEnd: true,
      hidden: 'wide',
      cell: ({ blobs }) => <span className="number">{blobs === undefined ? '–' : formatNumber(blobs)}</span>,
    },
    {
      key: 'version',
      name: t('system.version'),
      width: 120,
      hidden: 'wide',
      cell: ({ version, database }) => <div className="cut">{[version, database].filter(Boolean).join(', ')}</div>,
    },
  ]
}

function State({ backup: { fault, missingBlobs = 0, damagedBlobs = 0 } }: { readonly backup: Backup }) {
  const { t } = useWords()
  if (fault !== undefined) {
    return (
      <Badge variant="dot" color="red" title={fault}>
        {t('manage:backups.unreadable')}
      </Badge>
    )
  }
  if (damagedBlobs > 0) {
    return (
      <Badge variant="dot" color="red">
        {t('manage:backups.damaged', { shown: formatNumber(damagedBlobs) })}
      </Badge>
    )
  }
  return missingBlobs > 0 ? (
    <Badge variant="dot" color="yellow">
      {t('manage:backups.missing', { shown: formatNumber(missingBlobs) })}
    </Badge>
  ) : (
    <Badge variant="dot" color="tide">
      {t('manage:backups.whole')}
    </Badge>
  )
}
