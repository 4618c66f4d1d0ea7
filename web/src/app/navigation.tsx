/** The ways from everywhere to everywhere: what there is for whoever looks. */
import { Link, type LinkProps } from '@tanstack/react-router'
import {
  ArchiveRestore,
  BadgeCheck,
  Bot,
  Boxes,
  ChartNoAxesColumn,
  Fingerprint,
  Gauge,
  HardDrive,
  Layers,
  ListChecks,
  Network,
  Package,
  ScrollText,
  Server,
  ShieldCheck,
  Tags,
  Trash2,
  UserRound,
  UsersRound,
  type LucideIcon,
} from 'lucide-react'
import { useTranslation } from 'react-i18next'
import type { Permission } from '#api/permissions.ts'
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
  // Each entry with what one must hold to see its page.
  const held = (all: readonly (Entry & { readonly needs: readonly Permission[] })[]) =>
    all.filter(({ needs }) => needs.some((permission) => who.may(permission)))
  const sections = [
    {
      name: t('nav.administration'),
      entries: held([
        { to: '/admin/overview', name: t('overview.title'), icon: ChartNoAxesColumn, needs: ['system:read'] },
        { to: '/admin/jobs', name: t('jobs.title'), icon: ListChecks, needs: ['job:list'] },
        { to: '/admin/audit', name: t('auditPage.title'), icon: ScrollText, needs: ['audit:list'] },
        { to: '/admin/system', name: t('system.title'), icon: Gauge, needs: ['system:read'] },
      ]),
    },
    {
      name: t('places.access'),
      entries: held([
        { to: '/admin/users', name: t('users.title'), icon: UserRound, needs: ['user:list'] },
        { to: '/admin/groups', name: t('places.groups'), icon: UsersRound, needs: ['group:list'] },
        { to: '/admin/robots', name: t('project.robots'), icon: Bot, needs: ['robot:list'] },
        { to: '/admin/roles', name: t('places.roles'), icon: ShieldCheck, needs: ['role:create', 'role:update', 'grant:list'] },
        { to: '/admin/providers', name: t('places.providers'), icon: Fingerprint, needs: ['provider:list'] },
        { to: '/admin/networks', name: t('places.networks'), icon: Network, needs: ['system:read'] },
      ]),
    },
    {
      name: t('places.operation'),
      entries: held([
        { to: '/admin/labels', name: t('places.labels'), icon: Tags, needs: ['label:create', 'label:update', 'label:list'] },
        { to: '/admin/quotas', name: t('places.limits'), icon: Layers, needs: ['quota:list'] },
        { to: '/admin/storage', name: t('places.storage'), icon: HardDrive, needs: ['storage:read', 'garbage:read', 'scrub:read'] },
        { to: '/admin/backups', name: t('places.backups'), icon: ArchiveRestore, needs: ['backup:read'] },
        { to: '/admin/certificates', name: t('places.certificates'), icon: BadgeCheck, needs: ['certificate:list', 'key:list'] },
        { to: '/admin/nodes', name: t('places.nodes'), icon: Server, needs: ['system:read'] },
      ]),
    },
  ]
  return (
    <nav aria-label={t('nav.label')} style={{ flex: 1 }}>
      <NavList entries={entries} onGo={onGo} />
      {sections.map(
        ({ name, entries: some }) =>
          some.length > 0 && (
            <div key={name}>
              <p className="nav-title">{name}</p>
              <NavList entries={some} onGo={onGo} />
            </div>
          ),
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
