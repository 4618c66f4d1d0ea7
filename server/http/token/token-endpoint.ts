/**
 * The token end point of Docker's protocol (`GET` and `POST /token`), and the keys that its tokens are signed with.
 *
 * Clients differ: docker asks with Basic and goes on with a refresh token by POST, podman and skopeo use GET alone, containerd and helm POST a password first
 * and fall back to GET on any refusal, and each writes scopes its own way. So: what is asked for and may not be had is left out, never refused; a
 * wrong credential is 401 in the form whose message docker prints; what no client sends is 400. Grants of POST are in token-grants.ts.
 * Answers at `/service/token` too, where Harbor has it. With an outside token server, and in an open registry, there is no such end point.
 */
import type { Principal } from '#access/principal.ts'
import { signingKeySet } from '#access/signing-keys.ts'
import type { GrantedBearer, TokenDesk } from '#access/token-desk.ts'
import { RegistryError } from '#oci/errors.ts'
import { exchangeCaller, type Site, type TargetedExchange } from '#http/exchange.ts'
import { originOf } from '#http/locations.ts'
import { projectThatPushMakes } from '#http/make-project.ts'
import { requesterOf, whoOf } from '#http/requester.ts'
import { respondError } from '#http/respond-error.ts'
import { respond } from '#http/respond.ts'
import { notePasswordLogin } from '#http/note-refusal.ts'
import { noteRefused } from './note-token.ts'
import { readForm, single } from './token-form.ts'
import { principalOfGrant } from './token-grants.ts'

/** An end point by exact path. */
export interface TokenEndpoint {
  /** In metrics. */
  readonly name: string
  answer(exchange: TargetedExchange): Promise<void>
}

const keySetMaxAgeSeconds = 300

/** The end point at the path; undefined when there is none. */
export function tokenEndpointAt({ parts }: Site, path: string): TokenEndpoint | undefined {
  const { tokens, config } = parts
  if (tokens === undefined || !path.startsWith(config.http.prefix)) return undefined
  switch (path.slice(config.http.prefix.length)) {
    case 'token':
    case 'service/token':
      return { name: 'token', answer: (exchange) => answerToken(exchange, tokens) }
    case '.well-known/jwks.json':
      return { name: 'jwks', answer: answerKeySet }
    default:
      return undefined
  }
}

async function answerToken(exchange: TargetedExchange, desk: TokenDesk): Promise<void> {
  const { method } = exchange.request
  if (method === 'GET') await answerGet(exchange, desk)
  else if (method === 'POST') await answerPost(exchange, desk)
  else respondError(exchange, new RegistryError('UNSUPPORTED'), ['Allow', 'GET, POST'])
}

/** What stands in the query is in many logs on the way. */
const forbiddenInQuery = ['password', 'refresh_token', 'subject_token', 'client_secret', 'access_token']

async function answerGet(exchange: TargetedExchange, desk: TokenDesk): Promise<void> {
  const { query } = exchange.target
  const forbidden = forbiddenInQuery.find((name) => query.has(name))
  if (forbidden !== undefined) throw new RegistryError('REQUEST_INVALID', `${forbidden} does not belong into a URL`)
  const principal = await byHeader(exchange)
  const bearer = await issue(exchange, desk, { principal, scopes: query.getAll('scope') })
  const isOffline = single(query, 'offline_token') === 'true' || single(query, 'access_type') === 'offline'
  const client = single(query, 'client_id') ?? ''
  const refresh = isOffline ? await desk.issueRefresh(principal, client, whoOf(exchange, principal)) : undefined
  respondToken(exchange, bearer, refresh === undefined ? {} : { refresh_token: refresh })
}

/** Throws UNAUTHORIZED for a wrong credential; who shows none is anonymous. */
async function byHeader(exchange: TargetedExchange): Promise<Principal> {
  const { access } = exchange.site.parts
  try {
    const principal = await access.authenticate(requesterOf(exchange))
    // A token that ends in minutes must not beget another, or it would never end.
    if (principal.credential.kind === 'bearer') throw new RegistryError('UNAUTHORIZED')
    exchange.notes.principal = principal
    notePasswordLogin(exchange, principal)
    return principal
  } catch (error) {
    throw noteRefused(exchange, error)
  }
}

async function answerPost(exchange: TargetedExchange, desk: TokenDesk): Promise<void> {
  const form = await readForm(exchange)
  const { principal, isWhole, more } = await principalOfGrant(exchange, desk, form)
  exchange.notes.principal = principal
  const scopes = form.getAll('scope')
  const bearer =
    isWhole && scopes.length === 0 ? await issueWhole(exchange, desk, principal) : await issue(exchange, desk, { principal, scopes })
  const isOffline = single(form, 'access_type') === 'offline'
  const client = single(form, 'client_id') ?? ''
  const refresh = isOffline ? await desk.issueRefresh(principal, client, whoOf(exchange, principal)) : undefined
  const scope = bearer.access.map(({ type, name, actions }) => `${type}:${name}:${actions.join()}`).join(' ')
  respondToken(exchange, bearer, { scope, ...more, ...(refresh === undefined ? {} : { refresh_token: refresh }) })
}

interface Wish {
  readonly principal: Principal
  readonly scopes: readonly string[]
}

async function issue(exchange: TargetedExchange, desk: TokenDesk, { principal, scopes }: Wish): Promise<GrantedBearer> {
  const { access } = exchange.site.parts
  const bearer = await desk.issue(access, principal, {
    scopes,
    host: hostOf(exchange),
    wouldMakeProject: async (repository) => (await projectThatPushMakes(exchange, principal, repository)) !== undefined,
  })
  noteIssued(exchange, principal)
  return bearer
}

async function issueWhole(exchange: TargetedExchange, desk: TokenDesk, principal: Principal): Promise<GrantedBearer> {
  const bearer = await desk.issueWhole(principal)
  noteIssued(exchange, principal)
  return bearer
}

function noteIssued(exchange: TargetedExchange, principal: Principal): void {
  if (principal.isAnonymous) return
  const target = `${principal.kind === 'robot' ? 'robot' : 'user'}:${principal.name}`
  exchange.site.parts.audit.note({ action: 'bearer.issued', target }, whoOf(exchange, principal))
}

/** How the client calls this registry, as it stands before names of repositories. */
function hostOf(exchange: TargetedExchange): string | undefined {
  const origin = originOf(exchange)
  return origin === undefined ? exchangeCaller(exchange).host : new URL(origin).host
}

const headers = ['Content-Type', 'application/json; charset=utf-8', 'Cache-Control', 'no-store']

/** Docker's specification wants `token` and lets `access_token` stand for it; clients read one or the other. */
function respondToken(exchange: TargetedExchange, bearer: GrantedBearer, more: Readonly<Record<string, string>>): void {
  const body = {
    token: bearer.token,
    access_token: bearer.token,
    token_type: 'Bearer',
    expires_in: Math.floor((bearer.expiresAt - bearer.issuedAt) / 1000),
    issued_at: new Date(bearer.issuedAt).toISOString(),
    ...more,
  }
  respond(exchange, 200, headers, JSON.stringify(body))
}

async function answerKeySet(exchange: TargetedExchange): Promise<void> {
  const { method } = exchange.request
  if (method !== 'GET' && method !== 'HEAD') {
    respondError(exchange, new RegistryError('UNSUPPORTED'), ['Allow', 'GET, HEAD'])
    return
  }
  const keySet = await signingKeySet(exchange.site.parts.directory)
  const maxAge = ['Cache-Control', `public, max-age=${keySetMaxAgeSeconds}`]
  respond(exchange, 200, ['Content-Type', 'application/jwk-set+json', ...maxAge], JSON.stringify(keySet))
}
