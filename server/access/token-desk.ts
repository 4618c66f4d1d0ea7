/**
 * Docker's token protocol, apart from HTTP: who may have which bearer token, and refresh tokens.
 *
 * Asking for more than one may is no error: the token says what is left. A refresh token is for a person who came with a password and for nobody else: who came
 * with a token keeps that one, so that its scopes and its end hold. Each client keeps its {@link refreshTokensKept} latest, because docker makes one at
 * each login and never gives one back.
 */
import { recordEvent } from '#events/record.ts'
import type { Who } from '#events/event.ts'
import { accessTransaction } from '#metadata/access-epoch.ts'
import { countRefreshTokens, findTokenByHash, insertToken, refreshIdleMs, trimRefreshTokens } from '#metadata/tokens.ts'
import { transaction } from '#metadata/transaction.ts'
import { RegistryError } from '#oci/errors.ts'
import type { RepositoryName } from '#oci/reference.ts'
import type { Access } from './access.ts'
import { AccountBook } from './accounts.ts'
import { BearerTokens, type IssuedBearer } from './bearer-tokens.ts'
import type { TokensConfig } from '#config/config.ts'
import { CredentialUses } from './credential-uses.ts'
import type { Directory } from './directory.ts'
import type { SignInHooks } from './hooks.ts'
import { parseScopes, permissionOfAction, repositoriesNamed, type ScopeEntry } from './docker-scope.ts'
import type { AccessEpoch } from '#metadata/watch-access.ts'
import { ProjectMap } from './locate.ts'
import type { Principal } from './principal.ts'
import { RightsBook } from './rights.ts'
import { SigningKeys, type SigningAlgorithm } from './signing-keys.ts'
import { makeToken, parseToken, type NewToken } from './token-format.ts'

/** A token with what it says. */
export interface GrantedBearer extends IssuedBearer {
  readonly access: readonly ScopeEntry[]
}

/** What a token is asked for. `host` is how the client calls this registry: names that begin with it are ours. */
export interface BearerRequest {
  readonly scopes: readonly string[]
  readonly host: string | undefined
  /** Whether the principal's push to this repository, which it may not push to yet, would make a project that is then its own. */
  readonly wouldMakeProject?: ((repository: RepositoryName) => Promise<boolean>) | undefined
}

/** Issues tokens. One per process. */
export interface TokenDesk {
  /** Where tokens are signed and checked. */
  readonly bearer: BearerTokens
  readonly algorithm: SigningAlgorithm
  /** A token for what the principal may of what is asked. Throws REQUEST_INVALID for what no client asks. */
  issue(access: Pick<Access, 'may' | 'locate'>, principal: Principal, request: BearerRequest): Promise<GrantedBearer>
  /** A token for all that the principal may, for a robot whose workload proved itself. */
  issueWhole(principal: Principal): Promise<GrantedBearer>
  /** Undefined for who gets none. `client` is what the client calls itself. */
  issueRefresh(principal: Principal, client: string, who: Who): Promise<string | undefined>
  /** Whom a refresh token is of. Throws UNAUTHORIZED. */
  principalOfRefresh(secret: string): Promise<Principal>
}

/** How many refresh tokens of one person and client count; the one that was used longest ago goes first. */
const refreshTokensKept = 50
const clientLengthMax = 100

const addRefresh = transaction(import.meta.url, 'token-desk/add-refresh', async (tx, { userId, client, secret, who, at }: RefreshInput) => {
  const row = { kind: 'refresh', name: '', scopes: null, expiresAt: at + refreshIdleMs, createdBy: who.actor, at } as const
  await insertToken(tx, { ...row, owner: { userId }, client, hash: secret.hash, hint: secret.hint })
  await recordEvent(tx, { action: 'token.created', target: `token:${secret.hint}`, detail: { kind: 'refresh', client }, at, ...who })
})

/** Apart from the addition, which ends nobody's rights and so spares everybody's memory. */
const trimRefresh = accessTransaction(
  import.meta.url,
  'token-desk/trim-refresh',
  (tx, { userId, client }: { readonly userId: number; readonly client: string }) =>
    trimRefreshTokens(tx, { userId, client, keep: refreshTokensKept }),
)

interface RefreshInput {
  readonly userId: number
  readonly client: string
  readonly secret: Pick<NewToken, 'hash' | 'hint'>
  readonly who: Who
  readonly at: number
}

interface Books {
  readonly directory: Directory
  readonly accounts: AccountBook
  readonly uses: CredentialUses
}

/** What tokens are issued by; `keepFresh` has the directory of a person asked again where what it said is too old. */
export interface TokenDeskParts {
  readonly directory: Directory
  readonly epoch: AccessEpoch
  readonly config: TokensConfig
  readonly keepFresh: SignInHooks['keepFresh']
}

/** Makes no key until the first token is asked for. */
export function createTokenDesk({ directory, epoch, config, keepFresh }: TokenDeskParts): TokenDesk {
  const { metadata, ports, log } = directory
  const { reader } = metadata
  const projects = new ProjectMap(reader, epoch)
  const keys = new SigningKeys(directory, epoch, config.algorithm)
  const present = async (name: Parameters<ProjectMap['locate']>[0]) => (await projects.locate(name)).repository
  const bearer = new BearerTokens({ keys, epoch, reader, config, ports, present })
  const accounts = new AccountBook(reader, epoch, new RightsBook(reader, epoch), keepFresh)
  const books: Books = { directory, accounts, uses: new CredentialUses({ metadata, ports, log }) }
  const sign = async (principal: Principal, access: readonly ScopeEntry[] | undefined): Promise<GrantedBearer> => {
    const accountVersion = await versionOf(accounts, principal)
    return { ...(await bearer.issue({ principal, access, accountVersion })), access: access ?? [] }
  }
  return {
    bearer,
    algorithm: config.algorithm,
    issue: async (access, principal, request) => await sign(principal, await allowed(access, principal, request)),
    issueWhole: (principal) => sign(principal, undefined),
    issueRefresh: (principal, client, who) => issueRefresh(books, { principal, client: client.slice(0, clientLengthMax) }, who),
    principalOfRefresh: (secret) => principalOfRefresh(books, secret),
  }
}

async function versionOf(accounts: AccountBook, { kind, id }: Principal): Promise<number | undefined> {
  if (id === undefined) return undefined
  return (kind === 'robot' ? await accounts.robot(id) : await accounts.user({ id }))?.version
}

type Judge = Pick<Access, 'may' | 'locate'>

async function allowed(access: Judge, principal: Principal, request: BearerRequest): Promise<readonly ScopeEntry[]> {
  const entries: ScopeEntry[] = []
  for (const entry of parseScopes(request.scopes)) {
    if (entry.type === 'registry' && entry.name === 'catalog' && entry.actions.includes('*')) {
      entries.push({ type: 'registry', name: 'catalog', actions: ['*'] })
    }
    if (entry.type === 'repository') entries.push(...(await allowedOn(access, principal, { ...request, entry })))
  }
  return entries
}

const allActions = ['pull', 'push', 'delete'] as const
type Action = (typeof allActions)[number]

interface Asked extends BearerRequest {
  readonly entry: ScopeEntry
}

/** The name as it was asked for, for whoever else reads the token, and without our own host, for us. */
async function allowedOn(access: Judge, principal: Principal, asked: Asked): Promise<readonly ScopeEntry[]> {
  const { name } = asked.entry
  const found: ScopeEntry[] = []
  for (const repository of repositoriesNamed(name, asked.host)) {
    const actions = await actionsOn(access, principal, { ...asked, repository })
    if (actions.length === 0) continue
    found.push({ type: 'repository', name: repository, actions })
    if (repository !== name) found.push({ type: 'repository', name, actions })
  }
  return found
}

async function actionsOn(
  access: Judge,
  principal: Principal,
  { entry, repository, wouldMakeProject }: Asked & { readonly repository: RepositoryName },
): Promise<readonly string[]> {
  const isAll = entry.actions.includes('*')
  const wanted = isAll ? allActions : allActions.filter((action) => entry.actions.includes(action))
  const held: Action[] = []
  for (const action of wanted) if (await access.may(principal, permissionOfAction[action], { repository })) held.push(action)
  const lacksPush = wanted.includes('push') && !held.includes('push')
  if (lacksPush && (await wouldMakeProject?.(repository)) === true) return wanted
  return isAll && held.length === allActions.length ? [...held, '*'] : held
}

async function issueRefresh(
  { directory }: Books,
  { principal, client }: { readonly principal: Principal; readonly client: string },
  who: Who,
): Promise<string | undefined> {
  const { kind, id: userId, credential, rights } = principal
  if (kind !== 'user' || userId === undefined || credential.kind !== 'password' || rights.limits !== undefined) return undefined
  const { metadata, ports } = directory
  const made = makeToken('refresh', ports.random)
  await metadata.write(addRefresh, { userId, client, secret: { hash: made.hash, hint: made.hint }, who, at: ports.clock.now() })
  if ((await countRefreshTokens(metadata.reader, { userId, client })) > refreshTokensKept)
    await metadata.write(trimRefresh, { userId, client })
  return made.text
}

async function principalOfRefresh({ directory, accounts, uses }: Books, secret: string): Promise<Principal> {
  const parsed = parseToken(secret)
  const row = parsed?.kind === 'refresh' ? await findTokenByHash(directory.metadata.reader, parsed.hash) : undefined
  const user = row?.kind === 'refresh' && row.userId !== null ? await accounts.user({ id: row.userId }) : undefined
  if (row === undefined || user === undefined) throw new RegistryError('UNAUTHORIZED')
  if (row.expiresAt !== null && row.expiresAt <= directory.ports.clock.now()) throw new RegistryError('UNAUTHORIZED')
  const principal = await accounts.personPrincipal(user, { credential: { kind: 'bearer', id: row.id } })
  // The look at what the account comes from may just have ended its tokens.
  if (parsed === undefined || (await findTokenByHash(directory.metadata.reader, parsed.hash)) === undefined)
    throw new RegistryError('UNAUTHORIZED')
  uses.take({ tokenId: row.id })
  return principal
}
