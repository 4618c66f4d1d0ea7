/** What projects may use: those with limits, and what new ones get. */
import type { ItemOf } from '../../api/client.ts'
import { Autocomplete, Button, Group, Progress, Stack, Text } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { Gauge, Plus } from 'lucide-react'
import { useState } from 'react'
import { change, pages, query } from '../../api/client.ts'
import { listQuotas } from '../../api/manage-routes.ts'
import { listProjects, readSystemSettings, updateSystemSettings } from '../../api/routes.ts'
import { useWho } from '../../api/session.ts'
import { DataTable, type Column } from '../../parts/data-table.tsx'
import { Dialog, Form, useDraft } from '../../parts/form.tsx'
import { Empty, PageHead, Panel } from '../../parts/layout.tsx'
import { useList } from '../../parts/list.ts'
import { Listing } from '../../parts/listing.tsx'
import { Loaded } from '../../parts/loaded.tsx'
import { tell } from '../../parts/problem.tsx'
import { formatBytes, formatNumber, formatShare } from '../../parts/sizes.ts'
import { useWords } from '../../parts/use-words.ts'
import { LimitFields } from '../quotas/limit-fields.tsx'
import { draftOf, limitsOf, type Limits } from '../quotas/limits.ts'
import { QuotaForm } from '../quotas/quota-form.tsx'

type Quota = ItemOf<typeof listQuotas>

export function QuotasPage() {
  const { t } = useWords()
  const who = useWho()
  const [editing, setEditing] = useState<string>()
  const mayChange = who.may('quota:update')
  const list = useList(pages(listQuotas, { query: { limit: 100, sort: 'project' } }))
  const columns = useColumns(mayChange, setEditing)
  const add = mayChange ? (
    <Button leftSection={<Plus size={15} />} onClick={() => setEditing('')}>
      {t('manage:quotas.limit')}
    </Button>
  ) : undefined
  return (
    <>
      <PageHead title={t('manage:quotas.title')} description={t('manage:quotas.text')} actions={add} />
      <Stack gap="lg">
        <Listing
          list={list}
          empty={
            <Empty icon={<Gauge size={28} />} title={t('manage:quotas.none')}>
              {t('manage:quotas.noneText')}
            </Empty>
          }
        >
          <DataTable
            label={t('manage:quotas.title')}
            columns={columns}
            rows={list.items}
            keyOf={({ project }) => project}
            more={list.more}
          />
        </Listing>
        {who.may('system:read') && <DefaultQuota mayChange={who.may('system:update')} />}
      </Stack>
      <Dialog title={t('manage:quotas.limit')} opened={editing !== undefined} close={() => setEditing(undefined)}>
        {editing === '' ? (
          <ChooseProject choose={setEditing} close={() => setEditing(undefined)} />
        ) : (
          editing !== undefined && (
            <Stack gap="sm">
              <Text fw={600} className="wrap">
                {editing}
              </Text>
              <QuotaForm project={editing} close={() => setEditing(undefined)} />
            </Stack>
          )
        )}
      </Dialog>
    </>
  )
}

function useColumns(mayChange: boolean, edit: (project: string) => void): readonly Column<Quota>[] {
  const { t } = useWords()
  return [
    {
      key: 'project',
      name: t('common.project'),
      cell: ({ project }) => (
        <Link to="/projects/$" params={{ _splat: project }} search={{}} className="link cut">
          {project}
        </Link>
      ),
    },
    {
      key: 'bytes',
      name: t('project.storage'),
      cell: (row) => <Use used={row.used.bytes} max={row.bytesMax} row={row} format={formatBytes} />,
    },
    {
      key: 'repositories',
      name: t('nav.repositories'),
      width: 170,
      hidden: 'wide',
      cell: (row) => <Use used={row.used.repositories} max={row.repositoriesMax} row={row} format={formatNumber} />,
    },
    {
      key: 'tags',
      name: t('project.tags'),
      width: 170,
      hidden: 'wide',
      cell: (row) => <Use used={row.used.tags} max={row.tagsMax} row={row} format={formatNumber} />,
    },
    ...(mayChange
      ? [
          {
            key: 'actions',
            name: t('common.actions'),
            width: 100,
            isEnd: true,
            cell: ({ project }: Quota) => (
              <Button
                size="compact-xs"
                variant="default"
                onClick={() => edit(project)}
                aria-label={t('manage:common.edit', { name: project })}
              >
                {t('manage:common.change')}
              </Button>
            ),
          },
        ]
      : []),
  ]
}

interface UseProps {
  readonly used: number
  readonly max: number | null
  readonly row: Quota
  readonly format: (value: number) => string
}

function Use({ used, max, row, format }: UseProps) {
  const { t } = useWords()
  if (max === null) return <span className="number">{format(used)}</span>
  const percent = max === 0 ? 100 : Math.min(100, (used / max) * 100)
  const text = t('project.ofLimit', { share: formatShare(used, max), limit: format(max) })
  return (
    <div>
      <Text size="xs" className="number cut">
        {text}
      </Text>
      <Progress
        size="xs"
        value={percent}
        color={percent >= 100 ? 'red' : percent >= row.warnPercent ? 'yellow' : 'tide'}
        aria-label={text}
      />
    </div>
  )
}

function ChooseProject({ choose, close }: { readonly choose: (project: string) => void; readonly close: () => void }) {
  const { t } = useWords()
  const [name, setName] = useState('')
  const [typed] = useDebouncedValue(name.trim(), 200)
  const { data } = useQuery({ ...query(listProjects, { query: { name: typed, limit: 8 } }), placeholderData: (before) => before })
  return (
    <Form
      save={async () => {
        choose(name.trim())
        await Promise.resolve()
      }}
      submit={t('common.continue')}
      close={close}
      isDisabled={name.trim() === ''}
    >
      <Autocomplete
        label={t('common.project')}
        data={(data?.items ?? []).map((project) => project.name)}
        filter={({ options }) => options}
        value={name}
        onChange={setName}
        data-autofocus
      />
    </Form>
  )
}

function DefaultQuota({ mayChange }: { readonly mayChange: boolean }) {
  const { t } = useWords()
  const settings = useQuery(query(readSystemSettings))
  return (
    <Panel title={t('manage:quotas.default')}>
      <Loaded of={settings} rows={2}>
        {({ defaultQuota, version }) =>
          mayChange ? (
            <div style={{ maxWidth: 480 }}>
              <DefaultForm key={version} quota={defaultQuota} version={version} />
            </div>
          ) : (
            <DefaultText quota={defaultQuota} />
          )
        }
      </Loaded>
    </Panel>
  )
}

const unlimited: Limits = { bytesMax: null, repositoriesMax: null, tagsMax: null, warnPercent: 80 }

function DefaultText({ quota }: { readonly quota: Limits | null }) {
  const { t } = useWords()
  const { bytesMax, repositoriesMax, tagsMax } = quota ?? unlimited
  const shown = (value: number | null, format: (value: number) => string) => (value === null ? t('project.noLimit') : format(value))
  return (
    <Group gap="xl">
      <span>{`${t('project.storage')}: ${shown(bytesMax, formatBytes)}`}</span>
      <span>{`${t('nav.repositories')}: ${shown(repositoriesMax, formatNumber)}`}</span>
      <span>{`${t('project.tags')}: ${shown(tagsMax, formatNumber)}`}</span>
    </Group>
  )
}

function DefaultForm({ quota, version }: { readonly quota: Limits | null; readonly version: number }) {
  const { t } = useWords()
  const state = useDraft(draftOf(quota ?? unlimited))
  const save = async () => {
    const limits = limitsOf(state.draft, t('manage:quotas.noNumber'))
    const isNone = limits.bytesMax === null && limits.repositoriesMax === null && limits.tagsMax === null
    await change(updateSystemSettings, { body: { defaultQuota: isNone ? null : limits }, ifMatch: version }, [readSystemSettings])
    tell(t('common.saved'))
  }
  return (
    <Form save={save}>
      <Text size="sm" c="dimmed">
        {t('manage:quotas.defaultText')}
      </Text>
      <LimitFields {...state} />
    </Form>
  )
}
