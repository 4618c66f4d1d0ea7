/** The search as a page, whose address can be passed on. */
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useCallback } from 'react'
import { useTranslation } from 'react-i18next'
import { PageHead } from '../../parts/layout.tsx'
import { Palette } from './search-palette.tsx'

const nothing = () => {}

export function SearchPage() {
  const { t } = useTranslation()
  const navigate = useNavigate({ from: '/search' })
  const { q = '' } = useSearch({ from: '/shell/search' })
  const keep = useCallback(
    (text: string) => {
      // Who has gone on to what was found is not called back.
      if (location.pathname.endsWith('/search')) void navigate({ search: { q: text === '' ? undefined : text }, replace: true })
    },
    [navigate],
  )
  return (
    <>
      <PageHead title={t('search.open')} />
      <div className="panel palette-page">
        <Palette close={nothing} initial={q} onWanted={keep} />
      </div>
    </>
  )
}
