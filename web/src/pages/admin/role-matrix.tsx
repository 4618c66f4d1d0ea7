/** Who may what: a row for each kind of thing, a column for each role, in the cells what may be done. */
import { Check } from 'lucide-react'
import { Text } from '@mantine/core'
import { useRoleTitle } from '../../parts/role-title.ts'
import { useWords } from '../../parts/use-words.ts'
import { usePermissionWords } from './permission-words.ts'
import type { PermissionRow, Role } from './roles-page.tsx'

interface MatrixProps {
  readonly roles: readonly Role[]
  readonly permissions: readonly PermissionRow[]
}

export function RoleMatrix({ roles, permissions }: MatrixProps) {
  const { t } = useWords()
  const titleOf = useRoleTitle()
  const words = usePermissionWords()
  const resources = [...Map.groupBy(permissions, ({ resource }) => resource)]
  return (
    <div>
      <Text component="h2" fw={600} size="lg" mb={4}>
        {t('manage:roles.matrix')}
      </Text>
      <Text size="sm" c="dimmed" mb="sm">
        {t('manage:roles.matrixText')}
      </Text>
      <div className="panel matrix" tabIndex={0} role="region" aria-label={t('manage:roles.matrix')}>
        <table aria-label={t('manage:roles.matrix')}>
          <thead>
            <tr>
              <th scope="col">{t('manage:roles.thing')}</th>
              {roles.map((role) => (
                <th key={role.name} scope="col">
                  {titleOf(role.name, role.title)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {resources.map(([resource, all]) => (
              <tr key={resource}>
                <th scope="row">{words.resource(resource)}</th>
                {roles.map((role) => (
                  <td key={role.name}>
                    <Held all={all} role={role} />
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </div>
  )
}

function Held({ all, role }: { readonly all: readonly PermissionRow[]; readonly role: Role }) {
  const { t } = useWords()
  const words = usePermissionWords()
  const held = all.filter(({ permission }) => role.permissions.includes(permission))
  if (held.length === 0) {
    return (
      <span style={{ color: 'var(--mantine-color-dimmed)' }}>
        <span aria-hidden>–</span>
        <span className="unseen">{t('manage:roles.nothing')}</span>
      </span>
    )
  }
  if (held.length === all.length) {
    return (
      <span style={{ display: 'inline-flex', alignItems: 'center', gap: 4, fontWeight: 500 }}>
        <Check size={14} aria-hidden />
        {t('manage:roles.all')}
      </span>
    )
  }
  return <>{held.map(({ action }) => words.action(action)).join(', ')}</>
}
