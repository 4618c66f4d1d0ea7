/** Backups: how they stand, what there is, and the buttons that make, prove and clear them away. */
import type { ResponseOf } from '#api/contract.ts'
import type { readBackupStatus as ReadStatus } from '#api/routes/backups.ts'
import type { ItemOf } from '../../api/client.ts'
import { Alert, Badge, Group, SimpleGrid, Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { ArchiveRestore, BadgeCheck, Eraser, Info, Play, TriangleAlert } from 'lucide-react'
import { change, query } from '../../api/client.ts'
import { listBackups, readBackupStatus, startBackup, startPruning, startVerification } from '../../api/manage-routes.ts'
import { listJobs } from '../../api/routes.ts'
import { useWho } from '../../api/session.ts'
import { Command } from '../../parts/copy.tsx'
import { DataTable, type Column } from '../../parts/data-table.tsx'
import { WorkButton } from '../../parts/form.tsx'
import { Empty, Figure, PageHead } from '../../parts/layout.tsx'
import { Loaded } from '../../parts/loaded.tsx'
import { RelativeTime } from '../../parts/relative-time.tsx'
import { formatBytes, formatNumber } from '../../parts/sizes.ts'
import { useFollowJob } from '../../parts/use-follow-job.ts'
import { useWords } from '../../parts/use-words.ts'

type Backup = ItemOf<typeof listBackups>

export function BackupsPage() {
  const { t } = useWords()
  const status = useQuery({
    ...query(readBackupStatus),
    refetchInterval: ({ state }) => (state.data?.current == null ? 30_000 : 3_000),
  })
  const place = status.data?.place
  return (
    <>
      <PageHead
        title={t('manage:backups.title')}
        description={place == null ? t('manage:backups.text') : t('manage:backups.place', { place })}
        actions={place == null ? undefined : <Buttons />}
      />
      <Loaded of={status}>
        {(data) =>
          data.place === null ? (
            <NoPlace />
          ) : (
            <Stack gap="lg">
              <Status status={data} />
              <Backups />
              <Alert icon={<Info size={17} />} color="blue">
                <Text size="sm" c="var(--mantine-color-text)">
                  {t('manage:backups.restore')} <span className="mono">berth restore</span>
                </Text>
              </Alert>
            </Stack>
          )
        }
      </Loaded>
    </>
  )
}

function NoPlace() {
  const { t } = useWords()
  return (
    <Empty icon={<ArchiveRestore size={28} />} title={t('manage:backups.noPlace')}>
      <Text size="sm">{t('manage:backups.noPlaceText')}</Text>
      <div style={{ textAlign: 'left', marginTop: 10 }}>
        <Command
          text={'backup: {store: {filesystem: {rootdirectory: /backup/berth}}, schedule: 0 2 * * *}'}
          label={t('manage:backups.noPlace')}
        />
      </div>
    </Empty>
  )
}

function Buttons() {
  const { t } = useWords()
  const who = useWho()
  const follow = useFollowJob()
  const touched = [listJobs, readBackupStatus, listBackups]
  const start = async () => await follow((await change(startBackup, {}, touched)).job, t('manage:backups.begun'))
  const verify = async () => await follow((await change(startVerification, { body: {} }, touched)).job, t('manage:backups.verifying'))
  const prune = async () => await follow((await change(startPruning, {}, touched)).job, t('manage:backups.pruning'))
  return (
    <Group gap="xs">
      {who.may('backup:prune') && (
        <WorkButton variant="default" leftSection={<Eraser size={15} />} work={prune}>
          {t('manage:backups.prune')}
        </WorkButton>
      )}
      {who.may('backup:start') && (
        <>
          <WorkButton variant="default" leftSection={<BadgeCheck size={15} />} work={verify}>
            {t('manage:backups.verify')}
          </WorkButton>
          <WorkButton leftSection={<Play size={15} />} work={start}>
            {t('manage:backups.start')}
          </WorkButton>
        </>
      )}
    </Group>
  )
}

function Status({ status }: { readonly status: ResponseOf<typeof ReadStatus> }) {
  const { t } = useWords()
  const { last, failure, verified, current, nextAt } = status
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
  const follow = useFollowJob()
  const list = useQuery(query(listBackups, { query: { limit: 1000 } }))
  const verify = async (id: string) =>
    await follow((await change(startVerification, { body: { id } }, [listJobs, readBackupStatus])).job, t('manage:backups.verifying'))
  const shown = useColumns()
  const verifying: Column<Backup> = {
    key: 'actions',
    name: t('common.actions'),
    width: 104,
    isEnd: true,
    hidden: 'middle',
    cell: ({ id }) => (
      <WorkButton size="compact-xs" variant="default" work={() => verify(id)} aria-label={t('manage:backups.verifyThis', { name: id })}>
        {t('manage:backups.verifyOne')}
      </WorkButton>
    ),
  }
  const columns = [...shown, ...(who.may('backup:start') ? [verifying] : [])]
  return (
    <Loaded of={list}>
      {({ items }) =>
        items.length === 0 ? (
          <Empty icon={<ArchiveRestore size={28} />} title={t('manage:backups.none')}>
            {t('manage:backups.noneText')}
          </Empty>
        ) : (
          <DataTable label={t('manage:backups.title')} columns={columns} rows={items} keyOf={({ id }) => id} />
        )
      }
    </Loaded>
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
