/** What its administrators decide about a project. */
import { Button, Stack, Switch, Text, TextInput, Textarea } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { change } from '../../api/client.ts'
import { readProjectNetworks } from '../../api/manage-routes.ts'
import { deleteProject, listProjects, listTrash, readProject, updateProject } from '../../api/routes.ts'
import { Dialog, Form, useDraft } from '../../parts/form.tsx'
import { Panel } from '../../parts/layout.tsx'
import { tell } from '../../parts/problem.tsx'
import { useWho } from '../../api/session.ts'
import { ProjectNetworks } from '../networks/project-networks.tsx'
import { QuotaForm } from '../quotas/quota-form.tsx'
import type { Project, ProjectPartProps } from './project-parts.ts'
import { ProjectRename } from './project-rename.tsx'

export function ProjectSettings({ project, rights }: ProjectPartProps) {
  const { t } = useTranslation()
  const who = useWho()
  return (
    <Stack gap="lg" maw={720}>
      {rights.has('project:update') && <General project={project} />}
      {who.may('quota:update') && (
        <Panel title={t('places.limits')}>
          <QuotaForm project={project.name} />
        </Panel>
      )}
      {rights.has('project:update') && rights.has('network:read') && <ProjectNetworks project={project.name} />}
      {rights.has('project:update') && !project.isDefault && <ProjectRename key={project.name} project={project} />}
      {rights.has('project:delete') && !project.isDefault && <Deletion project={project} />}
    </Stack>
  )
}

function General({ project }: { readonly project: Project }) {
  const { t } = useTranslation()
  const { draft, text, flag } = useDraft({ description: project.description, isPublic: project.isPublic })
  const isSame = draft.description === project.description && draft.isPublic === project.isPublic
  const save = async () => {
    const saved = await change(updateProject, { params: { project: project.name }, body: draft, ifMatch: project.version }, [
      readProject,
      listProjects,
      readProjectNetworks,
    ])
    tell(t('common.saved'), (saved.warnings ?? []).join(' '))
  }
  return (
    <Panel title={t('project.general')}>
      <Form save={save} isDisabled={isSame}>
        <Textarea
          label={t('common.description')}
          description={t('common.markdown')}
          {...text('description')}
          autosize
          minRows={3}
          maxRows={14}
          maxLength={2000}
        />
        <Switch label={t('projects.makePublic')} description={t('projects.publicHint')} {...flag('isPublic')} />
      </Form>
    </Panel>
  )
}

/** It takes everything along, so its name is typed; the trash keeps it for a while all the same. */
function Deletion({ project }: { readonly project: Project }) {
  const { t } = useTranslation()
  const [isAsking, asking] = useDisclosure(false)
  return (
    <Panel title={t('project.deleteTitle')}>
      <Stack align="flex-start">
        <Text size="sm" c="dimmed">
          {t('project.deleteText')}
        </Text>
        <Button color="red" variant="light" onClick={asking.open}>
          {t('project.delete')}
        </Button>
      </Stack>
      <Dialog title={t('project.delete')} opened={isAsking} close={asking.close}>
        <ConfirmDeletion project={project} close={asking.close} />
      </Dialog>
    </Panel>
  )
}

function ConfirmDeletion({ project, close }: { readonly project: Project; readonly close: () => void }) {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const [typed, setTyped] = useState('')
  const remove = async () => {
    await change(deleteProject, { params: { project: project.name }, query: { force: true } }, [listProjects, listTrash])
    tell(t('project.deleted', { name: project.name }), t('project.inTrash'))
    await navigate({ to: '/projects' })
  }
  return (
    <Form save={remove} close={close} submit={t('project.delete')} color="red" isDisabled={typed !== project.name}>
      <TextInput
        label={t('project.typeName', { name: project.name })}
        value={typed}
        onChange={(event) => setTyped(event.currentTarget.value)}
        autoComplete="off"
        data-autofocus
      />
    </Form>
  )
}
