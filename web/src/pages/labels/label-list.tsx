/** Labels, for all repositories or of one project. */
import type { ItemOf } from '../../api/client.ts'
import { ActionIcon, Button, Group, TextInput } from '@mantine/core'
import { Pencil, Plus, Tags as TagsIcon, Trash2 } from 'lucide-react'
import { useState, type ReactNode } from 'react'
import { change, pages } from '../../api/client.ts'
import {
  createLabel,
  createProjectLabel,
  deleteLabel,
  deleteProjectLabel,
  listLabels,
  listManifestLabels,
  listProjectLabels,
  updateLabel,
  updateProjectLabel,
} from '../../api/manage-routes.ts'
import { listTags, readManifest } from '../../api/routes.ts'
import { DataTable, type Column } from '../../parts/data-table.tsx'
import { act, Dialog, Form, useDraft } from '../../parts/form.tsx'
import { Empty } from '../../parts/layout.tsx'
import { useList } from '../../parts/list.ts'
import { Listing } from '../../parts/listing.tsx'
import { tell } from '../../parts/problem.tsx'
import { RelativeTime } from '../../parts/relative-time.tsx'
import { ColorDot } from '../../parts/rows.tsx'
import { useWords } from '../../parts/use-words.ts'

type Label = ItemOf<typeof listLabels>
const touched = [listLabels, listProjectLabels, listManifestLabels, listTags, readManifest]

interface ListProps {
  /** Undefined: those that are for all. */
  readonly project?: string
  readonly rights: { readonly has: (permission: 'label:create' | 'label:update' | 'label:delete') => boolean }
  /** Where the button to make one stands. */
  readonly frame?: (create: ReactNode, list: ReactNode) => ReactNode
}

export function LabelList({ project, rights, frame = below }: ListProps) {
  const { t } = useWords()
  const [editing, setEditing] = useState<Label | 'new'>()
  const query = { limit: 100, sort: 'name' } as const
  const list = useList(
    project === undefined
      ? pages(listLabels, { query })
      : pages(listProjectLabels, { params: { project }, query: { ...query, usable: true } }),
  )
  const columns = useColumns(project, rights, setEditing)
  const create = rights.has('label:create') ? (
    <Button leftSection={<Plus size={15} />} onClick={() => setEditing('new')}>
      {t('manage:labels.create')}
    </Button>
  ) : undefined
  return (
    <>
      {frame(
        create,
        <Listing
          list={list}
          empty={
            <Empty icon={<TagsIcon size={28} />} title={t('manage:labels.none')} action={create}>
              {t('manage:labels.noneText')}
            </Empty>
          }
        >
          <DataTable label={t('manage:labels.title')} columns={columns} rows={list.items} keyOf={({ id }) => String(id)} more={list.more} />
        </Listing>,
      )}
      <Dialog
        title={editing === 'new' ? t('manage:labels.create') : t('manage:labels.edit')}
        opened={editing !== undefined}
        close={() => setEditing(undefined)}
      >
        {editing !== undefined && (
          <LabelForm project={project} label={editing === 'new' ? undefined : editing} close={() => setEditing(undefined)} />
        )}
      </Dialog>
    </>
  )
}

function below(create: ReactNode, list: ReactNode): ReactNode {
  return (
    <>
      {create !== undefined && (
        <Group justify="flex-end" mb="sm">
          {create}
        </Group>
      )}
      {list}
    </>
  )
}

function useColumns(project: string | undefined, rights: ListProps['rights'], edit: (label: Label) => void): readonly Column<Label>[] {
  const { t } = useWords()
  const remove = async (label: Label) => {
    const { id, version: ifMatch } = label
    if (project === undefined) await change(deleteLabel, { params: { label: id }, ifMatch }, touched)
    else await change(deleteProjectLabel, { params: { project, label: id }, ifMatch }, touched)
    tell(t('manage:labels.removed', { name: label.name }))
  }
  // Those for all, and of projects above, are used here and changed where they are.
  const isOwn = (label: Label) => label.project === project
  return [
    {
      key: 'name',
      name: t('common.name'),
      cell: ({ name, color }) => (
        <Group gap={8} wrap="nowrap">
          <ColorDot color={color} />
          <span className="cut" style={{ fontWeight: 500 }}>
            {name}
          </span>
        </Group>
      ),
    },
    {
      key: 'description',
      name: t('common.description'),
      hidden: 'middle',
      cell: ({ description }) => <div className="cut">{description}</div>,
    },
    ...(project === undefined
      ? []
      : [
          {
            key: 'where',
            name: t('members.where'),
            width: 180,
            hidden: 'wide' as const,
            cell: (label: Label) => (isOwn(label) ? t('manage:labels.here') : (label.project ?? t('manage:labels.forAll'))),
          },
        ]),
    { key: 'at', name: t('common.changed'), width: 140, hidden: 'wide', cell: ({ updatedAt }) => <RelativeTime at={updatedAt} /> },
    {
      key: 'actions',
      name: t('common.actions'),
      width: 92,
      isEnd: true,
      cell: (label) =>
        isOwn(label) && (
          <Group gap={2} wrap="nowrap" justify="flex-end">
            {rights.has('label:update') && (
              <ActionIcon onClick={() => edit(label)} aria-label={t('manage:common.edit', { name: label.name })}>
                <Pencil size={15} />
              </ActionIcon>
            )}
            {rights.has('label:delete') && (
              <ActionIcon onClick={() => void act(() => remove(label))} aria-label={t('manage:common.remove', { name: label.name })}>
                <Trash2 size={15} />
              </ActionIcon>
            )}
          </Group>
        ),
    },
  ]
}

const freshColors = ['#2da44e', '#0969da', '#8250df', '#bf3989', '#cf222e', '#bc4c00', '#9a6700', '#0f766e'] as const

interface FormProps {
  readonly project: string | undefined
  readonly label: Label | undefined
  readonly close: () => void
}

function LabelForm({ project, label, close }: FormProps) {
  const { t } = useWords()
  const { draft, text, put } = useDraft({
    name: label?.name ?? '',
    color: label?.color ?? freshColors[0],
    description: label?.description ?? '',
  } as { name: string; color: string; description: string })
  const save = async () => {
    const body = { ...draft, name: draft.name.trim() }
    if (label === undefined && project === undefined) await change(createLabel, { body }, touched)
    else if (label === undefined && project !== undefined) await change(createProjectLabel, { params: { project }, body }, touched)
    else if (label !== undefined && project === undefined)
      await change(updateLabel, { params: { label: label.id }, body, ifMatch: label.version }, touched)
    else if (label !== undefined && project !== undefined)
      await change(updateProjectLabel, { params: { project, label: label.id }, body, ifMatch: label.version }, touched)
    tell(t('common.saved'))
    close()
  }
  return (
    <Form save={save} close={close} submit={label === undefined ? t('common.create') : t('common.save')}>
      <TextInput
        label={t('common.name')}
        {...text('name')}
        data-autofocus
        required
        withAsterisk={false}
        maxLength={128}
        autoComplete="off"
      />
      <TextInput label={t('common.description')} {...text('description')} maxLength={1000} />
      <Group gap={6} role="group" aria-label={t('manage:labels.color')} align="center">
        {freshColors.map((color) => (
          <ActionIcon
            key={color}
            variant={draft.color === color ? 'filled' : 'default'}
            aria-label={color}
            aria-pressed={draft.color === color}
            onClick={() => put({ color })}
          >
            <ColorDot color={draft.color === color ? '#ffffff' : color} />
          </ActionIcon>
        ))}
        <TextInput type="color" aria-label={t('manage:labels.color')} {...text('color')} w={60} />
      </Group>
    </Form>
  )
}
