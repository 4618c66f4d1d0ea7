import { Select, Switch, Text, Textarea, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { change, query } from '../../api/client.ts'
import { createRobot, listRobots } from '../../api/manage-routes.ts'
import { listRoles } from '../../api/routes.ts'
import { Form, linesOf, useDraft } from '../../parts/form.tsx'
import { endAfter, lifetimes, type Lifetime } from '../../parts/lifetimes.ts'
import { tell } from '../../parts/problem.tsx'
import { useRoleTitle } from '../../parts/role-title.ts'
import { useWords } from '../../parts/use-words.ts'

/** Shown now or never. */
export interface MadeRobot {
  readonly login: string
  readonly secret: string
}

/** A robot of the system: with a role everywhere, or in one project. */
export function CreateRobot({ close, onMade }: { readonly close: () => void; readonly onMade: (made: MadeRobot) => void }) {
  const { t } = useWords()
  const titleOf = useRoleTitle()
  const { data: roles } = useQuery(query(listRoles))
  const { draft, text, flag, put } = useDraft({
    name: '',
    description: '',
    role: 'developer',
    project: '',
    lifetime: '90' as Lifetime,
    addresses: '',
    hasSecret: true,
  })
  const save = async () => {
    const project = draft.project.trim()
    const body = {
      name: draft.name.trim(),
      description: draft.description,
      expiresAt: endAfter(draft.lifetime),
      allowedAddresses: linesOf(draft.addresses),
      grants: [{ role: draft.role, ...(project !== '' && { project }) }],
      hasSecret: draft.hasSecret,
    }
    const { robot, secret } = await change(createRobot, { body }, [listRobots])
    close()
    if (secret === null) tell(t('manage:robots.created', { name: robot.login }))
    else onMade({ login: robot.login, secret })
  }
  return (
    <Form save={save} close={close} submit={t('common.create')}>
      <TextInput
        label={t('common.name')}
        description={<Text inherit span className="mono wrap">{`robot-${draft.name === '' ? 'ci' : draft.name}`}</Text>}
        {...text('name')}
        autoCapitalize="none"
        spellCheck={false}
        data-autofocus
        required
        withAsterisk={false}
      />
      <TextInput label={t('common.description')} {...text('description')} />
      <Select
        label={t('members.role')}
        data={(roles?.items ?? []).map(({ name, title }) => ({ value: name, label: titleOf(name, title) }))}
        value={draft.role}
        onChange={(role) => role !== null && put({ role })}
      />
      <TextInput label={t('tokens.project')} description={t('manage:robots.projectHint')} {...text('project')} />
      <Select
        label={t('lifetime.label')}
        data={lifetimes.map((value) => ({ value, label: t(`lifetime.${value}`) }))}
        value={draft.lifetime}
        onChange={(value) => value !== null && put({ lifetime: value as Lifetime })}
      />
      <Textarea
        label={t('manage:robots.addresses')}
        description={t('manage:robots.addressesHint')}
        placeholder="10.0.0.0/8"
        autosize
        minRows={1}
        classNames={{ input: 'mono' }}
        {...text('addresses')}
      />
      <Switch label={t('manage:robots.hasSecret')} description={t('manage:robots.hasSecretHint')} {...flag('hasSecret')} />
    </Form>
  )
}
