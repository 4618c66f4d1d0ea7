/**
 * Berth's own bearer tokens: JWTs that say who asks and at most what (Docker's token protocol), signed with keys of rows (signing-keys.ts).
 *
 * The problem: docker shows a token with every request, and a check of a signature costs 90 µs; a token must end with the account, the credential it was
 * given for, and its key. The way: what was verified is remembered under the token's SHA-256; what may have changed since (the key, the credential's
 * row, names of repositories) is asked of memories that the access epoch ends. Nothing that stands in a token's header is believed but the id of a key, and
 * that only as a name in our own table: `jwk`, `x5c`, `jku` and `x5u` are not read, and the algorithm is the key's.
 */
import { createHash } from 'node:crypto'
import type { TokensConfig } from '#config/config.ts'
import { ByteLru } from '#lib/lru.ts'
import type { Ports } from '#lib/ports.ts'
import { findTokenEnd } from '#metadata/tokens.ts'
import type { Reader } from '#metadata/metadata.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { allPermissions } from '#api/permissions.ts'
import type { Right } from './decide.ts'
import { rightsOfEntries, type ScopeEntry } from './docker-scope.ts'
import { EpochMemory, type AccessEpoch } from '#metadata/watch-access.ts'
import type { BearerIdentity, BearerOwner } from './hooks.ts'
import { encodePart, isSignedBy, parseJwt } from './own-jwt.ts'
import type { Principal } from './principal.ts'
import { longestLifetimeMs, type SigningKeys } from './signing-keys.ts'

/** What a token is to say. */
export interface BearerInput {
  readonly principal: Principal
  /** What it allows; undefined: all that its owner may, within what the owner's credential allows, which must then allow all. */
  readonly access: readonly ScopeEntry[] | undefined
  /** Of the account's row. */
  readonly accountVersion: number | undefined
}

/** A signed token. Instants are milliseconds, whole seconds. */
export interface IssuedBearer {
  readonly token: string
  readonly issuedAt: number
  readonly expiresAt: number
}

/** What tokens are made and checked with. `present` gives the name by which a repository is known now. */
export interface BearerParts {
  readonly keys: SigningKeys
  readonly epoch: AccessEpoch
  readonly reader: Reader
  readonly config: TokensConfig
  readonly ports: Pick<Ports, 'clock' | 'random'>
  readonly present: (name: RepositoryName) => Promise<RepositoryName>
}

interface Claims {
  readonly iss: string
  readonly sub: string
  readonly aud: string
  readonly exp: number
  readonly nbf: number
  readonly iat: number
  readonly jti: string
  readonly access: readonly ScopeEntry[]
  readonly berth: OwnClaims
}

/** What is for Berth alone. */
interface OwnClaims {
  /** `Principal.key`. */
  readonly key: string
  readonly version?: number
  /** Row in `tokens` that it was given for, and ends with. */
  readonly token?: number
  /** `access` does not bound it. */
  readonly all?: true
}

interface Verified {
  readonly keyId: string
  readonly claims: Claims
  readonly owner: BearerOwner
}

/** A longer token cannot come in a header. */
const tokenLengthMax = 48 * 1024
const rememberedTokens = 20_000
const rememberedBytes = 32 * 1024 * 1024
/** Clocks of processes differ; tokens are read by all of them. */
const leewayMs = 60_000
/** How long after its end a token is still told of: an upload may be finished with it. */
const afterlifeMs = 24 * 3_600_000

const everything: readonly Right[] = [{ permissions: new Set(allPermissions), scope: { kind: 'everything' } }]

/** Issues and verifies. One per process. */
export class BearerTokens {
  readonly #parts: BearerParts
  readonly #verified = new ByteLru<Verified & { readonly bytes: number }>({
    maximumBytes: rememberedBytes,
    maximumEntries: rememberedTokens,
    sizeOf: ({ bytes }) => bytes,
  })
  readonly #limits: EpochMemory<readonly Right[]>
  readonly #credentials: EpochMemory<{ readonly expiresAt: number | null }>

  constructor(parts: BearerParts) {
    this.#parts = parts
    this.#limits = new EpochMemory(parts.epoch, rememberedTokens)
    this.#credentials = new EpochMemory(parts.epoch, rememberedTokens)
  }

  /** Signs a token that lasts as long as `tokens.lifetime` says. */
  async issue({ principal, access, accountVersion }: BearerInput): Promise<IssuedBearer> {
    const { keys, config, ports } = this.#parts
    const signer = await keys.signer()
    const iat = Math.floor(ports.clock.now() / 1000)
    const exp = iat + Math.floor(config.lifetimeMs / 1000)
    const claims: Claims = {
      iss: config.issuer,
      sub: principal.name,
      aud: config.service,
      exp,
      nbf: iat,
      iat,
      jti: ports.random.bytes(16).toString('base64url'),
      access: access ?? [],
      berth: {
        key: principal.key,
        ...(accountVersion === undefined ? {} : { version: accountVersion }),
        ...(isOfToken(principal) ? { token: principal.credential.id } : {}),
        ...(access === undefined ? { all: true } : {}),
      } as OwnClaims,
    }
    const signed = `${encodePart({ typ: 'JWT', alg: signer.algorithm, kid: signer.keyId })}.${encodePart(claims)}`
    const signature = await signer.sign(Buffer.from(signed))
    return { token: `${signed}.${signature.toString('base64url')}`, issuedAt: iat * 1000, expiresAt: exp * 1000 }
  }

  /** Undefined for a token that is not ours, was changed, is not valid yet, ended more than a day ago, or was given for what is no more. */
  async verify(token: string): Promise<BearerIdentity | undefined> {
    if (token.length > tokenLengthMax) return undefined
    const id = createHash('sha256').update(token).digest('base64')
    const verified = this.#verified.get(id) ?? (await this.#verifyAnew(id, token))
    if (verified === undefined) return undefined
    const { claims, keyId, owner } = verified
    const now = this.#parts.ports.clock.now()
    if (claims.nbf * 1000 > now + leewayMs || claims.exp * 1000 + afterlifeMs <= now) return undefined
    if ((await this.#parts.keys.find(keyId)) === undefined || !(await this.#isCredentialThere(claims, now))) return undefined
    return {
      owner,
      limits: await this.#limitsOf(id, claims),
      issuedAt: claims.iat * 1000,
      expiresAt: claims.exp * 1000,
      accountVersion: claims.berth.version,
    }
  }

  async #verifyAnew(id: string, token: string): Promise<Verified | undefined> {
    const parsed = parseJwt(token)
    const key = parsed && (await this.#parts.keys.find(parsed.keyId))
    if (parsed === undefined || key === undefined || !isSignedBy(key, parsed)) return undefined
    const claims = parsed.claims as Claims
    const owner = this.#ownerOf(claims, key.retiredAt)
    if (owner === undefined) return undefined
    const verified = { keyId: key.keyId, claims, owner, bytes: 2 * token.length }
    this.#verified.set(id, verified)
    return verified
  }

  /** What our own keys have signed has our own form; who else it is for, and until when, is looked at all the same. */
  #ownerOf({ iss, aud, iat, nbf, exp, access, berth }: Claims, retiredAt: number | undefined): BearerOwner | undefined {
    const { issuer, service } = this.#parts.config
    if (iss !== issuer || aud !== service || typeof berth?.key !== 'string' || !Array.isArray(access)) return undefined
    if (![iat, nbf, exp].every(Number.isSafeInteger)) return undefined
    if ((exp - iat) * 1000 > longestLifetimeMs) return undefined
    if (retiredAt !== undefined && iat * 1000 > retiredAt + leewayMs) return undefined
    return ownerOfKey(berth.key)
  }

  async #isCredentialThere({ berth }: Claims, now: number): Promise<boolean> {
    const { token } = berth
    if (token === undefined) return true
    const found = await this.#credentials.get(String(token), () => findTokenEnd(this.#parts.reader, token))
    return found !== undefined && (found.expiresAt === null || found.expiresAt > now)
  }

  async #limitsOf(id: string, { access, berth }: Claims): Promise<readonly Right[]> {
    if (berth.all === true) return everything
    return (await this.#limits.get(id, () => rightsOfEntries(access, this.#parts.present))) ?? []
  }
}

/** Rows in `tokens` stand behind personal tokens, secrets of robots and (`bearer`) refresh tokens, and so behind what was given for them. */
function isOfToken({ credential: { kind, id } }: Principal): boolean {
  return (kind === 'personal' || kind === 'robot' || kind === 'bearer') && id !== undefined
}

function ownerOfKey(key: string): BearerOwner | undefined {
  if (key === '') return { kind: 'anonymous' }
  const [, kind, rest = ''] = /^(user|robot):(.+)$/s.exec(key) ?? []
  return (kind === 'user' || kind === 'robot') && /^\d{1,15}$/.test(rest) ? { kind, id: Number(rest) } : undefined
}
