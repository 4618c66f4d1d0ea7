/** Whether the bytes are what they should be: the last pass, what it found, and a button for another one. */
import type { ResponseOf } from '#api/contract.ts'
import type { readScrub as ReadScrub } from '#api/routes/scrub.ts'
import type { ItemOf } from '../../api/client.ts'
import { Badge, Button, Group, Stack, Switch, Text, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { Play, ShieldCheck, Trash2 } from 'lucide-react'
import { useState } from 'react'
import { change, pages, query } from '../../api/client.ts'
import { deleteOrphans, listScrubFindings, readScrub, startScrub } from '../../api/manage-routes.ts'
import { listJobs } from '../../api/routes.ts'
import { useWho } from '../../api/session.ts'
import { Choice } from '../../parts/choice.tsx'
import { DataTable, type Column } from '../../parts/data-table.tsx'
import { Dialog, Form, numberOf, useDraft, WorkButton } from '../../parts/form.tsx'
import { Panel } from '../../parts/layout.tsx'
import { useList } from '../../parts/list.ts'
import { Listing } from '../../parts/listing.tsx'
import { Loaded } from '../../parts/loaded.tsx'
import { RelativeTime } from '../../parts/relative-time.tsx'
import { Facts } from '../../parts/rows.tsx'
import { formatBytes, formatNumber } from '../../parts/sizes.ts'
import { useFollowJob } from '../../parts/use-follow-job.ts'
import { useWords } from '../../parts/use-words.ts'

type Finding = ItemOf<typeof listScrubFindings>
const touched = [listJobs, readScrub, listScrubFindings]

export function ScrubPanel() {
  const { t } = useWords()
  const who = useWho()
  const [isStarting, setStarting] = useState(false)
  const scrub = useQuery(query(readScrub))
  const follow = useFollowJob()
  const mayStart = who.may('scrub:start')
  const hasOrphans = scrub.data?.findings.some(({ kind }) => kind === 'orphan') === true
  const remove = async () => await follow((await change(deleteOrphans, {}, touched)).job, t('manage:scrub.deleting'))
  const buttons = mayStart && (
    <Group gap="xs">
      {hasOrphans && (
        <WorkButton size="compact-sm" variant="default" leftSection={<Trash2 size={14} />} work={remove}>
          {t('manage:scrub.deleteOrphans')}
        </WorkButton>
      )}
      <Button size="compact-sm" variant="default" leftSection={<Play size={14} />} onClick={() => setStarting(true)}>
        {t('manage:scrub.start')}
      </Button>
    </Group>
  )
  return (
    <Panel title={t('manage:scrub.title')} actions={buttons}>
      <Stack>
        <Text size="sm" c="dimmed">
          {t('manage:scrub.text')}
        </Text>
        <Loaded of={scrub} rows={2}>
          {(data) => <Status scrub={data} />}
        </Loaded>
        <Findings />
      </Stack>
      <Dialog title={t('manage:scrub.start')} opened={isStarting} close={() => setStarting(false)}>
        <Start close={() => setStarting(false)} />
      </Dialog>
    </Panel>
  )
}

function Status({ scrub: { last, current, nextAt, findings } }: { readonly scrub: ResponseOf<typeof ReadScrub> }) {
  const { t } = useWords()
  return (
    <Stack gap="sm">
      <Group gap={8}>
        {findings.length === 0 && last !== null && (
          <Badge variant="dot" color="tide" size="lg" leftSection={<ShieldCheck size={12} aria-hidden />}>
            {t('manage:scrub.allWhole')}
          </Badge>
        )}
        {findings.map(({ kind, count }) => (
          <Badge key={kind} variant="dot" color="red" size="lg">
            {`${t(`manage:scrub.kinds.${kind}`)}: ${formatNumber(count)}`}
          </Badge>
        ))}
      </Group>
      <Facts
        facts={[
          [
            t('manage:scrub.last'),
            last === null ? (
              t('tags.never')
            ) : (
              <span key="last">
                <RelativeTime at={last.endedAt} />
                {` · ${t('manage:storage.blobs', { count: last.blobs, shown: formatNumber(last.blobs) })} · ${t('manage:scrub.read', { size: formatBytes(last.bytes), share: last.sample })}`}
              </span>
            ),
          ],
          [t('manage:backups.next'), nextAt === null ? t('manage:backups.byHand') : <RelativeTime key="next" at={nextAt} />],
          [
            t('manage:common.now'),
            current === null ? (
              t('manage:common.nothingRuns')
            ) : (
              <Link key="now" to="/admin/jobs" search={{ job: current.job }} className="text-link">
                {t(`jobs.states.${current.state}`)}
              </Link>
            ),
          ],
        ]}
      />
    </Stack>
  )
}

const views = ['open', 'resolved'] as const

function Findings() {
  const { t } = useWords()
  const [view, setView] = useState<(typeof views)[number]>('open')
  const list = useList(pages(listScrubFindings, { query: { limit: 100, ...(view === 'resolved' && { resolved: true }) } }))
  const columns: readonly Column<Finding>[] = [
    { key: 'kind', name: t('tags.kind'), width: 130, cell: ({ kind }) => t(`manage:scrub.kinds.${kind}`) },
    {
      key: 'key',
      name: t('audit.what'),
      cell: ({ key, detail }) => (
        <div className="cut mono" title={`${key}\n${detail}`}>
          {key}
        </div>
      ),
    },
    {
      key: 'detail',
      name: t('common.description'),
      hidden: 'wide',
      cell: ({ detail }) => (
        <div className="cut" title={detail} lang="en">
          {detail}
        </div>
      ),
    },
    { key: 'size', name: t('common.size'), width: 90, isEnd: true, hidden: 'middle', cell: ({ sizeBytes }) => formatBytes(sizeBytes) },
    { key: 'at', name: t('manage:scrub.found'), width: 130, hidden: 'middle', cell: ({ foundAt }) => <RelativeTime at={foundAt} /> },
  ]
  return (
    <Stack gap="sm">
      <Choice
        label={t('manage:scrub.findings')}
        values={views}
        value={view}
        say={(each) => t(`manage:scrub.views.${each}`)}
        onChange={(chosen) => setView(chosen ?? 'open')}
      />
      <Listing
        list={list}
        empty={
          <Text size="sm" c="dimmed">
            {t('manage:scrub.none')}
          </Text>
        }
      >
        <DataTable label={t('manage:scrub.findings')} columns={columns} rows={list.items} keyOf={({ id }) => String(id)} more={list.more} />
      </Listing>
    </Stack>
  )
}

function Start({ close }: { readonly close: () => void }) {
  const { t } = useWords()
  const follow = useFollowJob()
  const { draft, text, flag } = useDraft({ full: false, sample: '' })
  const start = async () => {
    const sample = numberOf(draft.sample)
    const body = draft.full ? { full: true } : { ...(sample !== undefined && { sample }) }
    const { job } = await change(startScrub, { body }, touched)
    close()
    await follow(job, t('manage:scrub.begun'))
  }
  return (
    <Form save={start} close={close} submit={t('manage:scrub.start')}>
      <Switch label={t('manage:scrub.full')} description={t('manage:scrub.fullHint')} {...flag('full')} />
      {!draft.full && (
        <TextInput label={t('manage:scrub.sample')} description={t('manage:scrub.sampleHint')} inputMode="numeric" {...text('sample')} />
      )}
    </Form>
  )
}
