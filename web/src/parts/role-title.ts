import { useTranslation } from 'react-i18next'
import { roleTitles } from '../locales/roles.ts'

/** What a role is called: built-in ones in the reader's language, others as their makers say. */
export function useRoleTitle(): (name: string, title?: string) => string {
  const { t } = useTranslation()
  return (name, title) =>
    name in roleTitles ? t(`roles.${name as keyof typeof roleTitles}`) : title === undefined || title === '' ? name : title
}
