/** Roles: what each lets its holders do, side by side; those that were made here can be changed. */
import type { ItemOf } from '../../api/client.ts'
import { ActionIcon, Badge, Button, Group, Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Copy, Pencil, Plus, Trash2 } from 'lucide-react'
import { useState } from 'react'
import { change, query } from '../../api/client.ts'
import { deleteRole, listPermissions } from '../../api/manage-routes.ts'
import { listRoles } from '../../api/routes.ts'
import { useWho } from '../../api/session.ts'
import { act, Dialog } from '../../parts/form.tsx'
import { PageHead, Panel } from '../../parts/layout.tsx'
import { Loaded } from '../../parts/loaded.tsx'
import { tell } from '../../parts/problem.tsx'
import { useRoleTitle } from '../../parts/role-title.ts'
import { Row } from '../../parts/rows.tsx'
import { useWords } from '../../parts/use-words.ts'
import { RoleForm, type RoleDraft } from './role-form.tsx'
import { RoleMatrix } from './role-matrix.tsx'

export type Role = ItemOf<typeof listRoles>
export type PermissionRow = ItemOf<typeof listPermissions>

export function RolesPage() {
  const { t } = useWords()
  const who = useWho()
  const roles = useQuery(query(listRoles))
  const permissions = useQuery({ ...query(listPermissions), staleTime: Infinity })
  const [editing, setEditing] = useState<RoleDraft>()
  const create = who.may('role:create') ? (
    <Button leftSection={<Plus size={15} />} onClick={() => setEditing({ name: '', title: '', description: '', permissions: [] })}>
      {t('manage:roles.create')}
    </Button>
  ) : undefined
  return (
    <>
      <PageHead title={t('manage:roles.title')} description={t('manage:roles.text')} actions={create} />
      <Loaded of={roles}>
        {({ items }) => (
          <Stack gap="lg">
            <Panel title={t('manage:roles.list')} isFlush>
              <ul className="rows">
                {items.map((role) => (
                  <OneRole key={role.name} role={role} edit={setEditing} />
                ))}
              </ul>
            </Panel>
            <Loaded of={permissions}>{(all) => <RoleMatrix roles={items} permissions={all.items} />}</Loaded>
          </Stack>
        )}
      </Loaded>
      <Dialog
        title={editing?.version === undefined ? t('manage:roles.create') : t('manage:roles.edit')}
        opened={editing !== undefined}
        close={() => setEditing(undefined)}
        size={760}
      >
        {editing !== undefined && (
          <RoleForm initial={editing} permissions={permissions.data?.items ?? []} close={() => setEditing(undefined)} />
        )}
      </Dialog>
    </>
  )
}

function OneRole({ role, edit }: { readonly role: Role; readonly edit: (draft: RoleDraft) => void }) {
  const { t } = useWords()
  const who = useWho()
  const titleOf = useRoleTitle()
  const title = titleOf(role.name, role.title)
  const { name, description, permissions } = role
  const remove = async () => {
    await change(deleteRole, { params: { role: name }, ifMatch: role.version }, [listRoles])
    tell(t('manage:roles.removed', { name: title }))
  }
  return (
    <Row
      title={
        <Group gap={8}>
          {title}
          <Text size="sm" c="dimmed" className="mono">
            {name}
          </Text>
          {role.isBuiltIn && <Badge size="sm">{t('manage:roles.builtIn')}</Badge>}
        </Group>
      }
      text={Object.hasOwn(builtInTexts, name) ? t(`manage:roles.texts.${name as keyof typeof builtInTexts}`) : description}
    >
      <Group gap={4} wrap="nowrap">
        {who.may('role:create') && (
          <ActionIcon
            aria-label={t('manage:roles.copy', { name: title })}
            title={t('manage:roles.copy', { name: title })}
            onClick={() => edit({ name: '', title: '', description, permissions })}
          >
            <Copy size={15} />
          </ActionIcon>
        )}
        {!role.isBuiltIn && who.may('role:update') && (
          <ActionIcon
            aria-label={t('manage:common.edit', { name: title })}
            onClick={() => edit({ name, title: role.title, description, permissions, version: role.version })}
          >
            <Pencil size={15} />
          </ActionIcon>
        )}
        {!role.isBuiltIn && who.may('role:delete') && (
          <ActionIcon aria-label={t('manage:common.remove', { name: title })} onClick={() => void act(remove)}>
            <Trash2 size={15} />
          </ActionIcon>
        )}
      </Group>
    </Row>
  )
}

/** Those that are explained in every language. */
const builtInTexts = {
  'system-reader': true,
  'project-admin': true,
  maintainer: true,
  developer: true,
  guest: true,
  'limited-guest': true,
  auditor: true,
  'project-creator': true,
} as const
