/** Personal access tokens: access/personal-tokens.ts over HTTP. */
import {
  createPersonalToken,
  listPersonalTokens,
  projectsOfScopes,
  readPersonalToken,
  revokePersonalToken,
  seenWithin,
  storedScopes,
  type NewPersonalToken,
  type ShownToken,
} from '#access/personal-tokens.ts'
import { requireAdministrator } from '#access/acting.ts'
import { requireElevation } from '#access/elevation.ts'
import type { Principal } from '#access/principal.ts'
import { exchangeTerminalCode } from '#access/terminal-login.ts'
import { readUser } from '#access/users.ts'
import type { BodyOf, ResponseOf } from '#api/contract.ts'
import * as contract from '#api/routes/tokens.ts'
import { RegistryError } from '#oci/errors.ts'
import type { HttpParts } from '#http/exchange.ts'
import { instantOf, instantOrNull, pageBody } from './page-body.ts'
import { requireElevationToGive } from './require-elevation-to-give.ts'
import { requireWhole } from './require-whole.ts'
import { serve, type ServedRoute } from './serve-route.ts'
import { sortedPage } from './sorted-page.ts'

type Token = ShownToken['token']
type View = ResponseOf<typeof contract.readToken>

/** Scopes hold ids of projects, which outlive their names. */
async function presenter(parts: HttpParts, tokens: readonly Token[]): Promise<(token: Token) => View> {
  const names = await projectsOfScopes(parts.directory, tokens)
  return (token) => ({
    id: token.id,
    kind: token.kind === 'refresh' ? 'refresh' : 'personal',
    hint: token.hint,
    name: token.name,
    client: token.client,
    scopes:
      storedScopes(token.scopes)?.map(({ permissions, projectId, repositories }) => ({
        permissions: [...permissions],
        project: projectId === null ? null : (names.get(projectId) ?? ''),
        repositories,
      })) ?? null,
    expiresAt: instantOrNull(token.expiresAt),
    lastUsedAt: instantOrNull(token.lastUsedAt),
    createdAt: instantOf(token.createdAt),
    madeBy: token.parentId,
  })
}

async function present(parts: HttpParts, token: Token): Promise<View> {
  return (await presenter(parts, [token]))(token)
}

/** Tokens are rows of accounts: users of an outside token server have none. */
function ownId({ kind, id }: Principal): number {
  if (kind === 'user' && id !== undefined) return id
  throw new RegistryError('DENIED', undefined, { message: 'personal tokens are for accounts of people that are kept here' })
}

async function scopesOf(
  { access }: HttpParts,
  principal: Principal,
  scopes: BodyOf<typeof contract.createToken>['scopes'],
): Promise<NewPersonalToken['scopes']> {
  if (scopes === undefined) return undefined
  const found = []
  for (const { permissions, project: name = null, repositories = null } of scopes) {
    const project = name === null ? undefined : await access.project(name)
    const isSeen = project !== undefined && (await access.may(principal, 'project:read', { project: project.name }))
    if (name !== null && !isSeen) {
      const message = `there is no project ${name}, or you may not see it`
      throw new RegistryError('REQUEST_INVALID', [{ path: 'body/scopes', message }], { message })
    }
    found.push({ permissions, project, repositories })
  }
  return found
}

const sorts = { createdAt: 'number' } as const

/** Served by the app. */
export const tokenRoutes: readonly ServedRoute[] = [
  serve(contract.listTokens, async ({ parts, principal, query, page }) => {
    const filter = { userId: ownId(principal), kind: query.kind, within: seenWithin(principal) }
    const found = await listPersonalTokens(parts.directory, filter, sortedPage(page, sorts))
    return { body: pageBody(found, await presenter(parts, found.items)) }
  }),
  serve(contract.createToken, async ({ parts, principal, who, body }) => {
    const { name, expiresAt = null } = body
    // Without scopes it outlives what made it, with all that the person may do unasked: no other token makes one.
    if (body.scopes === undefined) await requireElevation(parts.directory, principal, undefined)
    else
      await requireElevationToGive(
        parts,
        principal,
        body.scopes.flatMap(({ permissions }) => permissions),
      )
    const scopes = await scopesOf(parts, principal, body.scopes)
    const wanted = { name, scopes, expiresAt: expiresAt === null ? null : Date.parse(expiresAt) }
    const { secret, token } = await createPersonalToken(parts.directory, wanted, { principal, who })
    return {
      body: { secret, token: await present(parts, token) },
      location: `/tokens/${token.id}`,
      headers: { 'Cache-Control': 'no-store' },
    }
  }),
  serve(contract.exchangeTerminalCode, async ({ parts, body, who }) => {
    const { secret, token, name } = await exchangeTerminalCode(parts.directory, body, who)
    return { body: { secret, token: await present(parts, token), user: name }, location: `/tokens/${token.id}` }
  }),
  serve(contract.readToken, async ({ parts, principal, params }) => {
    const token = await readPersonalToken(parts.directory, ownId(principal), params.token)
    const within = seenWithin(principal)
    if (within !== undefined && token.id !== within && token.parentId !== within) throw new RegistryError('RESOURCE_UNKNOWN')
    return { body: await present(parts, token) }
  }),
  serve(contract.revokeToken, async ({ parts, principal, params, who }) => {
    const { kind, id } = principal.credential
    // Whoever holds a token may end it, and by one with scopes nothing else.
    if (kind !== 'personal' || id !== params.token) requireWhole(principal)
    await revokePersonalToken(parts.directory, { userId: ownId(principal), id: params.token }, who)
  }),
  serve(contract.listUserTokens, async ({ parts, params, query, page }) => {
    const { id: userId } = await readUser(parts.directory, params.user)
    const found = await listPersonalTokens(parts.directory, { userId, kind: query.kind }, sortedPage(page, sorts))
    return { body: pageBody(found, await presenter(parts, found.items)) }
  }),
  serve(contract.revokeUserToken, async ({ parts, principal, params, who }) => {
    const { isAdmin } = await readUser(parts.directory, params.user)
    if (isAdmin) requireAdministrator(principal.rights, 'revoke tokens of administrators')
    await revokePersonalToken(parts.directory, { userId: params.user, id: params.token }, who)
  }),
]
