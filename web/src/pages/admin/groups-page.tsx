/** Groups of people: those that are kept here, and those that an identity provider tells of. */
import type { ItemOf } from '../../api/client.ts'
import { ActionIcon, Badge, Button, Text, TextInput } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { useSearch } from '@tanstack/react-router'
import { Plus, Trash2, UsersRound } from 'lucide-react'
import { change, pages } from '../../api/client.ts'
import { createGroup, deleteGroup, listGroups } from '../../api/manage-routes.ts'
import { useWho } from '../../api/session.ts'
import { useSetSearch } from '../../app/search-state.ts'
import { DataTable, type Column } from '../../parts/data-table.tsx'
import { act, Dialog, Form, Side, useDraft } from '../../parts/form.tsx'
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
  const { q = '', sort = 'name', item } = useSearch({ from: '/shell/admin/groups' })
  const [isCreating, creating] = useDisclosure(false)
  const list = useList(pages(listGroups, { query: { limit: 100, sort: sort as 'name', ...(q !== '' && { name: q }) } }))
  const set = useSetSearch()
  const columns = useColumns((id) => set({ item: id }))
  const create = who.may('group:create') ? (
    <Button leftSection={<Plus size={15} />} onClick={creating.open}>
      {t('manage:groups.create')}
    </Button>
  ) : undefined
  return (
    <>
      <PageHead title={t('manage:groups.title')} description={t('manage:groups.text')} actions={create} />
      <Listing
        list={list}
        filters={<SearchBox label={t('projects.search')} value={q} onChange={(value) => set({ q: value })} />}
        isNarrowed={q !== ''}
        empty={
          <Empty icon={<UsersRound size={28} />} title={t('manage:groups.none')} action={create}>
            {t('manage:groups.noneText')}
          </Empty>
        }
      >
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
      <Side title={t('manage:groups.one')} opened={item !== undefined} close={() => set({ item: undefined })} width={560}>
        {item !== undefined && <GroupDetails key={item} id={item} />}
      </Side>
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
      <TextInput label={t('common.name')} {...text('name')} data-autofocus required withAsterisk={false} autoComplete="off" />
      <TextInput label={t('common.description')} {...text('description')} />
    </Form>
  )
}
