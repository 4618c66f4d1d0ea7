import { Switch, Text, TextInput } from '@mantine/core'
import { change } from '../../api/client.ts'
import { readProjectNetworks } from '../../api/manage-routes.ts'
import { listProjects, readProject, updateProject } from '../../api/routes.ts'
import { Form, useDraft } from '../../parts/form.tsx'
import { Panel } from '../../parts/layout.tsx'
import { tell } from '../../parts/problem.tsx'
import { Said } from '../../parts/said.ts'
import { useWords } from '../../parts/use-words.ts'
import type { Project } from '../projects/project-parts.ts'

/** What becomes of manifests that nothing points at. */
export function Untagged({ project, mayChange }: { readonly project: Project; readonly mayChange: boolean }) {
  const { t } = useWords()
  const { untaggedAfterDays: days } = project
  const { draft, text, flag } = useDraft({ goes: days !== null, days: String(days ?? 14) })
  if (!mayChange) {
    return (
      <Panel title={t('manage:untagged.title')}>
        <Text size="sm">{days === null ? t('manage:untagged.stay') : t('manage:untagged.goAfter', { days })}</Text>
      </Panel>
    )
  }
  const save = async () => {
    const wanted = draft.goes ? Number(draft.days) : null
    if (wanted !== null && (draft.days.trim() === '' || !Number.isInteger(wanted) || wanted < 0))
      throw new Said(t('manage:quotas.noNumber'))
    await change(updateProject, { params: { project: project.name }, body: { untaggedAfterDays: wanted }, ifMatch: project.version }, [
      readProject,
      listProjects,
      readProjectNetworks,
    ])
    tell(t('common.saved'))
  }
  return (
    <Panel title={t('manage:untagged.title')}>
      <Form save={save}>
        <Text size="sm" c="dimmed">
          {t('manage:untagged.text')}
        </Text>
        <Switch label={t('manage:untagged.go')} {...flag('goes')} />
        {draft.goes && (
          <TextInput
            label={t('manage:untagged.days')}
            description={t('manage:untagged.daysHint')}
            inputMode="numeric"
            maw={260}
            {...text('days')}
          />
        )}
      </Form>
    </Panel>
  )
}
