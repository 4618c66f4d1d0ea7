/**
 * The portal: the pages for people, below the prefix, and nothing else.
 *
 * The problem: one page application answers on many paths, and none of them may hide what a client of the registry asks for. The way: a closed list of first
 * parts of paths is the portal's; the document is the answer there for whoever asks for HTML, and everybody else meets what they met without a portal. To
 * add a page at a path of its own, add its first part to `sections`.
 */
import { RegistryError } from '#oci/errors.ts'
import type { HttpParts, TargetedExchange } from './exchange.ts'
import type { Portal, PortalFile } from './portal-files.ts'
import { respond, type HeaderList } from './respond.ts'

/** First parts of the paths of pages. web/src/app/router.tsx has a page for each. */
const sections = new Set(['', 'login', 'projects', 'repositories', 'search', 'trash', 'account', 'admin'])

/** Whether the answer is the portal's: one of its files, or its document for a browser that opens a page. */
export function takesPortal({ site, request, target }: TargetedExchange): boolean {
  const { portal, config } = site.parts
  if (portal === undefined || (request.method !== 'GET' && request.method !== 'HEAD')) return false
  const path = pathBelow(config.http.prefix, target.path)
  if (path === undefined) return false
  if (portal.files.has(path)) return true
  return isSection(path) && wantsHtml(request.headers.accept)
}

function isSection(path: string): boolean {
  const slash = path.indexOf('/')
  // A path that begins with two slashes is none of ours.
  return slash !== 0 && sections.has(slash < 0 ? path : path.slice(0, slash))
}

/** Where the portal finishes a sign-in that leads to a page of its own; undefined where there is no portal, or the way leads elsewhere. */
export function portalSignIn({ portal, config }: HttpParts, returnTo: string): string | undefined {
  const { prefix } = config.http
  const path = pathBelow(prefix, returnTo)
  if (portal === undefined || path === undefined || !isSection(path.split(/[?#]/, 1)[0] ?? '')) return undefined
  return `${prefix}login?${new URLSearchParams({ returnTo: `/${path}` }).toString()}`
}

/** Answers what {@link takesPortal} took. */
export function answerPortal(exchange: TargetedExchange): void {
  const { portal, config } = exchange.site.parts
  const path = pathBelow(config.http.prefix, exchange.target.path)
  if (portal === undefined || path === undefined) throw new RegistryError('NOT_FOUND')
  const file = portal.files.get(path)
  if (file === undefined) answerPage(exchange, portal)
  else answerFile(exchange, file)
}

function pathBelow(prefix: string, path: string): string | undefined {
  return path.startsWith(prefix) ? path.slice(prefix.length) : undefined
}

/** Browsers that open a page name it; programs that take anything (a star and a star) do not. */
function wantsHtml(accept: string | undefined): boolean {
  return accept !== undefined && /(?:^|,)\s*text\/html\b/i.test(accept)
}

const everywhere: HeaderList = [
  'X-Content-Type-Options',
  'nosniff',
  'Referrer-Policy',
  'same-origin',
  'Cross-Origin-Opener-Policy',
  'same-origin',
]

/** The component library writes a few style elements of its own: they carry the nonce. Nothing else comes from anywhere but this server. */
function policy(nonce: string): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    `style-src 'self' 'nonce-${nonce}'`,
    "connect-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    "manifest-src 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "form-action 'self'",
  ].join('; ')
}

function answerPage(exchange: TargetedExchange, { page }: Portal): void {
  const nonce = Buffer.from(exchange.site.parts.ports.random.bytes(16)).toString('base64')
  const headers = [
    ...everywhere,
    'Content-Type',
    'text/html; charset=utf-8',
    'Vary',
    'Accept',
    'X-Frame-Options',
    'DENY',
    // A copy would come back with a nonce that the header of a later answer does not name.
    'Cache-Control',
    'no-store',
    'Content-Security-Policy',
    policy(nonce),
  ]
  respond(exchange, 200, headers, page.join(nonce))
}

function answerFile(exchange: TargetedExchange, file: PortalFile): void {
  const cacheControl = file.isImmutable ? 'public, max-age=31536000, immutable' : 'no-cache'
  const headers = [...everywhere, 'ETag', file.etag, 'Cache-Control', cacheControl, 'Vary', 'Accept-Encoding']
  if (namesTag(exchange.request.headers['if-none-match'], file.etag)) {
    respond(exchange, 304, headers)
    return
  }
  const { body, encoding } = formOf(file, exchange.request.headers['accept-encoding'])
  respond(exchange, 200, [...headers, 'Content-Type', file.type, ...(encoding === undefined ? [] : ['Content-Encoding', encoding])], body)
}

/** RFC 9110 §13.1.2: compared weakly. */
function namesTag(header: string | undefined, etag: string): boolean {
  return header?.split(',').some((entry) => entry.trim().replace(/^W\//, '') === etag) ?? false
}

/** The smallest form that the client takes. A coding with weight 0 is one that it does not. */
function formOf(file: PortalFile, accepted = ''): { readonly body: Uint8Array; readonly encoding: string | undefined } {
  const codings = accepted
    .split(',')
    .map((coding) =>
      coding
        .trim()
        .toLowerCase()
        .split(/\s*;\s*/),
    )
    .filter(([, weight]) => !/^q=0(?:\.0*)?$/.test(weight ?? ''))
    .map(([name]) => name)
  if (file.brotli !== undefined && codings.includes('br')) return { body: file.brotli, encoding: 'br' }
  if (file.gzip !== undefined && codings.includes('gzip')) return { body: file.gzip, encoding: 'gzip' }
  return { body: file.plain, encoding: undefined }
}
