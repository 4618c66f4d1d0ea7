import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { query } from '../api/client.ts'
import { listRoles } from '../api/routes.ts'
import { roleTitles } from '../locales/roles.ts'

/** What a role is called: built-in ones in the reader's language, others as their makers say. */
export function useRoleTitle(): (name: string, title?: string) => string {
  const { t } = useTranslation()
  return (name, title) =>
    Object.hasOwn(roleTitles, name) ? t(`roles.${name as keyof typeof roleTitles}`) : title === undefined || title === '' ? name : title
}

/** The roles with what they are called; those that make sense in a project alone unless `isEverywhere`. */
export function useRoleChoices(isEverywhere = false): { readonly value: string; readonly label: string }[] {
  const { data } = useQuery({ ...query(listRoles), staleTime: 300_000 })
  const titleOf = useRoleTitle()
  return (data?.items ?? [])
    .filter(({ name }) => isEverywhere || name !== 'system-reader')
    .map(({ name, title }) => ({ value: name, label: titleOf(name, title) }))
}
