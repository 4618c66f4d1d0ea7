/**
 * Who asks, and what they may.
 *
 * The problem: a registry:2 file says that anyone may do anything, or names an htpasswd file whose users may; without a file Berth guards itself by
 * an account of its own; and a password costs a core tens of milliseconds to check. The way: {@link Access} is made once from {@link AuthConfig};
 * each kind supplies the stored hash of a name and its check, remembered-credentials.ts spares repeated ones. To add a kind of authentication, add it
 * to AuthConfig and a {@link PasswordSource} here; rights beyond all or nothing go into {@link Principal.grants}.
 */
import type { AuthConfig } from '#config/config.ts'
import type { Logger } from '#lib/logger.ts'
import type { Ports } from '#lib/ports.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { findUser } from '#metadata/users.ts'
import type { Visibility } from '#metadata/visibility.ts'
import { RegistryError } from '#oci/errors.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { basicChallenge, parseBasicCredential } from './basic-credential.ts'
import { loadBcrypt } from './bcrypt.ts'
import { HtpasswdFile } from './htpasswd-file.ts'
import { unmatchablePasswordHash, verifyPassword } from './password.ts'
import { openPrincipal, type Principal } from './principal.ts'
import { RememberedCredentials } from './remembered-credentials.ts'

/** What may be asked for; `base` is GET /v2/. */
export type AccessAction = 'pull' | 'push' | 'delete' | 'catalog' | 'base'

/** Judges each request's Authorization header, and says what its principal may do and see. Made once at the start. */
export interface Access {
  /**
   * Who sent this Authorization header. Throws UNAUTHORIZED without one (unless the registry is open) and with a wrong one, TOOMANYREQUESTS and
   * UNAVAILABLE when it cannot be judged now. An open registry looks at no header.
   */
  authenticate(authorization: string | undefined): Promise<Principal>
  may(principal: Principal, action: AccessAction, repository?: RepositoryName): boolean
  /** What the principal sees in lists. */
  visibility(principal: Principal): Visibility
  /** The value of WWW-Authenticate for a 401; undefined where nobody is asked. */
  readonly challenge: string | undefined
}

/** What every kind of authentication is made from; `metadata` is asked for accounts only. */
export interface AccessParts {
  readonly metadata: Metadata
  readonly ports: Ports
  readonly log: Logger
}

/** The stored hash of a name (or one that no password fits, which costs the same), and how it is checked. */
interface PasswordSource {
  find(name: string): Promise<{ readonly hash: string; readonly grants: Principal['grants'] | undefined }>
  verify(password: string, hash: string): Promise<boolean>
}

/** For `htpasswd` a missing file is made, and one that cannot be read is an error. */
export async function createAccess(config: AuthConfig, parts: AccessParts): Promise<Access> {
  if (config.kind === 'open') return { ...rights, authenticate: async () => openPrincipal, challenge: undefined }
  const source = config.kind === 'htpasswd' ? await htpasswdSource(config.path, parts) : accountSource(parts)
  const remembered = new RememberedCredentials(parts.ports)
  const authenticate = (authorization: string | undefined) => authenticateBasic(authorization, source, remembered)
  return { ...rights, authenticate, challenge: basicChallenge(config.realm) }
}

const rights: Pick<Access, 'may' | 'visibility'> = {
  may: (principal) => principal.grants === 'everything',
  visibility: (principal) => ({ kind: principal.grants === 'everything' ? 'everything' : 'nothing' }),
}

async function authenticateBasic(
  authorization: string | undefined,
  source: PasswordSource,
  remembered: RememberedCredentials,
): Promise<Principal> {
  const credential = authorization === undefined ? undefined : parseBasicCredential(authorization)
  if (credential === undefined) throw new RegistryError('UNAUTHORIZED')
  const { hash, grants } = await source.find(credential.name)
  const isValid = await remembered.check(credential, hash, () => source.verify(credential.password, hash))
  if (!isValid) throw new RegistryError('UNAUTHORIZED')
  return { name: credential.name, isAnonymous: false, ...(grants === undefined ? {} : { grants }) }
}

async function htpasswdSource(path: string, parts: AccessParts): Promise<PasswordSource> {
  const bcrypt = await loadBcrypt()
  const file = new HtpasswdFile(path, parts)
  await file.createIfMissing(bcrypt)
  try {
    await file.users()
  } catch (cause) {
    throw new Error(`auth.htpasswd.path: ${path} cannot be read`, { cause })
  }
  return {
    verify: (password, hash) => bcrypt.verify(password, hash),
    find: async (name) => {
      const { hashes, unmatchable } = await file.users()
      return { hash: hashes.get(name) ?? unmatchable, grants: 'everything' }
    },
  }
}

function accountSource({ metadata, ports }: AccessParts): PasswordSource {
  const unmatchable = unmatchablePasswordHash(ports.random)
  return {
    verify: verifyPassword,
    find: async (name) => {
      const user = await findUser(metadata.reader, name)
      return { hash: user?.passwordHash ?? unmatchable, grants: user?.isAdmin === true ? 'everything' : undefined }
    },
  }
}
