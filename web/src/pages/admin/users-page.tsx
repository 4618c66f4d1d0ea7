/** The accounts of people, for administrators. */
import type { ResponseOf } from '#api/contract.ts'
import type { listUsers } from '#api/routes/users.ts'
import { Badge, Button, Group, Menu } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { useSearch } from '@tanstack/react-router'
import { Eye, KeyRound, Pause, Play, Plus, ShieldCheck, Trash2, UserRound } from 'lucide-react'
import { useState } from 'react'
import { change, pages } from '../../api/client.ts'
import { readUser } from '../../api/manage-routes.ts'
import { deleteUser, listUsers as listRoute, updateUser } from '../../api/routes.ts'
import { useWho } from '../../api/session.ts'
import { useSetSearch } from '../../app/search-state.ts'
import { DataTable, type Column } from '../../parts/data-table.tsx'
import { act, Dialog, Side } from '../../parts/form.tsx'
import { Empty, PageHead } from '../../parts/layout.tsx'
import { useList } from '../../parts/list.ts'
import { Listing } from '../../parts/listing.tsx'
import { tell } from '../../parts/problem.tsx'
import { RelativeTime } from '../../parts/relative-time.tsx'
import { RowMenu } from '../../parts/row-menu.tsx'
import { SearchBox } from '../../parts/search-box.tsx'
import { useWords } from '../../parts/use-words.ts'
import { UserDetails } from './user-details.tsx'
import { CreateUser, SetPassword } from './user-forms.tsx'

type User = ResponseOf<typeof listUsers>['items'][number]

export function UsersPage() {
  const { t } = useWords()
  const who = useWho()
  const { q = '', sort = 'name', item } = useSearch({ from: '/shell/admin/users' })
  const set = useSetSearch()
  const [isCreating, creating] = useDisclosure(false)
  const [locked, setLocked] = useState<User>()
  const list = useList(pages(listRoute, { query: { limit: 100, sort: sort as 'name', ...(q !== '' && { name: q }) } }))
  const columns = useColumns({ open: ({ id }) => set({ item: id }), onPassword: setLocked })
  const create = who.may('user:create') ? (
    <Button leftSection={<Plus size={15} />} onClick={creating.open}>
      {t('users.create')}
    </Button>
  ) : undefined
  return (
    <>
      <PageHead title={t('users.title')} description={t('users.text')} actions={create} />
      <Listing
        list={list}
        filters={<SearchBox label={t('projects.search')} value={q} onChange={(value) => set({ q: value })} />}
        isNarrowed={q !== ''}
        empty={<Empty icon={<UserRound size={28} />} title={t('users.title')} action={create} />}
      >
        <DataTable
          label={t('users.title')}
          columns={columns}
          rows={list.items}
          keyOf={({ id }) => String(id)}
          sort={sort}
          onSort={(value) => set({ sort: value })}
          more={list.more}
        />
      </Listing>
      <Dialog title={t('users.create')} opened={isCreating} close={creating.close}>
        <CreateUser close={creating.close} />
      </Dialog>
      <Dialog title={t('users.setPassword')} opened={locked !== undefined} close={() => setLocked(undefined)}>
        {locked !== undefined && <SetPassword user={locked} close={() => setLocked(undefined)} />}
      </Dialog>
      <Side title={t('manage:accounts.one')} opened={item !== undefined && who.may('user:read')} close={() => set({ item: undefined })}>
        {item !== undefined && <UserDetails key={item} id={item} />}
      </Side>
    </>
  )
}

interface RowProps {
  readonly open: (user: User) => void
  readonly onPassword: (user: User) => void
}

function useColumns(row: RowProps): readonly Column<User>[] {
  const { t } = useWords()
  const who = useWho()
  return [
    {
      key: 'name',
      name: t('common.name'),
      sort: 'name',
      cell: (user) => (
        <Group gap={8} wrap="nowrap">
          {who.may('user:read') ? (
            <button type="button" className="plain link cut" title={user.name} onClick={() => row.open(user)}>
              {user.name}
            </button>
          ) : (
            <span className="cut" style={{ fontWeight: 500 }}>
              {user.name}
            </span>
          )}
          {user.isAdministrator && (
            <Badge size="sm" leftSection={<ShieldCheck size={11} aria-hidden />} style={{ flex: 'none' }}>
              {t('account.administrator')}
            </Badge>
          )}
          {user.isDisabled && (
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
    ...(who.may('user:update') || who.may('user:delete')
      ? [
          {
            key: 'actions',
            name: t('common.actions'),
            width: 84,
            isEnd: true,
            cell: (user: User) => <UserActions user={user} {...row} />,
          },
        ]
      : []),
  ]
}

function UserActions({ user, open, onPassword }: RowProps & { readonly user: User }) {
  const { t } = useWords()
  const who = useWho()
  const input = { params: { user: user.id }, ifMatch: user.version }
  const touched = [listRoute, readUser]
  const set = async (body: { readonly isDisabled?: boolean; readonly isAdministrator?: boolean }) => {
    await change(updateUser, { ...input, body }, touched)
    tell(t('common.saved'))
  }
  const remove = async () => {
    await change(deleteUser, input, touched)
    tell(t('users.removed', { name: user.name }))
  }
  return (
    <RowMenu name={user.name}>
      {who.may('user:read') && (
        <Menu.Item leftSection={<Eye size={15} />} onClick={() => open(user)}>
          {t('manage:accounts.open')}
        </Menu.Item>
      )}
      {who.may('user:update') && (
        <>
          <Menu.Item leftSection={<KeyRound size={15} />} onClick={() => onPassword(user)}>
            {t('users.setPassword')}
          </Menu.Item>
          <Menu.Item
            leftSection={<ShieldCheck size={15} />}
            onClick={() => void act(() => set({ isAdministrator: !user.isAdministrator }))}
          >
            {user.isAdministrator ? t('users.noAdministrator') : t('users.makeAdministrator')}
          </Menu.Item>
          <Menu.Item
            leftSection={user.isDisabled ? <Play size={15} /> : <Pause size={15} />}
            onClick={() => void act(() => set({ isDisabled: !user.isDisabled }))}
          >
            {user.isDisabled ? t('robots.enable') : t('robots.disable')}
          </Menu.Item>
        </>
      )}
      {who.may('user:delete') && (
        <Menu.Item color="red" leftSection={<Trash2 size={15} />} onClick={() => void act(remove)}>
          {t('common.delete')}
        </Menu.Item>
      )}
    </RowMenu>
  )
}
