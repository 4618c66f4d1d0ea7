import { Switch, Textarea, TextInput } from '@mantine/core'
import { useNavigate } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import { change } from '../../api/client.ts'
import { createProject, listProjects } from '../../api/routes.ts'
import { registryHost } from '../../app/place.ts'
import { Dialog, Form, useDraft } from '../../parts/form.tsx'
import { tell } from '../../parts/problem.tsx'

interface CreateProps {
  readonly isOpen: boolean
  readonly close: () => void
}

export function CreateProject({ isOpen, close }: CreateProps) {
  const { t } = useTranslation()
  return (
    <Dialog title={t('projects.create')} opened={isOpen} close={close}>
      <ProjectForm close={close} />
    </Dialog>
  )
}

function ProjectForm({ close }: Pick<CreateProps, 'close'>) {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const { draft, text, flag } = useDraft({ name: '', description: '', isPublic: false })
  const name = draft.name.trim()
  const create = async () => {
    const made = await change(createProject, { body: { ...draft, name } }, [listProjects])
    tell(t('projects.created', { name: made.name }), (made.warnings ?? []).join(' '))
    close()
    await navigate({ to: '/projects/$', params: { _splat: made.name }, search: {} })
  }
  return (
    <Form save={create} close={close} submit={t('common.create')}>
      <TextInput
        label={t('common.name')}
        description={t('projects.nameHint', { example: `${registryHost}/${name === '' ? 'team' : name}/…` })}
        {...text('name')}
        autoCapitalize="none"
        spellCheck={false}
        data-autofocus
        required
        withAsterisk={false}
      />
      <Textarea
        label={t('common.description')}
        description={t('common.markdown')}
        {...text('description')}
        autosize
        minRows={2}
        maxRows={8}
      />
      <Switch label={t('projects.makePublic')} description={t('projects.publicHint')} {...flag('isPublic')} />
    </Form>
  )
}
