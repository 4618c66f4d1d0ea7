/** Queries on `sessions`: browsers that are signed in, sign-ins under way, and codes for logins of the command line. By SHA-256 of the value, which is nowhere stored. */
import type { Reader, Transactor } from './metadata.ts'
import { prepare } from './prepared.ts'

export type SessionState = 'active' | 'second-factor' | 'redirected' | 'name' | 'terminal'

/** A session with what of its account decides whether it still holds. Instants in milliseconds. */
export interface SessionRow {
  readonly id: number
  readonly userId: number | undefined
  readonly providerId: number | undefined
  readonly state: SessionState
  /** JSON object; its shape is access/sessions.ts's. */
  readonly data: string
  readonly address: string
  readonly userAgent: string
  readonly elevatedUntil: number
  readonly expiresAt: number
  readonly lastSeenAt: number
  readonly createdAt: number
  readonly account: { readonly name: string; readonly isDisabled: boolean; readonly passwordHash: string } | undefined
}

function select(reader: Reader | Transactor) {
  return reader
    .selectFrom('sessions')
    .leftJoin('users', 'users.id', 'sessions.user_id')
    .select([
      'sessions.id',
      'sessions.user_id',
      'sessions.provider_id',
      'sessions.state',
      'sessions.data',
      'sessions.address',
      'sessions.user_agent',
      'sessions.elevated_until',
      'sessions.expires_at',
      'sessions.last_seen_at',
      'sessions.created_at',
      'users.name',
      'users.is_disabled',
      'users.password_hash',
    ])
}

type Row = Awaited<ReturnType<ReturnType<typeof select>['executeTakeFirstOrThrow']>>

function sessionRow(row: Row): SessionRow {
  const { name, is_disabled: isDisabled, password_hash: passwordHash } = row
  return {
    id: row.id,
    userId: row.user_id ?? undefined,
    providerId: row.provider_id ?? undefined,
    state: row.state,
    data: row.data,
    address: row.address,
    userAgent: row.user_agent,
    elevatedUntil: row.elevated_until,
    expiresAt: row.expires_at,
    lastSeenAt: row.last_seen_at,
    createdAt: row.created_at,
    account: name === null ? undefined : { name, isDisabled: isDisabled === 1, passwordHash: passwordHash ?? '' },
  }
}

const byHash = prepare<{ hash: Buffer }, Row>((db, param) => select(db).where('sessions.hash', '=', param('hash')))

/** Whatever its state and age: the caller judges. */
export async function findSessionByHash(reader: Reader | Transactor, hash: Buffer): Promise<SessionRow | undefined> {
  const [row] = await byHash(reader, { hash })
  return row && sessionRow(row)
}

/** Whatever its state and age. */
export async function findSessionById(reader: Reader | Transactor, id: number): Promise<SessionRow | undefined> {
  const row = await select(reader).where('sessions.id', '=', id).executeTakeFirst()
  return row && sessionRow(row)
}

/** The signed-in sessions of an account, the latest first. */
export async function activeSessionsOfUser(reader: Reader | Transactor, userId: number): Promise<readonly SessionRow[]> {
  const rows = await select(reader)
    .where('sessions.user_id', '=', userId)
    .where('sessions.state', '=', 'active')
    .orderBy('sessions.id', 'desc')
    .execute()
  return rows.map((row) => sessionRow(row))
}

/** What a session begins with. */
export interface SessionInput {
  readonly hash: Buffer
  readonly userId: number | undefined
  readonly providerId: number | undefined
  readonly state: SessionState
  readonly data: string
  readonly address: string
  readonly userAgent: string
  readonly elevatedUntil: number
  readonly expiresAt: number
  readonly at: number
}

/** Adds a session; its id. */
export async function insertSession(tx: Transactor, input: SessionInput): Promise<number> {
  const { id } = await tx
    .insertInto('sessions')
    .values({
      hash: input.hash,
      user_id: input.userId ?? null,
      provider_id: input.providerId ?? null,
      state: input.state,
      data: input.data,
      address: input.address,
      user_agent: input.userAgent,
      elevated_until: input.elevatedUntil,
      expires_at: input.expiresAt,
      last_seen_at: input.at,
      created_at: input.at,
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  return id
}

/** What may change of a session; members that are undefined stay. */
export interface SessionChange {
  readonly id: number
  readonly hash?: Buffer | undefined
  readonly state?: SessionState | undefined
  readonly data?: string | undefined
  readonly elevatedUntil?: number | undefined
  readonly expiresAt?: number | undefined
  readonly lastSeenAt?: number | undefined
}

/** Does nothing when the session is gone. Gives whether it was there. */
export async function updateSession(tx: Transactor, change: SessionChange): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('sessions')
    .set({
      hash: change.hash,
      state: change.state,
      data: change.data,
      elevated_until: change.elevatedUntil,
      expires_at: change.expiresAt,
      last_seen_at: change.lastSeenAt,
    })
    .where('id', '=', change.id)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

/** With `userId`, only a session of that account. Gives whether it was there. */
export async function deleteSession(
  tx: Transactor,
  session: { readonly id: number; readonly userId?: number | undefined },
): Promise<boolean> {
  let query = tx.deleteFrom('sessions').where('id', '=', session.id)
  if (session.userId !== undefined) query = query.where('user_id', '=', session.userId)
  return (await query.executeTakeFirst()).numDeletedRows > 0n
}

/** Ends every session of the account but one; how many they were. */
export async function deleteSessionsOfUser(
  tx: Transactor,
  sessions: { readonly userId: number; readonly exceptId?: number | undefined; readonly providerId?: number | undefined },
): Promise<number> {
  let query = tx.deleteFrom('sessions').where('user_id', '=', sessions.userId)
  if (sessions.exceptId !== undefined) query = query.where('id', '!=', sessions.exceptId)
  if (sessions.providerId !== undefined) query = query.where('provider_id', '=', sessions.providerId)
  return Number((await query.executeTakeFirst()).numDeletedRows)
}

/** Keeps the newest `keep` sessions of an account. */
export async function deleteOldestSessions(tx: Transactor, sessions: { readonly userId: number; readonly keep: number }): Promise<void> {
  const kept = await tx
    .selectFrom('sessions')
    .select('id')
    .where('user_id', '=', sessions.userId)
    .orderBy('id', 'desc')
    .offset(sessions.keep - 1)
    .limit(1)
    .executeTakeFirst()
  if (kept !== undefined) await tx.deleteFrom('sessions').where('user_id', '=', sessions.userId).where('id', '<', kept.id).execute()
}

/** Removes at most `limit` sessions whose time was over by `at`. */
export async function deleteEndedSessions(tx: Transactor, ended: { readonly at: number; readonly limit: number }): Promise<void> {
  await tx
    .deleteFrom('sessions')
    .where('id', 'in', (inner) => inner.selectFrom('sessions').select('id').where('expires_at', '<=', ended.at).limit(ended.limit))
    .execute()
}

/**
 * Sessions that a provider signed in, told to end by it: of this session id of the provider's, of this account, or both. Only those that were opened
 * by `before`. Gives the ids.
 */
export async function sessionsOfProvider(
  reader: Reader | Transactor,
  wanted: { readonly providerId: number; readonly userId: number | undefined; readonly sid: string | undefined; readonly before: number },
): Promise<readonly number[]> {
  let query = reader
    .selectFrom('sessions')
    .select(['id', 'data'])
    .where('provider_id', '=', wanted.providerId)
    .where('created_at', '<=', wanted.before)
  if (wanted.userId !== undefined) query = query.where('user_id', '=', wanted.userId)
  const rows = await query.execute()
  return rows
    .filter(({ data }) => wanted.sid === undefined || (JSON.parse(data) as { sid?: unknown }).sid === wanted.sid)
    .map(({ id }) => id)
}

/** Notes on the account when somebody signed in. */
export async function noteSignIn(tx: Transactor, { userId, at }: { readonly userId: number; readonly at: number }): Promise<void> {
  await tx.updateTable('users').set({ last_login_at: at }).where('id', '=', userId).execute()
}
