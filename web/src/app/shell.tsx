/** The frame of all pages but the one for signing in: navigation beside the content, above it on narrow screens. */
import { ActionIcon, Alert, Drawer } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { Outlet } from '@tanstack/react-router'
import { Lock, Megaphone, Menu as MenuIcon } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { systemQuery } from '../api/session.ts'
import { Brand } from './brand.tsx'
import { Navigation } from './navigation.tsx'
import { UserMenu } from './user-menu.tsx'

export function Shell() {
  const { t } = useTranslation()
  const [isOpen, { open, close }] = useDisclosure(false)
  return (
    <>
      <a href="#content" className="skip">
        {t('nav.skip')}
      </a>
      <div className="shell">
        <header className="top">
          <Brand />
          <ActionIcon onClick={open} aria-label={t('nav.open')} size="lg">
            <MenuIcon size={20} />
          </ActionIcon>
        </header>
        <aside className="side" aria-label={t('nav.side')}>
          <Brand />
          <Navigation />
          <UserMenu />
        </aside>
        <main className="main" id="content" tabIndex={-1}>
          <Notices />
          <Outlet />
        </main>
      </div>
      <Drawer opened={isOpen} onClose={close} title="Berth" size={280} closeButtonProps={{ 'aria-label': t('common.close') }}>
        <Navigation onGo={close} />
        <div style={{ marginTop: 16 }}>
          <UserMenu />
        </div>
      </Drawer>
    </>
  )
}

const bannerColors = { info: 'blue', warning: 'yellow', danger: 'red' } as const

/** What the administrators want everybody to know. */
export function Notices() {
  const { t } = useTranslation()
  const { data } = useQuery(systemQuery)
  if (data === undefined || (data.banner === null && !data.isReadOnly)) return null
  return (
    <div style={{ display: 'grid', gap: 8, marginBottom: 20 }}>
      {data.banner !== null && (
        <Alert color={bannerColors[data.banner.level]} icon={<Megaphone size={17} />} radius="lg">
          {data.banner.text}
        </Alert>
      )}
      {data.isReadOnly && (
        <Alert color="yellow" icon={<Lock size={17} />} radius="lg">
          {t('notice.readOnly')}
        </Alert>
      )}
    </div>
  )
}
