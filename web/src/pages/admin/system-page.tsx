/** How the registry does: what it stands on, what is used and can be freed, how it is configured, what it tells everybody. */
import type { ResponseOf } from '#api/contract.ts'
import type { readSystemInformation as ReadInformation } from '#api/routes/system.ts'
import { Badge, Button, SimpleGrid, Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { TriangleAlert } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { query } from '../../api/client.ts'
import { readSystemConfiguration, readSystemDoctor, readSystemInformation, readSystemUsage } from '../../api/routes.ts'
import { useWho } from '../../api/session.ts'
import { Figure, PageHead, Panel } from '../../parts/layout.tsx'
import { Loaded } from '../../parts/loaded.tsx'
import { RelativeTime } from '../../parts/relative-time.tsx'
import { Facts, Row } from '../../parts/rows.tsx'
import { formatBytes, formatNumber } from '../../parts/sizes.ts'
import { ConfigurationTable } from './configuration-table.tsx'
import { GarbageReport } from './garbage-report.tsx'
import { SystemSettings } from './system-settings.tsx'

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
            {who.may('garbage:read') && <GarbageReport />}
            {who.may('system:update') && <SystemSettings />}
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
  const information = useQuery(query(readSystemInformation))
  return (
    <Panel title={t('system.information')}>
      <Loaded of={information}>{(data) => <InformationFacts information={data} />}</Loaded>
    </Panel>
  )
}

function InformationFacts({ information }: { readonly information: ResponseOf<typeof ReadInformation> }) {
  const { t } = useTranslation()
  const { version, node, database, storage, counts } = information
  const free =
    storage.freeBytes === null || storage.totalBytes === null
      ? '–'
      : `${formatBytes(storage.freeBytes)} / ${formatBytes(storage.totalBytes)}`
  return (
    <Facts
      facts={[
        [t('system.version'), version],
        [t('system.node'), node.name],
        [t('system.runtime'), `${node.runtime}, ${node.platform}`],
        [t('system.started'), <RelativeTime key="at" at={node.startedAt} />],
        [t('system.database'), `${database.kind}, ${database.schemaVersion}`],
        [t('system.store'), [storage.kind, storage.place].filter(Boolean).join(': ')],
        [t('system.free'), free],
        [t('system.blobs'), `${formatNumber(counts.blobs)}, ${formatBytes(counts.blobBytes)}`],
        [t('system.manifests'), formatNumber(counts.manifests)],
        [t('system.accounts'), `${formatNumber(counts.users)} + ${formatNumber(counts.robots)}`],
        [t('system.uploads'), formatNumber(counts.openUploads)],
      ]}
    />
  )
}

const verdictColors = { ok: 'tide', warning: 'yellow', problem: 'red' } as const

function Doctor() {
  const { t } = useTranslation()
  const doctor = useQuery({ ...query(readSystemDoctor), staleTime: 60_000 })
  const again = (
    <Button size="compact-sm" variant="default" loading={doctor.isFetching} onClick={() => void doctor.refetch()}>
      {t('doctor.again')}
    </Button>
  )
  return (
    <Panel title={t('doctor.title')} actions={again} isFlush>
      <Loaded of={doctor} rows={3}>
        {({ diagnoses }) => (
          <ul className="rows">
            {diagnoses.map(({ check, verdict, message }) => (
              <Row key={check} title={<span lang="en">{check}</span>} text={<span lang="en">{message}</span>}>
                <Badge
                  variant="dot"
                  color={verdictColors[verdict]}
                  style={{ flex: 'none' }}
                  {...(verdict !== 'ok' && { rightSection: <TriangleAlert size={11} aria-hidden /> })}
                >
                  {t(`doctor.verdicts.${verdict}`)}
                </Badge>
              </Row>
            ))}
          </ul>
        )}
      </Loaded>
    </Panel>
  )
}

function ConfigurationPanel() {
  const { t } = useTranslation()
  const configuration = useQuery(query(readSystemConfiguration))
  return (
    <div>
      <Text component="h2" fw={600} size="lg" mt="xs" mb={4}>
        {t('configuration.title')}
      </Text>
      <Loaded of={configuration}>
        {({ file, keys }) => (
          <>
            <Text size="sm" c="dimmed" mb="sm" className="wrap">
              {file ?? t('configuration.noFile')}
            </Text>
            <ConfigurationTable keys={keys} />
          </>
        )}
      </Loaded>
    </div>
  )
}
