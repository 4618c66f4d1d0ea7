import { Button, Group, Modal, Stack, Switch, TextInput, Textarea } from '@mantine/core'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { change } from '../../api/client.ts'
import { createProject, listProjects } from '../../api/routes.ts'
import { registryHost } from '../../app/place.ts'
import { Problem, tell } from '../../parts/problem.tsx'
import { useTry } from '../../parts/use-try.ts'

interface CreateProps {
  readonly isOpen: boolean
  readonly close: () => void
}

export function CreateProject({ isOpen, close }: CreateProps) {
  const { t } = useTranslation()
  return (
    <Modal opened={isOpen} onClose={close} title={t('projects.create')} closeButtonProps={{ 'aria-label': t('common.close') }}>
      <Form close={close} />
    </Modal>
  )
}

function Form({ close }: Pick<CreateProps, 'close'>) {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const [name, setName] = useState('')
  const [description, setDescription] = useState('')
  const [isPublic, setPublic] = useState(false)
  const { error, isBusy, attempt } = useTry()
  const create = async () => {
    const made = await change(createProject, { body: { name: name.trim(), description, isPublic } }, [listProjects])
    tell(t('projects.created', { name: made.name }), (made.warnings ?? []).join(' '))
    close()
    await navigate({ to: '/projects/$', params: { _splat: made.name }, search: {} })
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
          description={t('projects.nameHint', { example: `${registryHost}/${name.trim() === '' ? 'team' : name.trim()}/…` })}
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          autoCapitalize="none"
          spellCheck={false}
          data-autofocus
          required
          withAsterisk={false}
        />
        <Textarea
          label={t('common.description')}
          description={t('common.markdown')}
          value={description}
          onChange={(event) => setDescription(event.currentTarget.value)}
          autosize
          minRows={2}
          maxRows={8}
        />
        <Switch
          label={t('projects.makePublic')}
          description={t('projects.publicHint')}
          checked={isPublic}
          onChange={(event) => setPublic(event.currentTarget.checked)}
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
