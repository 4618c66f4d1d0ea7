import type { ResponseOf } from '#api/contract.ts'
import type { readRepository } from '#api/routes/repositories.ts'
import { Button, Group, Stack, Text, Textarea } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { useNavigate } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import { change, client } from '../../api/client.ts'
import {
  deleteRepository,
  listRepositories,
  listTrash,
  readProjectUsage,
  readRepository as read,
  restoreTrash,
  updateRepository,
} from '../../api/routes.ts'
import { act, Form, useDraft, WorkButton } from '../../parts/form.tsx'
import { Panel } from '../../parts/layout.tsx'
import { tell } from '../../parts/problem.tsx'
import { notify } from '../../parts/notify.ts'
import { RepositoryMove } from './repository-move.tsx'

interface SettingsProps {
  readonly repository: ResponseOf<typeof readRepository>
  readonly rights: ReadonlySet<string>
}

export function RepositorySettings({ repository, rights }: SettingsProps) {
  return (
    <Stack gap="lg" maw={720}>
      {rights.has('repository:update') && <Description repository={repository} />}
      {rights.has('repository:move') && <RepositoryMove key={repository.name} repository={repository.name} />}
      {rights.has('repository:delete') && <Deletion repository={repository} mayRestore={rights.has('repository:create')} />}
    </Stack>
  )
}

function Description({ repository }: Pick<SettingsProps, 'repository'>) {
  const { t } = useTranslation()
  const { draft, text } = useDraft({ description: repository.description })
  const save = async () => {
    await change(updateRepository, { params: { repository: repository.name }, body: draft, ifMatch: repository.version }, [
      read,
      listRepositories,
    ])
    tell(t('common.saved'))
  }
  return (
    <Panel title={t('common.description')}>
      <Form save={save} isDisabled={draft.description === repository.description}>
        <Textarea
          aria-label={t('common.description')}
          description={t('common.markdown')}
          {...text('description')}
          autosize
          minRows={4}
          maxRows={16}
        />
      </Form>
    </Panel>
  )
}

function Deletion({ repository, mayRestore }: Pick<SettingsProps, 'repository'> & { readonly mayRestore: boolean }) {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const touched = [listRepositories, listTrash, readProjectUsage]
  const undo = async (id: string) => {
    notifications.hide(id)
    const { items } = await client.call(listTrash, { query: { kind: 'repository', repository: repository.name, limit: 1 } })
    const [item] = items
    if (item !== undefined) await change(restoreTrash, { params: { trash: item.id }, body: {} }, touched)
  }
  const remove = async () => {
    await change(deleteRepository, { params: { repository: repository.name } }, touched)
    const id = `deleted-${repository.name}`
    notify({
      id,
      color: 'tide',
      autoClose: 15_000,
      message: (
        <Group justify="space-between">
          <Text size="sm">{t('repository.deleted', { name: repository.name })}</Text>
          {mayRestore && (
            <Button size="compact-sm" variant="default" onClick={() => void act(() => undo(id))}>
              {t('common.undo')}
            </Button>
          )}
        </Group>
      ),
    })
    await navigate({ to: '/projects/$', params: { _splat: repository.project }, search: {} })
  }
  return (
    <Panel title={t('repository.deleteTitle')}>
      <Stack align="flex-start">
        <Text size="sm" c="dimmed">
          {t('repository.deleteText')}
        </Text>
        <WorkButton color="red" variant="light" work={remove}>
          {t('repository.delete')}
        </WorkButton>
      </Stack>
    </Panel>
  )
}
