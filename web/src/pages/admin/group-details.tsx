/** A group opened up: what it is called, who is in it, which roles it gives them. */
import type { ResponseOf } from '#api/contract.ts'
import type { readGroup as ReadGroup } from '#api/routes/groups.ts'
import { ActionIcon, Alert, Autocomplete, Badge, Stack, Text, TextInput } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { Info, X } from 'lucide-react'
import { useState } from 'react'
import { change, pages, query } from '../../api/client.ts'
import {
  addGroupMember,
  listGrants,
  listGroupMembers,
  listGroups,
  readGroup,
  removeGroupMember,
  updateGroup,
} from '../../api/manage-routes.ts'
import { listUsers } from '../../api/routes.ts'
import { useWho } from '../../api/session.ts'
import { act, Form, useDraft } from '../../parts/form.tsx'
import { Panel } from '../../parts/layout.tsx'
import { useList } from '../../parts/list.ts'
import { Listing, More } from '../../parts/listing.tsx'
import { Loaded } from '../../parts/loaded.tsx'
import { tell } from '../../parts/problem.tsx'
import { useRoleTitle } from '../../parts/role-title.ts'
import { None, Row } from '../../parts/rows.tsx'
import { Said } from '../../parts/said.ts'
import { useWords } from '../../parts/use-words.ts'

type UserGroup = ResponseOf<typeof ReadGroup>

export function GroupDetails({ id }: { readonly id: number }) {
  const who = useWho()
  const group = useQuery(query(readGroup, { params: { group: id } }))
  return (
    <Loaded of={group}>{(data) => <Opened group={data} mayChange={who.may('group:update')} maySeeRoles={who.may('grant:list')} />}</Loaded>
  )
}

interface OpenedProps {
  readonly group: UserGroup
  readonly mayChange: boolean
  readonly maySeeRoles: boolean
}

function Opened({ group, mayChange, maySeeRoles }: OpenedProps) {
  const { t } = useWords()
  return (
    <Stack>
      {group.provider !== null && (
        <Alert icon={<Info size={17} />} color="blue">
          <Text size="sm" c="var(--mantine-color-text)" className="wrap">
            {t('manage:groups.fromProvider', { provider: group.provider, name: group.externalName ?? group.name })}
          </Text>
        </Alert>
      )}
      {mayChange ? (
        <Naming key={group.version} group={group} />
      ) : (
        <Text fw={600} className="wrap">
          {group.name}
        </Text>
      )}
      <Members group={group} mayChange={mayChange && group.provider === null} />
      {maySeeRoles && <Roles id={group.id} />}
    </Stack>
  )
}

function Naming({ group }: { readonly group: UserGroup }) {
  const { t } = useWords()
  const { draft, text } = useDraft({ name: group.name, description: group.description })
  const save = async () => {
    await change(updateGroup, { params: { group: group.id }, body: draft, ifMatch: group.version }, [readGroup, listGroups])
    tell(t('common.saved'))
  }
  return (
    <Form save={save} isDisabled={draft.name === group.name && draft.description === group.description}>
      <TextInput label={t('common.name')} {...text('name')} required withAsterisk={false} autoComplete="off" />
      <TextInput label={t('common.description')} {...text('description')} />
    </Form>
  )
}

function Members({ group, mayChange }: { readonly group: UserGroup; readonly mayChange: boolean }) {
  const { t } = useWords()
  const list = useList(pages(listGroupMembers, { params: { group: group.id }, query: { limit: 200 } }))
  const remove = async (user: number, name: string) => {
    await change(removeGroupMember, { params: { group: group.id, user } }, [listGroupMembers])
    tell(t('manage:groups.memberRemoved', { name }))
  }
  return (
    <Panel title={t('project.members')} isFlush>
      <Listing list={list} empty={<None>{t('manage:groups.noMembers')}</None>}>
        <ul className="rows">
          {list.items.map(({ userId, name, displayName, isDisabled }) => (
            <Row key={userId} title={name} {...(displayName !== '' && { text: displayName })}>
              {isDisabled && <Badge size="sm">{t('robots.disabled')}</Badge>}
              {mayChange && (
                <ActionIcon onClick={() => void act(() => remove(userId, name))} aria-label={t('manage:common.remove', { name })}>
                  <X size={15} />
                </ActionIcon>
              )}
            </Row>
          ))}
        </ul>
        <More more={list.more} />
      </Listing>
      {mayChange && <AddMember group={group.id} />}
    </Panel>
  )
}

/** Accounts whose names begin as was typed. */
function AddMember({ group }: { readonly group: number }) {
  const { t } = useWords()
  const who = useWho()
  const [name, setName] = useState('')
  const [typed] = useDebouncedValue(name.trim(), 200)
  const { data } = useQuery({
    ...query(listUsers, { query: { name: typed, limit: 8 } }),
    enabled: typed !== '' && who.may('user:list'),
    placeholderData: (before) => before,
  })
  const add = async () => {
    const found = data?.items.find((user) => user.name === name.trim().toLowerCase() || user.name === name.trim())
    if (found === undefined) throw new Said(t('manage:groups.nobody', { name: name.trim() }))
    await change(addGroupMember, { params: { group, user: found.id } }, [listGroupMembers])
    setName('')
  }
  return (
    <div style={{ padding: 16, borderTop: '1px solid var(--line)' }}>
      <Form save={add} submit={t('common.add')} isDisabled={name.trim() === '' || typed !== name.trim()}>
        <Autocomplete
          label={t('manage:groups.addMember')}
          data={(data?.items ?? []).map((user) => user.name)}
          filter={({ options }) => options}
          value={name}
          onChange={setName}
        />
      </Form>
    </div>
  )
}

function Roles({ id }: { readonly id: number }) {
  const { t } = useWords()
  const titleOf = useRoleTitle()
  const { data } = useQuery(query(listGrants, { query: { group: String(id), limit: 100 } }))
  if (data === undefined) return null
  return (
    <Panel title={t('manage:groups.roles')} isFlush>
      {data.items.length === 0 && <None>{t('manage:groups.noRoles')}</None>}
      <ul className="rows">
        {data.items.map((grant) => (
          <Row key={grant.id} title={titleOf(grant.role)} text={grant.repositories ?? grant.project ?? t('members.origin.everything')}>
            {grant.isExpired && <Badge color="red">{t('members.expired')}</Badge>}
          </Row>
        ))}
      </ul>
    </Panel>
  )
}
