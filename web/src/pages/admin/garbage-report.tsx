/** What a collection of garbage would free, now and later, and why it waits. */
import type { ResponseOf } from '#api/contract.ts'
import type { readGarbage as ReadGarbage } from '#api/routes/garbage.ts'
import { Button, Switch, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { Recycle } from 'lucide-react'
import { useState } from 'react'
import { change, query } from '../../api/client.ts'
import { listJobs, readGarbage, startGarbageRun } from '../../api/routes.ts'
import { useWho } from '../../api/session.ts'
import { Dialog, Form, useDraft } from '../../parts/form.tsx'
import { Panel } from '../../parts/layout.tsx'
import { Loaded } from '../../parts/loaded.tsx'
import { RelativeTime } from '../../parts/relative-time.tsx'
import { Facts } from '../../parts/rows.tsx'
import { formatBytes, formatNumber } from '../../parts/sizes.ts'
import { useFollowJob } from '../../parts/use-follow-job.ts'
import { useWords } from '../../parts/use-words.ts'

export function GarbageReport() {
  const { t } = useWords()
  const who = useWho()
  const [isStarting, setStarting] = useState(false)
  const garbage = useQuery(query(readGarbage))
  const button = who.may('garbage:collect') ? (
    <Button size="compact-sm" variant="default" leftSection={<Recycle size={14} />} onClick={() => setStarting(true)}>
      {t('garbage.collect')}
    </Button>
  ) : undefined
  return (
    <Panel title={t('garbage.title')} actions={button}>
      <Loaded of={garbage} rows={3}>
        {(data) => <Report garbage={data} />}
      </Loaded>
      <Dialog title={t('garbage.collect')} opened={isStarting} close={() => setStarting(false)}>
        <Start close={() => setStarting(false)} />
      </Dialog>
    </Panel>
  )
}

type Garbage = ResponseOf<typeof ReadGarbage>

function Report({ garbage }: { readonly garbage: Garbage }) {
  const { t } = useWords()
  const { reclaimable, untagged, leaving, trash, freed, lastRun, isExact } = garbage
  const blobs = ({ blobs: count, bytes }: { readonly blobs: number; readonly bytes: number }) =>
    `${isExact ? '' : '>'}${formatBytes(bytes)} · ${t('manage:storage.blobs', { count, shown: formatNumber(count) })}`
  const report = lastRun?.report
  return (
    <Facts
      facts={[
        [t('garbage.now'), blobs(reclaimable.now)],
        [t('garbage.later'), blobs(reclaimable.later)],
        [
          t('manage:garbage.untagged'),
          <span key="untagged">
            {`${formatBytes(untagged.bytes)} · ${t('repository.manifests', { count: untagged.manifests, shown: formatNumber(untagged.manifests) })}`}
            {untagged.until !== null && (
              <>
                {` · ${t('trash.until')} `}
                <RelativeTime at={untagged.until} />
              </>
            )}
          </span>,
        ],
        [t('manage:garbage.leaving'), `${formatBytes(leaving.bytes)} · ${formatNumber(leaving.files)}`],
        [
          t('nav.trash'),
          <Link key="trash" to="/trash" className="text-link">{`${formatBytes(trash.bytes)} · ${formatNumber(trash.items)}`}</Link>,
        ],
        [t('garbage.freed'), formatBytes(freed.bytes)],
        [
          t('garbage.last'),
          lastRun?.startedAt == null ? (
            t('tags.never')
          ) : (
            <span key="last">
              <Link to="/admin/jobs" search={{ job: lastRun.job }} className="text-link">
                <RelativeTime at={lastRun.startedAt} />
              </Link>
              {report !== null &&
                report !== undefined &&
                ` · ${report.dryRun ? t('manage:garbage.wouldFree', { size: formatBytes(report.freedBytes) }) : t('manage:garbage.didFree', { size: formatBytes(report.freedBytes) })}`}
            </span>
          ),
        ],
      ]}
    />
  )
}

function Start({ close }: { readonly close: () => void }) {
  const { t } = useWords()
  const follow = useFollowJob()
  const { draft, flag } = useDraft({ dryRun: false, deleteUntagged: false, sweep: false })
  const start = async () => {
    const { job } = await change(startGarbageRun, { body: draft }, [listJobs, readGarbage])
    close()
    await follow(job, t('garbage.begun'))
  }
  return (
    <Form save={start} close={close} submit={draft.dryRun ? t('manage:garbage.count') : t('garbage.collect')}>
      <Text size="sm" c="dimmed">
        {t('manage:garbage.text')}
      </Text>
      <Switch label={t('manage:garbage.dry')} {...flag('dryRun')} />
      <Switch label={t('manage:garbage.deleteUntagged')} description={t('manage:garbage.deleteUntaggedHint')} {...flag('deleteUntagged')} />
      <Switch label={t('manage:garbage.sweep')} description={t('manage:garbage.sweepHint')} {...flag('sweep')} />
    </Form>
  )
}
