/** Who has which role in a project, given here or above. */
import type { ResponseOf } from '#api/contract.ts'
import type { listCandidates, listProjectGrants } from '#api/routes/grants.ts'
import { ActionIcon, Autocomplete, Badge, Button, Group, Modal, SegmentedControl, Select, Stack, Text, TextInput } from '@mantine/core'
import { useDebouncedValue, useDisclosure } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { Bot, Globe, Plus, Trash2, UserRound, UsersRound } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { change, pages, query } from '../../api/client.ts'
import {
  createProjectGrant,
  deleteProjectGrant,
  listCandidates as candidatesRoute,
  listProjectGrants as grantsRoute,
  listRoles,
  readOwnPermissions,
  updateProjectGrant,
} from '../../api/routes.ts'
import { DataTable, type Column } from '../../parts/data-table.tsx'
import { Empty, Waiting } from '../../parts/layout.tsx'
import { useList } from '../../parts/list.ts'
import { Problem, tell, tellProblem } from '../../parts/problem.tsx'
import { RelativeTime } from '../../parts/relative-time.tsx'
import { useTry } from '../../parts/use-try.ts'
import { useRoleTitle } from '../../parts/role-title.ts'
import type { ProjectPartProps } from './project-parts.ts'

type Grant = ResponseOf<typeof listProjectGrants>['items'][number]
type Candidate = ResponseOf<typeof listCandidates>['items'][number]

export function Members({ project, rights }: ProjectPartProps) {
  const { t } = useTranslation()
  const [isAdding, adding] = useDisclosure(false)
  const list = useList(pages(grantsRoute, { params: { project: project.name }, query: { limit: 100, inherited: true } }))
  const columns = useColumns(project.name, rights)
  if (list.error !== null) return <Problem error={list.error} retry={list.refetch} />
  if (list.isLoading) return <Waiting />
  const add = rights.has('grant:create') ? (
    <Button leftSection={<Plus size={15} />} onClick={adding.open}>
      {t('members.add')}
    </Button>
  ) : undefined
  return (
    <>
      {add !== undefined && (
        <Group justify="flex-end" mb="sm">
          {add}
        </Group>
      )}
      {list.items.length === 0 ? (
        <Empty icon={<UsersRound size={28} />} title={t('members.none')}>
          {t('members.noneText')}
        </Empty>
      ) : (
        <DataTable label={t('project.members')} columns={columns} rows={list.items} keyOf={({ id }) => String(id)} more={list.more} />
      )}
      <Modal opened={isAdding} onClose={adding.close} title={t('members.add')} closeButtonProps={{ 'aria-label': t('common.close') }}>
        <AddMember project={project.name} close={adding.close} />
      </Modal>
    </>
  )
}

const icons = { user: UserRound, group: UsersRound, robot: Bot, everyone: Globe, 'signed-in': UsersRound } as const

function useColumns(project: string, rights: ReadonlySet<string>): readonly Column<Grant>[] {
  const { t } = useTranslation()
  return [
    { key: 'who', name: t('members.who'), cell: ({ subject }) => <Subject subject={subject} /> },
    {
      key: 'role',
      name: t('members.role'),
      width: 210,
      cell: (grant) => <Role project={project} grant={grant} mayChange={rights.has('grant:update')} />,
    },
    {
      key: 'where',
      name: t('members.where'),
      width: 200,
      hidden: 'wide',
      cell: ({ repositories, origin, project: given }) =>
        repositories !== null ? <span className="mono">{repositories}</span> : t(`members.origin.${origin}`, { project: given ?? '' }),
    },
    {
      key: 'until',
      name: t('members.until'),
      width: 130,
      hidden: 'wide',
      cell: ({ expiresAt, isExpired }) =>
        expiresAt === null ? (
          t('members.always')
        ) : isExpired ? (
          <Badge color="red">{t('members.expired')}</Badge>
        ) : (
          <RelativeTime at={expiresAt} />
        ),
    },
    ...(rights.has('grant:delete')
      ? [
          {
            key: 'actions',
            name: t('common.actions'),
            width: 76,
            isEnd: true,
            cell: (grant: Grant) => <Remove project={project} grant={grant} />,
          },
        ]
      : []),
  ]
}

function Subject({ subject }: { readonly subject: Grant['subject'] }) {
  const { t } = useTranslation()
  const Icon = icons[subject.kind]
  return (
    <Group gap={8} wrap="nowrap">
      <Icon size={15} aria-hidden style={{ flex: 'none', opacity: 0.7 }} />
      <span className="cut" style={{ fontWeight: 500 }}>
        {subject.name ?? t(`members.subject.${subject.kind}`)}
      </span>
      {subject.provider !== undefined && <Badge size="sm">{subject.provider}</Badge>}
    </Group>
  )
}

function Role({ project, grant, mayChange }: { readonly project: string; readonly grant: Grant; readonly mayChange: boolean }) {
  const { t } = useTranslation()
  const roles = useRoleChoices()
  const titleOf = useRoleTitle()
  if (!mayChange || grant.origin !== 'project') return <>{titleOf(grant.role)}</>
  const set = async (role: string | null) => {
    if (role === null || role === grant.role) return
    try {
      await change(updateProjectGrant, { params: { project, grant: grant.id }, body: { role }, ifMatch: grant.version }, [
        grantsRoute,
        readOwnPermissions,
      ])
      tell(t('members.changed'))
    } catch (error) {
      tellProblem(error)
    }
  }
  return (
    <Select
      size="xs"
      variant="unstyled"
      aria-label={t('members.roleOf', { name: grant.subject.name ?? t(`members.subject.${grant.subject.kind}`) })}
      data={roles}
      value={grant.role}
      onChange={(role) => void set(role)}
    />
  )
}

/** Those that make sense in a project, with what they are called. */
function useRoleChoices(): { readonly value: string; readonly label: string }[] {
  const { data } = useQuery({ ...query(listRoles), staleTime: 300_000 })
  const titleOf = useRoleTitle()
  return (data?.items ?? [])
    .filter(({ name }) => name !== 'system-reader')
    .map(({ name, title }) => ({ value: name, label: titleOf(name, title) }))
}

function Remove({ project, grant }: { readonly project: string; readonly grant: Grant }) {
  const { t } = useTranslation()
  if (grant.origin !== 'project') return null
  const touched = [grantsRoute, readOwnPermissions]
  const remove = async () => {
    try {
      await change(deleteProjectGrant, { params: { project, grant: grant.id } }, touched)
      tell(t('members.removed', { name: grant.subject.name ?? t(`members.subject.${grant.subject.kind}`) }))
    } catch (error) {
      tellProblem(error)
    }
  }
  return (
    <ActionIcon
      onClick={() => void remove()}
      aria-label={t('members.remove', { name: grant.subject.name ?? t(`members.subject.${grant.subject.kind}`) })}
    >
      <Trash2 size={15} />
    </ActionIcon>
  )
}

type SubjectKind = 'person' | 'signed-in' | 'everyone'

function AddMember({ project, close }: { readonly project: string; readonly close: () => void }) {
  const { t } = useTranslation()
  const [kind, setKind] = useState<SubjectKind>('person')
  const [name, setName] = useState('')
  const [role, setRole] = useState('developer')
  const [repositories, setRepositories] = useState('')
  const roles = useRoleChoices()
  const { error, isBusy, attempt } = useTry()
  const candidates = useCandidates(project, name)
  const add = async () => {
    const found = candidates.find((each) => labelOf(each) === name || each.name === name)
    const subject =
      kind !== 'person'
        ? { kind }
        : found === undefined
          ? ({ kind: 'user', name: name.trim() } as const)
          : { kind: found.kind, id: found.id }
    const limit = repositories.trim()
    await change(createProjectGrant, { params: { project }, body: { subject, role, ...(limit !== '' && { repositories: limit }) } }, [
      grantsRoute,
    ])
    close()
  }
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        attempt(add)
      }}
    >
      <Stack>
        <SubjectField kind={kind} setKind={setKind} name={name} setName={setName} candidates={candidates} />
        <Select label={t('members.role')} data={roles} value={role} onChange={(value) => value !== null && setRole(value)} />
        <TextInput
          label={t('members.repositories')}
          description={t('members.repositoriesHint')}
          placeholder={`${project}/**`}
          value={repositories}
          onChange={(event) => setRepositories(event.currentTarget.value)}
        />
        {error !== undefined && <Problem error={error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>
            {t('common.cancel')}
          </Button>
          <Button type="submit" loading={isBusy}>
            {t('common.add')}
          </Button>
        </Group>
      </Stack>
    </form>
  )
}

interface SubjectProps {
  readonly kind: SubjectKind
  readonly setKind: (kind: SubjectKind) => void
  readonly name: string
  readonly setName: (name: string) => void
  readonly candidates: readonly Candidate[]
}

function SubjectField({ kind, setKind, name, setName, candidates }: SubjectProps) {
  const { t } = useTranslation()
  return (
    <>
      <SegmentedControl
        size="xs"
        fullWidth
        aria-label={t('members.who')}
        data={(['person', 'signed-in', 'everyone'] as const).map((value) => ({ value, label: t(`members.kinds.${value}`) }))}
        value={kind}
        onChange={(value) => setKind(value as SubjectKind)}
      />
      {kind === 'person' ? (
        <Autocomplete
          label={t('members.name')}
          description={t('members.nameHint')}
          data={candidates.map(labelOf)}
          filter={({ options }) => options}
          value={name}
          onChange={setName}
          data-autofocus
          required
          withAsterisk={false}
        />
      ) : (
        <Text size="sm" c="dimmed">
          {t(`members.kindText.${kind}`)}
        </Text>
      )}
    </>
  )
}

function useCandidates(project: string, typed: string): readonly Candidate[] {
  const [name] = useDebouncedValue(typed.trim(), 200)
  const { data } = useQuery({
    ...query(candidatesRoute, { params: { project }, query: { name, limit: 8 } }),
    enabled: name !== '',
    placeholderData: (before) => before,
  })
  return data?.items ?? []
}

function labelOf({ kind, name, provider }: Candidate): string {
  return kind === 'user' ? name : `${provider === null ? '' : `${provider}:`}${name}`
}
