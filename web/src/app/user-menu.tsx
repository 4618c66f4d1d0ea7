/** Who is here, and how they like it: account, language, theme, the way out. */
import { Avatar, Button, Menu, SegmentedControl, Text, UnstyledButton, useMantineColorScheme, VisuallyHidden } from '@mantine/core'
import { Link, useNavigate, useRouterState } from '@tanstack/react-router'
import { ChevronsUpDown, Languages, LogIn, LogOut, UserRound } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { client } from '../api/client.ts'
import { signOut } from '../api/routes.ts'
import { forgetEverything, useWho } from '../api/session.ts'
import { tellProblem } from '../parts/problem.tsx'
import { languages, speak, type Language } from './i18n.ts'
import { prefix } from './place.ts'

export function UserMenu() {
  const { t } = useTranslation()
  const who = useWho()
  const path = useRouterState({ select: ({ location }) => location.href })
  if (who.isLoading) return null
  return (
    <div style={{ display: 'grid', gap: 8 }}>
      {!who.isSignedIn && !who.isOpen && (
        <Button
          renderRoot={(props) => <Link to="/login" search={{ returnTo: path }} {...props} />}
          leftSection={<LogIn size={15} />}
          fullWidth
        >
          {t('session.signIn')}
        </Button>
      )}
      <Menu position="top-start" width={250} shadow="md" radius="lg" trapFocus>
        <Menu.Target>
          <UnstyledButton className="nav-item" style={{ width: '100%' }}>
            <Avatar aria-hidden size={24} radius="xl" color="tide" name={who.name === '' ? '?' : who.name} alt="" variant="filled" />
            <span className="cut" style={{ flex: 1, textAlign: 'left' }}>
              {who.isSignedIn ? who.name : t('session.visitor')}
              <VisuallyHidden>: {t('nav.userMenu')}</VisuallyHidden>
            </span>
            <ChevronsUpDown size={14} aria-hidden />
          </UnstyledButton>
        </Menu.Target>
        <MenuContent />
      </Menu>
    </div>
  )
}

function MenuContent() {
  const { t, i18n } = useTranslation()
  const who = useWho()
  const { colorScheme, setColorScheme } = useMantineColorScheme()
  const schemes = (['light', 'dark', 'auto'] as const).map((value) => ({ value, label: t(`theme.${value}`) }))
  return (
    <Menu.Dropdown>
      {who.isSignedIn && (
        <Menu.Item component={Link} to="/account" leftSection={<UserRound size={15} />}>
          {t('account.title')}
        </Menu.Item>
      )}
      <Menu.Label>{t('nav.language')}</Menu.Label>
      {Object.entries(languages).map(([code, name]) => (
        <Menu.Item
          key={code}
          lang={code}
          leftSection={<Languages size={15} />}
          aria-current={i18n.language === code}
          {...(i18n.language === code && { fw: 600 })}
          onClick={() => void speak(code as Language)}
        >
          {name}
        </Menu.Item>
      ))}
      <Menu.Label id="theme-label">{t('nav.theme')}</Menu.Label>
      <SegmentedControl
        fullWidth
        size="xs"
        m={6}
        data={schemes}
        value={colorScheme}
        onChange={setColorScheme}
        aria-labelledby="theme-label"
      />
      {who.session?.session !== undefined && <SignOutItem />}
    </Menu.Dropdown>
  )
}

function SignOutItem() {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const leave = async () => {
    try {
      const { logoutUrl } = await client.call(signOut)
      await forgetEverything()
      if (logoutUrl === undefined) await navigate({ to: '/login' })
      else location.assign(logoutUrl.startsWith('/') ? prefix + logoutUrl.slice(1) : logoutUrl)
    } catch (error) {
      tellProblem(error)
    }
  }
  return (
    <>
      <Menu.Divider />
      <Menu.Item leftSection={<LogOut size={15} />} onClick={() => void leave()}>
        <Text inherit>{t('session.signOut')}</Text>
      </Menu.Item>
    </>
  )
}
