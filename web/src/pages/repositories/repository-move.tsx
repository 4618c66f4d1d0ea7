import { Switch, Text, TextInput } from '@mantine/core'
import { useNavigate } from '@tanstack/react-router'
import { change, queryClient } from '../../api/client.ts'
import { moveRepository } from '../../api/manage-routes.ts'
import { placeOf } from '../../app/named-place.ts'
import { Form, useDraft } from '../../parts/form.tsx'
import { Panel } from '../../parts/layout.tsx'
import { tell } from '../../parts/problem.tsx'
import { useWords } from '../../parts/use-words.ts'

/** Another name for a repository, in its project or in another. */
export function RepositoryMove({ repository }: { readonly repository: string }) {
  const { t } = useWords()
  const navigate = useNavigate()
  const { draft, text, flag } = useDraft({ to: repository, redirect: true })
  const save = async () => {
    const body = { to: draft.to.trim(), redirect: draft.redirect }
    const moved = await change(moveRepository, { params: { repository }, body })
    tell(t('manage:moving.moved', { name: moved.repository }), (moved.warnings ?? []).join(' '))
    await navigate({ to: '/repositories/$', params: { _splat: placeOf(moved.repository, 'settings') }, search: {}, replace: true })
    await queryClient.invalidateQueries()
  }
  return (
    <Panel title={t('manage:moving.repositoryTitle')}>
      <Form save={save} submit={t('manage:moving.transfer')} isDisabled={draft.to.trim() === repository || draft.to.trim() === ''}>
        <Text size="sm" c="dimmed">
          {t('manage:moving.repositoryText')}
        </Text>
        <TextInput
          label={t('manage:moving.newName')}
          description={t('manage:moving.repositoryHint')}
          autoComplete="off"
          spellCheck={false}
          {...text('to')}
        />
        <Switch label={t('manage:moving.redirect')} description={t('manage:moving.redirectHint')} {...flag('redirect')} />
      </Form>
    </Panel>
  )
}
