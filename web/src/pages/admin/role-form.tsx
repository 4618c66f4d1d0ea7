/** Makes or changes a role: its permissions, thing by thing. */
import { Checkbox, Group, SimpleGrid, Text, TextInput } from '@mantine/core'
import { change } from '../../api/client.ts'
import { createRole, updateRole } from '../../api/manage-routes.ts'
import { listRoles, readOwnPermissions } from '../../api/routes.ts'
import type { Permission } from '#api/permissions.ts'
import { Form, useDraft } from '../../parts/form.tsx'
import { tell } from '../../parts/problem.tsx'
import { useWords } from '../../parts/use-words.ts'
import { usePermissionWords } from './permission-words.ts'
import type { PermissionRow } from './roles-page.tsx'

/** A role in the making, or with its version one that is there. */
export interface RoleDraft {
  readonly name: string
  readonly title: string
  readonly description: string
  readonly permissions: readonly string[]
  readonly version?: number
}

interface FormProps {
  readonly initial: RoleDraft
  readonly permissions: readonly PermissionRow[]
  readonly close: () => void
}

export function RoleForm({ initial, permissions, close }: FormProps) {
  const { t } = useWords()
  const { draft, put, text } = useDraft(initial)
  const isNew = initial.version === undefined
  const save = async () => {
    const { title, description } = draft
    const body = { title, description, permissions: draft.permissions as Permission[] }
    const name = draft.name.trim()
    if (isNew) await change(createRole, { body: { name, ...body } }, [listRoles])
    else await change(updateRole, { params: { role: name }, body, ifMatch: initial.version }, [listRoles, readOwnPermissions])
    tell(t('common.saved'))
    close()
  }
  return (
    <Form save={save} close={close} submit={isNew ? t('common.create') : t('common.save')}>
      <SimpleGrid cols={{ base: 1, xs: 2 }}>
        <TextInput
          label={t('common.name')}
          description={t('manage:common.nameHint')}
          {...text('name')}
          disabled={!isNew}
          data-autofocus
          required
          withAsterisk={false}
          autoComplete="off"
        />
        <TextInput label={t('manage:common.title')} description={t('manage:common.titleHint')} {...text('title')} />
      </SimpleGrid>
      <TextInput label={t('common.description')} {...text('description')} />
      <Permissions held={draft.permissions} permissions={permissions} set={(held) => put({ permissions: held })} />
    </Form>
  )
}

interface PermissionsProps {
  readonly held: readonly string[]
  readonly permissions: readonly PermissionRow[]
  readonly set: (held: readonly string[]) => void
}

function Permissions({ held, permissions, set }: PermissionsProps) {
  const { t } = useWords()
  const words = usePermissionWords()
  const toggle = (names: readonly string[], isOn: boolean) =>
    set(isOn ? [...new Set([...held, ...names])] : held.filter((each) => !names.includes(each)))
  return (
    <div className="panel" style={{ maxHeight: '46vh', overflowY: 'auto' }} tabIndex={0} role="region" aria-label={t('manage:roles.may')}>
      <ul className="rows">
        {[...Map.groupBy(permissions, ({ resource }) => resource)].map(([resource, rows]) => {
          const names = rows.map(({ permission }) => permission)
          const count = names.filter((name) => held.includes(name)).length
          return (
            <li key={resource} style={{ alignItems: 'flex-start', flexWrap: 'wrap' }}>
              <Checkbox
                size="xs"
                label={<Text fw={500}>{words.resource(resource)}</Text>}
                checked={count === names.length}
                indeterminate={count > 0 && count < names.length}
                onChange={(event) => toggle(names, event.currentTarget.checked)}
                style={{ flex: '0 0 180px' }}
              />
              <Group gap="md" style={{ flex: '1 1 240px' }} role="group" aria-label={words.resource(resource)}>
                {rows.map(({ permission, action }) => (
                  <Checkbox
                    key={permission}
                    size="xs"
                    label={words.action(action)}
                    aria-label={`${words.resource(resource)}: ${words.action(action)}`}
                    checked={held.includes(permission)}
                    onChange={(event) => toggle([permission], event.currentTarget.checked)}
                  />
                ))}
              </Group>
            </li>
          )
        })}
      </ul>
    </div>
  )
}
