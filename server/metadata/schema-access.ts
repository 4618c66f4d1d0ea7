/** Tables of accounts: who there is, how they prove it, and what they may. A part of `Database` of schema.ts. */
import type { Generated } from 'kysely'

/** People: local accounts, and those that an identity provider (a directory, an issuer, an htpasswd file) vouched for. */
export interface UsersTable {
  id: Generated<number>
  /** Never begins with `robot-` or `robot$`, which robots do. */
  name: string
  /** PHC string, argon2id; empty: no password of Berth's own opens this account. */
  password_hash: string
  is_admin: number
  created_at: number
  updated_at: number
  display_name: Generated<string>
  email: Generated<string>
  is_disabled: Generated<number>
  /** Counts changes, for ETags; a change ends what was remembered of the account. */
  version: Generated<number>
  last_login_at: Generated<number | null>
}

/** Where identities come from: `local` (Berth's own accounts, made by the first start), LDAP, OIDC, htpasswd files, federated workloads, client certificates. */
export interface ProvidersTable {
  id: Generated<number>
  /** Stands in URLs. */
  name: string
  kind: 'local' | 'ldap' | 'oidc' | 'workload' | 'certificate' | 'htpasswd'
  title: string
  is_enabled: number
  /** Providers are asked in this order. */
  position: number
  /** JSON object without secrets; its shape is by `kind`. */
  settings: string
  /** JSON object, sealed (access/secret-box.ts, context `provider/<id>`). */
  secrets: Buffer | null
  version: number
  created_at: number
  updated_at: number
}

/** Which account a provider's subject is: linked by (issuer, subject), never by name or e-mail. */
export interface IdentitiesTable {
  id: Generated<number>
  user_id: number
  provider_id: number
  issuer: string
  subject: string
  /** JSON object: what the provider last said (name, e-mail, DN), for people. */
  attributes: string
  /** When the provider was last asked about it (groups, still there). */
  refreshed_at: number
  created_at: number
}

/** Groups of people: local ones, and those of a provider under the name it knows them by. */
export interface GroupsTable {
  id: Generated<number>
  name: string
  provider_id: number | null
  /** Lower-cased DN, or the value of the groups claim. */
  external_name: string | null
  description: string
  version: number
  created_at: number
  updated_at: number
}

/** Membership. Rows with a provider are replaced as a whole by what the provider says at each sight. */
export interface GroupMembersTable {
  id: Generated<number>
  group_id: number
  user_id: number
  provider_id: number | null
  created_at: number
}

/** What proves a person beyond the password. */
export interface SecondFactorsTable {
  id: Generated<number>
  user_id: number
  kind: 'totp' | 'webauthn' | 'recovery'
  name: string
  /** WebAuthn's credential id, base64url. */
  credential_id: string | null
  /** Sealed secret of TOTP, public key of WebAuthn, SHA-256 of a recovery code. */
  secret: Buffer
  /** WebAuthn's signature counter; the last time step used of TOTP. */
  counter: number
  created_at: number
  last_used_at: number | null
}

/** Wrong passwords by account and by address, for back-off. */
export interface LoginFailuresTable {
  id: Generated<number>
  /** `account:<name>` or `address:<ip>`. */
  subject: string
  failures: number
  last_at: number
  blocked_until: number
}

/** Roles that people made; the built-in ones are in api/permissions.ts. */
export interface RolesTable {
  id: Generated<number>
  name: string
  title: string
  description: string
  /** JSON array of permissions. */
  permissions: string
  version: number
  created_at: number
  updated_at: number
}

/** Accounts of programs. `project_id` null: of the whole system. */
export interface RobotsTable {
  id: Generated<number>
  /** Without prefix and project; unique in its project. */
  name: string
  project_id: number | null
  description: string
  is_disabled: number
  /** JSON array of CIDR ranges; empty: from anywhere. */
  allowed_addresses: string
  expires_at: number | null
  last_used_at: number | null
  created_by: string
  version: number
  created_at: number
  updated_at: number
}

/** Who has which role where. Neither project nor repositories: on everything. */
export interface GrantsTable {
  id: Generated<number>
  subject_kind: 'user' | 'group' | 'robot' | 'everyone' | 'signed-in'
  user_id: number | null
  group_id: number | null
  robot_id: number | null
  /** A built-in role or one of `roles`, by name. */
  role: string
  /** On this project and those below it. */
  project_id: number | null
  /** Glob of repository names (repository-glob.ts); with a project it narrows the grant to repositories of that project. */
  repositories: string | null
  expires_at: number | null
  created_by: string
  created_at: number
  version: number
}

/** Secrets of high entropy, by SHA-256. */
export interface TokensTable {
  id: Generated<number>
  kind: 'personal' | 'robot' | 'refresh'
  hash: Buffer
  /** The first characters, by which its owner knows it. */
  hint: string
  user_id: number | null
  robot_id: number | null
  name: string
  /** JSON array of scopes that narrow it; null: all that its owner may. */
  scopes: string | null
  /** Docker's `client_id` and service for refresh tokens; else empty. */
  client: string
  expires_at: number | null
  last_used_at: number | null
  created_by: string
  created_at: number
  /** The token that made it and with which it ends; null: none did. */
  parent_id: Generated<number | null>
}

/** Sessions of browsers, by SHA-256 of the cookie. */
export interface SessionsTable {
  id: Generated<number>
  hash: Buffer
  /** Null until it is known who it is. */
  user_id: number | null
  provider_id: number | null
  /** `active`, or what is still missing. */
  state: 'active' | 'second-factor' | 'redirected' | 'name' | 'terminal'
  /** JSON object: what a sign-in under way must remember (nonce, PKCE verifier, challenge); sealed where it is secret. */
  data: string
  address: string
  user_agent: string
  /** Until then destructive administration needs no further second factor. */
  elevated_until: number
  expires_at: number
  last_seen_at: number
  created_at: number
}

/** Keys that sign Berth's own bearer tokens. */
export interface SigningKeysTable {
  id: Generated<number>
  /** RFC 7638 thumbprint. */
  key_id: string
  algorithm: string
  /** JWK as JSON. */
  public_key: string
  /** JWK as JSON, sealed (context `signing-key/<key_id>`). */
  private_key: Buffer
  created_at: number
  /** From then on it signs nothing; it verifies until the last token it signed has ended. */
  retired_at: number | null
}

/** Which tokens of a workload provider may act as a robot. */
export interface RobotTrustsTable {
  id: Generated<number>
  robot_id: number
  provider_id: number
  audience: string
  /** JSON object: claim → pattern. */
  claims: string
  description: string
  created_at: number
}
