/** What sign-in reads of accounts: people by name and by id, robots by id. */
import type { Reader } from './metadata.ts'
import { prepare } from './prepared.ts'

/** A person's account, as far as signing in needs it. */
export interface UserFacts {
  readonly id: number
  readonly name: string
  /** PHC string; empty: no password of Berth's own opens this account. */
  readonly passwordHash: string
  readonly isAdmin: boolean
  /** By itself, or because nothing opens it but providers that are switched off. */
  readonly isDisabled: boolean
  readonly version: number
  /** Its password alone opens nothing. */
  readonly hasSecondFactor: boolean
}

/** A robot's account. */
export interface RobotFacts {
  readonly id: number
  /** Without prefix and project. */
  readonly name: string
  /** Undefined: of the whole system. */
  readonly projectName: string | undefined
  readonly isDisabled: boolean
  /** CIDR ranges; empty: from anywhere. */
  readonly allowedAddresses: readonly string[]
  /** Milliseconds since the epoch; undefined: without end. */
  readonly expiresAt: number | undefined
  readonly version: number
}

interface UserRow {
  readonly id: number
  readonly name: string
  readonly password_hash: string
  readonly is_admin: number
  readonly is_disabled: number
  readonly version: number
  readonly factor: number | null
  readonly open_provider: number | null
}

const userColumns = ['id', 'name', 'password_hash', 'is_admin', 'is_disabled', 'version'] as const
/** The account, with the id of one of its second factors, and whether one of the providers that vouch for it is switched on: null where none does. */
function selectUser(db: Reader) {
  return db
    .selectFrom('users')
    .select(userColumns)
    .select((expression) =>
      expression
        .selectFrom('second_factors')
        .select((inner) => inner.fn.min('second_factors.id').as('factor'))
        .whereRef('second_factors.user_id', '=', 'users.id')
        .where('second_factors.kind', 'in', ['totp', 'webauthn'])
        .as('factor'),
    )
    .select((expression) =>
      expression
        .selectFrom('identities')
        .innerJoin('providers', 'providers.id', 'identities.provider_id')
        .select((inner) => inner.fn.max('providers.is_enabled').as('open_provider'))
        .whereRef('identities.user_id', '=', 'users.id')
        .as('open_provider'),
    )
}

const userByName = prepare<{ name: string }, UserRow>((db, param) => selectUser(db).where('name', '=', param('name')))
const userById = prepare<{ id: number }, UserRow>((db, param) => selectUser(db).where('id', '=', param('id')))

/** By the exact name, upper and lower case told apart, or by id; undefined when there is none. */
export async function findUserFacts(
  reader: Reader,
  by: { readonly name: string } | { readonly id: number },
): Promise<UserFacts | undefined> {
  const [row] = 'name' in by ? await userByName(reader, by) : await userById(reader, by)
  return (
    row && {
      id: row.id,
      name: row.name,
      passwordHash: row.password_hash,
      isAdmin: row.is_admin === 1,
      isDisabled: row.is_disabled === 1 || (row.password_hash === '' && row.open_provider === 0),
      version: row.version,
      hasSecondFactor: row.factor !== null,
    }
  )
}

interface RobotRow {
  readonly id: number
  readonly name: string
  readonly project: string | null
  readonly is_disabled: number
  readonly allowed_addresses: string
  readonly expires_at: number | null
  readonly version: number
}

const robotById = prepare<{ id: number }, RobotRow>((db, param) =>
  db
    .selectFrom('robots as r')
    .leftJoin('projects as p', 'p.id', 'r.project_id')
    .select(['r.id', 'r.name', 'p.name as project', 'r.is_disabled', 'r.allowed_addresses', 'r.expires_at', 'r.version'])
    .where('r.id', '=', param('id'))
    // Robots of a project in the trash are none; names of such projects sort before all others.
    .where((eb) => eb.or([eb('r.project_id', 'is', null), eb('p.name', '>=', '0')])),
)

/** Undefined when there is no such robot. */
export async function findRobotFacts(reader: Reader, id: number): Promise<RobotFacts | undefined> {
  const [row] = await robotById(reader, { id })
  return (
    row && {
      id: row.id,
      name: row.name,
      projectName: row.project ?? undefined,
      isDisabled: row.is_disabled === 1,
      allowedAddresses: row.allowed_addresses === '' ? [] : (JSON.parse(row.allowed_addresses) as readonly string[]),
      expiresAt: row.expires_at ?? undefined,
      version: row.version,
    }
  )
}

/** A provider's subject that an account is linked with. */
export interface LinkedIdentity {
  readonly providerId: number
  readonly issuer: string
  readonly subject: string
}

const identitiesOfUser = prepare<{ userId: number }, LinkedIdentity>((db, param) =>
  db
    .selectFrom('identities')
    .select(['provider_id as providerId', 'issuer', 'subject'])
    .where('user_id', '=', param('userId'))
    .orderBy('id'),
)

/** By which providers an account may be opened. */
export async function linkedIdentities(reader: Reader, userId: number): Promise<readonly LinkedIdentity[]> {
  return await identitiesOfUser(reader, { userId })
}
