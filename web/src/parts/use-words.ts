import { useTranslation, type UseTranslationResponse } from 'react-i18next'

const namespaces = ['translation', 'manage'] as const

/** The words of every page, and as `manage:…` those of the pages that run things. */
export function useWords(): UseTranslationResponse<typeof namespaces, undefined> {
  return useTranslation(namespaces)
}
