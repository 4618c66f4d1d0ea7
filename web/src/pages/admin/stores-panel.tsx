/** The stores, what is in each, and moving blobs between them. */
import type { ResponseOf } from '#api/contract.ts'
import type { readStorage as ReadStorage } from '#api/routes/storage.ts'
import { Badge, Button, Group, Select, Switch, Text, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { MoveRight, Snowflake } from 'lucide-react'
import { useState } from 'react'
import { change, query } from '../../api/client.ts'
import { readStorage, startMigration, startMoveToCold } from '../../api/manage-routes.ts'
import { listJobs } from '../../api/routes.ts'
import { useWho } from '../../api/session.ts'
import { Dialog, Form, numberOf, useDraft, WorkButton } from '../../parts/form.tsx'
import { Panel } from '../../parts/layout.tsx'
import { Loaded } from '../../parts/loaded.tsx'
import { Row } from '../../parts/rows.tsx'
import { formatBytes, formatNumber } from '../../parts/sizes.ts'
import { useFollowJob } from '../../parts/use-follow-job.ts'
import { useWords } from '../../parts/use-words.ts'

type Store = ResponseOf<typeof ReadStorage>['stores'][number]
const touched = [listJobs, readStorage]

export function Stores() {
  const { t } = useWords()
  const who = useWho()
  const follow = useFollowJob()
  const [isMoving, setMoving] = useState(false)
  const storage = useQuery({ ...query(readStorage), staleTime: 60_000 })
  const stores = storage.data?.stores ?? []
  const cool = async () => {
    const { job, blobs, bytes } = await change(startMoveToCold, { body: {} }, touched)
    await follow(job, t('manage:storage.moving', { shown: formatNumber(blobs), size: formatBytes(bytes) }))
  }
  const buttons = who.may('storage:move') && stores.length > 1 && (
    <Group gap="xs">
      {stores.some(({ role }) => role === 'cold') && (
        <WorkButton size="compact-sm" variant="default" leftSection={<Snowflake size={14} />} work={cool}>
          {t('manage:storage.toCold')}
        </WorkButton>
      )}
      <Button size="compact-sm" variant="default" leftSection={<MoveRight size={14} />} onClick={() => setMoving(true)}>
        {t('manage:storage.move')}
      </Button>
    </Group>
  )
  return (
    <Panel title={t('manage:storage.stores')} actions={buttons} isFlush>
      <Loaded of={storage} rows={2}>
        {() => (
          <ul className="rows">
            {stores.map((store) => (
              <OneStore key={store.name} store={store} />
            ))}
          </ul>
        )}
      </Loaded>
      <Dialog title={t('manage:storage.move')} opened={isMoving} close={() => setMoving(false)}>
        <Migration stores={stores} close={() => setMoving(false)} />
      </Dialog>
    </Panel>
  )
}

function OneStore({ store }: { readonly store: Store }) {
  const { t } = useWords()
  const { name, driver, role, blobs, bytes, quarantined, uploads, leaving, isConfigured } = store
  const counts = [
    t('manage:storage.blobs', { count: blobs, shown: formatNumber(blobs) }),
    ...(uploads > 0 ? [t('manage:storage.uploads', { count: uploads, shown: formatNumber(uploads) })] : []),
    ...(leaving > 0 ? [t('manage:storage.leaving', { count: leaving, shown: formatNumber(leaving) })] : []),
  ]
  return (
    <Row
      title={
        <Group gap={8}>
          {name}
          <Badge size="sm">{t(`manage:storage.roles.${role}`)}</Badge>
          {driver !== null && <Badge size="sm">{driver}</Badge>}
          {!isConfigured && (
            <Badge size="sm" color="red" variant="dot">
              {t('manage:storage.notConfigured')}
            </Badge>
          )}
          {quarantined > 0 && (
            <Badge size="sm" color="red" variant="dot">
              {t('manage:storage.quarantined', { shown: formatNumber(quarantined) })}
            </Badge>
          )}
        </Group>
      }
      text={counts.join(' · ')}
    >
      <span className="number">{formatBytes(bytes)}</span>
    </Row>
  )
}

/** First counts what would move; then moves it. */
function Migration({ stores, close }: { readonly stores: readonly Store[]; readonly close: () => void }) {
  const { t } = useWords()
  const follow = useFollowJob()
  const names = stores.map(({ name }) => name)
  const { draft, put, text, flag } = useDraft({ from: names[0] ?? '', to: names[1] ?? '', speed: '', dropDamaged: false })
  const [counted, setCounted] = useState<string>()
  const save = async () => {
    const speed = numberOf(draft.speed)
    const body = {
      from: draft.from,
      to: draft.to,
      dropDamaged: draft.dropDamaged,
      ...(speed !== undefined && { bytesPerSecond: Math.round(speed * 1e6) }),
    }
    const { job, blobs, bytes } = await change(startMigration, { body: { ...body, dryRun: counted === undefined } }, touched)
    const sentence = t('manage:storage.moving', { shown: formatNumber(blobs), size: formatBytes(bytes) })
    if (counted === undefined) {
      setCounted(sentence)
      return
    }
    close()
    await follow(job, sentence)
  }
  const choose = (changes: Partial<typeof draft>) => {
    put(changes)
    setCounted(undefined)
  }
  return (
    <Form
      save={save}
      close={close}
      submit={counted === undefined ? t('manage:storage.count') : t('manage:storage.move')}
      isDisabled={draft.from === draft.to}
    >
      <Group grow>
        <Select label={t('manage:storage.from')} data={names} value={draft.from} onChange={(from) => from !== null && choose({ from })} />
        <Select label={t('manage:storage.to')} data={names} value={draft.to} onChange={(to) => to !== null && choose({ to })} />
      </Group>
      <TextInput label={t('manage:storage.speed')} description={t('manage:storage.speedHint')} inputMode="decimal" {...text('speed')} />
      <Switch label={t('manage:storage.dropDamaged')} description={t('manage:storage.dropDamagedHint')} {...flag('dropDamaged')} />
      {counted !== undefined && <Text fw={500}>{counted}</Text>}
    </Form>
  )
}
