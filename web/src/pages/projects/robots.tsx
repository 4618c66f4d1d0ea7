/** Robot accounts of a project: for machines that push and pull. */
import type { ResponseOf } from '#api/contract.ts'
import type { listProjectRobots } from '#api/routes/robots.ts'
import { ActionIcon, Badge, Button, Group, Menu, Modal, Select, Stack, Text, TextInput } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { Bot, Ellipsis, KeyRound, Pause, Play, Plus, Trash2 } from 'lucide-react'
import { lazy, Suspense, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { change, pages } from '../../api/client.ts'
import {
  addProjectRobotSecret,
  createProjectRobot,
  deleteProjectRobot,
  listProjectRobots as listRoute,
  updateProjectRobot,
} from '../../api/routes.ts'
import { DataTable, type Column } from '../../parts/data-table.tsx'
import { Empty, Waiting } from '../../parts/layout.tsx'
import { endAfter, lifetimes, type Lifetime } from '../../parts/lifetimes.ts'
import { useList, type Listed } from '../../parts/list.ts'
import { Problem, tell, tellProblem } from '../../parts/problem.tsx'
import { RelativeTime } from '../../parts/relative-time.tsx'
import { useRoleTitle } from '../../parts/role-title.ts'
import { SecretOnce } from '../../parts/secret-once.tsx'
import { useTry } from '../../parts/use-try.ts'
import type { ProjectPartProps } from './project-parts.ts'
import { withManageWords } from '../../app/i18n.ts'

const RobotDrawer = lazy(async () => ({ default: (await withManageWords(() => import('../robots/robot-drawer.tsx'))).RobotDrawer }))

type Robot = ResponseOf<typeof listProjectRobots>['items'][number]

/** Shown now or never. */
interface Made {
  readonly login: string
  readonly secret: string
}

export function Robots({ project, rights }: ProjectPartProps) {
  const { t } = useTranslation()
  const [isCreating, creating] = useDisclosure(false)
  const [made, setMade] = useState<Made>()
  const [opened, setOpened] = useState<Robot>()
  const list = useList(pages(listRoute, { params: { project: project.name }, query: { limit: 100, sort: 'name' } }))
  if (list.error !== null) return <Problem error={list.error} retry={list.refetch} />
  if (list.isLoading) return <Waiting />
  const create = rights.has('robot:create') ? (
    <Button leftSection={<Plus size={15} />} onClick={creating.open}>
      {t('robots.create')}
    </Button>
  ) : undefined
  return (
    <>
      {list.items.length === 0 ? (
        <Empty icon={<Bot size={30} />} title={t('robots.none')} action={create}>
          {t('robots.noneText')}
        </Empty>
      ) : (
        <>
          <Group justify="flex-end" mb="sm">
            {create}
          </Group>
          <RobotTable project={project.name} rights={rights} list={list} onSecret={setMade} onOpen={setOpened} />
        </>
      )}
      {opened !== undefined && (
        <Suspense>
          <RobotDrawer project={project.name} robot={opened} mayChange={rights.has('robot:update')} close={() => setOpened(undefined)} />
        </Suspense>
      )}
      <Modal opened={isCreating} onClose={creating.close} title={t('robots.create')} closeButtonProps={{ 'aria-label': t('common.close') }}>
        <CreateRobot project={project.name} close={creating.close} onMade={setMade} />
      </Modal>
      <Modal
        opened={made !== undefined}
        onClose={() => setMade(undefined)}
        title={t('secret.title')}
        closeOnClickOutside={false}
        closeButtonProps={{ 'aria-label': t('common.close') }}
      >
        {made !== undefined && <SecretOnce login={made.login} secret={made.secret} close={() => setMade(undefined)} />}
      </Modal>
    </>
  )
}

interface TableProps {
  readonly project: string
  readonly rights: ReadonlySet<string>
  readonly list: Listed<Robot>
  readonly onSecret: (made: Made) => void
  readonly onOpen: (robot: Robot) => void
}

function RobotTable({ project, rights, list, onSecret, onOpen }: TableProps) {
  const { t } = useTranslation()
  const columns: readonly Column<Robot>[] = [
    {
      key: 'login',
      name: t('common.name'),
      cell: (robot) => (
        <Group gap={8} wrap="nowrap">
          {rights.has('robot:read') ? (
            <button type="button" className="plain link mono cut" onClick={() => onOpen(robot)}>
              {robot.login}
            </button>
          ) : (
            <span className="mono cut">{robot.login}</span>
          )}
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
    ...(rights.has('robot:update') || rights.has('robot:delete')
      ? [
          {
            key: 'actions',
            name: t('common.actions'),
            width: 76,
            isEnd: true,
            cell: (robot: Robot) => <RobotMenu project={project} robot={robot} rights={rights} onSecret={onSecret} />,
          },
        ]
      : []),
  ]
  return <DataTable label={t('project.robots')} columns={columns} rows={list.items} keyOf={({ id }) => String(id)} more={list.more} />
}

interface MenuProps extends Pick<TableProps, 'project' | 'rights' | 'onSecret'> {
  readonly robot: Robot
}

function RobotMenu({ project, robot, rights, onSecret }: MenuProps) {
  const { t } = useTranslation()
  const params = { project, robot: robot.id }
  const run = async (work: () => Promise<unknown>) => {
    try {
      await work()
    } catch (error) {
      tellProblem(error)
    }
  }
  const addSecret = async () => {
    const { secret } = await change(addProjectRobotSecret, { params, body: {} }, [listRoute])
    onSecret({ login: robot.login, secret })
  }
  const toggle = () => change(updateProjectRobot, { params, body: { isDisabled: !robot.isDisabled }, ifMatch: robot.version }, [listRoute])
  const remove = async () => {
    await change(deleteProjectRobot, { params }, [listRoute])
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
        {rights.has('robot:update') && (
          <>
            <Menu.Item leftSection={<KeyRound size={15} />} onClick={() => void run(addSecret)}>
              {t('robots.addSecret')}
            </Menu.Item>
            <Menu.Item leftSection={robot.isDisabled ? <Play size={15} /> : <Pause size={15} />} onClick={() => void run(toggle)}>
              {robot.isDisabled ? t('robots.enable') : t('robots.disable')}
            </Menu.Item>
          </>
        )}
        {rights.has('robot:delete') && (
          <Menu.Item color="red" leftSection={<Trash2 size={15} />} onClick={() => void run(remove)}>
            {t('common.delete')}
          </Menu.Item>
        )}
      </Menu.Dropdown>
    </Menu>
  )
}

const robotRoles = ['guest', 'developer', 'maintainer', 'project-admin'] as const

function CreateRobot({
  project,
  close,
  onMade,
}: {
  readonly project: string
  readonly close: () => void
  readonly onMade: (made: Made) => void
}) {
  const { t } = useTranslation()
  const titleOf = useRoleTitle()
  const [name, setName] = useState('')
  const [description, setDescription] = useState('')
  const [role, setRole] = useState<string>('developer')
  const [lifetime, setLifetime] = useState<Lifetime>('90')
  const { error, isBusy, attempt } = useTry()
  const create = async () => {
    const body = { name: name.trim(), description, expiresAt: endAfter(lifetime), grants: [{ role }] }
    const { robot, secret } = await change(createProjectRobot, { params: { project }, body }, [listRoute])
    close()
    if (secret !== null) onMade({ login: robot.login, secret })
  }
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        attempt(create)
      }}
    >
      <Stack>
        <TextInput
          label={t('common.name')}
          description={<Text inherit span className="mono wrap">{`robot-${name === '' ? 'ci' : name}@${project}`}</Text>}
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          autoCapitalize="none"
          spellCheck={false}
          data-autofocus
          required
          withAsterisk={false}
        />
        <TextInput label={t('common.description')} value={description} onChange={(event) => setDescription(event.currentTarget.value)} />
        <Select
          label={t('members.role')}
          data={robotRoles.map((value) => ({ value, label: titleOf(value) }))}
          value={role}
          onChange={(value) => value !== null && setRole(value)}
        />
        <Select
          label={t('lifetime.label')}
          data={lifetimes.map((value) => ({ value, label: t(`lifetime.${value}`) }))}
          value={lifetime}
          onChange={(value) => value !== null && setLifetime(value as Lifetime)}
        />
        {error !== undefined && <Problem error={error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>
            {t('common.cancel')}
          </Button>
          <Button type="submit" loading={isBusy}>
            {t('common.create')}
          </Button>
        </Group>
      </Stack>
    </form>
  )
}
