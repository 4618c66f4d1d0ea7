/** Groups of people: those that are kept here, and those that an identity provider tells of. */
import type { ItemOf } from '../../api/client.ts'
import { ActionIcon, Badge, Button, Drawer, Group, Stack, Text, TextInput } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { Plus, SearchX, Trash2, UsersRound } from 'lucide-react'
import { change, pages } from '../../api/client.ts'
import { createGroup, deleteGroup, listGroups } from '../../api/manage-routes.ts'
import { useWho } from '../../api/session.ts'
import { DataTable, type Column } from '../../parts/data-table.tsx'
import { act, Dialog, Form, useDraft } from '../../parts/form.tsx'
import { Empty, PageHead } from '../../parts/layout.tsx'
import { useList } from '../../parts/list.ts'
import { Listing } from '../../parts/listing.tsx'
import { tell } from '../../parts/problem.tsx'
import { RelativeTime } from '../../parts/relative-time.tsx'
import { SearchBox } from '../../parts/search-box.tsx'
import { useWords } from '../../parts/use-words.ts'
import { GroupDetails } from './group-details.tsx'

export type UserGroup = ItemOf<typeof listGroups>

export function GroupsPage() {
  const { t } = useWords()
  const who = useWho()
  const navigate = useNavigate({ from: '/admin/groups' })
  const { q = '', sort = 'name', item } = useSearch({ from: '/shell/admin/groups' })
  const [isCreating, creating] = useDisclosure(false)
  const list = useList(pages(listGroups, { query: { limit: 100, sort: sort as 'name', ...(q !== '' && { name: q }) } }))
  const set = (search: { q?: string | undefined; sort?: string; item?: number | undefined }) =>
    void navigate({ search: (before) => ({ ...before, ...search }), replace: true, resetScroll: false })
  const columns = useColumns((id) => set({ item: id }))
  const create = who.may('group:create') ? (
    <Button leftSection={<Plus size={15} />} onClick={creating.open}>
      {t('manage:groups.create')}
    </Button>
  ) : undefined
  const empty =
    q === '' ? (
      <Empty icon={<UsersRound size={28} />} title={t('manage:groups.none')} action={create}>
        {t('manage:groups.noneText')}
      </Empty>
    ) : (
      <Empty icon={<SearchX size={28} />} title={t('common.nothingFound')} />
    )
  return (
    <>
      <PageHead title={t('manage:groups.title')} description={t('manage:groups.text')} actions={create} />
      <Group mb="md">
        <SearchBox label={t('projects.search')} value={q} onChange={(value) => set({ q: value === '' ? undefined : value })} />
      </Group>
      <Listing list={list} empty={empty}>
        <DataTable
          label={t('manage:groups.title')}
          columns={columns}
          rows={list.items}
          keyOf={({ id }) => String(id)}
          sort={sort}
          onSort={(value) => set({ sort: value })}
          more={list.more}
        />
      </Listing>
      <Dialog title={t('manage:groups.create')} opened={isCreating} close={creating.close}>
        <CreateGroup close={creating.close} onMade={(id) => set({ item: id })} />
      </Dialog>
      <Drawer
        opened={item !== undefined}
        onClose={() => set({ item: undefined })}
        position="right"
        size="min(560px, 100vw)"
        title={t('manage:groups.one')}
        closeButtonProps={{ 'aria-label': t('common.close') }}
      >
        {item !== undefined && <GroupDetails key={item} id={item} />}
      </Drawer>
    </>
  )
}

function useColumns(open: (id: number) => void): readonly Column<UserGroup>[] {
  const { t } = useWords()
  const who = useWho()
  const remove = async (group: UserGroup) => {
    await change(deleteGroup, { params: { group: group.id }, ifMatch: group.version }, [listGroups])
    tell(t('manage:groups.removed', { name: group.name }))
  }
  return [
    {
      key: 'name',
      name: t('common.name'),
      sort: 'name',
      cell: (group) => (
        <button type="button" className="plain link cut" onClick={() => open(group.id)}>
          {group.name}
        </button>
      ),
    },
    {
      key: 'provider',
      name: t('manage:groups.from'),
      width: 190,
      hidden: 'middle',
      cell: ({ provider, externalName }) =>
        provider === null ? (
          <Text size="sm" c="dimmed">
            {t('manage:groups.local')}
          </Text>
        ) : (
          <Badge title={externalName ?? ''}>{provider}</Badge>
        ),
    },
    {
      key: 'description',
      name: t('common.description'),
      hidden: 'wide',
      cell: ({ description }) => <div className="cut">{description}</div>,
    },
    {
      key: 'createdAt',
      name: t('manage:common.made'),
      sort: 'createdAt',
      width: 140,
      hidden: 'wide',
      cell: ({ createdAt }) => <RelativeTime at={createdAt} />,
    },
    ...(who.may('group:delete')
      ? [
          {
            key: 'actions',
            name: t('common.actions'),
            width: 76,
            isEnd: true,
            cell: (group: UserGroup) => (
              <ActionIcon onClick={() => void act(() => remove(group))} aria-label={t('manage:common.remove', { name: group.name })}>
                <Trash2 size={15} />
              </ActionIcon>
            ),
          },
        ]
      : []),
  ]
}

function CreateGroup({ close, onMade }: { readonly close: () => void; readonly onMade: (id: number) => void }) {
  const { t } = useWords()
  const { draft, text } = useDraft({ name: '', description: '' })
  const save = async () => {
    const { id } = await change(createGroup, { body: { name: draft.name.trim(), description: draft.description } }, [listGroups])
    close()
    onMade(id)
  }
  return (
    <Form save={save} submit={t('common.create')} close={close}>
      <Stack>
        <TextInput label={t('common.name')} {...text('name')} data-autofocus required withAsterisk={false} autoComplete="off" />
        <TextInput label={t('common.description')} {...text('description')} />
      </Stack>
    </Form>
  )
}
