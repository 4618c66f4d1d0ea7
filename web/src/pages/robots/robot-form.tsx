/** A robot made, or changed: what it may and where, from which addresses, until when. */
import { ActionIcon, Button, Group, Select, Stack, Switch, Text, Textarea, TextInput, type TextareaProps } from '@mantine/core'
import { Plus, Trash2 } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { LifetimeField, OneOf } from '../../parts/fields.tsx'
import { Form, linesOf, useDraft } from '../../parts/form.tsx'
import { endAfter, lifetimes, type Lifetime } from '../../parts/lifetimes.ts'
import { tell } from '../../parts/problem.tsx'
import { exactText } from '../../parts/relative-time.tsx'
import { useRoleChoices } from '../../parts/role-title.ts'
import type { MadeSecret } from '../../parts/secret-once.tsx'
import { useWords } from '../../parts/use-words.ts'
import { robotCalls, type Robot } from './robot-calls.ts'

interface GrantDraft {
  readonly key: number
  readonly role: string
  readonly project: string
  readonly repositories: string
}

interface CreateProps {
  /** Undefined: a robot of the system. */
  readonly project: string | undefined
  readonly close: () => void
  readonly onMade: (made: MadeSecret) => void
}

export function CreateRobot({ project, close, onMade }: CreateProps) {
  const { t } = useWords()
  const { draft, text, flag, put } = useDraft({
    name: '',
    description: '',
    grants: [freshGrant()] as readonly GrantDraft[],
    lifetime: '90' as Lifetime,
    addresses: '',
    hasSecret: true,
  })
  const save = async () => {
    const { robot, secret } = await robotCalls(project).create({
      name: draft.name.trim(),
      description: draft.description,
      expiresAt: endAfter(draft.lifetime),
      allowedAddresses: linesOf(draft.addresses),
      grants: draft.grants.map(grantOf),
      hasSecret: draft.hasSecret,
    })
    close()
    if (secret === null) tell(t('manage:robots.created', { name: robot.login }))
    else onMade({ login: robot.login, secret })
  }
  const login = `robot-${draft.name === '' ? 'ci' : draft.name}${project === undefined ? '' : `@${project}`}`
  return (
    <Form save={save} close={close} submit={t('common.create')}>
      <TextInput
        label={t('common.name')}
        description={
          <Text inherit span className="mono wrap">
            {login}
          </Text>
        }
        {...text('name')}
        autoCapitalize="none"
        spellCheck={false}
        data-autofocus
        required
        withAsterisk={false}
      />
      <TextInput label={t('common.description')} {...text('description')} />
      <GrantFields project={project} grants={draft.grants} set={(grants) => put({ grants })} />
      <LifetimeField value={draft.lifetime} onChange={(lifetime) => put({ lifetime })} />
      <AddressField {...text('addresses')} />
      <Switch label={t('manage:robots.hasSecret')} description={t('manage:robots.hasSecretHint')} {...flag('hasSecret')} />
    </Form>
  )
}

interface EditProps {
  readonly project: string | undefined
  readonly robot: Robot
  readonly close: () => void
}

export function EditRobot({ project, robot, close }: EditProps) {
  const { t } = useWords()
  const { i18n } = useTranslation()
  const { draft, text, put } = useDraft({
    description: robot.description,
    grants: robot.grants.map((grant) => freshGrant(grant)) as readonly GrantDraft[],
    lifetime: 'as-is' as Lifetime | 'as-is',
    addresses: robot.allowedAddresses.join('\n'),
  })
  const asBefore = JSON.stringify(robot.grants.map((grant) => grantOf(freshGrant(grant))))
  const save = async () => {
    const grants = draft.grants.map(grantOf)
    await robotCalls(project).update(robot, {
      description: draft.description,
      allowedAddresses: linesOf(draft.addresses),
      ...(draft.lifetime !== 'as-is' && { expiresAt: endAfter(draft.lifetime) }),
      // They replace all: those that end some day stay as they are unless somebody changes what it may.
      ...(JSON.stringify(grants) !== asBefore && { grants }),
    })
    tell(t('common.saved'))
    close()
  }
  const end = robot.expiresAt === null ? t('members.always') : exactText(robot.expiresAt, i18n.language)
  return (
    <Form save={save} close={close}>
      <TextInput label={t('common.description')} {...text('description')} data-autofocus />
      <GrantFields project={project} grants={draft.grants} set={(grants) => put({ grants })} />
      <OneOf
        label={t('lifetime.label')}
        values={['as-is', ...lifetimes]}
        say={(value) =>
          value === 'as-is' ? t('manage:robots.asIs', { end }) : t('manage:robots.fromNow', { time: t(`lifetime.${value}`) })
        }
        value={draft.lifetime}
        onChange={(lifetime) => put({ lifetime })}
      />
      <AddressField {...text('addresses')} />
    </Form>
  )
}

function AddressField(field: Pick<TextareaProps, 'value' | 'onChange'>) {
  const { t } = useWords()
  return (
    <Textarea
      label={t('manage:robots.addresses')}
      description={t('manage:robots.addressesHint')}
      placeholder="10.0.0.0/8"
      autosize
      minRows={1}
      classNames={{ input: 'mono' }}
      {...field}
    />
  )
}

interface GrantProps {
  readonly project: string | undefined
  readonly grants: readonly GrantDraft[]
  readonly set: (grants: readonly GrantDraft[]) => void
}

/** Its roles: each in a project, or below a pattern of repositories. */
function GrantFields({ project, grants, set }: GrantProps) {
  const { t } = useWords()
  const replace = (key: number, changes: Partial<GrantDraft>) =>
    set(grants.map((grant) => (grant.key === key ? { ...grant, ...changes } : grant)))
  return (
    <Stack gap="xs" role="group" aria-label={t('manage:robots.grants')}>
      {grants.map((grant) => (
        <GrantFieldset
          key={grant.key}
          grant={grant}
          hasProject={project === undefined}
          put={(changes) => replace(grant.key, changes)}
          remove={() => set(grants.filter(({ key }) => key !== grant.key))}
        />
      ))}
      <Button
        variant="default"
        size="compact-sm"
        leftSection={<Plus size={14} />}
        style={{ alignSelf: 'flex-start' }}
        onClick={() => set([...grants, freshGrant()])}
      >
        {t('manage:robots.addRole')}
      </Button>
    </Stack>
  )
}

interface GrantFieldsetProps {
  readonly grant: GrantDraft
  readonly hasProject: boolean
  readonly put: (changes: Partial<GrantDraft>) => void
  readonly remove: () => void
}

function GrantFieldset({ grant, hasProject, put, remove }: GrantFieldsetProps) {
  const { t } = useWords()
  const roles = useRoleChoices(hasProject)
  return (
    <Stack gap="xs" className="panel" p="sm">
      <Group gap="xs" align="flex-end" wrap="nowrap">
        <Select
          label={t('members.role')}
          data={roles}
          allowDeselect={false}
          value={grant.role}
          onChange={(role) => role !== null && put({ role })}
          style={{ flex: 1 }}
        />
        <ActionIcon onClick={remove} size="lg" aria-label={t('manage:common.remove', { name: grant.role })}>
          <Trash2 size={15} />
        </ActionIcon>
      </Group>
      {hasProject && (
        <TextInput
          label={t('tokens.project')}
          description={t('manage:robots.projectHint')}
          value={grant.project}
          onChange={(event) => put({ project: event.currentTarget.value })}
        />
      )}
      <TextInput
        label={t('members.repositories')}
        description={t('members.repositoriesHint')}
        classNames={{ input: 'mono' }}
        value={grant.repositories}
        onChange={(event) => put({ repositories: event.currentTarget.value })}
      />
    </Stack>
  )
}

let made = 0

function freshGrant(grant?: Robot['grants'][number]): GrantDraft {
  made += 1
  return { key: made, role: grant?.role ?? 'developer', project: grant?.project ?? '', repositories: grant?.repositories ?? '' }
}

function grantOf({ role, project, repositories }: GrantDraft): { role: string; project?: string; repositories?: string } {
  return {
    role,
    ...(project.trim() !== '' && { project: project.trim() }),
    ...(repositories.trim() !== '' && { repositories: repositories.trim() }),
  }
}
