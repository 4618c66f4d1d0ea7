/** Queries on `providers` for those who administer them; what signing in reads is in provider-facts.ts. */
import { sql } from 'kysely'
import type { Reader, Transactor } from './metadata.ts'
import type { ProvidersTable } from './schema-access.ts'

/** A provider as its administrators see it. Instants are in milliseconds. */
export interface ProviderRecord {
  readonly id: number
  readonly name: string
  readonly kind: ProvidersTable['kind']
  readonly title: string
  readonly isEnabled: boolean
  readonly position: number
  /** Complete for its kind, without secrets. */
  readonly settings: Readonly<Record<string, unknown>>
  /** Sealed JSON object. */
  readonly secrets: Buffer | null
  readonly version: number
  readonly createdAt: number
  readonly updatedAt: number
}

function selectProviders(reader: Reader | Transactor) {
  return reader
    .selectFrom('providers')
    .select(['id', 'name', 'kind', 'title', 'is_enabled', 'position', 'settings', 'secrets', 'version', 'created_at', 'updated_at'])
}

type Row = Awaited<ReturnType<ReturnType<typeof selectProviders>['executeTakeFirstOrThrow']>>

function recordOf(row: Row): ProviderRecord {
  const { is_enabled, created_at: createdAt, updated_at: updatedAt, ...rest } = row
  return { ...rest, isEnabled: is_enabled === 1, createdAt, updatedAt, settings: JSON.parse(row.settings) as ProviderRecord['settings'] }
}

/** All of them in their order: access/providers.ts bounds how many there are. */
export async function listProviderRecords(reader: Reader | Transactor): Promise<readonly ProviderRecord[]> {
  return (await selectProviders(reader).orderBy('position').orderBy('id').execute()).map(recordOf)
}

/** Undefined when there is none of that name. */
export async function providerRecord(reader: Reader | Transactor, name: string): Promise<ProviderRecord | undefined> {
  const row = await selectProviders(reader).where('name', '=', name).executeTakeFirst()
  return row && recordOf(row)
}

/** What a provider begins with. */
export interface ProviderInput {
  readonly name: string
  readonly kind: ProvidersTable['kind']
  readonly title: string
  readonly isEnabled: boolean
  readonly settings: unknown
  readonly at: number
}

/** Adds a provider behind all others; `'exists'` when the name is taken. */
export async function insertProvider(tx: Transactor, input: ProviderInput): Promise<number | 'exists'> {
  const { last } = await tx
    .selectFrom('providers')
    .select((eb) => eb.fn.coalesce(eb.fn.max('position'), sql<number>`0`).as('last'))
    .executeTakeFirstOrThrow()
  const row = await tx
    .insertInto('providers')
    .values({
      name: input.name,
      kind: input.kind,
      title: input.title,
      is_enabled: input.isEnabled ? 1 : 0,
      position: Number(last) + 1,
      settings: JSON.stringify(input.settings),
      secrets: null,
      version: 1,
      created_at: input.at,
      updated_at: input.at,
    })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .returning('id')
    .executeTakeFirst()
  return row?.id ?? 'exists'
}

/** Sets the sealed secrets of a provider that was just added, and switches it on if it is to be: no change of its own. */
export async function completeProvider(
  tx: Transactor,
  input: { readonly id: number; readonly secrets: Uint8Array; readonly isEnabled: boolean },
): Promise<void> {
  await tx
    .updateTable('providers')
    .set({ secrets: Buffer.from(input.secrets), is_enabled: input.isEnabled ? 1 : 0 })
    .where('id', '=', input.id)
    .execute()
}

/** What of a provider can be changed; its name and kind cannot, for URLs and identities hold them. */
export interface ProviderChanges {
  readonly title?: string | undefined
  readonly isEnabled?: boolean | undefined
  readonly settings?: unknown
  /** Null: none any more. */
  readonly secrets?: Uint8Array | null | undefined
}

/** Changes what is said and raises the version. */
export async function updateProviderRow(
  tx: Transactor,
  change: { readonly id: number; readonly set: ProviderChanges; readonly at: number },
): Promise<void> {
  const { title, isEnabled, settings, secrets } = change.set
  await tx
    .updateTable('providers')
    .set({
      version: sql<number>`version + 1`,
      updated_at: change.at,
      ...(title === undefined ? {} : { title }),
      ...(isEnabled === undefined ? {} : { is_enabled: isEnabled ? 1 : 0 }),
      ...(settings === undefined ? {} : { settings: JSON.stringify(settings) }),
      ...(secrets === undefined ? {} : { secrets: secrets === null ? null : Buffer.from(secrets) }),
    })
    .where('id', '=', change.id)
    .execute()
}

/** Numbers the providers anew, in the order of the ids. Versions stay: the order is nobody's own. */
export async function orderProviders(tx: Transactor, ids: readonly number[]): Promise<void> {
  for (const [index, id] of ids.entries()) {
    await tx
      .updateTable('providers')
      .set({ position: index + 1 })
      .where('id', '=', id)
      .execute()
  }
}

/** Removes the provider with its identities, its groups (with what was granted to them), the trusts of robots in it and its sessions. */
export async function deleteProviderRow(tx: Transactor, id: number): Promise<void> {
  await tx.deleteFrom('providers').where('id', '=', id).execute()
}

/** Ends sessions that began at the provider. */
export async function endSessionsOfProvider(tx: Transactor, id: number): Promise<void> {
  await tx.deleteFrom('sessions').where('provider_id', '=', id).execute()
}

/** What goes with a provider. */
export interface ProviderDependents {
  readonly accounts: number
  /** Trusts of robots in its tokens. */
  readonly trusts: number
  /** Of its groups. */
  readonly grants: number
}

/** Counts them. */
export async function providerDependents(reader: Reader | Transactor, id: number): Promise<ProviderDependents> {
  const counted = async (table: 'identities' | 'robot_trusts') => {
    const row = await reader
      .selectFrom(table)
      .select((eb) => eb.fn.countAll<number>().as('count'))
      .where('provider_id', '=', id)
      .executeTakeFirstOrThrow()
    return Number(row.count)
  }
  const grants = await reader
    .selectFrom('grants')
    .innerJoin('groups', 'groups.id', 'grants.group_id')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('groups.provider_id', '=', id)
    .executeTakeFirstOrThrow()
  return { accounts: await counted('identities'), trusts: await counted('robot_trusts'), grants: Number(grants.count) }
}

/** Disables the accounts that only this provider opens: without a password of their own, and known to no other. How many. */
export async function disableAccountsOnlyOf(tx: Transactor, change: { readonly providerId: number; readonly at: number }): Promise<number> {
  const { numUpdatedRows } = await tx
    .updateTable('users')
    .set({ is_disabled: 1, version: sql<number>`version + 1`, updated_at: change.at })
    .where('is_disabled', '=', 0)
    .where('password_hash', '=', '')
    .where('id', 'in', (from) => from.selectFrom('identities').select('user_id').where('provider_id', '=', change.providerId))
    .where('id', 'not in', (from) => from.selectFrom('identities').select('user_id').where('provider_id', '<>', change.providerId))
    .executeTakeFirst()
  return Number(numUpdatedRows)
}

/** Administrators that are known to the provider, with what is remembered of them (identities.ts). */
export async function administratorsOf(
  tx: Transactor,
  providerId: number,
): Promise<readonly { readonly userId: number; readonly name: string; readonly attributes: string }[]> {
  return await tx
    .selectFrom('users')
    .innerJoin('identities', 'identities.user_id', 'users.id')
    .select(['users.id as userId', 'users.name', 'identities.attributes'])
    .where('identities.provider_id', '=', providerId)
    .where('users.is_admin', '=', 1)
    .execute()
}

/** Whether an administrator could still sign in: by a password while `local` is on, or at another provider of people that is on. */
export async function hasReachableAdministrator(tx: Transactor): Promise<boolean> {
  const local = await tx
    .selectFrom('users')
    .select('users.id')
    .where('is_admin', '=', 1)
    .where('is_disabled', '=', 0)
    .where('password_hash', '<>', '')
    .where((eb) => eb.exists(eb.selectFrom('providers').select('id').where('kind', '=', 'local').where('is_enabled', '=', 1)))
    .limit(1)
    .executeTakeFirst()
  if (local !== undefined) return true
  const vouched = await tx
    .selectFrom('users')
    .innerJoin('identities', 'identities.user_id', 'users.id')
    .innerJoin('providers', 'providers.id', 'identities.provider_id')
    .select('users.id')
    .where('users.is_admin', '=', 1)
    .where('users.is_disabled', '=', 0)
    .where('providers.is_enabled', '=', 1)
    .where('providers.kind', 'in', ['ldap', 'oidc', 'certificate', 'htpasswd'])
    .limit(1)
    .executeTakeFirst()
  return vouched !== undefined
}
