/** How the registry does: what it stands on, what is used and can be freed, how it is configured, what it tells everybody. */
import { Badge, Button, Group, Select, SimpleGrid, Stack, Switch, Text, Textarea } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { Recycle, TriangleAlert } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { ResponseOf } from '#api/contract.ts'
import type { readSystemSettings } from '#api/routes/system.ts'
import { change, query } from '../../api/client.ts'
import {
  listJobs,
  readGarbage,
  readSystem,
  readSystemConfiguration,
  readSystemDoctor,
  readSystemInformation,
  readSystemSettings as settingsRoute,
  readSystemUsage,
  startGarbageRun,
  updateSystemSettings,
} from '../../api/routes.ts'
import { useWho } from '../../api/session.ts'
import { Figure, PageHead, Panel, Waiting } from '../../parts/layout.tsx'
import { Problem, tell } from '../../parts/problem.tsx'
import { RelativeTime } from '../../parts/relative-time.tsx'
import { formatBytes, formatNumber } from '../../parts/sizes.ts'
import { useTry } from '../../parts/use-try.ts'
import { ConfigurationTable } from './configuration-table.tsx'

export function SystemPage() {
  const { t } = useTranslation()
  const who = useWho()
  return (
    <>
      <PageHead title={t('system.title')} description={t('system.text')} />
      <Stack gap="lg">
        <Figures />
        <SimpleGrid cols={{ base: 1, md: 2 }} spacing="lg">
          <Information />
          <Stack gap="lg">
            {who.may('garbage:read') && <Garbage mayCollect={who.may('garbage:collect')} />}
            {who.may('system:update') && <Settings />}
          </Stack>
        </SimpleGrid>
        <Doctor />
        <ConfigurationPanel />
      </Stack>
    </>
  )
}

function Figures() {
  const { t } = useTranslation()
  const { data: usage } = useQuery(query(readSystemUsage))
  const { data: system } = useQuery(query(readSystemInformation))
  const figures = [
    [t('project.storage'), usage && formatBytes(usage.bytes), usage && t('system.unshared', { size: formatBytes(usage.logicalBytes) })],
    [t('nav.projects'), system && formatNumber(system.counts.projects), undefined],
    [t('nav.repositories'), system && formatNumber(system.counts.repositories), undefined],
    [t('project.tags'), system && formatNumber(system.counts.tags), undefined],
  ] as const
  return (
    <SimpleGrid cols={{ base: 2, md: 4 }} spacing="md">
      {figures.map(([name, value, hint]) => (
        <Figure key={name} name={name} {...(hint !== undefined && { hint })}>
          {value ?? '…'}
        </Figure>
      ))}
    </SimpleGrid>
  )
}

function Information() {
  const { t } = useTranslation()
  const { data, error } = useQuery(query(readSystemInformation))
  if (error !== null) return <Problem error={error} />
  if (data === undefined) return <Waiting />
  const { node, database, storage, counts } = data
  const facts = [
    [t('system.version'), data.version],
    [t('system.node'), node.name],
    [t('system.runtime'), `${node.runtime}, ${node.platform}`],
    [t('system.started'), <RelativeTime key="at" at={node.startedAt} />],
    [t('system.database'), `${database.kind}, ${database.schemaVersion}`],
    [t('system.store'), [storage.kind, storage.place].filter(Boolean).join(': ')],
    [
      t('system.free'),
      storage.freeBytes === null || storage.totalBytes === null
        ? '–'
        : `${formatBytes(storage.freeBytes)} / ${formatBytes(storage.totalBytes)}`,
    ],
    [t('system.blobs'), `${formatNumber(counts.blobs)}, ${formatBytes(counts.blobBytes)}`],
    [t('system.manifests'), formatNumber(counts.manifests)],
    [t('system.accounts'), `${formatNumber(counts.users)} + ${formatNumber(counts.robots)}`],
    [t('system.uploads'), formatNumber(counts.openUploads)],
  ] as const
  return (
    <Panel title={t('system.information')}>
      <dl className="facts">
        {facts.map(([name, value]) => (
          <div key={name} style={{ display: 'contents' }}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </Panel>
  )
}

function Garbage({ mayCollect }: { readonly mayCollect: boolean }) {
  const { t } = useTranslation()
  const { data, error } = useQuery(query(readGarbage))
  const { error: failure, isBusy, attempt } = useTry()
  const collect = async () => {
    await change(startGarbageRun, { body: {} }, [readGarbage, listJobs])
    tell(t('garbage.begun'))
  }
  const button = mayCollect ? (
    <Button size="compact-sm" variant="default" leftSection={<Recycle size={14} />} loading={isBusy} onClick={() => attempt(collect)}>
      {t('garbage.collect')}
    </Button>
  ) : undefined
  return (
    <Panel title={t('garbage.title')} actions={button}>
      {error !== null && <Problem error={error} />}
      {failure !== undefined && <Problem error={failure} />}
      {data !== undefined && (
        <dl className="facts">
          <dt>{t('garbage.now')}</dt>
          <dd>{formatBytes(data.reclaimable.now.bytes)}</dd>
          <dt>{t('garbage.later')}</dt>
          <dd>{formatBytes(data.reclaimable.later.bytes)}</dd>
          <dt>{t('nav.trash')}</dt>
          <dd>{formatBytes(data.trash.bytes)}</dd>
          <dt>{t('garbage.freed')}</dt>
          <dd>{formatBytes(data.freed.bytes)}</dd>
          <dt>{t('garbage.last')}</dt>
          <dd>
            {data.lastRun?.startedAt == null ? (
              t('tags.never')
            ) : (
              <Link to="/admin/jobs" search={{ job: data.lastRun.job }} className="text-link">
                <RelativeTime at={data.lastRun.startedAt} />
              </Link>
            )}
          </dd>
        </dl>
      )}
    </Panel>
  )
}

function Settings() {
  const { t } = useTranslation()
  const { data, error } = useQuery(query(settingsRoute))
  return (
    <Panel title={t('settings.title')}>
      {error !== null && <Problem error={error} />}
      {error === null && (data === undefined ? <Waiting rows={3} /> : <SettingsForm key={data.version} settings={data} />)}
    </Panel>
  )
}

type Settings = ResponseOf<typeof readSystemSettings>
const levels = ['info', 'warning', 'danger'] as const

function SettingsForm({ settings }: { readonly settings: Settings }) {
  const { t } = useTranslation()
  const [text, setText] = useState(settings.banner?.text ?? '')
  const [level, setLevel] = useState<(typeof levels)[number]>(settings.banner?.level ?? 'info')
  const [isReadOnly, setReadOnly] = useState(settings.isReadOnly)
  const [everyone, setEveryone] = useState(settings.projectCreation === 'everyone')
  const { error, isBusy, attempt } = useTry()
  const save = async () => {
    const banner = text.trim() === '' ? null : { text: text.trim(), level }
    // While it is read-only the server takes nothing but the end of that.
    const rest =
      settings.isReadOnly && !isReadOnly ? {} : { banner, projectCreation: everyone ? ('everyone' as const) : ('administrators' as const) }
    await change(updateSystemSettings, { body: { isReadOnly, ...rest }, ifMatch: settings.version }, [settingsRoute, readSystem])
    tell(t('common.saved'))
  }
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        attempt(save)
      }}
    >
      <Stack>
        <Textarea
          label={t('settings.banner')}
          description={t('settings.bannerHint')}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
          autosize
          minRows={2}
          maxLength={1000}
        />
        <Select
          label={t('settings.level')}
          data={levels.map((value) => ({ value, label: t(`settings.levels.${value}`) }))}
          value={level}
          onChange={(value) => value !== null && setLevel(value as 'info')}
        />
        <Switch label={t('settings.projects')} checked={everyone} onChange={(event) => setEveryone(event.currentTarget.checked)} />
        <Switch
          label={t('settings.readOnly')}
          description={t('settings.readOnlyHint')}
          checked={isReadOnly}
          onChange={(event) => setReadOnly(event.currentTarget.checked)}
        />
        {error !== undefined && <Problem error={error} />}
        <Group>
          <Button type="submit" loading={isBusy}>
            {t('common.save')}
          </Button>
        </Group>
      </Stack>
    </form>
  )
}

const verdictColors = { ok: 'tide', warning: 'yellow', problem: 'red' } as const

function Doctor() {
  const { t } = useTranslation()
  const { data, error, refetch, isFetching } = useQuery({ ...query(readSystemDoctor), staleTime: 60_000 })
  const again = (
    <Button size="compact-sm" variant="default" loading={isFetching} onClick={() => void refetch()}>
      {t('doctor.again')}
    </Button>
  )
  return (
    <Panel title={t('doctor.title')} actions={again} isFlush>
      {error !== null && <Problem error={error} />}
      {data === undefined && error === null && <Waiting rows={3} />}
      <ul className="rows">
        {data?.diagnoses.map(({ check, verdict, message }) => (
          <li key={check}>
            <div style={{ minWidth: 0 }}>
              <Text fw={500} lang="en">
                {check}
              </Text>
              <Text size="sm" c="dimmed" className="wrap" lang="en">
                {message}
              </Text>
            </div>
            <Badge
              variant="dot"
              color={verdictColors[verdict]}
              style={{ flex: 'none' }}
              {...(verdict !== 'ok' && { rightSection: <TriangleAlert size={11} aria-hidden /> })}
            >
              {t(`doctor.verdicts.${verdict}`)}
            </Badge>
          </li>
        ))}
      </ul>
    </Panel>
  )
}

function ConfigurationPanel() {
  const { t } = useTranslation()
  const { data, error } = useQuery(query(readSystemConfiguration))
  return (
    <div>
      <Text component="h2" fw={600} size="lg" mt="xs" mb={4}>
        {t('configuration.title')}
      </Text>
      <Text size="sm" c="dimmed" mb="sm" className="wrap">
        {data?.file ?? t('configuration.noFile')}
      </Text>
      {error !== null && <Problem error={error} />}
      {data === undefined && error === null && <Waiting />}
      {data !== undefined && <ConfigurationTable keys={data.keys} />}
    </div>
  )
}
