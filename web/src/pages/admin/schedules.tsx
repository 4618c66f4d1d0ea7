/** What begins by itself, and when. */
import type { ResponseOf } from '#api/contract.ts'
import type { listSchedules } from '#api/routes/jobs.ts'
import { ActionIcon, Group, Switch, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Pencil, Play } from 'lucide-react'
import { useState } from 'react'
import { change, query } from '../../api/client.ts'
import { listJobs, listSchedules as schedulesRoute, runSchedule, updateSchedule } from '../../api/routes.ts'
import { useWho } from '../../api/session.ts'
import { ZoneField } from '../../parts/fields.tsx'
import { act, Dialog, Form, useDraft, WorkButton } from '../../parts/form.tsx'
import { Panel } from '../../parts/layout.tsx'
import { Loaded } from '../../parts/loaded.tsx'
import { tell } from '../../parts/problem.tsx'
import { RelativeTime } from '../../parts/relative-time.tsx'
import { Row } from '../../parts/rows.tsx'
import { useWords } from '../../parts/use-words.ts'

type Schedule = ResponseOf<typeof listSchedules>['items'][number]

export function Schedules() {
  const { t } = useWords()
  const [editing, setEditing] = useState<Schedule>()
  const schedules = useQuery(query(schedulesRoute))
  return (
    <Panel title={t('jobs.schedules')} isFlush>
      <Loaded of={schedules} rows={3}>
        {({ items }) => (
          <ul className="rows">
            {items.map((schedule) => (
              <OneSchedule key={schedule.name} schedule={schedule} edit={() => setEditing(schedule)} />
            ))}
          </ul>
        )}
      </Loaded>
      <Dialog title={editing?.title ?? ''} opened={editing !== undefined} close={() => setEditing(undefined)}>
        {editing !== undefined && <ScheduleForm schedule={editing} close={() => setEditing(undefined)} />}
      </Dialog>
    </Panel>
  )
}

function OneSchedule({ schedule, edit }: { readonly schedule: Schedule; readonly edit: () => void }) {
  const { t } = useWords()
  const who = useWho()
  const { name, title, isEnabled } = schedule
  const params = { schedule: name }
  const run = async () => {
    await change(runSchedule, { params }, [listJobs, schedulesRoute])
    tell(t('jobs.begun', { name: title }))
  }
  const toggle = () => change(updateSchedule, { params, body: { isEnabled: !isEnabled }, ifMatch: schedule.version }, [schedulesRoute])
  return (
    <Row title={<span lang="en">{title}</span>} text={<When schedule={schedule} />}>
      {who.may('job:schedule') && (
        <Group gap="sm" wrap="nowrap">
          <Switch size="xs" aria-label={t('jobs.enabled', { name: title })} checked={isEnabled} onChange={() => void act(toggle)} />
          <ActionIcon onClick={edit} aria-label={t('manage:common.edit', { name: title })}>
            <Pencil size={15} />
          </ActionIcon>
          <WorkButton
            size="compact-sm"
            variant="default"
            leftSection={<Play size={13} />}
            work={run}
            aria-label={t('jobs.runThis', { name: title })}
          >
            {t('jobs.run')}
          </WorkButton>
        </Group>
      )}
    </Row>
  )
}

/** Each so and so long: no clock of a place counts. */
const isEvery = (cron: string) => cron.trim().startsWith('every')

function When({ schedule: { cron, timeZone, isEnabled, nextAt, lastAt } }: { readonly schedule: Schedule }) {
  const { t } = useWords()
  return (
    <>
      <span className="mono">{cron}</span>
      {!isEvery(cron) && ` ${timeZone}`}
      {nextAt !== null && isEnabled && (
        <>
          {' · '}
          {t('manage:schedules.next')} <RelativeTime at={nextAt} />
        </>
      )}
      {lastAt !== null && (
        <>
          {' · '}
          {t('manage:schedules.last')} <RelativeTime at={lastAt} />
        </>
      )}
    </>
  )
}

function ScheduleForm({ schedule, close }: { readonly schedule: Schedule; readonly close: () => void }) {
  const { t } = useWords()
  const { draft, text, put } = useDraft({ cron: schedule.cron, timeZone: schedule.timeZone })
  const save = async () => {
    await change(updateSchedule, { params: { schedule: schedule.name }, body: draft, ifMatch: schedule.version }, [schedulesRoute])
    tell(t('common.saved'))
    close()
  }
  return (
    <Form save={save} close={close}>
      <TextInput
        label={t('manage:retention.schedule')}
        description={t('manage:schedules.hint')}
        placeholder="0 3 * * *"
        classNames={{ input: 'mono' }}
        {...text('cron')}
        data-autofocus
        required
        withAsterisk={false}
      />
      {!isEvery(draft.cron) && <ZoneField value={draft.timeZone} onChange={(timeZone) => put({ timeZone })} />}
    </Form>
  )
}
