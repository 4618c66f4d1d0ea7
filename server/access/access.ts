/**
 * Who asks, and what they may.
 *
 * The problem: passwords, tokens, sessions and certificates of many sources lead to one answer, rights come from rows that change at any moment, and
 * a request may cost neither a hash nor a read. The way: {@link Access} is made once. A credential leads to an account (authenticate-password.ts, token-book.ts,
 * authenticate-bearer.ts; hooks.ts for what other files know), the account to its rights (rights.ts), the name asked for to its project (locate.ts), and
 * one pure function decides (decide.ts). All that was read is remembered until the access epoch changes (epoch.ts). To add a kind of credential, add a
 * hook and a branch to `principalOf`; to add a permission, see api/permissions.ts.
 */
import type { Permission } from '#api/permissions.ts'
import type { AuthConfig } from '#config/config.ts'
import type { Visibility } from '#metadata/visibility.ts'
import { RegistryError } from '#oci/errors.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { AccountBook, looksLikeRobot } from './accounts.ts'
import { authenticateBearer, type BearerParts } from './authenticate-bearer.ts'
import { PasswordSignIn } from './authenticate-password.ts'
import { BackOff } from './back-off.ts'
import { parseBasicCredential } from './basic-credential.ts'
import { challengesOf, type ChallengeContext } from './challenge.ts'
import { CredentialUses } from './credential-uses.ts'
import { decide, type ProjectFacts, type Rights, type Target } from './decide.ts'
import type { Directory } from './directory.ts'
import type { AccessEpoch } from '#metadata/watch-access.ts'
import type { SignInHooks } from './hooks.ts'
import { ProjectMap, type Location } from './locate.ts'
import { openLookingRights, openRights } from './preset-rights.ts'
import { anonymousPrincipal, type Principal } from './principal.ts'
import type { Requester } from './requester.ts'
import { RightsBook } from './rights.ts'
import { TokenBook } from './token-book.ts'
import { looksLikeToken } from './token-format.ts'
import { VisibilityBook } from './visible.ts'

/**
 * Where something is to be done. `ownedBy` asks as if another project owned the repository: what the caller would meet if the one that does were
 * not there.
 */
export type Place =
  | 'system'
  | { readonly project: string }
  | { readonly repository: RepositoryName; readonly ownedBy?: ProjectFacts | undefined }

/** Judges who sends a request, and says what they may do and see. Made once at the start. */
export interface Access {
  /**
   * Who sent the request; an anonymous principal when it shows no credential. Throws UNAUTHORIZED for a wrong one, ADDRESS_DENIED, TOOMANYREQUESTS,
   * and UNAVAILABLE when it cannot be judged now. An open registry looks at no credential.
   */
  authenticate(requester: Requester): Promise<Principal>
  /** False for a project that is not there. */
  may(principal: Principal, permission: Permission, place: Place): Promise<boolean>
  /** What the principal sees in lists. */
  visibility(principal: Principal, permission: Permission): Promise<Visibility>
  /** The repository by its present name (former names of projects and repositories are followed) and the project it belongs to. */
  locate(repository: RepositoryName): Promise<Location>
  /** The project of that name, by its present or a former one. `above`: what owns the name, or would if no project were called so. */
  project(name: string, which?: 'above'): Promise<ProjectFacts | undefined>
  /** The values of WWW-Authenticate for a 401; none where nobody is asked. */
  challenge(context: ChallengeContext): readonly string[]
}

/** What access is made from. `epoch` comes with the directory's metadata from {@link watchAccess}; `service` names this registry in bearer tokens. */
export interface AccessParts extends SignInHooks {
  readonly directory: Directory
  readonly epoch: AccessEpoch
  readonly service?: string | undefined
}

/** Reads nothing until it is asked. */
export function createAccess(config: AuthConfig, parts: AccessParts): Access {
  const { metadata, ports } = parts.directory
  const { reader } = metadata
  const rights = new RightsBook(reader, parts.epoch)
  const projects = new ProjectMap(reader, parts.epoch)
  const visible = new VisibilityBook(reader, parts.epoch)
  const authenticate = config.kind === 'open' ? authenticateNobody : signInOf(parts, rights)
  return {
    authenticate,
    async may(principal, permission, place) {
      const target = await targetOf(projects, place)
      return target !== undefined && decide(principal.rights, permission, target, ports.clock.now())
    },
    visibility: ({ rights: held }, permission) => visible.of(held, permission, ports.clock.now()),
    locate: (repository) => projects.locate(repository),
    project: (name, which) => (which === 'above' ? projects.above(name) : projects.project(name)),
    challenge: (context) => challengesOf(config, parts.service ?? '', context),
  }
}

/** The rights of somebody without the bounds of the credential they came with. */
export function unbounded(principal: Principal): Principal {
  const { isAdministrator, rights } = principal.rights
  const whole: Rights = { isAdministrator, rights }
  return { ...principal, rights: whole }
}

async function targetOf(projects: ProjectMap, place: Place): Promise<Target | undefined> {
  if (place === 'system') return { kind: 'system' }
  if ('project' in place) {
    const project = await projects.project(place.project)
    return project && { kind: 'project', project }
  }
  if (place.ownedBy !== undefined) return { kind: 'repository', project: place.ownedBy, repository: place.repository }
  return { kind: 'repository', ...(await projects.locate(place.repository)) }
}

function authenticateNobody({ isRegistryRequest }: Requester): Promise<Principal> {
  return Promise.resolve(anonymousPrincipal(isRegistryRequest === true ? openRights : openLookingRights))
}

/** All that knows credentials. */
interface SignIn {
  readonly accounts: AccountBook
  readonly tokens: TokenBook
  readonly passwords: PasswordSignIn
  readonly bearer: BearerParts
  readonly hooks: SignInHooks
}

function signInOf(parts: AccessParts, rights: RightsBook): Access['authenticate'] {
  const { directory, epoch } = parts
  const { metadata, ports, log } = directory
  const { reader } = metadata
  const accounts = new AccountBook(reader, epoch, rights, parts.keepFresh)
  const uses = new CredentialUses({ metadata, ports, log })
  const backOff = new BackOff(metadata, ports.clock)
  const signIn: SignIn = {
    accounts,
    tokens: new TokenBook({ accounts, uses, clock: ports.clock, hooks: parts, epoch }),
    passwords: new PasswordSignIn({ accounts, backOff, uses, hooks: parts, epoch, reader, away: metadata.away, ports, log }),
    bearer: { accounts, hooks: parts, reader, clock: ports.clock },
    hooks: parts,
  }
  return (requester) => principalOf(signIn, requester, ports.clock.now())
}

async function principalOf(signIn: SignIn, requester: Requester, now: number): Promise<Principal> {
  const { authorization, session, certificate } = requester
  if (authorization !== undefined) return await byHeader(signIn, requester, authorization)
  if (session !== undefined) {
    const principal = await bySession(signIn, session, requester)
    if (principal !== undefined) return principal
  }
  if (certificate !== undefined) {
    const principal = await byCertificate(signIn, requester, now)
    if (principal !== undefined) return principal
  }
  return await signIn.accounts.anonymous()
}

const bearerHeader = /^bearer +([A-Za-z0-9._~+/=-]+) *$/i
/** Three parts of base64url, the first of which begins like `{"`: what no person types. */
const jwt = /^eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/

async function byHeader(signIn: SignIn, requester: Requester, header: string): Promise<Principal> {
  const token = bearerHeader.exec(header)?.[1]
  if (token !== undefined) {
    if (looksLikeToken(token)) return await signIn.tokens.authenticate(token, '', requester)
    return await authenticateBearer(signIn.bearer, token, requester)
  }
  const credential = parseBasicCredential(header)
  if (credential === undefined) throw new RegistryError('UNAUTHORIZED')
  const { name, password } = credential
  if (looksLikeToken(password)) return await signIn.tokens.authenticate(password, name, requester)
  if (jwt.test(password)) return await byWorkload(signIn, credential, requester)
  // A robot has no password, and nobody else its name.
  if (name === '' || looksLikeRobot(name)) throw new RegistryError('UNAUTHORIZED')
  return await signIn.passwords.authenticate(credential, requester)
}

async function byWorkload(
  { accounts, hooks, bearer }: SignIn,
  { name, password }: { readonly name: string; readonly password: string },
  { address }: Requester,
): Promise<Principal> {
  const now = bearer.clock.now()
  const identity = await hooks.verifyWorkload?.(password, name)
  const robot = identity === undefined || identity.expiresAt <= now ? undefined : await accounts.robot(identity.robotId)
  hooks.noteAttempt?.('workload', robot === undefined ? 'failure' : 'success')
  if (robot === undefined) throw new RegistryError('UNAUTHORIZED')
  return await accounts.robotPrincipal(robot, { credential: { kind: 'workload' } }, { now, address })
}

/** A session that is over is no credential: its browser is asked to sign in where that is needed. */
async function bySession({ accounts, hooks }: SignIn, cookie: string, { isWatching }: Requester): Promise<Principal | undefined> {
  const session = await hooks.findSession?.(cookie, { isWatching })
  const user = session === undefined ? undefined : await accounts.user({ id: session.userId })
  if (session === undefined || user === undefined || user.isDisabled) return undefined
  const principal = await accounts.personPrincipal(user, { credential: { kind: 'session', id: session.sessionId } })
  // The look at what the account comes from may just have ended its sessions.
  return (await hooks.findSession?.(cookie, { isWatching })) === undefined ? undefined : principal
}

async function byCertificate({ accounts, hooks }: SignIn, requester: Requester, now: number): Promise<Principal | undefined> {
  const owner = requester.certificate && (await hooks.findCertificateOwner?.(requester.certificate))
  if (owner === undefined) return undefined
  const entrance = { credential: { kind: 'certificate' } } as const
  if (owner.kind === 'robot') {
    const robot = await accounts.robot(owner.id)
    return robot && (await accounts.robotPrincipal(robot, entrance, { now, address: requester.address }))
  }
  const user = await accounts.user({ id: owner.id })
  return user && (await accounts.personPrincipal(user, entrance))
}
