/**
 * Personal access tokens: what a person gives to their scripts in place of a password, named, narrowed, ending, revocable.
 *
 * A token narrows what its owner may and never widens it; and whoever comes by a token makes no token that is wider or lasts longer than it:
 * the tokens that it made end with it. What a
 * scope names may be more than its owner holds today: it is the limit, not the right.
 */
import { parsePermission, type Permission } from '#api/permissions.ts'
import { recordEvent } from '#events/record.ts'
import type { Who } from '#events/event.ts'
import { accessTransaction } from '#metadata/access-epoch.ts'
import type { Page, PageRequest } from '#metadata/page.ts'
import { projectNames } from '#metadata/project-names.ts'
import {
  countTokens,
  deleteToken,
  findTokenByHash,
  findTokenEnd,
  findTokenRecord,
  insertToken,
  listTokenRecords,
  tokensMadeBy,
  type TokenInput,
  type TokenKind,
  type TokenRecord,
} from '#metadata/tokens.ts'
import { RegistryError } from '#oci/errors.ts'
import { firstNotHeld } from './coverage.ts'
import type { ProjectFacts, Right } from './decide.ts'
import type { Directory } from './directory.ts'
import type { FindToken } from './hooks.ts'
import type { Principal } from './principal.ts'
import { globFault } from './project-glob.ts'
import { scopeOf } from './rights.ts'
import { makeToken, parseToken } from './token-format.ts'

/** What one scope allows where. Neither project nor repositories: everywhere. */
export interface TokenScope {
  readonly permissions: readonly Permission[]
  readonly project: Pick<ProjectFacts, 'id' | 'name' | 'lineage' | 'isDefault'> | undefined
  /** Glob of whole names. */
  readonly repositories: string | null
}

/** A scope as its row has it. */
export interface StoredScope {
  readonly permissions: readonly string[]
  readonly projectId: number | null
  readonly repositories: string | null
}

/** What a token is made from. `scopes` undefined: all that its owner may. */
export interface NewPersonalToken {
  readonly name: string
  readonly scopes: readonly TokenScope[] | undefined
  readonly expiresAt: number | null
}

/** A token with its secret, which is nowhere kept: show it now. */
export interface ShownToken {
  readonly secret: string
  readonly token: TokenRecord
}

const tokensPerUserMax = 500
const scopesMax = 50

interface AddInput {
  readonly token: TokenInput
  readonly userId: number
  /** The personal token that the caller came with. */
  readonly madeBy: number | undefined
  readonly who: Who
}

const add = accessTransaction(import.meta.url, 'personal-tokens/add', async (tx, { token, userId, madeBy, who }: AddInput) => {
  // Whoever was let in by a token that has ended since makes none.
  if (madeBy !== undefined && (await findTokenRecord(tx, { userId }, madeBy)) === undefined) throw new RegistryError('UNAUTHORIZED')
  if ((await countTokens(tx, { userId }, 'personal')) >= tokensPerUserMax) {
    throw new RegistryError('CONFLICT', undefined, {
      message: `there may be ${tokensPerUserMax} tokens at most: revoke what is no longer used`,
    })
  }
  const id = await insertToken(tx, { ...token, parentId: madeBy })
  const detail = { name: token.name, expiresAt: token.expiresAt, isScoped: token.scopes !== null }
  await recordEvent(tx, { action: 'token.created', target: `token:${token.hint}`, detail, at: token.at, ...who })
  return id
})

/** Makes a token of the caller's own. Throws DENIED for who is no person, and for a token that asks for more than itself. */
export async function createPersonalToken(
  { metadata, ports }: Directory,
  wanted: NewPersonalToken,
  { principal, who }: { readonly principal: Principal; readonly who: Who },
): Promise<ShownToken> {
  const at = ports.clock.now()
  const userId = requirePerson(principal)
  if (wanted.expiresAt !== null && wanted.expiresAt <= at) throw invalid('body/expiresAt', 'the end of the token has passed already')
  requireScopes(wanted.scopes)
  await requireNoWider({ metadata }, principal, { wanted, at })
  const madeBy = principal.credential.kind === 'personal' ? principal.credential.id : undefined
  return await mintPersonalToken({ metadata, ports }, { userId, wanted, madeBy }, who)
}

/** Makes a token of an account. The caller has judged who asks, and what for. */
export async function mintPersonalToken(
  { metadata, ports }: Pick<Directory, 'metadata' | 'ports'>,
  { userId, wanted, madeBy }: { readonly userId: number; readonly wanted: NewPersonalToken; readonly madeBy?: number | undefined },
  who: Who,
): Promise<ShownToken> {
  const made = makeToken('personal', ports.random)
  const stored = wanted.scopes?.map(({ permissions, project, repositories }) => ({
    permissions,
    projectId: project?.id ?? null,
    repositories,
  }))
  const token: TokenInput = {
    owner: { userId },
    kind: 'personal',
    hash: made.hash,
    hint: made.hint,
    name: wanted.name,
    scopes: stored === undefined ? null : JSON.stringify(stored),
    client: '',
    expiresAt: wanted.expiresAt,
    createdBy: who.actor,
    at: ports.clock.now(),
  }
  const id = await metadata.write(add, { token, userId, madeBy, who })
  return { secret: made.text, token: await requireToken({ metadata }, userId, id) }
}

function requirePerson({ kind, id, credential }: Principal): number {
  if (kind !== 'user' || id === undefined) {
    throw new RegistryError('DENIED', undefined, { message: 'personal tokens are for accounts of people that Berth knows by a row' })
  }
  if (credential.kind === 'bearer' || credential.kind === 'workload') {
    throw new RegistryError('DENIED', undefined, {
      message: 'a token that ends in minutes makes none that lasts: use a password, a session or a personal token',
    })
  }
  return id
}

function requireScopes(scopes: readonly TokenScope[] | undefined): void {
  if (scopes === undefined) return
  if (scopes.length === 0 || scopes.length > scopesMax)
    throw invalid('body/scopes', `a token has 1 to ${scopesMax} scopes, or no list of them`)
  for (const { permissions, project, repositories } of scopes) {
    if (permissions.length === 0) throw invalid('body/scopes', 'a scope names at least one permission')
    const fault = repositories === null ? undefined : globFault(repositories, project)
    if (fault !== undefined) throw invalid('body/scopes', fault)
  }
}

interface Wanted {
  readonly wanted: NewPersonalToken
  readonly at: number
}

/** What the caller's own credential does not allow cannot be in a token that it makes, nor can it outlive it. */
async function requireNoWider(directory: Pick<Directory, 'metadata'>, principal: Principal, { wanted, at }: Wanted): Promise<void> {
  const end = await endOf(directory, principal)
  if (end !== null && (wanted.expiresAt === null || wanted.expiresAt > end))
    throw wider('it would last longer than the token that makes it')
  const { limits } = principal.rights
  if (limits !== undefined) requireWithin(limits, wanted, at)
}

function requireWithin(limits: readonly Right[], { scopes, expiresAt }: NewPersonalToken, at: number): void {
  if (scopes === undefined) throw wider('it would have no scopes, and the token that makes it has')
  for (const { permissions, project, repositories } of scopes) {
    const range = { lineage: project?.lineage, repositories, expiresAt }
    const missing = firstNotHeld({ isAdministrator: true, rights: [], limits }, permissions, range, at)
    if (missing !== undefined) throw wider(`the token that makes it does not allow ${missing} there`)
  }
}

/** When the caller's own personal token ends; null: never, or it is none. */
async function endOf({ metadata }: Pick<Directory, 'metadata'>, { credential: { kind, id } }: Principal): Promise<number | null> {
  if (kind !== 'personal' || id === undefined) return null
  return (await findTokenEnd(metadata.reader, id))?.expiresAt ?? null
}

function wider(reason: string): RegistryError {
  return new RegistryError('DENIED', undefined, { message: `the token would be wider than what you came in with: ${reason}` })
}

/** A page of somebody's personal tokens, or of the clients that have signed in (`refresh`). */
export function listPersonalTokens(
  { metadata }: Pick<Directory, 'metadata'>,
  { userId, kind, within }: { readonly userId: number; readonly kind: TokenKind | undefined; readonly within?: number | undefined },
  page: PageRequest<'createdAt'>,
): Promise<Page<TokenRecord>> {
  return listTokenRecords(metadata.reader, { owner: { userId }, kind, within }, page)
}

/**
 * The token beside which the caller sees only those that it made: one with scopes, in a CI job say, learns of no others unless they name `user:read`, which
 * shows tokens of any account. Undefined: all of one's own.
 */
export function seenWithin({ credential, rights: { limits } }: Principal): number | undefined {
  if (limits === undefined || limits.some(({ permissions }) => permissions.has('user:read'))) return undefined
  // A bearer token has no row; nobody's id is negative.
  return credential.kind === 'personal' ? (credential.id ?? -1) : -1
}

/** Throws RESOURCE_UNKNOWN for a token that is not there or not theirs. */
export async function readPersonalToken(directory: Pick<Directory, 'metadata'>, userId: number, id: number): Promise<TokenRecord> {
  return await requireToken(directory, userId, id)
}

async function requireToken({ metadata }: Pick<Directory, 'metadata'>, userId: number, id: number): Promise<TokenRecord> {
  const token = await findTokenRecord(metadata.reader, { userId }, id)
  if (token === undefined) throw new RegistryError('RESOURCE_UNKNOWN')
  return token
}

const revoke = accessTransaction(
  import.meta.url,
  'personal-tokens/revoke',
  async (tx, { userId, id, at, who }: { readonly userId: number; readonly id: number; readonly at: number; readonly who: Who }) => {
    const token = await findTokenRecord(tx, { userId }, id)
    if (token === undefined) throw new RegistryError('RESOURCE_UNKNOWN')
    // What it made ends with it: whoever had it made those.
    for (const ended of [token, ...(await tokensMadeBy(tx, { userId }, id))]) {
      await deleteToken(tx, ended.id)
      const detail = { id: ended.id, name: ended.name, kind: ended.kind, ...(ended.id !== id && { madeBy: token.hint }) }
      await recordEvent(tx, { action: 'token.revoked', target: `token:${ended.hint}`, detail, at, ...who })
    }
  },
)

/** Ends a token, the tokens that were made with it, and every bearer token that was given for them, at once. Throws RESOURCE_UNKNOWN as above. */
export async function revokePersonalToken(
  { metadata, ports }: Directory,
  { userId, id }: { readonly userId: number; readonly id: number },
  who: Who,
): Promise<void> {
  await metadata.write(revoke, { userId, id, at: ports.clock.now(), who })
}

/** The scopes of a row; a permission or glob that this program does not know allows nothing. */
export function storedScopes(text: string | null): readonly StoredScope[] | undefined {
  return text === null ? undefined : (JSON.parse(text) as readonly StoredScope[])
}

/** Names of the projects that the tokens' scopes are about, by id. Those that are gone are absent. */
export async function projectsOfScopes(
  { metadata }: Pick<Directory, 'metadata'>,
  tokens: readonly TokenRecord[],
): Promise<ReadonlyMap<number, string>> {
  const ids = tokens.flatMap(({ scopes }) => storedScopes(scopes) ?? []).flatMap(({ projectId }) => (projectId === null ? [] : [projectId]))
  return await projectNames(metadata.reader, ids)
}

function limitsOf(text: string | null): readonly Right[] | undefined {
  return storedScopes(text)?.flatMap((stored): readonly Right[] => {
    const scope = scopeOf(stored)
    const permissions = new Set(stored.permissions.map(parsePermission).filter((permission) => permission !== undefined))
    return scope === undefined ? [] : [{ permissions, scope }]
  })
}

/** Finds personal tokens and secrets of robots by what was sent. Refresh tokens are no credentials: the token end point alone takes them. */
export function tokenFinder({ metadata }: Pick<Directory, 'metadata'>): FindToken {
  return async (secret) => {
    const parsed = parseToken(secret)
    if (parsed === undefined || parsed.kind === 'refresh') return undefined
    const row = await findTokenByHash(metadata.reader, parsed.hash)
    if (row === undefined || row.kind !== parsed.kind) return undefined
    return {
      kind: parsed.kind,
      id: row.id,
      userId: row.userId ?? undefined,
      robotId: row.robotId ?? undefined,
      scopes: limitsOf(row.scopes),
      expiresAt: row.expiresAt ?? undefined,
    }
  }
}

function invalid(path: string, message: string): RegistryError {
  return new RegistryError('REQUEST_INVALID', [{ path, message }], { message })
}
