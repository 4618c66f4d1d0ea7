/** Who has which role in a project, given here or above. */
import type { ResponseOf } from '#api/contract.ts'
import type { listCandidates, listProjectGrants } from '#api/routes/grants.ts'
import { ActionIcon, Autocomplete, Badge, Button, Group, SegmentedControl, Select, Text, TextInput } from '@mantine/core'
import { useDebouncedValue, useDisclosure } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { Bot, Globe, Plus, Trash2, UserRound, UsersRound } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { change, pages, query } from '../../api/client.ts'
import {
  createProjectGrant,
  deleteProjectGrant,
  listCandidates as candidatesRoute,
  listProjectGrants as grantsRoute,
  readOwnPermissions,
  updateProjectGrant,
} from '../../api/routes.ts'
import { DataTable, type Column } from '../../parts/data-table.tsx'
import { LifetimeField } from '../../parts/fields.tsx'
import { act, Dialog, Form, useDraft } from '../../parts/form.tsx'
import { Empty } from '../../parts/layout.tsx'
import { endAfter, type Lifetime } from '../../parts/lifetimes.ts'
import { useList } from '../../parts/list.ts'
import { Listing } from '../../parts/listing.tsx'
import { tell } from '../../parts/problem.tsx'
import { RelativeTime } from '../../parts/relative-time.tsx'
import { useRoleChoices, useRoleTitle } from '../../parts/role-title.ts'
import type { ProjectPartProps } from './project-parts.ts'

type Grant = ResponseOf<typeof listProjectGrants>['items'][number]
type Candidate = ResponseOf<typeof listCandidates>['items'][number]
const touched = [grantsRoute, readOwnPermissions]

export function Members({ project, rights }: ProjectPartProps) {
  const { t } = useTranslation()
  const [isAdding, adding] = useDisclosure(false)
  const list = useList(pages(grantsRoute, { params: { project: project.name }, query: { limit: 100, inherited: true } }))
  const columns = useColumns(project.name, rights)
  const add = rights.has('grant:create') ? (
    <Button leftSection={<Plus size={15} />} onClick={adding.open}>
      {t('members.add')}
    </Button>
  ) : undefined
  return (
    <>
      <Listing
        list={list}
        filters={add !== undefined && <div style={{ marginLeft: 'auto' }}>{add}</div>}
        empty={
          <Empty icon={<UsersRound size={28} />} title={t('members.none')} action={add}>
            {t('members.noneText')}
          </Empty>
        }
      >
        <DataTable label={t('project.members')} columns={columns} rows={list.items} keyOf={({ id }) => String(id)} more={list.more} />
      </Listing>
      <Dialog title={t('members.add')} opened={isAdding} close={adding.close}>
        <AddMember project={project.name} close={adding.close} />
      </Dialog>
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
  const set = async (role: string) => {
    await change(updateProjectGrant, { params: { project, grant: grant.id }, body: { role }, ifMatch: grant.version }, touched)
    tell(t('members.changed'))
  }
  return (
    <Select
      size="xs"
      variant="unstyled"
      aria-label={t('members.roleOf', { name: grant.subject.name ?? t(`members.subject.${grant.subject.kind}`) })}
      data={roles}
      value={grant.role}
      allowDeselect={false}
      onChange={(role) => role !== null && role !== grant.role && void act(() => set(role))}
    />
  )
}

function Remove({ project, grant }: { readonly project: string; readonly grant: Grant }) {
  const { t } = useTranslation()
  if (grant.origin !== 'project') return null
  const name = grant.subject.name ?? t(`members.subject.${grant.subject.kind}`)
  const remove = async () => {
    await change(deleteProjectGrant, { params: { project, grant: grant.id } }, touched)
    tell(t('members.removed', { name }))
  }
  return (
    <ActionIcon onClick={() => void act(remove)} aria-label={t('members.remove', { name })}>
      <Trash2 size={15} />
    </ActionIcon>
  )
}

type SubjectKind = 'person' | 'signed-in' | 'everyone'

function AddMember({ project, close }: { readonly project: string; readonly close: () => void }) {
  const { t } = useTranslation()
  const { draft, text, put } = useDraft({
    kind: 'person' as SubjectKind,
    name: '',
    role: 'developer',
    repositories: '',
    lifetime: 'never' as Lifetime,
  })
  const roles = useRoleChoices()
  const candidates = useCandidates(project, draft.name)
  const add = async () => {
    const found = candidates.find((each) => labelOf(each) === draft.name || each.name === draft.name)
    const subject =
      draft.kind !== 'person'
        ? { kind: draft.kind }
        : found === undefined
          ? ({ kind: 'user', name: draft.name.trim() } as const)
          : { kind: found.kind, id: found.id }
    const repositories = draft.repositories.trim()
    const body = { subject, role: draft.role, expiresAt: endAfter(draft.lifetime), ...(repositories !== '' && { repositories }) }
    await change(createProjectGrant, { params: { project }, body }, touched)
    close()
  }
  return (
    <Form save={add} close={close} submit={t('common.add')}>
      <SubjectField
        kind={draft.kind}
        setKind={(kind) => put({ kind })}
        name={draft.name}
        setName={(name) => put({ name })}
        candidates={candidates}
      />
      <Select
        label={t('members.role')}
        data={roles}
        allowDeselect={false}
        value={draft.role}
        onChange={(role) => role !== null && put({ role })}
      />
      <TextInput
        label={t('members.repositories')}
        description={t('members.repositoriesHint')}
        placeholder={`${project}/**`}
        {...text('repositories')}
      />
      <LifetimeField value={draft.lifetime} onChange={(lifetime) => put({ lifetime })} />
    </Form>
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
