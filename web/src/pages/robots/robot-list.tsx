/** Robots in a table: opened beside it, disabled, removed; and a new one with its secret. */
import { Badge, Button, Group, Menu } from '@mantine/core'
import { Bot, KeyRound, Pause, Play, Plus, Trash2 } from 'lucide-react'
import { useState, type ReactNode } from 'react'
import { useSetSearch } from '../../app/search-state.ts'
import { DataTable, type Column } from '../../parts/data-table.tsx'
import { act, Dialog, Side } from '../../parts/form.tsx'
import { Empty } from '../../parts/layout.tsx'
import { useList } from '../../parts/list.ts'
import { Listing } from '../../parts/listing.tsx'
import { tell } from '../../parts/problem.tsx'
import { RelativeTime } from '../../parts/relative-time.tsx'
import { RowMenu } from '../../parts/row-menu.tsx'
import { SearchBox } from '../../parts/search-box.tsx'
import { SecretDialog, type MadeSecret } from '../../parts/secret-once.tsx'
import { useWords } from '../../parts/use-words.ts'
import { robotCalls, type RobotCalls, type RobotRow } from './robot-calls.ts'
import { RobotDetails } from './robot-details.tsx'
import { CreateRobot } from './robot-form.tsx'

type Deed = 'robot:create' | 'robot:read' | 'robot:update' | 'robot:delete'

interface ListProps {
  /** Undefined: of the whole registry. */
  readonly project: string | undefined
  readonly may: (permission: Deed) => boolean
  /** As the address has it. */
  readonly search: { readonly q?: string | undefined; readonly sort?: string | undefined; readonly item?: number | undefined }
  readonly level?: 'system' | 'all'
  /** What narrows it besides its name. */
  readonly filters?: ReactNode
  /** What stands above the list, with the button that makes one; unless said that stands beside what narrows it. */
  readonly head?: (create: ReactNode) => ReactNode
}

export function RobotList({ project, may, search, level = 'all', filters, head }: ListProps) {
  const { t } = useWords()
  const set = useSetSearch()
  const [isCreating, setCreating] = useState(false)
  const [made, setMade] = useState<MadeSecret>()
  const { q = '', sort = 'name', item } = search
  const calls = robotCalls(project)
  const list = useList(calls.list({ limit: 100, sort: sort as 'name', ...(q !== '' && { name: q }) }, level))
  const columns = useColumns({ calls, may, open: (id) => set({ item: id }), isWhole: project === undefined })
  const create = may('robot:create') ? (
    <Button leftSection={<Plus size={15} />} onClick={() => setCreating(true)}>
      {t('robots.create')}
    </Button>
  ) : undefined
  return (
    <>
      {head?.(create)}
      <Listing
        list={list}
        filters={
          <>
            <SearchBox label={t('projects.search')} value={q} onChange={(value) => set({ q: value })} />
            {filters}
            {head === undefined && <div style={{ marginLeft: 'auto' }}>{create}</div>}
          </>
        }
        isNarrowed={q !== ''}
        areFiltersKept={filters !== undefined}
        empty={
          <Empty icon={<Bot size={30} />} title={t('robots.none')} action={head === undefined && create}>
            {t('robots.noneText')}
          </Empty>
        }
      >
        <DataTable
          label={t('project.robots')}
          columns={columns}
          rows={list.items}
          keyOf={({ id }) => String(id)}
          sort={sort}
          onSort={(value) => set({ sort: value })}
          more={list.more}
        />
      </Listing>
      <Side title={t('manage:robots.one')} opened={item !== undefined && may('robot:read')} close={() => set({ item: undefined })}>
        {item !== undefined && <RobotDetails key={item} project={project} id={item} mayChange={may('robot:update')} />}
      </Side>
      <Dialog title={t('robots.create')} opened={isCreating} close={() => setCreating(false)} size={520}>
        <CreateRobot project={project} close={() => setCreating(false)} onMade={setMade} />
      </Dialog>
      <SecretDialog made={made} close={() => setMade(undefined)} />
    </>
  )
}

interface RowProps {
  readonly calls: RobotCalls
  readonly may: ListProps['may']
  readonly open: (robot: number) => void
}

function useColumns({ isWhole, ...row }: RowProps & { readonly isWhole: boolean }): readonly Column<RobotRow>[] {
  const { t } = useWords()
  const { may, open } = row
  return [
    {
      key: 'login',
      name: t('common.name'),
      sort: 'name',
      cell: ({ id, login, isDisabled }) => (
        <Group gap={8} wrap="nowrap">
          {may('robot:read') ? (
            <button type="button" className="plain link mono cut" title={login} onClick={() => open(id)}>
              {login}
            </button>
          ) : (
            <span className="mono cut">{login}</span>
          )}
          {isDisabled && <Badge size="sm">{t('robots.disabled')}</Badge>}
        </Group>
      ),
    },
    {
      key: 'description',
      name: t('common.description'),
      hidden: 'wide',
      cell: ({ description }) => <div className="cut">{description}</div>,
    },
    ...(isWhole
      ? [
          {
            key: 'by',
            name: t('manage:robots.madeBy'),
            width: 150,
            hidden: 'wide' as const,
            cell: (robot: RobotRow) => <Maker robot={robot} />,
          },
        ]
      : []),
    {
      key: 'used',
      name: t('robots.used'),
      width: 140,
      hidden: 'middle',
      cell: ({ lastUsedAt }) => (lastUsedAt === null ? t('tags.never') : <RelativeTime at={lastUsedAt} />),
    },
    {
      key: 'until',
      name: t('members.until'),
      width: 140,
      hidden: 'middle',
      cell: ({ expiresAt }) => (expiresAt === null ? t('members.always') : <RelativeTime at={expiresAt} />),
    },
    ...(may('robot:update') || may('robot:delete')
      ? [
          {
            key: 'actions',
            name: t('common.actions'),
            width: 76,
            isEnd: true,
            cell: (robot: RobotRow) => <Deeds robot={robot} {...row} />,
          },
        ]
      : []),
  ]
}

function Maker({ robot: { createdBy, createdByState } }: { readonly robot: RobotRow }) {
  const { t } = useWords()
  return (
    <span className="cut" style={{ display: 'block' }}>
      {createdBy}
      {createdByState !== 'active' && ` (${t(`manage:robots.makers.${createdByState}`)})`}
    </span>
  )
}

function Deeds({ robot, calls, may, open }: RowProps & { readonly robot: RobotRow }) {
  const { t } = useWords()
  const remove = async () => {
    await calls.remove(robot)
    tell(t('robots.removed', { name: robot.login }))
  }
  return (
    <RowMenu name={robot.login}>
      {may('robot:read') && (
        <Menu.Item leftSection={<KeyRound size={15} />} onClick={() => open(robot.id)}>
          {t('manage:robots.open')}
        </Menu.Item>
      )}
      {may('robot:update') && (
        <Menu.Item
          leftSection={robot.isDisabled ? <Play size={15} /> : <Pause size={15} />}
          onClick={() => void act(() => calls.update(robot, { isDisabled: !robot.isDisabled }))}
        >
          {robot.isDisabled ? t('robots.enable') : t('robots.disable')}
        </Menu.Item>
      )}
      {may('robot:delete') && (
        <Menu.Item color="red" leftSection={<Trash2 size={15} />} onClick={() => void act(remove)}>
          {t('common.delete')}
        </Menu.Item>
      )}
    </RowMenu>
  )
}
