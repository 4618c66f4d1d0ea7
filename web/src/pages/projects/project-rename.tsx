import { Text, TextInput } from '@mantine/core'
import { useNavigate } from '@tanstack/react-router'
import { change, queryClient } from '../../api/client.ts'
import { renameProject } from '../../api/manage-routes.ts'
import { placeOf } from '../../app/named-place.ts'
import { Form, useDraft } from '../../parts/form.tsx'
import { Panel } from '../../parts/layout.tsx'
import { tell } from '../../parts/problem.tsx'
import { useWords } from '../../parts/use-words.ts'
import type { Project } from './project-parts.ts'

/** Another name for a project; the former one leads there. */
export function ProjectRename({ project }: { readonly project: Project }) {
  const { t } = useWords()
  const navigate = useNavigate()
  const { draft, text } = useDraft({ name: project.name })
  const save = async () => {
    const renamed = await change(renameProject, {
      params: { project: project.name },
      body: { name: draft.name.trim() },
      ifMatch: project.version,
    })
    tell(t('manage:moving.moved', { name: renamed.name }), (renamed.warnings ?? []).join(' '))
    await navigate({ to: '/projects/$', params: { _splat: placeOf(renamed.name, 'settings') }, search: {}, replace: true })
    await queryClient.invalidateQueries()
  }
  return (
    <Panel title={t('manage:moving.projectTitle')}>
      <Form save={save} submit={t('manage:moving.rename')} isDisabled={draft.name.trim() === project.name || draft.name.trim() === ''}>
        <Text size="sm" c="dimmed">
          {t('manage:moving.projectText')}
        </Text>
        <TextInput label={t('manage:moving.newName')} autoComplete="off" spellCheck={false} {...text('name')} />
        {project.formerNames.length > 0 && (
          <Text size="sm" className="wrap">
            {t('manage:moving.formerNames')} <span className="mono">{project.formerNames.join(', ')}</span>
          </Text>
        )}
      </Form>
    </Panel>
  )
}
