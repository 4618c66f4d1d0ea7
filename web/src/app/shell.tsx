/** The frame of all pages but the one for signing in: navigation beside the content, above it on narrow screens. */
import { ActionIcon, Drawer, Group } from '@mantine/core'
import { useDisclosure, useHotkeys } from '@mantine/hooks'
import { Outlet } from '@tanstack/react-router'
import { Menu as MenuIcon, Search } from 'lucide-react'
import { lazy, Suspense, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Brand } from './brand.tsx'
import { Late } from './late.tsx'
import { Navigation } from './navigation.tsx'
import { Notices } from './notices.tsx'
import { UserMenu } from './user-menu.tsx'

const SearchPalette = lazy(async () => ({ default: (await import('../pages/search/search-palette.tsx')).SearchPalette }))

export function Shell() {
  const { t } = useTranslation()
  const [isOpen, { open, close }] = useDisclosure(false)
  const [isSearching, setSearching] = useState(false)
  const search = () => setSearching(true)
  // In fields too: nothing is written by it.
  useHotkeys([['mod+K', search]], [])
  useHotkeys([['/', () => !focusSearchBox() && search()]])
  return (
    <>
      <a href="#content" className="skip">
        {t('nav.skip')}
      </a>
      <div className="shell">
        <header className="top">
          <Brand />
          <Group gap={4} wrap="nowrap">
            <ActionIcon onClick={search} aria-label={t('search.open')} size="lg">
              <Search size={19} />
            </ActionIcon>
            <ActionIcon onClick={open} aria-label={t('nav.open')} size="lg">
              <MenuIcon size={20} />
            </ActionIcon>
          </Group>
        </header>
        <aside className="side" aria-label={t('nav.side')}>
          <Brand />
          <button type="button" className="search-open" onClick={search} aria-keyshortcuts="Control+K Meta+K">
            <Search size={15} aria-hidden />
            <span>{t('search.open')}</span>
            <kbd aria-hidden>{isApple ? '⌘K' : 'Ctrl K'}</kbd>
          </button>
          <Navigation />
          <UserMenu />
        </aside>
        <main className="main" id="content" tabIndex={-1}>
          <Notices />
          <Outlet />
        </main>
      </div>
      {isSearching && (
        <Suspense fallback={null}>
          <SearchPalette close={() => setSearching(false)} />
        </Suspense>
      )}
      <Late />
      <Drawer opened={isOpen} onClose={close} title="Berth" size={280} closeButtonProps={{ 'aria-label': t('common.close') }}>
        <Navigation onGo={close} />
        <div style={{ marginTop: 16 }}>
          <UserMenu />
        </div>
      </Drawer>
    </>
  )
}

/** The field that narrows the list of this page, where there is one. */
function focusSearchBox(): boolean {
  // Above a dialog nothing behind it takes the focus.
  if (document.querySelector('[role="dialog"]') !== null) return true
  const box = document.querySelector<HTMLInputElement>('#content input[type="search"]')
  box?.focus()
  return box !== null
}

const isApple = /Mac|iPhone|iPad/.test(navigator.userAgent)
