/**
 * Every page by its path. Names of projects and repositories have slashes: they are the rest of the path, up to `/-/` where a part of the page follows
 * (`-` alone is no component of a name). A page is a file of its own that is loaded when it is opened, and when a link to it is hovered.
 */
import { createRootRoute, createRoute, createRouter, lazyRouteComponent, redirect } from '@tanstack/react-router'
import { queryClient } from '../api/client.ts'
import { sessionQuery, systemQuery } from '../api/session.ts'
import { prefix } from './place.ts'
import { Broken, Missing } from './broken.tsx'
import { Shell } from './shell.tsx'

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

const shellRoute = createRoute({ getParentRoute: () => rootRoute, id: 'shell', component: Shell })

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
  validateSearch: listSearch,
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
  validateSearch: listSearch,
  component: lazyRouteComponent(() => import('../pages/repositories/repository-page.tsx'), 'RepositoryPage'),
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
interface AdminSearch extends ListSearch {
  readonly actor?: string | undefined
  readonly job?: number | undefined
}
const adminSearch = (search: Record<string, unknown>): AdminSearch => ({
  ...listSearch(search),
  actor: text(search['actor']),
  job: typeof search['job'] === 'number' ? search['job'] : undefined,
})
const adminRoutes = [
  createRoute({
    getParentRoute: () => shellRoute,
    path: '/admin/users',
    validateSearch: adminSearch,
    component: lazyRouteComponent(() => import('../pages/admin/users-page.tsx'), 'UsersPage'),
  }),
  createRoute({
    getParentRoute: () => shellRoute,
    path: '/admin/jobs',
    validateSearch: adminSearch,
    component: lazyRouteComponent(() => import('../pages/admin/jobs-page.tsx'), 'JobsPage'),
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
    component: lazyRouteComponent(() => import('../pages/admin/system-page.tsx'), 'SystemPage'),
  }),
] as const

const routeTree = rootRoute.addChildren([
  homeRoute,
  loginRoute,
  shellRoute.addChildren([
    projectsPlace.addChildren([projectsRoute, projectRoute]),
    repositoriesPlace.addChildren([repositoriesRoute, repositoryRoute]),
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

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router
  }
}
