/** The ways from everywhere to everywhere: what there is for whoever looks. */
import { Link, type LinkProps } from '@tanstack/react-router'
import { Boxes, Gauge, ListChecks, Package, ScrollText, Trash2, UsersRound, type LucideIcon } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { useWho } from '../api/session.ts'

interface Entry {
  readonly to: NonNullable<LinkProps['to']>
  readonly name: string
  readonly icon: LucideIcon
}

export function Navigation({ onGo }: { readonly onGo?: () => void }) {
  const { t } = useTranslation()
  const who = useWho()
  const entries: readonly Entry[] = [
    { to: '/projects', name: t('nav.projects'), icon: Boxes },
    { to: '/repositories', name: t('nav.repositories'), icon: Package },
    ...(who.isSignedIn || who.isOpen ? [{ to: '/trash', name: t('nav.trash'), icon: Trash2 } as const] : []),
  ]
  const administration: readonly Entry[] = [
    ...(who.may('user:list') ? [{ to: '/admin/users', name: t('users.title'), icon: UsersRound } as const] : []),
    ...(who.may('job:list') ? [{ to: '/admin/jobs', name: t('jobs.title'), icon: ListChecks } as const] : []),
    ...(who.may('audit:list') ? [{ to: '/admin/audit', name: t('auditPage.title'), icon: ScrollText } as const] : []),
    ...(who.may('system:read') ? [{ to: '/admin/system', name: t('system.title'), icon: Gauge } as const] : []),
  ]
  return (
    <nav aria-label={t('nav.label')} style={{ flex: 1 }}>
      <NavList entries={entries} onGo={onGo} />
      {administration.length > 0 && (
        <>
          <p className="nav-title">{t('nav.administration')}</p>
          <NavList entries={administration} onGo={onGo} />
        </>
      )}
    </nav>
  )
}

function NavList({ entries, onGo }: { readonly entries: readonly Entry[]; readonly onGo: (() => void) | undefined }) {
  return (
    <ul style={{ listStyle: 'none', margin: 0, padding: 0, display: 'grid', gap: 1 }}>
      {entries.map(({ to, name, icon: Icon }) => (
        <li key={to}>
          <Link to={to} className="nav-item" {...(onGo !== undefined && { onClick: onGo })}>
            <Icon size={16} aria-hidden />
            {name}
          </Link>
        </li>
      ))}
    </ul>
  )
}
