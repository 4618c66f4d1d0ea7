/** The door to the management API: loaded at the first request below it. */
import type { ApiApp } from './api/app.ts'
import type { Exchange, Site } from './exchange.ts'

/** Whether the path is the management API's. */
export function isApiPath(site: Site, path: string): boolean {
  const { prefix } = site.parts.config.http
  return path.startsWith('api/', prefix.length) && path.startsWith(prefix)
}

const apps = new WeakMap<Site, Promise<ApiApp>>()

/** Hands the request over; resolves when its answer is complete or its connection gone. */
export async function answerApi(exchange: Exchange): Promise<void> {
  const app = await appOf(exchange.site)
  if (exchange.response.destroyed) return
  const { promise, resolve } = Promise.withResolvers<void>()
  exchange.response.once('close', resolve)
  app.handle(exchange)
  await promise
}

function appOf(site: Site): Promise<ApiApp> {
  const known = apps.get(site)
  if (known !== undefined) return known
  const loading = import('./api/app.ts').then(({ createApiApp }) => createApiApp(site))
  apps.set(site, loading)
  // A failure is told to this request and tried anew by the next.
  loading.catch(() => apps.delete(site))
  return loading
}
