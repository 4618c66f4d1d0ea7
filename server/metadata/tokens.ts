/** Queries on `tokens`: personal access tokens, secrets of robots, refresh tokens; by hash, never by what was hashed. */
import { sql } from 'kysely'
import type { Reader, Transactor } from './metadata.ts'
import { paged, pageFrom, type Page, type PageRequest } from './page.ts'
import { prepare } from './prepared.ts'
import type { TokensTable } from './schema-access.ts'

export type TokenKind = TokensTable['kind']

/** What a request that brings the secret needs to know. Instants are milliseconds. */
export interface TokenRow {
  readonly id: number
  readonly kind: TokenKind
  readonly userId: number | null
  readonly robotId: number | null
  /** JSON, see access/token-scopes.ts. */
  readonly scopes: string | null
  readonly client: string
  readonly expiresAt: number | null
  readonly lastUsedAt: number | null
}

/** A refresh token ends when it was not used for so long: each use moves its end. */
export const refreshIdleMs = 90 * 86_400_000

/** A refresh token of before such ends were written has one too, from when it was used or made. */
const end = sql<number | null>`case when kind = 'refresh' and expires_at is null
  then coalesce(last_used_at, created_at) + ${sql.lit(refreshIdleMs)} else expires_at end`.as('expiresAt')

const byHash = prepare<{ hash: Buffer }, TokenRow>((db, param) =>
  db
    .selectFrom('tokens')
    .select(['id', 'kind', 'user_id as userId', 'robot_id as robotId', 'scopes', 'client', end, 'last_used_at as lastUsedAt'])
    .where('hash', '=', param('hash')),
)

/** Undefined when there is none. */
export async function findTokenByHash(reader: Reader, hash: Buffer): Promise<TokenRow | undefined> {
  const [row] = await byHash(reader, { hash })
  return row
}

const byId = prepare<{ id: number }, { readonly expiresAt: number | null }>((db, param) =>
  db.selectFrom('tokens').select(end).where('id', '=', param('id')),
)

/** When the token ends; undefined when it is gone. */
export async function findTokenEnd(reader: Reader, id: number): Promise<{ readonly expiresAt: number | null } | undefined> {
  const [row] = await byId(reader, { id })
  return row
}

/** A token as its owner sees it. */
export interface TokenRecord {
  readonly id: number
  readonly kind: TokenKind
  readonly hint: string
  readonly name: string
  readonly scopes: string | null
  readonly client: string
  readonly expiresAt: number | null
  readonly lastUsedAt: number | null
  readonly createdBy: string
  readonly createdAt: number
  /** Id of the token that it was made with; null: none. */
  readonly parentId: number | null
}

const recordColumns = [
  'id',
  'kind',
  'hint',
  'name',
  'scopes',
  'client',
  end,
  'last_used_at as lastUsedAt',
  'created_by as createdBy',
  'created_at as createdAt',
  'parent_id as parentId',
] as const

/** Whose tokens: a person's or a robot's. */
export type TokenOwner = { readonly userId: number } | { readonly robotId: number }

const ownerColumn = (owner: TokenOwner) =>
  'userId' in owner ? (['user_id', owner.userId] as const) : (['robot_id', owner.robotId] as const)

/** A page of somebody's tokens, oldest first unless asked otherwise. `within`: only this token and those that it made. */
export async function listTokenRecords(
  reader: Reader,
  filter: { readonly owner: TokenOwner; readonly kind?: TokenKind | undefined; readonly within?: number | undefined },
  page: PageRequest<'createdAt'>,
): Promise<Page<TokenRecord>> {
  const [column, id] = ownerColumn(filter.owner)
  let query = reader.selectFrom('tokens').select(recordColumns).where(column, '=', id)
  if (filter.kind !== undefined) query = query.where('kind', '=', filter.kind)
  const { within } = filter
  if (within !== undefined) query = query.where((eb) => eb.or([eb('id', '=', within), eb('parent_id', '=', within)]))
  return pageFrom(await paged(query, page, { column: 'created_at', id: 'id' }).execute(), page, ({ createdAt }) => createdAt)
}

/** One of somebody's tokens; undefined when there is none of that id, or it is another's. */
export async function findTokenRecord(reader: Reader | Transactor, owner: TokenOwner, id: number): Promise<TokenRecord | undefined> {
  const [column, ownerId] = ownerColumn(owner)
  return await reader.selectFrom('tokens').select(recordColumns).where('id', '=', id).where(column, '=', ownerId).executeTakeFirst()
}

/** How many tokens of a kind somebody has. */
export async function countTokens(tx: Reader | Transactor, owner: TokenOwner, kind: TokenKind): Promise<number> {
  const [column, id] = ownerColumn(owner)
  const { count } = await tx
    .selectFrom('tokens')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where(column, '=', id)
    .where('kind', '=', kind)
    .executeTakeFirstOrThrow()
  return Number(count)
}

/** What a token begins with. */
export interface TokenInput {
  readonly owner: TokenOwner
  readonly kind: TokenKind
  readonly hash: Buffer
  readonly hint: string
  readonly name: string
  readonly scopes: string | null
  readonly client: string
  readonly expiresAt: number | null
  readonly createdBy: string
  readonly at: number
  readonly parentId?: number | undefined
}

/** Adds a token and gives its id. */
export async function insertToken(tx: Transactor, token: TokenInput): Promise<number> {
  const { id } = await tx
    .insertInto('tokens')
    .values({
      kind: token.kind,
      // A Uint8Array is what is left of a Buffer that came through a message to the writer thread.
      hash: Buffer.from(token.hash),
      hint: token.hint,
      user_id: 'userId' in token.owner ? token.owner.userId : null,
      robot_id: 'robotId' in token.owner ? token.owner.robotId : null,
      name: token.name,
      scopes: token.scopes,
      client: token.client,
      expires_at: token.expiresAt,
      last_used_at: null,
      created_by: token.createdBy,
      created_at: token.at,
      parent_id: token.parentId ?? null,
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  return id
}

/** The tokens that one of somebody's made, the tokens that those made, and so on. */
export async function tokensMadeBy(tx: Transactor, owner: TokenOwner, id: number): Promise<readonly TokenRecord[]> {
  const [column, ownerId] = ownerColumn(owner)
  const found: TokenRecord[] = []
  let makers = [id]
  while (makers.length > 0) {
    const made = await tx.selectFrom('tokens').select(recordColumns).where(column, '=', ownerId).where('parent_id', 'in', makers).execute()
    found.push(...made)
    makers = made.map((token) => token.id)
  }
  return found
}

/** True if there was one. */
export async function deleteToken(tx: Transactor, id: number): Promise<boolean> {
  const { numDeletedRows } = await tx.deleteFrom('tokens').where('id', '=', id).executeTakeFirst()
  return numDeletedRows > 0n
}

/** How many refresh tokens a person has of a client. */
export async function countRefreshTokens(
  reader: Reader,
  { userId, client }: { readonly userId: number; readonly client: string },
): Promise<number> {
  const { count } = await reader
    .selectFrom('tokens')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('user_id', '=', userId)
    .where('kind', '=', 'refresh')
    .where('client', '=', client)
    .executeTakeFirstOrThrow()
  return Number(count)
}

/** Leaves the `keep` refresh tokens of a person and client that were used (or made) last. */
export async function trimRefreshTokens(
  tx: Transactor,
  { userId, client, keep }: { readonly userId: number; readonly client: string; readonly keep: number },
): Promise<void> {
  await tx
    .deleteFrom('tokens')
    .where('user_id', '=', userId)
    .where('kind', '=', 'refresh')
    .where('client', '=', client)
    .where('id', 'not in', (db) =>
      db
        .selectFrom('tokens')
        .select('id')
        .where('user_id', '=', userId)
        .where('kind', '=', 'refresh')
        .where('client', '=', client)
        .orderBy((eb) => eb.fn.coalesce('last_used_at', 'created_at'), 'desc')
        .orderBy('id', 'desc')
        .limit(keep),
    )
    .execute()
}

/** Deletes up to `limit` tokens that ended before `at`, and says how many. */
export async function deleteTokensEndedBefore(
  tx: Transactor,
  { at, limit }: { readonly at: number; readonly limit: number },
): Promise<number> {
  const { numDeletedRows } = await tx
    .deleteFrom('tokens')
    .where('id', 'in', (db) => db.selectFrom('tokens').select('id').where('expires_at', '<', at).limit(limit))
    .executeTakeFirst()
  return Number(numDeletedRows)
}
