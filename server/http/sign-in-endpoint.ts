/** The door to the pages for signing in: loaded at the first request to one, as what they need is loaded with the management API. */
import type { Site, TargetedExchange } from './exchange.ts'

/** Whether the path is one of these pages, or below them. */
export function isSignInPath(site: Site, path: string): boolean {
  const base = `${site.parts.config.http.prefix}sign-in`
  return path === base || path.startsWith(`${base}/`)
}

/** Answers with a page. */
export async function answerSignIn(exchange: TargetedExchange): Promise<void> {
  const pages = await import('./sign-in/sign-in-pages.ts')
  await pages.answerSignIn(exchange)
}
