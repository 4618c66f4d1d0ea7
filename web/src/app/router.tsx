/**
 * Every page by its path. Names of projects and repositories have slashes: they are the rest of the path, up to `/-/` where a part of the page follows
 * (`-` alone is no component of a name). A page is a file of its own that is loaded when it is opened, and when a link to it is hovered.
 */
import { createRootRoute, createRoute, createRouter, lazyRouteComponent, redirect, type AnyRoute } from '@tanstack/react-router'
import { queryClient } from '../api/client.ts'
import { sessionQuery, systemQuery } from '../api/session.ts'
import { withManageWords } from './i18n.ts'
import { prefix } from './place.ts'
import { Broken, Missing } from './broken.tsx'

const rootRoute = createRootRoute({ notFoundComponent: Missing, errorComponent: Broken })

const homeRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/',
  beforeLoad: async () => {
    const [session, system] = await Promise.all([queryClient.ensureQueryData(sessionQuery), queryClient.ensureQueryData(systemQuery)])
    if (session.state === 'active' || system.authentication.kind === 'open') throw redirect({ to: '/projects', replace: true })
    throw redirect({ to: '/login', replace: true })
  },
})

const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined)

const loginRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/login',
  validateSearch: (search): { returnTo?: string | undefined } => ({ returnTo: text(search['returnTo']) }),
  component: lazyRouteComponent(() => import('../pages/login/login-page.tsx'), 'LoginPage'),
})

const shellRoute = createRoute({
  getParentRoute: () => rootRoute,
  id: 'shell',
  component: lazyRouteComponent(() => import('./shell.tsx'), 'Shell'),
})

/** What lists keep in the URL. */
export interface ListSearch {
  readonly q?: string | undefined
  readonly sort?: string | undefined
  readonly view?: string | undefined
}
const listSearch = (search: Record<string, unknown>): ListSearch => ({
  q: text(typeof search['q'] === 'number' ? String(search['q']) : search['q']),
  sort: text(search['sort']),
  view: text(search['view']),
})

const numberOf = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined)

/** Lists of which one can be opened beside them. */
interface OpenedSearch extends ListSearch {
  readonly item?: number | undefined
}
const openedSearch = (search: Record<string, unknown>): OpenedSearch => ({ ...listSearch(search), item: numberOf(search['item']) })

/** What the pages of a repository keep in the URL besides: where one is in an image, and what it is compared with. */
interface ImageSearch extends ListSearch {
  readonly path?: string | undefined
  readonly file?: string | undefined
  readonly layer?: string | undefined
  readonly platform?: string | undefined
  readonly toRepository?: string | undefined
  readonly label?: number | undefined
}
const imageSearch = (search: Record<string, unknown>): ImageSearch => ({
  ...listSearch(search),
  label: numberOf(search['label']),
  path: text(search['path']),
  file: text(search['file']),
  layer: text(search['layer']),
  platform: text(search['platform']),
  toRepository: text(typeof search['toRepository'] === 'number' ? String(search['toRepository']) : search['toRepository']),
})

// A page and what is below it have a parent in common: beside each other, the rest of a path would fit an empty one too.
const projectsPlace = createRoute({ getParentRoute: () => shellRoute, path: '/projects' })
const projectsRoute = createRoute({
  getParentRoute: () => projectsPlace,
  path: '/',
  validateSearch: listSearch,
  component: lazyRouteComponent(() => import('../pages/projects/projects-page.tsx'), 'ProjectsPage'),
})
const projectRoute = createRoute({
  getParentRoute: () => projectsPlace,
  path: '$',
  validateSearch: openedSearch,
  component: lazyRouteComponent(() => import('../pages/projects/project-page.tsx'), 'ProjectPage'),
})
const repositoriesPlace = createRoute({ getParentRoute: () => shellRoute, path: '/repositories' })
const repositoriesRoute = createRoute({
  getParentRoute: () => repositoriesPlace,
  path: '/',
  validateSearch: listSearch,
  component: lazyRouteComponent(() => import('../pages/repositories/repositories-page.tsx'), 'RepositoriesPage'),
})
const repositoryRoute = createRoute({
  getParentRoute: () => repositoriesPlace,
  path: '$',
  validateSearch: imageSearch,
  component: lazyRouteComponent(() => import('../pages/repositories/repository-page.tsx'), 'RepositoryPage'),
})
const searchRoute = createRoute({
  getParentRoute: () => shellRoute,
  path: '/search',
  validateSearch: listSearch,
  component: lazyRouteComponent(() => import('../pages/search/search-page.tsx'), 'SearchPage'),
})
const trashRoute = createRoute({
  getParentRoute: () => shellRoute,
  path: '/trash',
  validateSearch: listSearch,
  component: lazyRouteComponent(() => import('../pages/trash/trash-page.tsx'), 'TrashPage'),
})
const accountRoute = createRoute({
  getParentRoute: () => shellRoute,
  path: '/account',
  component: lazyRouteComponent(() => import('../pages/account/account-page.tsx'), 'AccountPage'),
})

/** What the pages of administrators keep in the URL besides. */
interface AdminSearch extends OpenedSearch {
  readonly actor?: string | undefined
  readonly job?: number | undefined
}
const adminSearch = (search: Record<string, unknown>): AdminSearch => ({
  ...openedSearch(search),
  actor: text(search['actor']),
  job: numberOf(search['job']),
})
const adminRoutes = [
  createRoute({
    getParentRoute: () => shellRoute,
    path: '/admin/overview',
    validateSearch: adminSearch,
    component: lazyRouteComponent(() => import('../pages/admin/overview-page.tsx'), 'OverviewPage'),
  }),
  createRoute({
    getParentRoute: () => shellRoute,
    path: '/admin/users',
    validateSearch: adminSearch,
    component: lazyRouteComponent(() => withManageWords(() => import('../pages/admin/users-page.tsx')), 'UsersPage'),
  }),
  createRoute({
    getParentRoute: () => shellRoute,
    path: '/admin/jobs',
    validateSearch: adminSearch,
    component: lazyRouteComponent(() => withManageWords(() => import('../pages/admin/jobs-page.tsx')), 'JobsPage'),
  }),
  createRoute({
    getParentRoute: () => shellRoute,
    path: '/admin/audit',
    validateSearch: adminSearch,
    component: lazyRouteComponent(() => import('../pages/admin/audit-page.tsx'), 'AuditPage'),
  }),
  createRoute({
    getParentRoute: () => shellRoute,
    path: '/admin/system',
    component: lazyRouteComponent(() => withManageWords(() => import('../pages/admin/system-page.tsx')), 'SystemPage'),
  }),
  createRoute({
    getParentRoute: () => shellRoute,
    path: '/admin/groups',
    validateSearch: adminSearch,
    component: lazyRouteComponent(() => withManageWords(() => import('../pages/admin/groups-page.tsx')), 'GroupsPage'),
  }),
  createRoute({
    getParentRoute: () => shellRoute,
    path: '/admin/robots',
    validateSearch: adminSearch,
    component: lazyRouteComponent(() => withManageWords(() => import('../pages/admin/robots-page.tsx')), 'RobotsPage'),
  }),
  createRoute({
    getParentRoute: () => shellRoute,
    path: '/admin/roles',
    component: lazyRouteComponent(() => withManageWords(() => import('../pages/admin/roles-page.tsx')), 'RolesPage'),
  }),
  createRoute({
    getParentRoute: () => shellRoute,
    path: '/admin/providers',
    component: lazyRouteComponent(() => withManageWords(() => import('../pages/admin/providers-page.tsx')), 'ProvidersPage'),
  }),
  createRoute({
    getParentRoute: () => shellRoute,
    path: '/admin/networks',
    component: lazyRouteComponent(() => withManageWords(() => import('../pages/admin/networks-page.tsx')), 'NetworksPage'),
  }),
  createRoute({
    getParentRoute: () => shellRoute,
    path: '/admin/labels',
    component: lazyRouteComponent(() => withManageWords(() => import('../pages/admin/labels-page.tsx')), 'LabelsPage'),
  }),
  createRoute({
    getParentRoute: () => shellRoute,
    path: '/admin/quotas',
    component: lazyRouteComponent(() => withManageWords(() => import('../pages/admin/quotas-page.tsx')), 'QuotasPage'),
  }),
  createRoute({
    getParentRoute: () => shellRoute,
    path: '/admin/storage',
    component: lazyRouteComponent(() => withManageWords(() => import('../pages/admin/storage-page.tsx')), 'StoragePage'),
  }),
  createRoute({
    getParentRoute: () => shellRoute,
    path: '/admin/backups',
    component: lazyRouteComponent(() => withManageWords(() => import('../pages/admin/backups-page.tsx')), 'BackupsPage'),
  }),
  createRoute({
    getParentRoute: () => shellRoute,
    path: '/admin/certificates',
    component: lazyRouteComponent(() => withManageWords(() => import('../pages/admin/certificates-page.tsx')), 'CertificatesPage'),
  }),
  createRoute({
    getParentRoute: () => shellRoute,
    path: '/admin/nodes',
    component: lazyRouteComponent(() => withManageWords(() => import('../pages/admin/nodes-page.tsx')), 'NodesPage'),
  }),
] as const

const routeTree = rootRoute.addChildren([
  homeRoute,
  loginRoute,
  shellRoute.addChildren([
    projectsPlace.addChildren([projectsRoute, projectRoute]),
    repositoriesPlace.addChildren([repositoriesRoute, repositoryRoute]),
    searchRoute,
    trashRoute,
    accountRoute,
    ...adminRoutes,
  ]),
])

export const router = createRouter({
  routeTree,
  basepath: prefix,
  defaultPreload: 'intent',
  scrollRestoration: true,
  trailingSlash: 'never',
})

/** Begins to load the page that the address names, beside the words that it speaks. What fails is told when it is drawn. */
export function preloadPage(): void {
  for (const { routeId } of router.matchRoutes(router.latestLocation)) {
    const component = (router.routesById as Readonly<Record<string, AnyRoute | undefined>>)[routeId]?.options.component
    void component?.preload?.()?.catch(() => undefined)
  }
}

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router
  }
}
