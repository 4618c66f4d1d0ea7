/** Whether a provider still knows somebody: kept in what an identity remembers, as `gone`. */
import { sql } from 'kysely'
import type { Reader, Transactor } from './metadata.ts'
import { prepare } from './prepared.ts'

/** An identity, as far as looking again at the person needs it. */
export interface IdentityPresence {
  readonly id: number
  readonly userId: number
  readonly providerId: number
  readonly issuer: string
  readonly subject: string
  /** Milliseconds since the epoch. */
  readonly refreshedAt: number
  /** The provider knew nobody of this subject when it was last asked; the account is disabled for that. */
  readonly isGone: boolean
  /** Of an htpasswd file: which entry it was last seen with (see {@link setEntry}). */
  readonly entry: string | undefined
}

interface Row {
  readonly id: number
  readonly user_id: number
  readonly provider_id: number
  readonly issuer: string
  readonly subject: string
  readonly attributes: string
  readonly refreshed_at: number
}

const columns = ['id', 'user_id', 'provider_id', 'issuer', 'subject', 'attributes', 'refreshed_at'] as const
const ofUser = prepare<{ userId: number }, Row>((db, param) =>
  db.selectFrom('identities').select(columns).where('user_id', '=', param('userId')).orderBy('id'),
)
const ofSubject = prepare<{ providerId: number; issuer: string; subject: string }, Row>((db, param) =>
  db
    .selectFrom('identities')
    .select(columns)
    .where('provider_id', '=', param('providerId'))
    .where('issuer', '=', param('issuer'))
    .where('subject', '=', param('subject')),
)

function presenceOf(row: Row): IdentityPresence {
  return {
    id: row.id,
    userId: row.user_id,
    providerId: row.provider_id,
    issuer: row.issuer,
    subject: row.subject,
    refreshedAt: row.refreshed_at,
    isGone: isGone(row.attributes),
    entry: entryOf(row.attributes),
  }
}

function entryOf(attributes: string): string | undefined {
  const { other } = JSON.parse(attributes) as { readonly other?: { readonly entry?: unknown } }
  return typeof other?.entry === 'string' ? other.entry : undefined
}

function isGone(attributes: string): boolean {
  return (JSON.parse(attributes) as { readonly gone?: unknown }).gone === true
}

/** Of all providers. */
export async function presencesOfUser(reader: Reader, userId: number): Promise<readonly IdentityPresence[]> {
  return (await ofUser(reader, { userId })).map(presenceOf)
}

/** Undefined: nobody here is that subject. */
export async function presenceOfSubject(
  reader: Reader,
  key: { readonly providerId: number; readonly issuer: string; readonly subject: string },
): Promise<IdentityPresence | undefined> {
  const [row] = await ofSubject(reader, { providerId: key.providerId, issuer: key.issuer, subject: key.subject })
  return row && presenceOf(row)
}

/** Notes that the person is gone from the provider, or there again; disables or enables the account for it. Undefined when nothing changed. */
export async function setPresence(
  tx: Transactor,
  change: { readonly identityId: number; readonly isGone: boolean; readonly at: number },
): Promise<{ readonly userId: number; readonly name: string } | undefined> {
  const row = await tx
    .selectFrom('identities')
    .innerJoin('users', 'users.id', 'identities.user_id')
    .select(['identities.attributes', 'users.id', 'users.name', 'users.is_disabled'])
    .where('identities.id', '=', change.identityId)
    .executeTakeFirst()
  if (row === undefined || isGone(row.attributes) === change.isGone) return undefined
  const { gone: _gone, wasDisabled, ...said } = JSON.parse(row.attributes) as Readonly<Record<string, unknown>>
  // An account that a person disabled stays so when the provider knows it again.
  const attributes = change.isGone ? { ...said, gone: true, ...(row.is_disabled === 1 ? { wasDisabled: true } : {}) } : said
  await tx
    .updateTable('identities')
    .set({ attributes: JSON.stringify(attributes), refreshed_at: change.at })
    .where('id', '=', change.identityId)
    .execute()
  const isDisabled = change.isGone || wasDisabled === true ? 1 : 0
  if (isDisabled === row.is_disabled) return undefined
  await tx
    .updateTable('users')
    .set({ is_disabled: isDisabled, version: sql<number>`version + 1`, updated_at: change.at })
    .where('id', '=', row.id)
    .execute()
  return { userId: row.id, name: row.name }
}

/** As it is within a transaction; undefined when the identity is no more. */
export async function presenceById(tx: Transactor, id: number): Promise<IdentityPresence | undefined> {
  const row = await tx.selectFrom('identities').select(columns).where('id', '=', id).executeTakeFirst()
  return row && presenceOf(row)
}

/** Of everybody whom a provider vouches for, a page at a time, by id. */
export async function presencesOfProvider(
  reader: Reader | Transactor,
  { providerId, afterId, limit }: { readonly providerId: number; readonly afterId: number; readonly limit: number },
): Promise<readonly IdentityPresence[]> {
  const query = reader.selectFrom('identities').select(columns).where('provider_id', '=', providerId).where('id', '>', afterId)
  return (await query.orderBy('id').limit(limit).execute()).map(presenceOf)
}

/** Notes by which entry (a digest of its hash) of an htpasswd file somebody was seen, so that another one shows. */
export async function setEntry(
  tx: Transactor,
  change: { readonly identityId: number; readonly entry: string; readonly at: number },
): Promise<void> {
  const row = await tx.selectFrom('identities').select('attributes').where('id', '=', change.identityId).executeTakeFirst()
  if (row === undefined) return
  const said = JSON.parse(row.attributes) as { readonly other?: Readonly<Record<string, unknown>> }
  const attributes = JSON.stringify({ ...said, other: { ...said.other, entry: change.entry } })
  await tx.updateTable('identities').set({ attributes, refreshed_at: change.at }).where('id', '=', change.identityId).execute()
}

/** Whether the account has a password of its own, or another provider vouches for it. */
export async function isKnownOtherwise(
  tx: Transactor,
  { userId, providerId }: { readonly userId: number; readonly providerId: number },
): Promise<boolean> {
  const own = await tx.selectFrom('users').select('id').where('id', '=', userId).where('password_hash', '<>', '').executeTakeFirst()
  if (own !== undefined) return true
  const query = tx.selectFrom('identities').select('id').where('user_id', '=', userId).where('provider_id', '<>', providerId)
  return (await query.limit(1).executeTakeFirst()) !== undefined
}
