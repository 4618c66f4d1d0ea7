/** The accounts of people, for administrators. */
import type { ResponseOf } from '#api/contract.ts'
import type { listUsers } from '#api/routes/users.ts'
import { ActionIcon, Badge, Button, Group, Menu, Modal, PasswordInput, Stack, Switch, TextInput } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { Ellipsis, KeyRound, Pause, Play, Plus, SearchX, ShieldCheck, Trash2 } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { change, pages } from '../../api/client.ts'
import { createUser, deleteUser, listUsers as listRoute, resetUserPassword, updateUser } from '../../api/routes.ts'
import { useWho } from '../../api/session.ts'
import { DataTable, type Column } from '../../parts/data-table.tsx'
import { Empty, PageHead, Waiting } from '../../parts/layout.tsx'
import { useList } from '../../parts/list.ts'
import { Problem, tell, tellProblem } from '../../parts/problem.tsx'
import { RelativeTime } from '../../parts/relative-time.tsx'
import { SearchBox } from '../../parts/search-box.tsx'
import { useTry } from '../../parts/use-try.ts'

type User = ResponseOf<typeof listUsers>['items'][number]

export function UsersPage() {
  const { t } = useTranslation()
  const who = useWho()
  const navigate = useNavigate({ from: '/admin/users' })
  const { q = '', sort = 'name' } = useSearch({ from: '/shell/admin/users' })
  const [isCreating, creating] = useDisclosure(false)
  const [locked, setLocked] = useState<User>()
  const list = useList(pages(listRoute, { query: { limit: 100, sort: sort as 'name', ...(q !== '' && { name: q }) } }))
  const columns = useColumns(who.may('user:update') || who.may('user:delete'), setLocked)
  const create = who.may('user:create') ? (
    <Button leftSection={<Plus size={15} />} onClick={creating.open}>
      {t('users.create')}
    </Button>
  ) : undefined
  const set = (search: { q?: string | undefined; sort?: string }) =>
    void navigate({ search: (before) => ({ ...before, ...search }), replace: true })
  const close = { 'aria-label': t('common.close') }
  return (
    <>
      <PageHead title={t('users.title')} description={t('users.text')} actions={create} />
      <Group mb="md">
        <SearchBox label={t('projects.search')} value={q} onChange={(value) => set({ q: value === '' ? undefined : value })} />
      </Group>
      {list.error !== null && <Problem error={list.error} retry={list.refetch} />}
      {list.error === null && list.isLoading && <Waiting />}
      {list.error === null && !list.isLoading && list.items.length === 0 && (
        <Empty icon={<SearchX size={28} />} title={t('common.nothingFound')} />
      )}
      {list.items.length > 0 && (
        <DataTable
          label={t('users.title')}
          columns={columns}
          rows={list.items}
          keyOf={({ id }) => String(id)}
          sort={sort}
          onSort={(value) => set({ sort: value })}
          more={list.more}
        />
      )}
      <Modal opened={isCreating} onClose={creating.close} title={t('users.create')} closeButtonProps={close}>
        <CreateUser close={creating.close} />
      </Modal>
      <Modal opened={locked !== undefined} onClose={() => setLocked(undefined)} title={t('users.setPassword')} closeButtonProps={close}>
        {locked !== undefined && <SetPassword user={locked} close={() => setLocked(undefined)} />}
      </Modal>
    </>
  )
}

function useColumns(mayChange: boolean, onPassword: (user: User) => void): readonly Column<User>[] {
  const { t } = useTranslation()
  return [
    {
      key: 'name',
      name: t('common.name'),
      sort: 'name',
      cell: ({ name, isAdministrator, isDisabled }) => (
        <Group gap={8} wrap="nowrap">
          <span className="cut" style={{ fontWeight: 500 }}>
            {name}
          </span>
          {isAdministrator && (
            <Badge size="sm" leftSection={<ShieldCheck size={11} aria-hidden />} style={{ flex: 'none' }}>
              {t('account.administrator')}
            </Badge>
          )}
          {isDisabled && (
            <Badge size="sm" style={{ flex: 'none' }}>
              {t('robots.disabled')}
            </Badge>
          )}
        </Group>
      ),
    },
    {
      key: 'displayName',
      name: t('account.displayName'),
      hidden: 'wide',
      cell: ({ displayName }) => <div className="cut">{displayName}</div>,
    },
    { key: 'email', name: t('account.email'), hidden: 'wide', cell: ({ email }) => <div className="cut">{email}</div> },
    {
      key: 'from',
      name: t('users.from'),
      width: 130,
      hidden: 'wide',
      cell: ({ providers, hasPassword }) => (
        <div className="cut">{[...(hasPassword ? [t('users.local')] : []), ...providers].join(', ')}</div>
      ),
    },
    {
      key: 'lastLoginAt',
      name: t('users.lastLogin'),
      sort: 'lastLoginAt',
      width: 150,
      hidden: 'middle',
      cell: ({ lastLoginAt }) => (lastLoginAt === null ? t('tags.never') : <RelativeTime at={lastLoginAt} />),
    },
    ...(mayChange
      ? [
          {
            key: 'actions',
            name: t('common.actions'),
            width: 84,
            isEnd: true,
            cell: (user: User) => <UserActions user={user} onPassword={onPassword} />,
          },
        ]
      : []),
  ]
}

function UserActions({ user, onPassword }: { readonly user: User; readonly onPassword: (user: User) => void }) {
  const { t } = useTranslation()
  const who = useWho()
  const params = { user: user.id }
  const run = async (work: () => Promise<unknown>, done: string) => {
    try {
      await work()
      tell(done)
    } catch (error) {
      tellProblem(error)
    }
  }
  const set = (body: { readonly isDisabled?: boolean; readonly isAdministrator?: boolean }) =>
    void run(() => change(updateUser, { params, body, ifMatch: user.version }, [listRoute]), t('common.saved'))
  return (
    <Menu position="bottom-end" shadow="md" radius="lg">
      <Menu.Target>
        <ActionIcon aria-label={t('robots.actions', { name: user.name })}>
          <Ellipsis size={16} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        {who.may('user:update') && (
          <>
            <Menu.Item leftSection={<KeyRound size={15} />} onClick={() => onPassword(user)}>
              {t('users.setPassword')}
            </Menu.Item>
            <Menu.Item leftSection={<ShieldCheck size={15} />} onClick={() => set({ isAdministrator: !user.isAdministrator })}>
              {user.isAdministrator ? t('users.noAdministrator') : t('users.makeAdministrator')}
            </Menu.Item>
            <Menu.Item
              leftSection={user.isDisabled ? <Play size={15} /> : <Pause size={15} />}
              onClick={() => set({ isDisabled: !user.isDisabled })}
            >
              {user.isDisabled ? t('robots.enable') : t('robots.disable')}
            </Menu.Item>
          </>
        )}
        {who.may('user:delete') && (
          <Menu.Item
            color="red"
            leftSection={<Trash2 size={15} />}
            onClick={() => void run(() => change(deleteUser, { params }, [listRoute]), t('users.removed', { name: user.name }))}
          >
            {t('common.delete')}
          </Menu.Item>
        )}
      </Menu.Dropdown>
    </Menu>
  )
}

function CreateUser({ close }: { readonly close: () => void }) {
  const { t } = useTranslation()
  const [name, setName] = useState('')
  const [email, setEmail] = useState('')
  const [password, setPassword] = useState('')
  const [isAdministrator, setAdministrator] = useState(false)
  const { error, isBusy, attempt } = useTry()
  const create = async () => {
    const body = { name: name.trim(), email, isAdministrator, ...(password !== '' && { password }) }
    await change(createUser, { body }, [listRoute])
    tell(t('users.created', { name: body.name }))
    close()
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
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          autoComplete="off"
          data-autofocus
          required
          withAsterisk={false}
        />
        <TextInput
          label={t('account.email')}
          type="email"
          value={email}
          onChange={(event) => setEmail(event.currentTarget.value)}
          autoComplete="off"
        />
        <PasswordInput
          label={t('session.password')}
          description={t('users.passwordHint')}
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
          autoComplete="new-password"
          visibilityToggleButtonProps={{ 'aria-label': t('session.showPassword') }}
        />
        <Switch
          label={t('account.administrator')}
          checked={isAdministrator}
          onChange={(event) => setAdministrator(event.currentTarget.checked)}
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

function SetPassword({ user, close }: { readonly user: User; readonly close: () => void }) {
  const { t } = useTranslation()
  const [password, setPassword] = useState('')
  const { error, isBusy, attempt } = useTry()
  const save = async () => {
    await change(resetUserPassword, { params: { user: user.id }, body: { password } }, [listRoute])
    tell(t('users.passwordSet', { name: user.name }))
    close()
  }
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        attempt(save)
      }}
    >
      <Stack>
        <PasswordInput
          label={t('account.newPassword')}
          description={user.name}
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
          autoComplete="new-password"
          visibilityToggleButtonProps={{ 'aria-label': t('session.showPassword') }}
          data-autofocus
          required
          withAsterisk={false}
        />
        {error !== undefined && <Problem error={error} />}
        <Button type="submit" loading={isBusy}>
          {t('common.save')}
        </Button>
      </Stack>
    </form>
  )
}
