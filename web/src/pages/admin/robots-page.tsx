/** Robots of the whole registry, and with a switch those of all projects. */
import type { ItemOf } from '../../api/client.ts'
import { ActionIcon, Badge, Button, Group, Menu, SegmentedControl } from '@mantine/core'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { Bot, Ellipsis, KeyRound, Pause, Play, Plus, Trash2 } from 'lucide-react'
import { useState } from 'react'
import { change, pages } from '../../api/client.ts'
import { deleteRobot, listRobots, updateRobot } from '../../api/manage-routes.ts'
import { useWho } from '../../api/session.ts'
import { DataTable, type Column } from '../../parts/data-table.tsx'
import { act, Dialog } from '../../parts/form.tsx'
import { Empty, PageHead } from '../../parts/layout.tsx'
import { useList } from '../../parts/list.ts'
import { Listing } from '../../parts/listing.tsx'
import { tell } from '../../parts/problem.tsx'
import { RelativeTime } from '../../parts/relative-time.tsx'
import { SearchBox } from '../../parts/search-box.tsx'
import { SecretOnce } from '../../parts/secret-once.tsx'
import { useWords } from '../../parts/use-words.ts'
import { RobotDrawer } from '../robots/robot-drawer.tsx'
import { CreateRobot, type MadeRobot } from './create-robot.tsx'

type Robot = ItemOf<typeof listRobots>
const levels = ['system', 'all'] as const

export function RobotsPage() {
  const { t } = useWords()
  const who = useWho()
  const navigate = useNavigate({ from: '/admin/robots' })
  const { q = '', sort = 'name', view = 'system' } = useSearch({ from: '/shell/admin/robots' })
  const [isCreating, setCreating] = useState(false)
  const [made, setMade] = useState<MadeRobot>()
  const [opened, setOpened] = useState<Robot>()
  const filters = { limit: 100, sort: sort as 'name', level: view as 'system', ...(q !== '' && { name: q }) }
  const list = useList(pages(listRobots, { query: filters }))
  const columns = useColumns(setOpened)
  const set = (search: { q?: string | undefined; sort?: string; view?: string | undefined }) =>
    void navigate({ search: (before) => ({ ...before, ...search }), replace: true })
  const create = who.may('robot:create') ? (
    <Button leftSection={<Plus size={15} />} onClick={() => setCreating(true)}>
      {t('robots.create')}
    </Button>
  ) : undefined
  return (
    <>
      <PageHead title={t('manage:robots.title')} description={t('manage:robots.text')} actions={create} />
      <Group mb="md">
        <SearchBox label={t('projects.search')} value={q} onChange={(value) => set({ q: value === '' ? undefined : value })} />
        <SegmentedControl
          size="xs"
          aria-label={t('manage:robots.level')}
          data={levels.map((value) => ({ value, label: t(`manage:robots.levels.${value}`) }))}
          value={view}
          onChange={(value) => set({ view: value === 'system' ? undefined : value })}
        />
      </Group>
      <Listing
        list={list}
        empty={
          <Empty icon={<Bot size={28} />} title={t('robots.none')} action={create}>
            {t('robots.noneText')}
          </Empty>
        }
      >
        <DataTable
          label={t('manage:robots.title')}
          columns={columns}
          rows={list.items}
          keyOf={({ id }) => String(id)}
          sort={sort}
          onSort={(value) => set({ sort: value })}
          more={list.more}
        />
      </Listing>
      <RobotDrawer project={undefined} robot={opened} mayChange={who.may('robot:update')} close={() => setOpened(undefined)} />
      <Dialog title={t('robots.create')} opened={isCreating} close={() => setCreating(false)}>
        <CreateRobot close={() => setCreating(false)} onMade={setMade} />
      </Dialog>
      <Dialog title={t('secret.title')} opened={made !== undefined} close={() => setMade(undefined)} isHeld>
        {made !== undefined && <SecretOnce login={made.login} secret={made.secret} close={() => setMade(undefined)} />}
      </Dialog>
    </>
  )
}

function useColumns(open: (robot: Robot) => void): readonly Column<Robot>[] {
  const { t } = useWords()
  const who = useWho()
  return [
    {
      key: 'login',
      name: t('common.name'),
      sort: 'name',
      cell: (robot) => (
        <Group gap={8} wrap="nowrap">
          <button type="button" className="plain link mono cut" onClick={() => open(robot)}>
            {robot.login}
          </button>
          {robot.isDisabled && <Badge size="sm">{t('robots.disabled')}</Badge>}
        </Group>
      ),
    },
    {
      key: 'description',
      name: t('common.description'),
      hidden: 'wide',
      cell: ({ description }) => <div className="cut">{description}</div>,
    },
    {
      key: 'by',
      name: t('manage:robots.madeBy'),
      width: 150,
      hidden: 'wide',
      cell: ({ createdBy, createdByState }) => (
        <span className="cut" style={{ display: 'block' }}>
          {createdBy}
          {createdByState !== 'active' && ` (${t(`manage:robots.makers.${createdByState}`)})`}
        </span>
      ),
    },
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
      width: 130,
      hidden: 'middle',
      cell: ({ expiresAt }) => (expiresAt === null ? t('members.always') : <RelativeTime at={expiresAt} />),
    },
    ...(who.may('robot:update') || who.may('robot:delete')
      ? [
          {
            key: 'actions',
            name: t('common.actions'),
            width: 76,
            isEnd: true,
            cell: (robot: Robot) => <RobotMenu robot={robot} open={open} />,
          },
        ]
      : []),
  ]
}

function RobotMenu({ robot, open }: { readonly robot: Robot; readonly open: (robot: Robot) => void }) {
  const { t } = useWords()
  const who = useWho()
  const params = { robot: robot.id }
  const toggle = () => change(updateRobot, { params, body: { isDisabled: !robot.isDisabled }, ifMatch: robot.version }, [listRobots])
  const remove = async () => {
    await change(deleteRobot, { params, ifMatch: robot.version }, [listRobots])
    tell(t('robots.removed', { name: robot.login }))
  }
  return (
    <Menu position="bottom-end" shadow="md" radius="lg">
      <Menu.Target>
        <ActionIcon aria-label={t('robots.actions', { name: robot.login })}>
          <Ellipsis size={16} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item leftSection={<KeyRound size={15} />} onClick={() => open(robot)}>
          {t('manage:robots.open')}
        </Menu.Item>
        {who.may('robot:update') && (
          <Menu.Item leftSection={robot.isDisabled ? <Play size={15} /> : <Pause size={15} />} onClick={() => void act(toggle)}>
            {robot.isDisabled ? t('robots.enable') : t('robots.disable')}
          </Menu.Item>
        )}
        {who.may('robot:delete') && (
          <Menu.Item color="red" leftSection={<Trash2 size={15} />} onClick={() => void act(remove)}>
            {t('common.delete')}
          </Menu.Item>
        )}
      </Menu.Dropdown>
    </Menu>
  )
}
