/** What can be done with a tag, and with the image behind it: another name, an end, deletion with a way back. */
import { Button, Menu, Text, TextInput } from '@mantine/core'
import { useNavigate } from '@tanstack/react-router'
import { CalendarClock, Ellipsis, TagIcon, Trash2 } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { change } from '../../api/client.ts'
import { createTag, updateTag } from '../../api/manage-routes.ts'
import { listTagHistory, listTags, readTag } from '../../api/routes.ts'
import { placeOf } from '../../app/named-place.ts'
import { LifetimeField } from '../../parts/fields.tsx'
import { Dialog, Form } from '../../parts/form.tsx'
import { endAfter, type Lifetime } from '../../parts/lifetimes.ts'
import { tell } from '../../parts/problem.tsx'
import { removeTags } from './remove-tags.tsx'

interface TagMenuProps {
  readonly repository: string
  readonly digest: string
  /** Undefined: the image is looked at by its digest. */
  readonly tag: string | undefined
  readonly rights: ReadonlySet<string>
}

export function TagMenu({ repository, digest, tag, rights }: TagMenuProps) {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const [opened, setOpened] = useState<'name' | 'end'>()
  const close = () => setOpened(undefined)
  const mayEnd = tag !== undefined && rights.has('tag:update')
  const mayDelete = tag !== undefined && rights.has('tag:delete')
  if (!rights.has('tag:create') && !mayEnd && !mayDelete) return null
  const remove = async (name: string) => {
    await navigate({ to: '/repositories/$', params: { _splat: repository }, search: {} })
    await removeTags(repository, [name], rights.has('tag:create'))
  }
  return (
    <>
      <Menu position="bottom-end" shadow="md" radius="lg">
        <Menu.Target>
          <Button variant="default" px={10} aria-label={t('robots.actions', { name: tag ?? digest.slice(0, 19) })}>
            <Ellipsis size={16} />
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          {rights.has('tag:create') && (
            <Menu.Item leftSection={<TagIcon size={15} />} onClick={() => setOpened('name')}>
              {t('tags.add')}
            </Menu.Item>
          )}
          {mayEnd && (
            <Menu.Item leftSection={<CalendarClock size={15} />} onClick={() => setOpened('end')}>
              {t('tags.setEnd')}
            </Menu.Item>
          )}
          {mayDelete && (
            <Menu.Item color="red" leftSection={<Trash2 size={15} />} onClick={() => void remove(tag)}>
              {t('common.delete')}
            </Menu.Item>
          )}
        </Menu.Dropdown>
      </Menu>
      <Dialog title={t('tags.add')} opened={opened === 'name'} close={close}>
        <AddTag repository={repository} digest={digest} close={close} />
      </Dialog>
      <Dialog title={t('tags.setEnd')} opened={opened === 'end'} close={close}>
        {tag !== undefined && <EndTag repository={repository} tag={tag} close={close} />}
      </Dialog>
    </>
  )
}

interface FormProps {
  readonly repository: string
  readonly close: () => void
}

function AddTag({ repository, digest, close }: FormProps & { readonly digest: string }) {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const [name, setName] = useState('')
  const save = async () => {
    const made = await change(createTag, { params: { repository }, body: { name: name.trim(), digest } }, [
      listTags,
      listTagHistory,
      readTag,
    ])
    tell(t('tags.added', { name: made.name }))
    close()
    await navigate({ to: '/repositories/$', params: { _splat: placeOf(repository, 'tags', made.name) }, search: {} })
  }
  return (
    <Form save={save} close={close} submit={t('common.add')}>
      <TextInput
        label={t('common.tag')}
        description={t('tags.addHint')}
        value={name}
        onChange={(event) => setName(event.currentTarget.value)}
        classNames={{ input: 'mono' }}
        autoCapitalize="none"
        autoComplete="off"
        spellCheck={false}
        maxLength={128}
        data-autofocus
        required
        withAsterisk={false}
      />
    </Form>
  )
}

function EndTag({ repository, tag, close }: FormProps & { readonly tag: string }) {
  const { t } = useTranslation()
  const [lifetime, setLifetime] = useState<Lifetime>('30')
  const save = async () => {
    const saved = await change(updateTag, { params: { repository, tag }, body: { expiresAt: endAfter(lifetime) } }, [listTags, readTag])
    tell(t('common.saved'), (saved.warnings ?? []).join(' '))
    close()
  }
  return (
    <Form save={save} close={close}>
      <Text size="sm" c="dimmed">
        {t('tags.endText')}
      </Text>
      <LifetimeField value={lifetime} onChange={setLifetime} />
    </Form>
  )
}
