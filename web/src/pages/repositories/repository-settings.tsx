import type { ResponseOf } from '#api/contract.ts'
import type { readRepository } from '#api/routes/repositories.ts'
import { Button, Group, Stack, Text, Textarea } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
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
import { Panel } from '../../parts/layout.tsx'
import { Problem, tell, tellProblem } from '../../parts/problem.tsx'
import { useTry } from '../../parts/use-try.ts'
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
  const [text, setText] = useState(repository.description)
  const { error, isBusy, attempt } = useTry()
  const save = async () => {
    await change(updateRepository, { params: { repository: repository.name }, body: { description: text }, ifMatch: repository.version }, [
      read,
      listRepositories,
    ])
    tell(t('common.saved'))
  }
  return (
    <Panel title={t('common.description')}>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          attempt(save)
        }}
      >
        <Stack>
          <Textarea
            aria-label={t('common.description')}
            description={t('common.markdown')}
            value={text}
            onChange={(event) => setText(event.currentTarget.value)}
            autosize
            minRows={4}
            maxRows={16}
          />
          {error !== undefined && <Problem error={error} />}
          <Group>
            <Button type="submit" loading={isBusy} disabled={text === repository.description}>
              {t('common.save')}
            </Button>
          </Group>
        </Stack>
      </form>
    </Panel>
  )
}

function Deletion({ repository, mayRestore }: Pick<SettingsProps, 'repository'> & { readonly mayRestore: boolean }) {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const { error, isBusy, attempt } = useTry()
  const touched = [listRepositories, listTrash, readProjectUsage]
  const undo = async (id: string) => {
    notifications.hide(id)
    try {
      const { items } = await client.call(listTrash, { query: { kind: 'repository', repository: repository.name, limit: 1 } })
      const [item] = items
      if (item !== undefined) await change(restoreTrash, { params: { trash: item.id }, body: {} }, touched)
    } catch (failure) {
      tellProblem(failure)
    }
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
            <Button size="compact-sm" variant="default" onClick={() => void undo(id)}>
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
        {error !== undefined && <Problem error={error} />}
        <Button color="red" variant="light" loading={isBusy} onClick={() => attempt(remove)}>
          {t('repository.delete')}
        </Button>
      </Stack>
    </Panel>
  )
}
