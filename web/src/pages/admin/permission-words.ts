import { useWords } from '../../parts/use-words.ts'
import type { manageEn } from '../../locales/manage-en.ts'

type Resources = keyof typeof manageEn.permissions.resources
type Actions = keyof typeof manageEn.permissions.actions

/** What permissions are made of, in the reader's language; one that the portal does not know yet says its own name. */
export function usePermissionWords(): { readonly resource: (name: string) => string; readonly action: (name: string) => string } {
  const { t } = useWords()
  return {
    resource: (name) => t(`manage:permissions.resources.${name as Resources}`, { defaultValue: name }),
    action: (name) => t(`manage:permissions.actions.${name as Actions}`, { defaultValue: name }),
  }
}
